//! What leaves, and what the clamp is to make of it.

use super::bytes::{PROVIDER_TAG, TAG, TCP, UDP, V4, V6, frame, tcp_checksum};
use super::world::{CLIENT, CLIENT6, MTU, OWN, VIP, VIP6};

/// A frame that leaves, and what it is to be.
pub struct Segment {
    pub name: String,
    pub frame: Vec<u8>,
    pub after: Vec<u8>,
}

/// Outer headers that were seen: none yet, and some.
pub const OVERHEADS: [u32; 2] = [0, 28];

/// Larger than any limit.
const LARGE: u16 = 8960;

const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;

/// What the MSS is clamped to.
fn limit(is_v6: bool, overhead: u32) -> u16 {
    let header = if is_v6 { 40 } else { 20 };
    u16::try_from(MTU - overhead - header - 20).expect("a small number")
}

/// A TCP segment of the VIP, with its checksum.
fn segment(is_v6: bool, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).expect("options of whole words");
    let mut tcp = [80, 40_000].map(u16::to_be_bytes).concat();
    tcp.extend([
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        words << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    tcp.extend(options);
    tcp.extend(payload);
    let addresses = if is_v6 {
        [VIP6, CLIENT6].concat()
    } else {
        [VIP, CLIENT].concat()
    };
    let checksum = tcp_checksum(&addresses, &tcp);
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    tcp
}

fn packet(is_v6: bool, ip_options: usize, tcp: &[u8]) -> Vec<u8> {
    if is_v6 {
        return V6::new(VIP6, CLIENT6, TCP).packet(tcp);
    }
    let mut ip = V4::new(VIP, CLIENT, TCP);
    ip.options = vec![1; ip_options];
    ip.packet(tcp)
}

fn mss(value: u16) -> Vec<u8> {
    let [high, low] = value.to_be_bytes();
    vec![2, 4, high, low]
}

fn padded(mut options: Vec<u8>) -> Vec<u8> {
    options.resize(options.len().next_multiple_of(4), 0);
    options
}

/// All of them, after outer headers of this length were seen.
pub fn all(overhead: u32) -> Vec<Segment> {
    let limits = [false, true].map(|is_v6| limit(is_v6, overhead));
    let mut segments = clamped(limits);
    segments.extend(untouched(limits));
    segments
}

fn clamped(limits: [u16; 2]) -> Vec<Segment> {
    let limit = |is_v6: bool| limits[usize::from(is_v6)];
    let mut found = Vec::new();
    let mut add = |name: String, tags: &[[u8; 4]], is_v6, ip_options, flags, before, after| {
        let of = |options: Vec<u8>| {
            let tcp = segment(is_v6, flags, &padded(options), b"");
            frame(tags, &packet(is_v6, ip_options, &tcp))
        };
        found.push(Segment {
            name,
            frame: of(before),
            after: of(after),
        });
    };
    for is_v6 in [false, true] {
        for flags in [SYN, SYN_ACK, SYN | 0xc0, SYN_ACK | 0x40] {
            for tags in [&[][..], &[TAG], &[PROVIDER_TAG, TAG]] {
                for value in [limit(is_v6) + 1, LARGE, u16::MAX] {
                    let name =
                        format!("v6 {is_v6}, flags {flags:#x}, {} tags, {value}", tags.len());
                    add(name, tags, is_v6, 0, flags, mss(value), mss(limit(is_v6)));
                }
            }
        }
        // The value at each place, odd ones too.
        for before in 0..=36 {
            let name = format!("v6 {is_v6}, behind {before} times nothing");
            let head = vec![1; before];
            let of = |value| [head.clone(), mss(value)].concat();
            add(name, &[], is_v6, 0, SYN_ACK, of(LARGE), of(limit(is_v6)));
        }
        // As other stacks order them.
        let scale_first = |value| [vec![3, 3, 7], mss(value), vec![4, 2, 1]].concat();
        let name = format!("v6 {is_v6}, behind the window's scale");
        add(
            name,
            &[],
            is_v6,
            0,
            SYN_ACK,
            scale_first(LARGE),
            scale_first(limit(is_v6)),
        );
        let linux = |value| {
            let stamps = vec![8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
            [mss(value), vec![4, 2], stamps, vec![1, 3, 3, 7]].concat()
        };
        let name = format!("v6 {is_v6}, as Linux writes it");
        add(
            name,
            &[TAG],
            is_v6,
            0,
            SYN_ACK,
            linux(LARGE),
            linux(limit(is_v6)),
        );
    }
    for words in 1..=10 {
        let name = format!("behind {words} words of IP options");
        add(
            name,
            &[],
            false,
            words * 4,
            SYN_ACK,
            mss(LARGE),
            mss(limit(false)),
        );
    }
    found
}

fn untouched([v4, v6]: [u16; 2]) -> Vec<Segment> {
    let of = |options: Vec<u8>| plain(&segment(false, SYN_ACK, &padded(options), b""));
    let behind = |option: &[u8]| of([option, &mss(LARGE)].concat());
    let no_options = [
        ("as small as it may be", of(mss(v4))),
        ("smaller", of(mss(536))),
        ("no option at all", of(vec![])),
        ("no MSS", of(vec![4, 2, 3, 3, 7])),
        ("behind the end of options", behind(&[0])),
        ("behind an option of no length", behind(&[9, 0])),
        ("behind an option of length 1", behind(&[9, 1])),
        ("behind an option that is too long", behind(&[9, 41])),
        ("an MSS of length 3", of(vec![2, 3, 0xff, 0xff])),
    ];
    let v6 = segment(true, SYN, &mss(v6), b"");
    let v6 = ("of IPv6, as small", frame(&[], &packet(true, 0, &v6)));
    let cases = no_options.into_iter().chain([v6]).chain(others());
    cases
        .map(|(name, frame)| Segment {
            name: format!("{name}: untouched"),
            after: frame.clone(),
            frame,
        })
        .collect()
}

/// The frame of a segment of the VIP.
fn plain(tcp: &[u8]) -> Vec<u8> {
    frame(&[], &packet(false, 0, tcp))
}

/// What has a large MSS, and is none of ours to clamp.
fn others() -> [(&'static str, Vec<u8>); 9] {
    let tcp = segment(false, SYN_ACK, &mss(LARGE), b"");
    let of = |source, protocol| V4::new(source, CLIENT, protocol).packet(&tcp);
    let mut fragment = V4::new(VIP, CLIENT, TCP);
    fragment.fragment = 0x00b9;
    let mut short = tcp.clone();
    short[12] = 4 << 4;
    let mut pretends = V6::new([0; 16], CLIENT6, TCP);
    pretends.source[10..12].fill(0xff);
    pretends.source[12..].copy_from_slice(&VIP);
    [
        ("data", plain(&segment(false, ACK, &mss(LARGE), b"data"))),
        ("of another address", frame(&[], &of(OWN, TCP))),
        ("of UDP", frame(&[], &of(VIP, UDP))),
        ("in a later fragment", frame(&[], &fragment.packet(&tcp))),
        ("a header of four words", plain(&short)),
        ("cut in the option", plain(&tcp[..23])),
        ("cut in TCP", plain(&tcp[..19])),
        ("three tags", frame(&[TAG; 3], &packet(false, 0, &tcp))),
        ("from a mapped address", frame(&[], &pretends.packet(&tcp))),
    ]
}
