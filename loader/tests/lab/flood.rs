//! A flood of connection attempts from clients that do not exist.

use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::host::Host;
use super::{BALANCER_MAC, CLIENT_MAC};

/// Ethernet, IPv4, TCP without options.
const LENGTH: usize = 14 + 20 + 20;

/// Sends `count` SYNs from `host` to `target` through the balancer, each from
/// another address and port. The senders' network, 10.0.0.0/8, is nowhere in
/// the lab: what answers them gets lost.
pub fn syn(host: &Host, target: SocketAddrV4, count: u32) {
    let packets = host.inside(|| {
        let index = nix::net::if_::if_nametoindex("eth0").expect("the host has an eth0");
        on_interface(index)
    });
    let mut frame = template(target);
    for number in 0..count {
        // A multiplication by an odd number repeats nothing.
        let scattered = number.wrapping_mul(0x9e37_79b1);
        let [a, b, c, d] = scattered.to_be_bytes();
        frame[26..30].copy_from_slice(&[10, a, b, c]);
        frame[34..36].copy_from_slice(&[0x80 | d, a]);
        checksums(&mut frame);
        let sent = nix::unistd::write(&packets, &frame).expect("it is sent");
        assert_eq!(sent, LENGTH);
    }
}

fn template(target: SocketAddrV4) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    frame[..6].copy_from_slice(&mac(BALANCER_MAC));
    frame[6..12].copy_from_slice(&mac(CLIENT_MAC));
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    frame[30..34].copy_from_slice(&target.ip().octets());
    frame[36..38].copy_from_slice(&target.port().to_be_bytes());
    // Five words of header, SYN, a window of 65,535.
    frame[46..50].copy_from_slice(&[0x50, 0x02, 0xff, 0xff]);
    frame
}

fn mac(text: &str) -> [u8; 6] {
    let mut bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    std::array::from_fn(|_| bytes.next().and_then(Result::ok).expect("six bytes"))
}

fn checksums(frame: &mut [u8; LENGTH]) {
    frame[24..26].fill(0);
    let header = checksum(sum(&frame[14..34]));
    frame[24..26].copy_from_slice(&header);
    frame[50..52].fill(0);
    // The pseudo header: both addresses, the protocol, the length (RFC 9293).
    let tcp = checksum(sum(&frame[26..34]) + 6 + 20 + sum(&frame[34..54]));
    frame[50..52].copy_from_slice(&tcp);
}

fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

fn checksum(sum: u32) -> [u8; 2] {
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!(folded + (folded >> 16))).to_be_bytes();
    [high, low]
}

/// A socket that sends whole frames through the interface with this index.
pub fn on_interface(index: u32) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let packets = socket(AddressFamily::Packet, SockType::Raw, flags, None);
    let packets = packets.expect("a packet socket: the lab needs root");
    // SAFETY: it is a struct of integers, of which any may be 0.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET.try_into().expect("a small number");
    address.sll_ifindex = index.try_into().expect("an index of 31 bits");
    bind(&packets, &address);
    packets
}

/// Binds a packet socket.
pub fn bind(packets: &OwnedFd, address: &libc::sockaddr_ll) {
    let length = size_of_val(address).try_into().expect("a small size");
    // SAFETY: the kernel reads `length` bytes, which are `address`.
    let bound = unsafe {
        libc::bind(
            packets.as_raw_fd(),
            std::ptr::from_ref(address).cast(),
            length,
        )
    };
    assert_eq!(bound, 0, "bind: {}", std::io::Error::last_os_error());
}

/// The address of `text`, for [`syn`].
pub fn target(text: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(text.parse::<Ipv4Addr>().expect("an address"), port)
}
