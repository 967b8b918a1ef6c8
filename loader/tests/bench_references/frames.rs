//! Frames, and what becomes of their MACs.

use dsrload::bench::references::MacWords;
use dsrload::sys::bpf::{ProgramFd, test_run};
use std::net::{IpAddr, SocketAddr};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

/// `enum xdp_action`.
pub const DROP: u32 = 1;
pub const PASS: u32 = 2;
pub const TX: u32 = 3;

/// Where the IP header begins.
pub const IP: usize = 14;

/// A frame with a packet of these ends. `flags` are TCP's.
pub fn frame(from: SocketAddr, to: SocketAddr, protocol: u8, flags: u8) -> Vec<u8> {
    let mut transport = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    match protocol {
        TCP => {
            transport.extend([
                0,
                0,
                0,
                1,
                0,
                0,
                0,
                1,
                5 << 4,
                flags,
                0xff,
                0xff,
                0,
                0,
                0,
                0,
            ]);
        }
        _ => transport.extend([0, 26, 0, 0]),
    }
    transport.resize(40, 0x5a);
    let length = u16::try_from(transport.len()).expect("a short packet");
    let (ether_type, ip) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = (length + 20).to_be_bytes();
            let mut ip = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
            ip.extend(from.octets());
            ip.extend(to.octets());
            ([8, 0], ip)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = length.to_be_bytes();
            let mut ip = vec![0x60, 0, 0, 0, high, low, protocol, 64];
            ip.extend(from.octets());
            ip.extend(to.octets());
            ([0x86, 0xdd], ip)
        }
        ends => panic!("{ends:?} are of two versions"),
    };
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&macs[..], &ether_type, &ip, &transport].concat()
}

/// Bytes of the frame's IP packet.
pub fn packet_length(frame: &[u8]) -> u64 {
    u64::try_from(frame.len() - IP).expect("a short packet")
}

/// The MACs of a number of backends, all different, and ours.
pub fn backends(count: u16) -> Vec<MacWords> {
    let words = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let macs = [2, 0xbb, 1, 2, high, low, 2, 0xaa, 3, 4, 5, 6];
        let (first, rest) = macs.split_at(8);
        (
            u64::from_le_bytes(first.try_into().expect("eight")),
            u32::from_le_bytes(rest.try_into().expect("four")),
        )
    };
    (0..count).map(words).collect()
}

/// Runs the program. The frame may only change in its MACs, and only if it is
/// sent; then they have to be a backend's, whose index is the answer.
pub fn backend_of(program: &ProgramFd, frame: &[u8], backends: &[MacWords]) -> usize {
    let after = run(program, frame, TX);
    assert_eq!(after[12..], frame[12..], "all but the MACs stays");
    let low = u64::from_le_bytes(after[..8].try_into().expect("eight"));
    let high = u32::from_le_bytes(after[8..12].try_into().expect("four"));
    let found = backends.iter().position(|&words| words == (low, high));
    found.unwrap_or_else(|| panic!("no backend's: {:02x?}", &after[..12]))
}

/// Runs the program, which has to leave the frame alone.
pub fn expect(program: &ProgramFd, frame: &[u8], verdict: u32, what: &str) {
    let after = run(program, frame, verdict);
    assert_eq!(after, frame, "{what}");
}

fn run(program: &ProgramFd, frame: &[u8], verdict: u32) -> Vec<u8> {
    let mut after = vec![0; frame.len()];
    let ran = test_run(program, frame, &mut after).expect("BPF_PROG_TEST_RUN");
    assert_eq!(
        (ran.verdict, ran.len),
        (verdict, frame.len()),
        "{frame:02x?}"
    );
    after
}
