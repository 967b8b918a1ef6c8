//! The algorithm that this project began with.

use crate::frames::{ACK, PASS, SYN, TCP, UDP, backend_of, backends, expect, frame};
use crate::spec;
use dsrload::bench::references::Reference;
use dsrload::sys::bpf::{BPF_ANY, map_update};
use std::net::{Ipv4Addr, SocketAddr};
use xdp_prog::abi::bench::reference::{SEED_FLOWS, SEED_FLOWS_MAX};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn vip() -> SocketAddr {
    (VIP, 80).into()
}

fn client(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    (Ipv4Addr::new(198, 18, high, low), 40_000).into()
}

#[test]
fn a_flow_stays_on_its_backend() {
    let backends = backends(100);
    let seed = Reference::seed(&spec(), VIP, &backends).expect("the program");
    let send = |flags| {
        let frame = frame(client(1), vip(), TCP, flags);
        backend_of(&seed.program, &frame, &backends)
    };
    // Any packet makes it known, and even a SYN is looked up.
    let first = send(ACK);
    for _ in 0..100 {
        assert_eq!(send(ACK), first);
        assert_eq!(send(SYN), first);
    }
}

#[test]
fn flows_go_to_all_backends_alike() {
    let backends = backends(10);
    let seed = Reference::seed(&spec(), VIP, &backends).expect("the program");
    let mut flows = [0; 10];
    for number in 0..1000 {
        let frame = frame(client(number), vip(), TCP, SYN);
        flows[backend_of(&seed.program, &frame, &backends)] += 1;
    }
    // Six standard deviations around 100.
    assert!(
        flows.iter().all(|flows| (43..=157).contains(flows)),
        "{flows:?}"
    );
}

#[test]
fn a_full_table_gives_each_packet_another_backend() {
    let backends = backends(10);
    let seed = Reference::seed(&spec(), VIP, &backends).expect("the program");
    let flows = seed.map(SEED_FLOWS).expect("the table");
    for number in 0..SEED_FLOWS_MAX {
        let key = u128::from(number).to_ne_bytes();
        map_update(flows, &key, &[0; 4], BPF_ANY).expect("room");
    }
    let frame = frame(client(1), vip(), TCP, ACK);
    let send = |_| backend_of(&seed.program, &frame, &backends);
    let mut met: Vec<usize> = (0..100).map(send).collect();
    met.sort_unstable();
    met.dedup();
    assert!(met.len() > 1, "all packets went to {met:?}");
}

#[test]
fn all_that_is_not_tcp_over_ipv4_to_the_vip_passes() {
    let seed = Reference::seed(&spec(), VIP, &backends(2)).expect("the program");
    let pass = |frame: &[u8], what| expect(&seed.program, frame, PASS, what);
    let tcp = frame(client(1), vip(), TCP, SYN);
    pass(&frame(client(1), vip(), UDP, 0), "UDP");
    pass(&frame(client(1), client(2), TCP, SYN), "another address");
    let v6 = |text: &str| text.parse().expect("an address");
    let (from, to) = (v6("[2001:db8::1]:1"), v6("[2001:db8::2]:80"));
    pass(&frame(from, to, TCP, SYN), "IPv6");
    pass(&tcp[..50], "half a TCP header");
    let with = |offset: usize, byte| {
        let mut frame = tcp.clone();
        frame[offset] = byte;
        frame
    };
    pass(&with(14, 0x46), "options");
    pass(&with(21, 1), "a later fragment");
}

#[test]
fn nobody_to_send_to_is_refused() {
    for count in [0, 4097] {
        let error = Reference::seed(&spec(), VIP, &backends(count)).expect_err("a fault");
        assert!(error.to_string().contains("1 to 4096"), "{error}");
    }
}
