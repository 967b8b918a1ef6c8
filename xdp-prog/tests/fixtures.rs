//! Every fixture through the host build.
//!
//! How fixtures are written: `packets/fixture.rs`. The world they live in:
//! `packets/world.rs`.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod packets;

use packets::check::check;
use packets::fixture::{self, Fixture, Target, parse};
use packets::site::SITES;
use packets::subject::{Host, Subject};
use packets::world::World;
use std::collections::BTreeSet;
use std::path::Path;
use xdp_prog::abi::Outcome;
use xdp_prog::abi::limits::{ERRORS_PER_EPOCH, RESETS_PER_EPOCH};
use xdp_prog::tables::Tables;

fn all() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixture::read_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_fixture_holds_on_the_host() {
    let world = World::new();
    let mut failures = Vec::new();
    // Also where the ages of flows reach back across the wrap of the epoch.
    for epoch in [0, 3, 100, 255] {
        let mut host = Host::at_epoch(epoch);
        for fixture in all() {
            if let Err(failure) = check(&mut host, &world, &fixture) {
                failures.push(format!("at epoch {epoch}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The table is found by a hash: of so many ports and addresses some fall on
/// the place of a service, and only the comparison tells them from it.
#[test]
fn no_other_port_or_address_is_taken_for_a_service() {
    let mut host = Host::at_epoch(0);
    World::new().fill(&host);
    let has_port_80 =
        |site: &&packets::site::Site| site.protocol == 6 && (site.port == 80 || site.port == 0);
    let hosts = SITES
        .iter()
        .filter(has_port_80)
        .map(|site| site.host.into());
    let hosts: BTreeSet<u16> = hosts.collect();
    // The destination port, and the last half of the destination address.
    for (name, port, address, prefix) in
        [("tcp_syn.pkt", 36, 32, 0x0200), ("v6_syn.pkt", 56, 52, 0)]
    {
        let syn = all().into_iter().find(|fixture| fixture.name == name);
        let syn = &syn.expect("the fixture").steps[0].frame;
        let mut taken = [BTreeSet::new(), BTreeSet::new()];
        for number in 0..=u16::MAX {
            for (taken, at) in taken.iter_mut().zip([port, address]) {
                let mut frame = syn.clone();
                frame[at..at + 2].copy_from_slice(&number.to_be_bytes());
                let outcome = host.decide(&mut frame).outcome();
                if ![Outcome::NoService, Outcome::NotVip].contains(&outcome) {
                    taken.insert(number);
                }
            }
        }
        let vips = hosts.iter().map(|host| prefix + host).collect();
        assert_eq!(taken, [BTreeSet::from([80]), vips], "{name}");
    }
}

#[test]
fn what_may_be_sent_in_an_epoch_may_be_sent_in_the_next() {
    let mut host = Host::at_epoch(1);
    World::new().fill(&host);
    let outcome = |host: &mut Host, name: &str| {
        let fixture = all().into_iter().find(|fixture| fixture.name == name);
        let mut frame = fixture.expect("the fixture").steps[0].frame.clone();
        host.decide(&mut frame).outcome()
    };
    for epoch in [1, 2] {
        host.set_epoch(epoch);
        assert_eq!(outcome(&mut host, "ttl_one.pkt"), Outcome::TtlAnswered);
        assert_eq!(outcome(&mut host, "reset_ack.pkt"), Outcome::ResetSent);
        host.tables().budget().errors.set(ERRORS_PER_EPOCH);
        host.tables().budget().resets.set(RESETS_PER_EPOCH);
        assert_eq!(outcome(&mut host, "too_big.pkt"), Outcome::TooBig);
        assert_eq!(outcome(&mut host, "reset_ack.pkt"), Outcome::ResetLimited);
    }
}

#[test]
fn every_outcome_has_a_fixture() {
    let fixtures = all();
    assert!(fixtures.len() >= 40, "only {} fixtures", fixtures.len());
    for outcome in Outcome::ALL {
        let mut steps = fixtures.iter().flat_map(|fixture| &fixture.steps);
        let shown = steps.any(|step| step.outcome == *outcome);
        assert!(shown, "no fixture shows {}", outcome.name());
    }
}

#[test]
fn no_two_fixtures_are_the_same() {
    let fixtures = all();
    for (n, one) in fixtures.iter().enumerate() {
        for other in &fixtures[..n] {
            let same = Fixture {
                name: one.name.clone(),
                sentence: one.sentence.clone(),
                ..other.clone()
            };
            assert!(same != *one, "{} shows what {} shows", one.name, other.name);
            assert_ne!(
                one.sentence, other.sentence,
                "{} and {}",
                one.name, other.name
            );
        }
    }
}

/// A fixture without mistakes, to make mistakes in.
const GOOD: &str = "\
# Two lines make
# one sentence
outcome: forwarded
flow: 3 age 2
to: roll
in:  02 0000*2
in:  ff*3
";

fn mistake(text: &str) -> String {
    match parse("bad.pkt", text) {
        Ok(_) => panic!("no mistake was found in:\n{text}"),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn the_parts_of_a_fixture_are_read() {
    let text = GOOD.replace("0000*2", "00*2 0a0B");
    let fixture = parse("good.pkt", &text).expect("a fixture");
    assert_eq!(fixture.sentence, "Two lines make one sentence");
    let known = fixture.before.flow;
    assert_eq!(
        known.map(|known| (known.destination, known.age)),
        Some((3, 2))
    );
    let [step] = &fixture.steps[..] else {
        panic!("{} steps", fixture.steps.len());
    };
    assert_eq!((step.outcome, step.action), (Outcome::Forwarded, 3));
    assert_eq!(step.to, Some(Target::Roll));
    assert_eq!(step.frame, [2, 0, 0, 10, 11, 255, 255, 255]);
    assert_eq!(step.expected, step.frame);
}

#[test]
fn a_fixture_may_be_of_several_packets() {
    let text = GOOD.replace("0000*2", "00*2") + "then:\noutcome: not_vip\nin: 00\nout: 01\n";
    let fixture = parse("good.pkt", &text).expect("a fixture");
    let second = &fixture.steps[1];
    assert_eq!((second.outcome, second.to), (Outcome::NotVip, None));
    assert_eq!(
        (&second.frame[..], &second.expected[..]),
        (&[0][..], &[1][..])
    );
    let late = mistake(&(text + "resets: 3\n"));
    assert!(
        late.ends_with("'resets' stands before all packets"),
        "{late}"
    );
}

#[test]
fn a_mistake_in_a_fixture_is_named_with_its_line() {
    let cases = [
        (
            GOOD,
            "bad.pkt:6: '0000*2' repeats more, or less, than a byte",
        ),
        (
            &GOOD.replace("0000*2", "000"),
            "bad.pkt:6: half a byte in '000'",
        ),
        (
            &GOOD.replace("0000*2", "0x00"),
            "bad.pkt:6: '0x00' is not hexadecimal",
        ),
        (
            &GOOD.replace("0000*2", "00*x"),
            "bad.pkt:6: 'x' is no number, or too large",
        ),
        (
            &GOOD.replace("age 2", "age 256"),
            "bad.pkt:4: '256' is no number, or too large",
        ),
        (
            &GOOD.replace("roll", "role"),
            "bad.pkt:5: 'role' is no number, or too large",
        ),
        (
            &GOOD.replace("forwarded", "lost"),
            "bad.pkt:3: no outcome is called 'lost'",
        ),
        (
            &GOOD.replace("flow:", "flaw:"),
            "bad.pkt:4: no directive is called 'flaw'",
        ),
        (
            &GOOD.replace("flow:", "to:"),
            "bad.pkt:4: '3 age 2' is no number, or too large",
        ),
        (
            &GOOD.replace("flow: 3 age 2", "to: 1"),
            "bad.pkt:5: said twice",
        ),
        (
            &GOOD.replace("flow: 3 age 2", "action: tax"),
            "bad.pkt:4: no action is called 'tax'",
        ),
        (
            &GOOD.replace("flow: 3 age 2", "bucket: empty"),
            "bad.pkt:4: a bucket is free, full, one idle or idle, not 'empty'",
        ),
        (
            &GOOD.replace("in:  ff*3", "ff"),
            "bad.pkt:7: no directive in 'ff'",
        ),
        (
            &GOOD.replace("in:  ff*3", "# more"),
            "bad.pkt:7: the sentence stands before everything",
        ),
    ];
    for (n, (text, expected)) in cases.iter().enumerate() {
        let text = if n == 0 || expected.contains(":6:") {
            (*text).to_owned()
        } else {
            text.replace("0000*2", "00*2")
        };
        let got = mistake(&text);
        assert!(
            got.starts_with(expected),
            "expected {expected}\n     got {got}"
        );
    }
}

#[test]
fn a_fixture_that_leaves_something_out_is_refused() {
    let good = GOOD.replace("0000*2", "00*2");
    let without = |line: &str| {
        assert!(good.contains(line), "{line}");
        mistake(&good.replace(line, ""))
    };
    assert!(without("outcome: forwarded\n").ends_with("no outcome"));
    assert!(without("to: roll\n").contains("'to' belongs to 'outcome: forwarded'"));
    assert!(without("in:  02 00*2\nin:  ff*3\n").ends_with("no frame"));
    assert!(without("# Two lines make\n# one sentence\n").contains("no sentence"));
}
