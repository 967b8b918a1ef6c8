//! Plans, and what takes them back, over a host that is a value.

use super::memory::{Memory, Place, undo};
use super::*;

fn vip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn held(text: &str, interface: &str) -> Held {
    let (address, prefix_len) = text.split_once('/').expect(text);
    Held {
        own: Address {
            address: vip(address),
            prefix_len: prefix_len.parse().expect(text),
        },
        interface: interface.into(),
    }
}

fn interface(name: &str) -> Interface {
    Interface {
        name: name.into(),
        is_up: true,
        is_ethernet: name != LOOPBACK,
    }
}

/// A host as a distribution leaves it.
fn fresh() -> Facts {
    let mut facts = Facts {
        interfaces: ["lo", "eth0", "eth1"].map(interface).into(),
        addresses: vec![
            held("127.0.0.1/8", "lo"),
            held("::1/128", "lo"),
            held("10.0.0.3/24", "eth0"),
        ],
        settings: BTreeMap::new(),
    };
    for rule in [setting::IGNORE, setting::ANNOUNCE, setting::RP_FILTER] {
        for name in ["all", "lo", "eth0", "eth1"] {
            facts.settings.insert(Setting::of(name, rule.name), 0);
        }
    }
    facts
}

fn set(facts: &mut Facts, interface: &str, name: &str, value: u32) {
    facts.settings.insert(Setting::of(interface, name), value);
}

/// What the kernel would do.
fn apply(facts: &mut Facts, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Up | Step::Down => {
                let lo = facts.interfaces.iter_mut().find(|i| i.name == LOOPBACK);
                lo.expect("lo").is_up = *step == Step::Up;
            }
            Step::Add(own) => facts.addresses.push(Held {
                own: *own,
                interface: LOOPBACK.into(),
            }),
            Step::Remove(own) => {
                let found = |h: &Held| h.own == *own && h.interface == LOOPBACK;
                assert!(facts.addresses.iter().any(found), "{step}");
                facts.addresses.retain(|h| !found(h));
            }
            Step::Set { setting, was, to } => {
                assert_eq!(facts.settings.insert(setting.clone(), *to), Some(*was));
            }
        }
    }
}

fn wanted(vips: &[&str]) -> Wanted {
    Wanted {
        vips: vips.iter().map(|text| vip(text)).collect(),
        tunnel: None,
    }
}

fn commands(steps: &[Step]) -> Vec<String> {
    steps.iter().map(Step::command).collect()
}

/// Sets up on this host, which becomes what it is then; what is remembered.
fn set_up(facts: &mut Facts, memory: &Memory, wanted: &Wanted) -> Memory {
    let steps = plan(facts, wanted);
    apply(facts, &steps);
    assert_eq!(plan(facts, wanted), [], "a second setup does nothing");
    memory.and(wanted, &steps)
}

#[test]
fn a_fresh_host_falls_silent_before_it_gets_the_vips() {
    let steps = plan(&fresh(), &wanted(&["192.0.2.10", "2001:db8::10"]));
    assert_eq!(
        commands(&steps),
        [
            "sysctl -w net.ipv4.conf.all.arp_ignore=1",
            "sysctl -w net.ipv4.conf.all.arp_announce=2",
            "ip addr add 192.0.2.10/32 dev lo",
            "ip addr add 2001:db8::10/128 dev lo nodad",
        ]
    );
}

#[test]
fn ipv6_alone_needs_no_arp_settings() {
    let steps = plan(&fresh(), &wanted(&["2001:db8::10"]));
    assert_eq!(
        commands(&steps),
        ["ip addr add 2001:db8::10/128 dev lo nodad"]
    );
}

#[test]
fn a_stronger_value_is_left_alone_and_one_that_only_looks_so_is_not() {
    let of = |all: u32, own: u32| {
        let mut facts = fresh();
        set(&mut facts, "all", "arp_announce", 2);
        set(&mut facts, "all", "arp_ignore", all);
        set(&mut facts, "eth0", "arp_ignore", own);
        let steps = plan(&facts, &wanted(&["192.0.2.10"]));
        let mut commands = commands(&steps);
        commands.retain(|command| command.starts_with("sysctl"));
        commands
    };
    let none: [String; 0] = [];
    assert_eq!(of(1, 0), none);
    assert_eq!(of(2, 0), none);
    assert_eq!(of(8, 3), none, "8 outdoes all");
    assert_eq!(
        of(0, 1),
        ["sysctl -w net.ipv4.conf.all.arp_ignore=1"],
        "other interfaces, and those to come"
    );
    // 3 answers for every address but those of scope host.
    assert_eq!(of(3, 0), ["sysctl -w net.ipv4.conf.all.arp_ignore=1"]);
    assert_eq!(
        of(0, 3),
        [
            "sysctl -w net.ipv4.conf.all.arp_ignore=1",
            "sysctl -w net.ipv4.conf.eth0.arp_ignore=1"
        ]
    );
}

#[test]
fn behind_a_tunnel_strict_filtering_becomes_loose_and_nothing_else_changes() {
    for (all, own, expected) in [
        (0, 0, None),
        (1, 0, Some(2)),
        (0, 1, Some(2)),
        (1, 1, Some(2)),
        (2, 1, None),
        (1, 2, None),
    ] {
        let mut facts = fresh();
        set(&mut facts, "all", "rp_filter", all);
        set(&mut facts, "eth1", "rp_filter", own);
        let wanted = Wanted {
            tunnel: Some("eth1".into()),
            ..wanted(&["2001:db8::10"])
        };
        let mut commands = commands(&plan(&facts, &wanted));
        commands.retain(|command| command.starts_with("sysctl"));
        let expected = expected.map(|to| format!("sysctl -w net.ipv4.conf.eth1.rp_filter={to}"));
        assert_eq!(commands, Vec::from_iter(expected), "{all} {own}");
    }
}

#[test]
fn the_name_of_a_vlan_interface_keeps_its_dot() {
    let command = Setting::of("eth0.100", "rp_filter").command(2);
    assert_eq!(command, "sysctl -w net/ipv4/conf/eth0.100/rp_filter=2");
}

#[test]
fn a_vip_that_stands_elsewhere_is_refused_with_what_to_do() {
    let mut facts = fresh();
    facts.addresses.extend([
        held("192.0.2.10/32", "eth0"),
        held("192.0.2.11/24", "lo"),
        held("2001:db8::10/64", "eth0"),
        held("192.0.2.12/32", "lo"),
    ]);
    let refused = refusals(
        &facts,
        &wanted(&[
            "192.0.2.10",
            "192.0.2.11",
            "2001:db8::10",
            "192.0.2.12",
            "192.0.2.13",
        ]),
    );
    let expected = [
        [
            "192.0.2.10 is on eth0",
            "ARP",
            "`ip addr del 192.0.2.10/32 dev eth0` first",
        ],
        [
            "192.0.2.11 is on lo as a /24",
            "whole subnet",
            "`ip addr del 192.0.2.11/24 dev lo` first",
        ],
        [
            "2001:db8::10 is on eth0",
            "neighbour discovery",
            "`ip addr del 2001:db8::10/64 dev eth0` first",
        ],
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
    for (sentence, words) in refused.iter().zip(expected) {
        for word in words {
            assert!(sentence.contains(word), "no '{word}' in '{sentence}'");
        }
    }
}

#[test]
fn undo_restores_what_was_whatever_it_was() {
    for change in 0..16 {
        let bit = |n: u32| change >> n & 1;
        let mut facts = fresh();
        set(&mut facts, "all", "arp_ignore", bit(0) * 3);
        set(&mut facts, "eth0", "arp_announce", bit(1) * 3);
        set(&mut facts, "all", "rp_filter", bit(2));
        if bit(3) == 1 {
            facts.interfaces[0].is_up = false;
            facts.addresses.retain(|h| h.interface != LOOPBACK);
        }
        let before = facts.clone();
        let wanted = Wanted {
            tunnel: Some("eth1".into()),
            ..wanted(&["192.0.2.10", "2001:db8::10"])
        };
        let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &wanted);
        let undoing = undo(&memory, &facts, &wanted.vips).expect("both were set up");
        apply(&mut facts, &undoing.steps);
        assert_eq!(facts.settings, before.settings, "{change}");
        assert_eq!(facts.addresses, before.addresses, "{change}");
        assert_eq!(facts.interfaces, before.interfaces, "{change}");
        assert_eq!(undoing.memory, Memory::nothing(Place::default()));
        assert_eq!(undoing.left, [""; 0]);
    }
}

#[test]
fn settings_are_restored_with_the_last_vip() {
    let mut facts = fresh();
    let (first, second) = (wanted(&["192.0.2.10"]), wanted(&["192.0.2.11"]));
    let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &first);
    let memory = set_up(&mut facts, &memory, &second);
    let undoing = undo(&memory, &facts, &first.vips).expect("it was set up");
    assert_eq!(
        commands(&undoing.steps),
        ["ip addr del 192.0.2.10/32 dev lo"]
    );
    apply(&mut facts, &undoing.steps);
    let undoing = undo(&undoing.memory, &facts, &second.vips).expect("it was set up");
    assert_eq!(
        commands(&undoing.steps),
        [
            "ip addr del 192.0.2.11/32 dev lo",
            "sysctl -w net.ipv4.conf.all.arp_announce=0",
            "sysctl -w net.ipv4.conf.all.arp_ignore=0",
        ]
    );
}

#[test]
fn what_was_there_before_and_what_changed_since_stays() {
    let mut facts = fresh();
    facts.addresses.push(held("192.0.2.10/32", "lo"));
    let wanted = wanted(&["192.0.2.10"]);
    let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &wanted);
    set(&mut facts, "all", "arp_ignore", 2);
    let undoing = undo(&memory, &facts, &wanted.vips).expect("it was set up");
    assert_eq!(
        commands(&undoing.steps),
        ["sysctl -w net.ipv4.conf.all.arp_announce=0"]
    );
    let [there, changed] = undoing.left.as_slice() else {
        panic!("{:?}", undoing.left);
    };
    assert!(there.contains("was on lo before setup"), "{there}");
    assert!(
        changed.contains("arp_ignore is 2, and setup wrote 1"),
        "{changed}"
    );
}

#[test]
fn a_value_that_somebody_weakened_meanwhile_is_what_was_before_the_next_setup() {
    let mut facts = fresh();
    set(&mut facts, "all", "arp_announce", 1);
    let wanted = wanted(&["192.0.2.10"]);
    let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &wanted);
    set(&mut facts, "all", "arp_announce", 0);
    let memory = set_up(&mut facts, &memory, &wanted);
    let undoing = undo(&memory, &facts, &wanted.vips).expect("it was set up");
    apply(&mut facts, &undoing.steps);
    assert_eq!(facts.value(&Setting::of_all("arp_announce")), 0);
}

#[test]
fn a_setup_that_was_killed_after_any_step_is_undone_or_done_again() {
    let wanted = wanted(&["192.0.2.10", "2001:db8::10"]);
    let mut down = fresh();
    down.interfaces[0].is_up = false;
    down.addresses.retain(|h| h.interface != LOOPBACK);
    for before in [fresh(), down] {
        let steps = plan(&before, &wanted);
        // It is written before the first step.
        let memory = Memory::nothing(Place::default()).and(&wanted, &steps);
        for done in 0..=steps.len() {
            let mut facts = before.clone();
            apply(&mut facts, &steps[..done]);
            for again in [false, true] {
                let mut facts = facts.clone();
                let memory = if again {
                    set_up(&mut facts, &memory, &wanted)
                } else {
                    memory.clone()
                };
                let undoing = undo(&memory, &facts, &wanted.vips).expect("it is remembered");
                apply(&mut facts, &undoing.steps);
                assert_eq!(facts.settings, before.settings, "{done} {again}");
                assert_eq!(facts.addresses, before.addresses, "{done} {again}");
                assert_eq!(facts.interfaces, before.interfaces, "{done} {again}");
            }
        }
    }
}

#[test]
fn what_was_never_set_up_is_left_alone_and_nothing_else_is_undone() {
    let mut facts = fresh();
    facts.addresses.push(held("192.0.2.11/32", "lo"));
    let ours = wanted(&["192.0.2.10"]);
    let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &ours);
    let unknown = undo(&memory, &facts, &wanted(&["192.0.2.10", "192.0.2.11"]).vips)
        .expect_err("one is not ours");
    let [sentence] = unknown.as_slice() else {
        panic!("{unknown:?}");
    };
    assert!(
        sentence.contains("192.0.2.11 was not set up")
            && sentence.contains("ip addr del 192.0.2.11/32 dev lo"),
        "{sentence}"
    );
}

#[test]
fn lo_stays_up_when_others_have_moved_in() {
    let mut facts = fresh();
    facts.interfaces[0].is_up = false;
    let wanted = wanted(&["192.0.2.10"]);
    let memory = set_up(&mut facts, &Memory::nothing(Place::default()), &wanted);
    facts.addresses.push(held("2001:db8::99/128", "lo"));
    let undoing = undo(&memory, &facts, &wanted.vips).expect("it was set up");
    assert!(!undoing.steps.contains(&Step::Down), "{undoing:?}");
    assert!(undoing.left[0].contains("2001:db8::99/128"), "{undoing:?}");
}
