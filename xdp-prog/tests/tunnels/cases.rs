//! Every outcome, and every pair of what is outside and what is inside.

use super::bytes::{PROVIDER_TAG, TAG, TCP, UDP, V4, V6, frame, udp};
use super::refused;
use super::world::{BALANCER, BALANCER6, CLIENT, CLIENT6, IN_PREFIX, OWN, OWN6, VIP, VIP6};
use xdp_prog::abi::decap::{GUE_PORT, Outcome};

/// A frame, and what is to become of it.
pub struct Case {
    pub name: String,
    pub frame: Vec<u8>,
    pub outcome: Outcome,
    /// The frame afterwards; the same as before, unless it was decapsulated.
    pub after: Vec<u8>,
    /// Bytes of outer headers of a tunnel that was ended, and of what was in it.
    pub seen: (u32, u64),
}

impl Case {
    pub fn untouched(name: &str, outcome: Outcome, frame: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            after: frame.clone(),
            frame,
            outcome,
            seen: (0, 0),
        }
    }

    /// The frame that comes, and the one that is left; `end` is what stands
    /// behind both packets.
    fn ended(name: String, tags: &[[u8; 4]], packets: (&[u8], &[u8]), end: &[u8]) -> Self {
        let (outer, inner) = packets;
        let padded = |packet: &[u8]| [&frame(tags, packet)[..], end].concat();
        let headers = u32::try_from(outer.len() - inner.len()).expect("a few headers");
        Self {
            name,
            frame: padded(outer),
            after: padded(inner),
            outcome: Outcome::Decapsulated,
            seen: (headers, inner.len() as u64),
        }
    }
}

/// What is between the outer IP header and the packet inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Nothing,
    Gue1,
    Gue0,
}

/// The payload of the outer IP packet, and its protocol.
pub fn wrapped(between: Between, inner: &[u8]) -> (u8, Vec<u8>) {
    let protocol = if inner[0] >> 4 == 6 { 41 } else { 4 };
    match between {
        Between::Nothing => (protocol, inner.to_vec()),
        Between::Gue1 => (UDP, udp(GUE_PORT, inner)),
        Between::Gue0 => {
            let gue = [&[0, protocol, 0, 0][..], inner].concat();
            (UDP, udp(GUE_PORT, &gue))
        }
    }
}

/// A packet from a balancer, of either version, with `class` outside.
pub fn sent(is_v6: bool, class: u8, between: Between, inner: &[u8]) -> Vec<u8> {
    let (protocol, payload) = wrapped(between, inner);
    if is_v6 {
        let outer = V6::new(BALANCER6, OWN6, protocol);
        V6 { class, ..outer }.packet(&payload)
    } else {
        let outer = V4::new(BALANCER, OWN, protocol);
        V4 { class, ..outer }.packet(&payload)
    }
}

/// A packet of a client to the VIP.
pub fn asked(is_v6: bool, class: u8, payload: &[u8]) -> Vec<u8> {
    if is_v6 {
        let inner = V6::new(CLIENT6, VIP6, TCP);
        V6 { class, ..inner }.packet(payload)
    } else {
        let inner = V4::new(CLIENT, VIP, TCP);
        V4 { class, ..inner }.packet(payload)
    }
}

const BETWEEN: [Between; 3] = [Between::Nothing, Between::Gue1, Between::Gue0];

/// All of them.
pub fn all() -> Vec<Case> {
    let mut cases = pairs();
    cases.extend(shapes());
    cases.extend(marks());
    cases.extend(refused::all());
    cases
}

/// Each pair of versions, with each thing in between, and up to two tags.
fn pairs() -> Vec<Case> {
    let mut cases = Vec::new();
    let payload: Vec<u8> = (0..=255).cycle().take(1001).collect();
    for tags in [&[][..], &[TAG], &[PROVIDER_TAG, TAG]] {
        for (outer6, inner6) in [(false, false), (false, true), (true, false), (true, true)] {
            for between in BETWEEN {
                for length in [0, 20, 1001] {
                    let inner = asked(inner6, 0, &payload[..length]);
                    let outer = sent(outer6, 0, between, &inner);
                    let name = format!(
                        "{} tags, outer v6 {outer6}, {between:?}, inner v6 {inner6}, {length} bytes",
                        tags.len()
                    );
                    cases.push(Case::ended(name, tags, (&outer, &inner), &[]));
                }
            }
        }
    }
    cases
}

/// What else a packet of a tunnel may look like.
fn shapes() -> Vec<Case> {
    let mut cases = Vec::new();
    let inner = asked(false, 0, b"any of it");
    for between in BETWEEN {
        for words in 1..=10_u8 {
            let (protocol, payload) = wrapped(between, &inner);
            let mut outer = V4::new(BALANCER, OWN, protocol);
            outer.options = vec![1; usize::from(words) * 4];
            let outer = outer.packet(&payload);
            let name = format!("{between:?} behind {words} words of outer options");
            cases.push(Case::ended(name, &[], (&outer, &inner), &[]));
        }
    }
    let padding = [0; 17];
    let outer = sent(false, 0, Between::Nothing, &inner);
    let name = "padded to the least length".to_owned();
    cases.push(Case::ended(name, &[TAG], (&outer, &inner), &padding));

    let mut optional = V4::new(CLIENT, VIP, TCP);
    optional.options = vec![1; 40];
    let inner = optional.packet(b"options inside");
    let outer = sent(true, 0, Between::Gue1, &inner);
    let name = "options inside".to_owned();
    cases.push(Case::ended(name, &[], (&outer, &inner), &[]));

    let fragment = V4 {
        fragment: 0x2000,
        ..V4::new(CLIENT, VIP, UDP)
    };
    let inner = fragment.packet(b"a fragment inside");
    let outer = sent(false, 0, Between::Nothing, &inner);
    let name = "a fragment inside is the kernel's to put together".to_owned();
    cases.push(Case::ended(name, &[], (&outer, &inner), &[]));

    let inner = asked(false, 0, b"from a prefix");
    let outer = V4::new(IN_PREFIX, OWN, 4).packet(&inner);
    let name = "from a prefix that is allowed".to_owned();
    cases.push(Case::ended(name, &[], (&outer, &inner), &[]));
    cases
}

/// RFC 6040, figure 4: rows by the mark inside, columns by the one outside
/// (Not-ECT, ECT(1), ECT(0), CE, as their numbers count). 4 is a drop.
const MARKS: [[u8; 4]; 4] = [[0, 0, 0, 4], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]];

fn marks() -> Vec<Case> {
    let mut cases = Vec::new();
    // Differentiated services are not ECN's: those inside stay.
    let (services, others) = (0xb8, 0x28);
    for (inside, row) in (0..).zip(MARKS) {
        for (outside, becomes) in (0..).zip(row) {
            for (outer6, inner6) in [(false, false), (false, true), (true, false), (true, true)] {
                let inner = asked(inner6, services | inside, b"marked");
                let outer = sent(outer6, others | outside, Between::Nothing, &inner);
                let name = format!("mark {inside} in {outside}, v6 {inner6} in {outer6}");
                if becomes == 4 {
                    let frame = frame(&[TAG], &outer);
                    cases.push(Case::untouched(&name, Outcome::EcnDrop, frame));
                    continue;
                }
                let marked = asked(inner6, services | becomes, b"marked");
                cases.push(Case::ended(name, &[TAG], (&outer, &marked), &[]));
            }
        }
    }
    cases
}
