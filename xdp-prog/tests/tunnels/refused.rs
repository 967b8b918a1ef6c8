//! What is not decapsulated.

use super::bytes::{MAC, TAG, TCP, UDP, V4, V6, frame, frame_to, udp};
use super::cases::{Between, Case, asked, sent, wrapped};
use super::world::{BALANCER, BALANCER6, CLIENT, CLIENT6, OUT_OF_PREFIX, OWN, OWN6, VIP};
use xdp_prog::abi::decap::{GUE_PORT, Outcome};

/// All of it.
pub fn all() -> Vec<Case> {
    [
        no_ip(),
        bad_headers(),
        no_tunnels(),
        not_for_us(),
        foreign(),
        unknown_gue(),
        bad_inner(),
        no_vips(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Frames that come to the same.
fn group<const N: usize>(outcome: Outcome, frames: [(&str, Vec<u8>); N]) -> Vec<Case> {
    let case = |(name, frame)| Case::untouched(name, outcome, frame);
    frames.map(case).into()
}

/// The frame of a packet, without tags.
fn bare(packet: &[u8]) -> Vec<u8> {
    frame(&[], packet)
}

/// A frame from an allowed balancer.
fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    bare(&V4::new(BALANCER, OWN, protocol).packet(payload))
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    bare(&V6::new(BALANCER6, OWN6, next).packet(payload))
}

fn inner() -> Vec<u8> {
    asked(false, 0, b"inner")
}

/// These bytes with some of them changed.
fn edited(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

/// An IPv4 address as IPv6 writes it.
fn mapped(address: [u8; 4]) -> [u8; 16] {
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&address);
    mapped
}

fn no_ip() -> Vec<Case> {
    let whole = sent(false, 0, Between::Nothing, &inner());
    let cases = [
        ("ARP", edited(bare(&[0; 28]), 12, &[0x08, 0x06])),
        ("three tags", frame(&[TAG; 3], &whole)),
        ("cut in a tag", frame(&[TAG], &[])[..15].to_vec()),
    ];
    group(Outcome::NotIp, cases)
}

fn bad_headers() -> Vec<Case> {
    let whole = v4(4, &inner());
    let to_mapped = V6::new(BALANCER6, mapped(OWN), 4).packet(&inner());
    let cases = [
        ("cut in IPv4", whole[..33].to_vec()),
        ("cut in IPv6", v6(4, b"")[..53].to_vec()),
        ("version 5", edited(whole.clone(), 14, &[0x55])),
        ("a header of four words", edited(whole.clone(), 14, &[0x44])),
        ("a length below the header's", edited(whole, 16, &[0, 19])),
        ("to a mapped address", bare(&to_mapped)),
    ];
    group(Outcome::BadHeader, cases)
}

fn no_tunnels() -> Vec<Case> {
    let options = [&[4, 0, 1, 4, 0, 0, 0, 0][..], &inner()].concat();
    let cases = [
        ("plain TCP", v4(TCP, &[7; 20])),
        ("plain TCP for the VIP", bare(&inner())),
        ("plain TCP over IPv6", v6(TCP, &[7; 20])),
        ("GRE", v4(47, &inner())),
        ("UDP of another port", v4(UDP, &udp(6081, &inner()))),
        ("cut in UDP", v4(UDP, &udp(6080, &inner())[..7])),
        ("IPv6 with options", v6(60, &options)),
    ];
    group(Outcome::NotTunnel, cases)
}

fn not_for_us() -> Vec<Case> {
    let whole = sent(false, 0, Between::Nothing, &inner());
    let several = edited(MAC.to_vec(), 0, &[MAC[0] | 1]);
    let several = several.try_into().expect("a MAC");
    let fragment = |fragment, between| {
        let (protocol, payload) = wrapped(between, &inner());
        let outer = V4::new(BALANCER, OWN, protocol);
        V4 { fragment, ..outer }.packet(&payload)
    };
    let later = fragment(0x00b9, Between::Nothing);
    let stations = [
        ("another MAC", frame_to([2; 6], &[], &whole)),
        ("a group", frame_to(several, &[], &whole)),
    ];
    let fragments = [
        (
            "a first fragment",
            bare(&fragment(0x2000, Between::Nothing)),
        ),
        ("a later fragment", frame(&[TAG], &later)),
        ("a fragment of GUE", bare(&fragment(0x2000, Between::Gue1))),
    ];
    let mut cases = group(Outcome::OtherStation, stations);
    cases.extend(group(Outcome::Fragment, fragments));
    cases
}

fn foreign() -> Vec<Case> {
    let v4 = |source, destination| bare(&V4::new(source, destination, 4).packet(&inner()));
    let inner6 = asked(true, 0, b"inner");
    let v6 = |source, destination| bare(&V6::new(source, destination, 41).packet(&inner6));
    let hosts = [
        ("to another host", v4(BALANCER, [10, 0, 0, 3])),
        ("to another IPv6 host", v6(BALANCER6, CLIENT6)),
    ];
    let sources = [
        ("from a foreign source", v4(CLIENT, OWN)),
        ("from behind the prefix", v4(OUT_OF_PREFIX, OWN)),
        ("from a foreign IPv6 source", v6(CLIENT6, OWN6)),
        ("from a mapped source", v6(mapped(BALANCER), OWN6)),
        ("from our own address", v4(OWN, OWN)),
    ];
    let mut cases = group(Outcome::OtherHost, hosts);
    cases.extend(group(Outcome::ForeignSource, sources));
    cases
}

fn unknown_gue() -> Vec<Case> {
    let gue = |payload: &[u8]| v4(UDP, &udp(GUE_PORT, payload));
    let with = |head: [u8; 4]| gue(&[&head[..], &inner()].concat());
    // Where the length stands in UDP.
    let length = 14 + 20 + 4;
    let whole = with([0, 4, 0, 0]);
    let cases = [
        ("a control message of GUE", with([0x20, 4, 0, 0])),
        ("GUE with extensions", with([0x01, 4, 0, 0])),
        ("GUE with flags", with([0, 4, 0x80, 0])),
        ("GUE with a private flag", with([0, 4, 0, 1])),
        ("GUE of another protocol", with([0, 47, 0, 0])),
        ("GUE of another variant", with([0x80, 4, 0, 0])),
        ("GUE of IP version 5", gue(&edited(inner(), 0, &[0x55]))),
        ("GUE cut in its header", gue(&[0, 4, 0])),
        (
            "GUE beyond its packet",
            edited(whole.clone(), length, &[0, 38]),
        ),
        ("GUE below its headers", edited(whole, length, &[0, 11])),
    ];
    group(Outcome::UnknownGue, cases)
}

fn bad_inner() -> Vec<Case> {
    let inner6 = asked(true, 0, b"inner");
    let gue = v4(UDP, &udp(GUE_PORT, &inner()));
    let with = |at, value: &[u8]| v4(4, &edited(inner(), at, value));
    let long6 = edited(inner6.clone(), 4, &[0, 6]);
    let cases = [
        (
            "GUE below what is inside",
            edited(gue, 14 + 20 + 4, &[0, 30]),
        ),
        ("nothing inside", v4(4, b"")),
        ("cut in the inner header", v4(4, &inner()[..19])),
        ("cut in the inner IPv6 header", v4(41, &inner6[..39])),
        ("IPv6 where IPv4 was said", v4(4, &inner6)),
        (
            "IPv4 where IPv6 was said",
            v4(41, &[inner(), vec![0; 40]].concat()),
        ),
        ("an inner header of four words", with(0, &[0x44])),
        ("an inner length below the header's", with(2, &[0, 19])),
        ("an inner length of zero", with(2, &[0, 0])),
        ("an inner length beyond the outer", with(2, &[0, 26])),
        ("an inner IPv6 length beyond it", v4(41, &long6)),
    ];
    group(Outcome::BadInner, cases)
}

fn no_vips() -> Vec<Case> {
    let v4_to = |address| V4::new(CLIENT, address, TCP).packet(b"inner");
    let v6_to = |address| V6::new(CLIENT6, address, TCP).packet(b"inner");
    let cases = [
        ("for another address", v4(4, &v4_to([192, 0, 2, 11]))),
        ("for our own address", v4(4, &v4_to(OWN))),
        ("for our own IPv6 address", v4(41, &v6_to(OWN6))),
        ("for a mapped VIP", v4(41, &v6_to(mapped(VIP)))),
    ];
    group(Outcome::NotLocalVip, cases)
}
