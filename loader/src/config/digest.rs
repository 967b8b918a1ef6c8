//! Whether two balancers send every packet the same way.
//!
//! The digest covers all that decides where a packet goes: the services'
//! addresses, how they treat flows and clients, their backends' addresses,
//! weights, states and ways of forwarding, whether ping is answered; and, by the
//! [`base`], the hash key and the number of each service's slots. It covers
//! nothing that is one host's own: names, MACs, outer sources, the mode, and the
//! size of the flow table.

use super::convert::Balancer;
use crate::model::placement::share;
use crate::model::run::Care;
use crate::model::sha256::{hex, sha256};
use crate::model::{Service, ServiceAddress, State, Word};
use std::fmt::Write;

/// Bytes of a digest that are shown.
const SHOWN: usize = 16;
/// The same of a base.
const BASE_SHOWN: usize = 8;

/// What no config says: the hash key, and the slots that each service has. Nobody
/// learns the key from it, unless it is made of a seed that can be guessed.
#[must_use]
pub fn base(keys: &[u64], slots: &[(ServiceAddress, u32)]) -> String {
    let mut bytes = b"dsrload base 1\n".to_vec();
    bytes.extend(keys.iter().flat_map(|word| word.to_le_bytes()));
    let mut slots = slots.to_vec();
    slots.sort();
    for (address, count) in slots {
        bytes.extend(format!("{address} {count}\n").into_bytes());
    }
    hex(&sha256(&bytes), BASE_SHOWN)
}

/// The slots that services have when all of them are first loaded together.
#[must_use]
pub fn first_slots(balancer: &Balancer) -> Vec<(ServiceAddress, u32)> {
    let services = &balancer.config.services;
    let in_all = balancer.options.slots_in_all(services.len());
    let each = share(in_all, services.len(), balancer.options.slots_each());
    let first = services.iter().filter_map(|s| s.addresses.iter().min());
    first.map(|&address| (address, each)).collect()
}

/// The digest of a balancer that is configured so.
#[must_use]
pub fn digest(balancer: &Balancer, base: &str) -> String {
    hex(&sha256(canonical(balancer, base).as_bytes()), SHOWN)
}

/// All that is covered, in an order of its own.
fn canonical(balancer: &Balancer, base: &str) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "dsrload 1 base {base} echo {}",
        balancer.options.is_answering_echo
    );
    let services = balancer.config.services.iter().zip(&balancer.care);
    let mut services: Vec<String> = services.map(|(s, care)| service(s, care)).collect();
    services.sort();
    out + &services.concat()
}

fn service(service: &Service, care: &Care) -> String {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list.join(" ")
    };
    let manner = &service.manner;
    let addresses = service.addresses.iter().map(ToString::to_string);
    let allow = manner.allow.iter().map(ToString::to_string);
    let deny = manner.deny.iter().map(ToString::to_string);
    let backends = service.backends.iter().map(|backend| {
        let state = backend.state.unwrap_or(State::Ready);
        format!(
            "{} {} {} {};",
            backend.address,
            backend.weight,
            state.word(),
            service.forward(backend)
        )
    });
    // Without one that stands in, a quorum decides nothing about packets.
    let sorry = care.sorry.map_or_else(String::new, |sorry| {
        format!("sorry {sorry} quorum {}\n", care.quorum)
    });
    format!(
        "service {}\n{} {} {} {}\nallow {}\ndeny {}\nbackends {}\n{sorry}",
        sorted(addresses.collect()),
        manner.policy.word(),
        manner.tracking.word(),
        manner.affinity,
        manner.on_dead.word(),
        sorted(allow.collect()),
        sorted(deny.collect()),
        sorted(backends.collect())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::examine;

    const TEXT: &str = "\
[balancer]
mode = \"skb\"
[service.web]
vip = [\"192.0.2.10\", \"192.0.2.11\"]
ports = \"80/tcp\"
forward = \"ipip\"
source = \"10.0.0.1\"
allow = [\"10.0.0.0/8\", \"11.0.0.0/8\"]
[service.web.backends]
b1 = { ip = \"10.0.1.3\", mac = \"02:00:00:00:00:01\" }
b2 = { ip = \"10.0.1.4\", weight = 2, state = \"drain\" }
";

    fn of(text: &str, base: &str) -> String {
        let (document, findings) = examine(text);
        assert_eq!(findings, [], "{text}");
        digest(&Balancer::new(&document), base)
    }

    #[test]
    fn what_is_one_hosts_own_makes_no_difference() {
        let first = of(TEXT, "x");
        assert_eq!(first.len(), 2 * SHOWN);
        for (from, to) in [
            ("\"skb\"", "\"drv\""),
            ("service.web", "service.www"),
            ("b1 =", "first ="),
            ("02:00:00:00:00:01", "02:00:00:00:00:02"),
            ("source = \"10.0.0.1\"", "source = \"10.0.0.2\""),
            (
                "\"192.0.2.10\", \"192.0.2.11\"",
                "\"192.0.2.11\", \"192.0.2.10\"",
            ),
            (
                "\"10.0.0.0/8\", \"11.0.0.0/8\"",
                "\"11.0.0.0/8\", \"10.0.0.0/8\"",
            ),
        ] {
            let other = TEXT.replace(from, to);
            assert_ne!(other, TEXT, "{from}");
            assert_eq!(of(&other, "x"), first, "{from} became {to}");
        }
    }

    #[test]
    fn what_decides_where_packets_go_makes_one() {
        let first = of(TEXT, "x");
        assert_ne!(of(TEXT, "y"), first);
        for (from, to) in [
            ("192.0.2.11", "192.0.2.12"),
            ("80/tcp", "80/udp"),
            ("mode = \"skb\"", "echo = false"),
            ("forward = \"ipip\"", "forward = \"gue\""),
            (
                "forward = \"ipip\"",
                "forward = \"ipip\"\non_dead = \"reset\"",
            ),
            ("11.0.0.0/8", "12.0.0.0/8"),
            ("allow =", "deny ="),
            ("10.0.1.4", "10.0.1.5"),
            ("weight = 2", "weight = 3"),
            ("drain", "maint"),
        ] {
            let other = TEXT.replace(from, to);
            assert_ne!(other, TEXT, "{from}");
            assert_ne!(of(&other, "x"), first, "{from} became {to}");
        }
    }

    #[test]
    fn who_stands_in_and_when_makes_one_and_what_only_run_does_makes_none() {
        let with = |line: &str| TEXT.replacen("ports", &format!("{line}\nports"), 1);
        let first = of(TEXT, "x");
        let sorry = of(&with("sorry = \"10.0.9.9\""), "x");
        assert_ne!(sorry, first);
        assert_ne!(of(&with("sorry = \"10.0.9.9\"\nquorum = 2"), "x"), sorry);
        for line in [
            "announce = true",
            "quorum = 2",
            "check = { type = \"tcp\" }",
        ] {
            assert_eq!(of(&with(line), "x"), first, "{line}");
        }
        assert_eq!(of(&format!("[run]\nlog = \"json\"\n{TEXT}"), "x"), first);
    }

    #[test]
    fn a_base_is_of_keys_and_slots() {
        let at = |text: &str, slots| (text.parse().expect(text), slots);
        let (one, two) = (at("192.0.2.1:80", 256), at("192.0.2.2:80", 512));
        let first = base(&[1, 2], &[one, two]);
        assert_eq!(base(&[1, 2], &[two, one]), first);
        assert_ne!(base(&[1, 3], &[one, two]), first);
        assert_ne!(base(&[1, 2], &[one]), first);
    }
}
