//! The design of Katran.

use crate::frames::{
    ACK, DROP, PASS, SYN, TCP, UDP, backend_of, backends, expect, frame, packet_length,
};
use crate::{lookup3, spec};
use dsrload::bench::references::{MacWords, Reference, ServiceAddress, vip};
use dsrload::sys::bpf::{
    BPF_EXIST, MapFd, map_by_id, map_delete, map_lookup, map_lookup_each, map_next_key, map_update,
    map_update_each, program_info,
};
use dsrload::sys::mapping::Mapping;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use xdp_prog::abi::bench::reference::{
    CACHE_SUMS, CACHES, HASH_SEED, HASH_SEED_V6, NEW_FLOWS_PER_SECOND, REAL_SUMS, RING, RINGS,
    VIP_SUMS, VIPS, vip_flag,
};
use xdp_prog::abi::word::Word64;

const VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const SERVICES: [ServiceAddress; 4] = [
    (VIP4, 80, TCP),
    (VIP6, 80, TCP),
    (VIP4, 53, UDP),
    (VIP6, 53, UDP),
];

/// Fewer than for a measurement, which would take 130 MB for each CPU.
const CACHE_FLOWS: u32 = 1 << 12;

/// More often than a test is held up for a second in a row.
const ATTEMPTS: usize = 20;

/// The program, on one CPU: caches and counters are per CPU.
struct Subject {
    reference: Reference,
    backends: Vec<MacWords>,
    rings: Mapping<Word64>,
    cpu: usize,
}

impl Subject {
    fn load() -> Self {
        let backends = backends(10);
        let reference = Reference::katran_like(&spec(), &SERVICES, &backends, CACHE_FLOWS, 0);
        let reference = reference.expect("the program; this test needs root");
        let rings = Mapping::open(reference.map(RINGS).expect("rings"), true).expect("rings");
        Self {
            cpu: stay(),
            reference,
            backends,
            rings,
        }
    }

    /// The backend that a packet goes to.
    fn send(&self, from: SocketAddr, service: usize, flags: u8) -> usize {
        let (address, port, protocol) = SERVICES[service];
        let frame = frame(from, (address, port).into(), protocol, flags);
        backend_of(&self.reference.program, &frame, &self.backends)
    }

    /// The backend that a flow has by the ring.
    fn by_ring(&self, from: SocketAddr, service: usize) -> usize {
        let port = SERVICES[service].1;
        let ports = [from.port().to_be_bytes(), port.to_be_bytes()].concat();
        let hash = match from.ip() {
            IpAddr::V4(address) => {
                lookup3::hash(&[&address.octets()[..], &ports].concat(), HASH_SEED)
            }
            IpAddr::V6(address) => {
                let client = lookup3::hash(&address.octets(), HASH_SEED_V6);
                lookup3::hash(&[&client.to_le_bytes()[..], &ports].concat(), HASH_SEED)
            }
        };
        let number = u32::try_from(service).expect("a few");
        let place = usize::try_from(number * RING + hash % RING).expect("64 bits");
        usize::try_from(self.rings.entries()[place].get()).expect("a backend")
    }

    /// Gives all of all rings to one backend.
    fn give_rings(&self, backend: usize) {
        let backend = u64::try_from(backend).expect("64 bits");
        self.rings.entries().iter().for_each(|p| p.set(backend));
    }

    fn map(&self, name: &str) -> &MapFd {
        self.reference.map(name).expect("one of its tables")
    }

    /// The cache of this CPU.
    fn cache(&self) -> MapFd {
        let mut id = [0; 4];
        let found = map_lookup(self.map(CACHES), &key(self.cpu), &mut id);
        assert!(found.expect("the caches"), "CPU {} has none", self.cpu);
        let map = map_by_id(u32::from_ne_bytes(id)).expect("by its number");
        map.expect("it is there")
    }

    /// The words of a row of counters of this CPU.
    fn sums(&self, name: &str, index: usize) -> Vec<u64> {
        let map = self.map(name);
        let rows = map_lookup_each(map, &key(index)).expect("the counters");
        let rows = rows.expect("a row");
        let size = usize::try_from(map.info().value_size).expect("64 bits");
        let row = rows.chunks(size).nth(self.cpu).expect("this CPU's");
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight"));
        row.chunks_exact(8).map(word).collect()
    }
}

fn key(index: usize) -> [u8; 4] {
    u32::try_from(index).expect("an index").to_ne_bytes()
}

/// Keeps this thread where it may be.
fn stay() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the CPUs");
    let mut all = 0..CpuSet::count();
    let cpu = all.find(|&cpu| allowed.is_set(cpu).is_ok_and(|is| is));
    let cpu = cpu.expect("some CPU");
    let mut one = CpuSet::new();
    one.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &one).expect("to stay on one CPU");
    cpu
}

/// A client of the same version of IP as the service.
fn client(number: u16, service: usize) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    match SERVICES[service].0 {
        IpAddr::V4(_) => (Ipv4Addr::new(198, 18, high, low), 40_000).into(),
        IpAddr::V6(_) => {
            let address = Ipv6Addr::new(0x2001, 2, number, 3, 4, 5, 6, !number);
            (address, 40_000 ^ number).into()
        }
    }
}

#[test]
fn unknown_flows_go_by_the_ring_of_their_service() {
    let subject = Subject::load();
    for service in 0..SERVICES.len() {
        let mut flows = vec![0; subject.backends.len()];
        for number in 0..500 {
            let client = client(number, service);
            let backend = subject.send(client, service, SYN);
            assert_eq!(backend, subject.by_ring(client, service), "{client}");
            flows[backend] += 1;
        }
        // Five standard deviations around 50, of flows that are always the same.
        assert!(
            flows.iter().all(|flows| (16..=84).contains(flows)),
            "{flows:?}"
        );
    }
    let of = |number: usize| &subject.rings.entries()[number * 65_537..][..65_537];
    let words = |number| of(number).iter().map(Word64::get).collect::<Vec<_>>();
    assert_ne!(words(0), words(1), "services share a ring");
}

#[test]
fn a_known_flow_stays_when_the_ring_changes_and_a_syn_goes_anew() {
    let subject = Subject::load();
    for service in [0, 1] {
        let client = client(7, service);
        for opener in [SYN, ACK] {
            subject.give_rings(3);
            assert_eq!(subject.send(client, service, SYN), 3);
            subject.give_rings(4);
            assert_eq!(subject.send(client, service, ACK), 3, "it is known");
            assert_eq!(subject.send(client, service, SYN), 4, "it is opened anew");
            subject.give_rings(5);
            assert_eq!(
                subject.send(client, service, opener),
                if opener == SYN { 5 } else { 4 }
            );
        }
    }
}

#[test]
fn a_flow_whose_start_was_not_seen_is_entered_too() {
    let subject = Subject::load();
    for service in 0..SERVICES.len() {
        let client = client(8, service);
        subject.give_rings(3);
        assert_eq!(subject.send(client, service, ACK), 3);
        subject.give_rings(4);
        assert_eq!(subject.send(client, service, ACK), 3, "service {service}");
    }
}

#[test]
fn a_udp_flow_that_was_idle_goes_anew() {
    let subject = Subject::load();
    let client = client(9, 2);
    subject.give_rings(3);
    assert_eq!(subject.send(client, 2, 0), 3);
    subject.give_rings(4);
    assert_eq!(subject.send(client, 2, 0), 3);
    let cache = subject.cache();
    let (mut flow, mut value) = ([0; 40], [0; 16]);
    assert!(map_next_key(&cache, None, &mut flow).expect("the cache"));
    let mut seen = || {
        assert!(map_lookup(&cache, &flow, &mut value).expect("the cache"));
        u64::from_ne_bytes(value[8..].try_into().expect("eight"))
    };
    let before = seen();
    subject.send(client, 2, 0);
    assert!(seen() > before, "each packet keeps it");
    // Longer ago than any clock has run.
    let old = [u64::from(3_u8), u64::MAX / 2]
        .map(u64::to_ne_bytes)
        .concat();
    map_update(&cache, &flow, &old, BPF_EXIST).expect("the flow");
    assert_eq!(subject.send(client, 2, 0), 4);
    subject.give_rings(5);
    assert_eq!(subject.send(client, 2, 0), 4, "it was entered again");
}

#[test]
fn without_a_cache_the_ring_alone_decides() {
    let subject = Subject::load();
    subject.give_rings(3);
    assert_eq!(subject.send(client(10, 0), 0, SYN), 3);
    let value = [vip_flag::NO_CACHE, 0].map(u32::to_ne_bytes).concat();
    let service = vip(SERVICES[0]).to_bytes();
    map_update(subject.map(VIPS), &service, &value, BPF_EXIST).expect("the service");
    subject.give_rings(4);
    assert_eq!(subject.send(client(10, 0), 0, ACK), 4);
    subject.give_rings(5);
    assert_eq!(subject.send(client(10, 0), 0, ACK), 5);

    // A CPU that came later has none.
    assert_eq!(subject.send(client(10, 1), 1, SYN), 5);
    assert!(map_delete(subject.map(CACHES), &key(subject.cpu)).expect("the caches"));
    subject.give_rings(6);
    assert_eq!(subject.send(client(10, 1), 1, ACK), 6);
    subject.give_rings(7);
    assert_eq!(subject.send(client(10, 1), 1, ACK), 7);
}

/// Says that so many flows were entered in this second; tells when it began.
fn pretend(subject: &Subject, fresh: u64) -> u64 {
    let map = subject.map(CACHE_SUMS);
    let rows = map_lookup_each(map, &key(0)).expect("the counters");
    let mut rows = rows.expect("a row");
    let place = subject.cpu * 40 + 24;
    rows[place..place + 8].copy_from_slice(&fresh.to_ne_bytes());
    map_update_each(map, &key(0), &rows).expect("the counters");
    subject.sums(CACHE_SUMS, 0)[4]
}

/// A new flow after so many others in the same second: is it entered?
fn is_entered(subject: &Subject, number: u16, fresh: u64) -> bool {
    for attempt in 0..ATTEMPTS {
        let client = client(number + u16::try_from(attempt).expect("a few") * 100, 0);
        subject.give_rings(3);
        // Begins a second, or goes on with one.
        subject.send(self::client(number, 2), 2, 0);
        let since = pretend(subject, fresh);
        assert_eq!(subject.send(client, 0, SYN), 3);
        if subject.sums(CACHE_SUMS, 0)[4] != since {
            // Held up for so long that another second has begun.
            continue;
        }
        subject.give_rings(4);
        return subject.send(client, 0, ACK) == 3;
    }
    panic!("no second was long enough");
}

#[test]
fn no_more_flows_are_entered_in_a_second_than_may_be() {
    let subject = Subject::load();
    assert!(is_entered(&subject, 11, NEW_FLOWS_PER_SECOND - 1));
    assert!(!is_entered(&subject, 12, NEW_FLOWS_PER_SECOND));
}

#[test]
fn what_is_forwarded_is_counted_for_service_backend_and_cache() {
    let subject = Subject::load();
    subject.give_rings(3);
    for (service, &(address, port, protocol)) in SERVICES.iter().enumerate() {
        for flags in [SYN, ACK, ACK] {
            subject.send(client(13, service), service, flags);
        }
        let frame = frame(client(13, service), (address, port).into(), protocol, ACK);
        let expected = vec![3, 3 * packet_length(&frame)];
        assert_eq!(subject.sums(VIP_SUMS, service), expected);
    }
    let packets = |name, index| subject.sums(name, index)[0];
    assert_eq!(packets(REAL_SUMS, 3), 12);
    assert_eq!(packets(REAL_SUMS, 4), 0);
    // One SYN for each version of IP; one UDP flow that was unknown for each.
    assert_eq!(subject.sums(CACHE_SUMS, 0)[..4], [12, 2, 2, 4]);
}

#[test]
fn what_no_service_takes_passes_and_what_cannot_be_read_is_dropped() {
    let subject = Subject::load();
    let expect = |frame: &[u8], verdict, what| {
        expect(&subject.reference.program, frame, verdict, what);
    };
    let (from, to) = (client(14, 0), SocketAddr::from((VIP4, 80)));
    let tcp = frame(from, to, TCP, SYN);
    let tcp6 = frame(client(14, 1), (VIP6, 80).into(), TCP, SYN);
    expect(
        &frame(from, (VIP4, 81).into(), TCP, SYN),
        PASS,
        "another port",
    );
    expect(&frame(from, to, UDP, 0), PASS, "another protocol");
    expect(
        &frame(from, client(15, 0), TCP, SYN),
        PASS,
        "another address",
    );
    let with = |frame: &[u8], offset: usize, byte| {
        let mut frame = frame.to_vec();
        frame[offset] = byte;
        frame
    };
    expect(&with(&tcp, 23, 1), PASS, "ICMP");
    expect(&with(&tcp6, 20, 58), PASS, "ICMPv6");
    expect(&with(&tcp, 13, 6), PASS, "ARP");
    expect(&with(&tcp, 14, 0x46), DROP, "options");
    expect(&with(&tcp, 20, 0x20), DROP, "a first fragment");
    expect(&with(&tcp6, 20, 44), DROP, "a fragment of IPv6");
    expect(&tcp[..50], DROP, "half a TCP header");
    expect(&tcp6[..70], DROP, "half a TCP header, IPv6");
}

#[test]
fn nothing_to_balance_is_refused_and_so_is_too_much() {
    let refused = |services: &[ServiceAddress], count| {
        let spec = spec();
        let refused = Reference::katran_like(&spec, services, &backends(count), CACHE_FLOWS, 0);
        format!("{:#}", refused.expect_err("a fault"))
    };
    assert!(refused(&SERVICES, 0).contains("0 backends"));
    assert!(refused(&[], 1).contains("0 services"));
    let many: Vec<ServiceAddress> = (0..513).map(|port| (VIP4, port, TCP)).collect();
    assert!(refused(&many, 1).contains("513 services"));
    let twice = refused(&[SERVICES[0], SERVICES[0]], 1);
    assert!(
        twice.contains("192.0.2.1") && twice.contains("exists"),
        "{twice}"
    );
}

#[test]
fn the_verifier_is_not_kept_long() {
    let subject = Subject::load();
    let info = program_info(&subject.reference.program).expect("to be told");
    assert!(info.verified_insns < 50_000, "{}", info.verified_insns);
}
