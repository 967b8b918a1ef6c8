//! The keys themselves.

use super::{Absent, Key, Kind, Place};
use xdp_prog::abi::limits;

const SINCE: &str = "0.1.0";

const MODES: &[(&str, &str)] = &[
    (
        "auto",
        "in the driver if it can, else generic; on a veth generic",
    ),
    ("skb", "in the kernel's generic path: works everywhere"),
    ("drv", "in the driver"),
    ("hw", "on the card"),
];

const POLICIES: &[(&str, &str)] = &[
    (
        "maglev",
        "the owner of the flow's slot, the same on every balancer",
    ),
    ("random", "a random backend; `tracking` is then `all`"),
];

const TRACKINGS: &[(&str, &str)] = &[
    ("changed", "those that a change has put at risk"),
    ("all", "all"),
    ("none", "none: a change moves connections"),
];

const ON_DEADS: &[(&str, &str)] = &[
    ("rehash", "they go to another backend, which refuses them"),
    ("reset", "their clients are sent a reset"),
    ("hold", "they go on being sent to it"),
];

const STATES: &[(&str, &str)] = &[
    ("ready", "it gets new connections"),
    ("drain", "it gets no new ones, and keeps those that it has"),
    ("maint", "it is out at once"),
    (
        "down",
        "it is out at once, and its connections fare as `on_dead` says",
    ),
];

const FORWARD: &str = "l2, ipip, gue or gue:PORT";
pub(super) const ADDRESS: &str = "an IP address";
const PREFIX: &str = "a prefix of addresses";

/// A key of this version.
pub(super) const fn key(
    place: Place,
    name: &'static str,
    kind: Kind,
    absent: Absent,
    example: &'static str,
    help: &'static str,
) -> Key {
    Key {
        place,
        name,
        kind,
        absent,
        example,
        help,
        since: SINCE,
    }
}

/// All keys, in the order in which they are explained and written.
pub const KEYS: &[Key] = &[
    key(
        Place::File,
        "balancer",
        Kind::Table,
        Absent::Else("all of its keys have their defaults"),
        "{ seed = \"site-a\" }",
        "What holds for all services.",
    ),
    key(
        Place::File,
        "service",
        Kind::Names,
        Absent::Required,
        "{ web = { ... } }",
        "The services, each a table with a name: `[service.NAME]`.",
    ),
    key(
        Place::File,
        "run",
        Kind::Table,
        Absent::Else("all of its keys have their defaults"),
        "{ listen = \"127.0.0.1:9390\" }",
        "What `dsrload run` does besides forwarding.",
    ),
    key(
        Place::Balancer,
        "seed",
        Kind::Text,
        Absent::Else("the hash key is random"),
        "\"site-a\"",
        "Makes the hash key of this text: balancers with the same text and the same services send the same flow to the same backend. Keep it secret, and long.",
    ),
    key(
        Place::Balancer,
        "flows",
        Kind::Count(1024, limits::FLOW_BUCKETS * 8, "flows"),
        Absent::Value("131_072"),
        "1_000_000",
        "Flows that the flow table holds, rounded up to a power of two; 8 bytes each. Chosen when first loaded.",
    ),
    key(
        Place::Balancer,
        "slots",
        Kind::Count(
            limits::SLOTS_PER_SERVICE_MIN,
            limits::SLOTS_PER_SERVICE_MAX,
            "slots",
        ),
        Absent::Value("16_384"),
        "65_536",
        "Slots of each service, rounded up to a power of two; 8 bytes each. The more backends, the more slots.",
    ),
    key(
        Place::Balancer,
        "mode",
        Kind::Word(MODES),
        Absent::Value("\"auto\""),
        "\"skb\"",
        "Where XDP runs. A mode that is named never falls back to another.",
    ),
    key(
        Place::Balancer,
        "echo",
        Kind::Flag,
        Absent::Value("true"),
        "false",
        "Whether echo requests (ping) to VIPs are answered.",
    ),
    key(
        Place::Service,
        "vip",
        Kind::Form(ADDRESS, true),
        Absent::Required,
        "[\"192.0.2.10\", \"2001:db8::10\"]",
        "The virtual addresses that clients connect to.",
    ),
    key(
        Place::Service,
        "ports",
        Kind::Form("PORT/tcp or PORT/udp", true),
        Absent::Required,
        "[\"80/tcp\", \"443/tcp\"]",
        "Ports and protocols, at each of the VIPs. `*/tcp` is any port that no other service has.",
    ),
    key(
        Place::Service,
        "also",
        Kind::Form("VIP:PORT/tcp or VIP:PORT/udp", true),
        Absent::Else("none"),
        "\"192.0.2.11:8080/tcp\"",
        "Addresses of the same service besides: of ports that not every VIP has.",
    ),
    key(
        Place::Service,
        "policy",
        Kind::Word(POLICIES),
        Absent::Value("\"maglev\""),
        "\"random\"",
        "Who gets new connections.",
    ),
    key(
        Place::Service,
        "tracking",
        Kind::Word(TRACKINGS),
        Absent::Else("`changed`; `all` if `policy` is `random`"),
        "\"all\"",
        "Which flows are remembered.",
    ),
    key(
        Place::Service,
        "affinity",
        Kind::Form("flow, client, client/24 or client/24/64", false),
        Absent::Value("\"flow\""),
        "\"client/24/64\"",
        "What flows have in common: `flow`: nothing; `client`: a client's flows go to one backend; `client/24`, `client/24/64`: those of a network (IPv4, IPv6).",
    ),
    key(
        Place::Service,
        "on_dead",
        Kind::Word(ON_DEADS),
        Absent::Value("\"rehash\""),
        "\"reset\"",
        "What becomes of the connections of a backend that is down.",
    ),
    key(
        Place::Service,
        "forward",
        Kind::Form(FORWARD, false),
        Absent::Value("\"l2\""),
        "\"ipip\"",
        "How packets get to the backends: `l2`: as they are, to backends on the same segment; `ipip`, `gue`, `gue:PORT` (6080): in a tunnel.",
    ),
    key(
        Place::Service,
        "source",
        Kind::Form(ADDRESS, true),
        Absent::Else("what the kernel takes for its own packets to the backend"),
        "\"10.0.0.2\"",
        "Source of the outer packets of tunnels: an address of this host, at most one for each IP version.",
    ),
    key(
        Place::Service,
        "allow",
        Kind::Form(PREFIX, true),
        Absent::Else("all clients"),
        "[\"198.51.100.0/24\", \"2001:db8:1::/48\"]",
        "Clients that are served.",
    ),
    key(
        Place::Service,
        "deny",
        Kind::Form(PREFIX, true),
        Absent::Else("none"),
        "\"198.51.100.66/32\"",
        "Clients that are not served, even if they are allowed.",
    ),
    key(
        Place::Service,
        "backends",
        Kind::Names,
        Absent::Required,
        "{ b1 = \"10.0.0.3\" }",
        "The backends: `NAME = \"ADDRESS\"`, or `NAME = { ip = \"ADDRESS\", ... }` with the keys below.",
    ),
    key(
        Place::Backend,
        "ip",
        Kind::Form(ADDRESS, false),
        Absent::Required,
        "\"10.0.0.4\"",
        "The backend's own address.",
    ),
    key(
        Place::Backend,
        "weight",
        Kind::Count(0, 65_535, "shares"),
        Absent::Value("1"),
        "2",
        "Its share of new flows, against the others' weights. 0 gets no new connections.",
    ),
    key(
        Place::Backend,
        "forward",
        Kind::Form(FORWARD, false),
        Absent::Else("that of the service"),
        "\"gue:6081\"",
        "How packets get to this backend.",
    ),
    key(
        Place::Backend,
        "mac",
        Kind::Form("a MAC", false),
        Absent::Else("the kernel is asked"),
        "\"02:00:00:00:00:0a\"",
        "The MAC that its packets are sent to: its own, or with a tunnel that of the next hop.",
    ),
    key(
        Place::Backend,
        "state",
        Kind::Word(STATES),
        Absent::Else("as it is; a new one is `ready`"),
        "\"drain\"",
        "What it is to do.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;
    use crate::model::{OnDead, Policy, State, Tracking, Word};

    fn explains<T: Word>(words: &[(&str, &str)]) {
        let explained = words.iter().map(|(word, _)| *word);
        assert!(explained.eq(T::WORDS.iter().map(|(word, _)| *word)));
    }

    #[test]
    fn every_word_is_explained() {
        explains::<Mode>(MODES);
        explains::<Policy>(POLICIES);
        explains::<Tracking>(TRACKINGS);
        explains::<OnDead>(ON_DEADS);
        explains::<State>(STATES);
    }

    #[test]
    fn a_key_stands_in_a_table_once() {
        for key in KEYS {
            let same = key.place.keys().filter(|other| other.name == key.name);
            assert_eq!(same.count(), 1, "{}", key.name);
        }
    }
}
