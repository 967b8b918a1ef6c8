//! Each fault alone, and the host that has none.

use super::*;
use crate::model::backend::tunnel::{DefaultRoute, Sight as Tunnel};
use crate::model::backend::{Held, Interface};

const VIP: &str = "192.0.2.10";
const VIP6: &str = "2001:db8::10";

fn vip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn held(address: &str, prefix_len: u8, interface: &str) -> Held {
    Held {
        own: Address {
            address: vip(address),
            prefix_len,
        },
        interface: interface.into(),
    }
}

fn sight() -> Sight {
    Sight {
        udp: Vec::new(),
        ephemeral: 32_768..=60_999,
        checksum_errors: 0,
        tunnel: None,
    }
}

fn tunnel() -> Tunnel {
    Tunnel {
        interface: "eth0".into(),
        mtu: 1500,
        decap: Some(true),
        clamp: true,
        routes: Vec::new(),
    }
}

/// A host on which all is well.
fn good() -> Facts {
    let interface = |name: &str| Interface {
        name: name.into(),
        is_up: true,
        is_ethernet: name != LOOPBACK,
    };
    let mut facts = Facts {
        interfaces: ["lo", "eth0", "eth1"].map(interface).into(),
        addresses: vec![held(VIP, 32, "lo"), held(VIP6, 128, "lo")],
        ..Facts::default()
    };
    set(&mut facts, "all", "arp_ignore", 1);
    set(&mut facts, "all", "arp_announce", 2);
    facts
}

fn set(facts: &mut Facts, interface: &str, name: &str, value: u32) {
    facts.settings.insert(Setting::of(interface, name), value);
}

fn found(facts: &Facts, sight: &Sight) -> Vec<String> {
    let wanted = Wanted {
        vips: vec![vip(VIP), vip(VIP6)],
        tunnel: None,
    };
    let findings = check(facts, sight, &wanted);
    findings.iter().map(ToString::to_string).collect()
}

/// Panics unless there is one finding, with these words.
fn one(facts: &Facts, sight: &Sight, words: &[&str]) {
    let found = found(facts, sight);
    assert_eq!(found.len(), 1, "{found:#?}");
    for word in words {
        assert!(found[0].contains(word), "no '{word}' in '{}'", found[0]);
    }
}

#[test]
fn a_good_host_has_no_fault() {
    assert_eq!(found(&good(), &sight()), [""; 0]);
    let sight = Sight {
        tunnel: Some(tunnel()),
        ..sight()
    };
    assert_eq!(found(&good(), &sight), [""; 0]);
}

#[test]
fn a_vip_belongs_on_lo_alone() {
    for (remaining, words) in [
        (
            vec![],
            [
                "on no interface",
                "drops",
                "; fix: ip addr add 192.0.2.10/32 dev lo",
            ],
        ),
        (
            vec![held(VIP, 24, "eth0")],
            [
                "is on eth0, not on lo",
                "answers ARP",
                "; fix: ip addr del 192.0.2.10/24 dev eth0 && ip addr add 192.0.2.10/32 dev lo",
            ],
        ),
        (
            vec![held(VIP, 24, "lo")],
            [
                "is on lo as a /24",
                "subnet local",
                "; fix: ip addr del 192.0.2.10/24 dev lo && ip addr add 192.0.2.10/32 dev lo",
            ],
        ),
        (
            vec![held(VIP, 32, "lo"), held(VIP, 32, "eth1")],
            [
                "is on eth1, not on lo",
                "answers ARP",
                "; fix: ip addr del 192.0.2.10/32 dev eth1",
            ],
        ),
    ] {
        let mut facts = good();
        facts.addresses.retain(|h| h.own.address != vip(VIP));
        facts.addresses.extend(remaining);
        one(&facts, &sight(), &words);
    }
    let mut facts = good();
    facts.addresses[1] = held(VIP6, 64, "eth0");
    one(&facts, &sight(), &["is on eth0", "neighbour discovery"]);
}

#[test]
fn a_missing_vip_loops_where_packets_are_sent_on() {
    let mut facts = good();
    facts.settings.insert(Setting::forwarding(true), 1);
    assert_eq!(found(&facts, &sight()), [""; 0], "routers may be backends");
    facts.addresses.remove(0);
    one(&facts, &sight(), &["net.ipv4.ip_forward is 1", "loop"]);
}

#[test]
fn what_counts_for_arp_is_the_larger_value() {
    for (all, own, fix) in [
        (0, 1, Some("eth1 (arp_ignore is 0): answers ARP")),
        (1, 3, Some("eth0 (arp_ignore is 3): answers ARP")),
        (
            0,
            0,
            Some("eth0 (arp_ignore is 0), eth1 (arp_ignore is 0): answers ARP"),
        ),
        (2, 0, None),
    ] {
        let mut facts = good();
        set(&mut facts, "all", "arp_ignore", all);
        set(&mut facts, "eth0", "arp_ignore", own);
        match fix {
            None => assert_eq!(found(&facts, &sight()), [""; 0]),
            Some(words) => one(
                &facts,
                &sight(),
                &[words, "; fix: sysctl -w net.ipv4.conf."],
            ),
        }
    }
    let mut facts = good();
    set(&mut facts, "all", "arp_announce", 1);
    facts.interfaces[2].is_up = false;
    one(
        &facts,
        &sight(),
        &[
            "eth0 (arp_announce is 1): may ask",
            "; fix: sysctl -w net.ipv4.conf.all.arp_announce=2",
        ],
    );
}

#[test]
fn lo_must_be_up() {
    let mut facts = good();
    facts.interfaces[0].is_up = false;
    one(
        &facts,
        &sight(),
        &["lo: is down", "; fix: ip link set lo up"],
    );
}

#[test]
fn a_server_on_all_addresses_is_a_warning_unless_one_is_on_the_vip() {
    let socket = |address: &str, port| (vip(address), port);
    let of = |udp: &[(IpAddr, u16)]| {
        let sight = Sight {
            udp: udp.to_vec(),
            ..sight()
        };
        found(&good(), &sight)
    };
    assert_eq!(of(&[socket("0.0.0.0", 40_000)]), [""; 0], "a client");
    assert_eq!(of(&[socket("10.0.0.3", 53)]), [""; 0]);
    assert_eq!(of(&[socket("0.0.0.0", 53), socket(VIP, 53)]), [""; 0]);
    let v4 = of(&[socket("0.0.0.0", 53), socket("0.0.0.0", 443)]);
    assert_eq!(v4.len(), 1, "{v4:#?}");
    assert!(v4[0].starts_with("warning: 192.0.2.10: "), "{v4:?}");
    assert!(v4[0].contains("port 53, 443"), "{v4:?}");
    assert_eq!(of(&[socket("::", 53)]).len(), 2, "it takes both");
    assert_eq!(of(&[socket("::", 53), socket(VIP, 53)]).len(), 1);
}

#[test]
fn wrong_checksums_are_a_warning() {
    let sight = Sight {
        checksum_errors: 3,
        ..sight()
    };
    one(
        &good(),
        &sight,
        &["warning: 3 TCP segments", "ethtool -K PORT tx off"],
    );
}

#[test]
fn a_warning_spoils_nothing_and_a_fault_its_own_vip_or_all() {
    let [own, other] = [vip(VIP), vip(VIP6)];
    assert!(!Finding::warning("").spoils(own));
    assert!(Finding::fault("", "").spoils(own));
    assert!(Finding::fault("", "").about(own).spoils(own));
    assert!(!Finding::fault("", "").about(own).spoils(other));
}

#[test]
fn the_end_of_a_tunnel_is_looked_at() {
    let of = |tunnel| Sight {
        tunnel: Some(tunnel),
        ..sight()
    };
    let none = of(Tunnel {
        decap: Some(false),
        ..tunnel()
    });
    one(
        &good(),
        &none,
        &["eth0: no decapsulator", "; fix: dsrload decap eth0"],
    );
    let unseen = of(Tunnel {
        decap: None,
        ..tunnel()
    });
    one(&good(), &unseen, &["warning: eth0", "CAP_SYS_ADMIN"]);
    let mut strict = good();
    set(&mut strict, "all", "rp_filter", 1);
    one(
        &strict,
        &of(tunnel()),
        &[
            "rp_filter is 1",
            "; fix: sysctl -w net.ipv4.conf.eth0.rp_filter=2",
        ],
    );
}

#[test]
fn clients_must_send_what_fits_into_the_tunnel() {
    let of = |mtu, clamp, v4: Option<u32>, v6: Option<u32>| {
        let route = |is_v4, advmss| DefaultRoute {
            is_v4,
            interface: "eth0".into(),
            advmss,
            ..DefaultRoute::default()
        };
        let tunnel = Tunnel {
            mtu,
            clamp,
            routes: vec![route(true, v4), route(false, v6)],
            ..tunnel()
        };
        let sight = Sight {
            tunnel: Some(tunnel),
            ..sight()
        };
        found(&good(), &sight)
    };
    assert_eq!(of(1548, false, None, None), [""; 0]);
    assert_eq!(of(1500, true, None, None), [""; 0]);
    assert_eq!(of(1500, false, Some(1440), Some(1420)), [""; 0]);
    let close = of(1520, false, None, None);
    assert!(
        close[0].starts_with("warning: eth0: an MTU of 1520"),
        "{close:?}"
    );

    let long = of(1500, false, None, None);
    assert_eq!(long.len(), 1, "{long:#?}");
    for word in [
        "eth0: clients send packets of up to 1500 bytes",
        "; fix: dsrload decap eth0",
        "or: ip route change default dev eth0 advmss 1412 && ip -6 route change default dev eth0 advmss 1392",
        "or: ip link set eth0 mtu 1548",
    ] {
        assert!(long[0].contains(word), "no '{word}' in '{}'", long[0]);
    }
    let half = of(1500, false, Some(1440), Some(1440));
    assert!(
        half[0].contains("ip -6 route") && !half[0].contains("advmss 1412"),
        "{half:?}"
    );
}

#[test]
fn the_command_for_a_route_names_all_that_tells_it_from_others() {
    let route = DefaultRoute {
        is_v4: true,
        gateway: Some(vip("10.0.0.1")),
        interface: "eth0".into(),
        metric: Some(100),
        advmss: None,
    };
    let tunnel = Tunnel {
        clamp: false,
        routes: vec![route],
        ..tunnel()
    };
    let sight = Sight {
        tunnel: Some(tunnel),
        ..sight()
    };
    let wanted = Wanted {
        vips: vec![vip(VIP)],
        tunnel: None,
    };
    let text = check(&good(), &sight, &wanted)[0].to_string();
    let command = "ip route change default via 10.0.0.1 dev eth0 metric 100 advmss 1412";
    assert!(text.contains(command), "{text}");
}
