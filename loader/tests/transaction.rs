//! A change is all or nothing, whichever stage of it fails; and the text of the
//! config goes with the tables. On tables of the kernel's that no program reads:
//! needs root.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use anyhow::{Result, bail};
use dsrload::EMBEDDED;
use dsrload::datapath::Tables;
use dsrload::datapath::stored::{NewText, Stored};
use dsrload::datapath::tables::Capacity;
use dsrload::datapath::transaction::{Observer, Stage, Transaction, Unobserved};
use dsrload::model::placement::{
    Loaded, PlacedDestination, PlacedService, Placement, Route, Wanted, WantedBackend,
    WantedService, place,
};
use dsrload::model::{Manner, Prefix};
use dsrload::object::Spec;
use std::collections::BTreeMap;

/// Bytes of a text in these tests.
const ROOM: u32 = 4096;

fn tables() -> Tables {
    let spec = Spec::parse(EMBEDDED).expect("the object in this binary");
    let capacity = Capacity {
        text: ROOM,
        ..Capacity::default()
    };
    Tables::create(&spec, capacity).expect("tables; this takes root")
}

/// One service with these backends, whose clients are on a list.
fn wanted(backends: &[u8]) -> Wanted {
    let backend = |&last: &u8| WantedBackend {
        route: Route {
            address: [10, 0, 0, last].into(),
            macs: [last; 12],
            is_mac_given: false,
            port: 0,
            tunnel: None,
        },
        weight: 1,
        state: None,
    };
    let list: Prefix = format!("10.{}.0.0/16", backends.len()).parse().expect("it");
    Wanted {
        services: vec![WantedService {
            addresses: vec!["192.0.2.10:80".parse().expect("it")],
            manner: Manner {
                allow: vec![list],
                ..Manner::default()
            },
            backends: backends.iter().map(backend).collect(),
            quorum: 0,
            sorry: None,
        }],
        slots: 256,
        ..Wanted::default()
    }
}

/// Fails at one stage.
struct Failing(Stage);

impl Observer for Failing {
    fn before(&mut self, stage: Stage) -> Result<()> {
        if stage == self.0 {
            bail!("{stage:?} fails");
        }
        Ok(())
    }
}

/// Changes the tables to these backends.
fn change(
    tables: &Tables,
    backends: &[u8],
    text: &str,
    observer: &mut impl Observer,
    attach: Result<()>,
) -> Result<()> {
    let loaded = tables.loaded().expect("what is loaded");
    let placement = place(&loaded, &wanted(backends)).expect("there is room");
    carry_out(tables, &loaded, &placement, text, observer, attach)
}

fn carry_out(
    tables: &Tables,
    loaded: &Loaded,
    placement: &Placement,
    text: &str,
    observer: &mut impl Observer,
    attach: Result<()>,
) -> Result<()> {
    let transaction = Transaction {
        tables,
        is_new: false,
        loaded,
        placement,
        text: NewText::lasting(text),
    };
    let done = transaction.carry_out(observer, || attach)?;
    assert!(done.left.is_none(), "{done:?}");
    Ok(())
}

/// All that packets and readers see.
#[derive(Debug, PartialEq)]
struct Seen {
    index: u64,
    vips: u64,
    services: Vec<PlacedService>,
    destinations: Vec<PlacedDestination>,
    words: BTreeMap<u16, Vec<u32>>,
    now: Option<Stored>,
    before: Option<Stored>,
}

fn seen(tables: &Tables) -> Seen {
    let loaded = tables.loaded().expect("what is loaded");
    Seen {
        index: tables.control().index.get(),
        vips: tables.control().vips.get(),
        services: loaded.services,
        destinations: loaded.destinations,
        words: loaded.words,
        now: tables.stored(),
        before: tables.stored_before(),
    }
}

fn text_of(stored: Option<Stored>) -> Option<(u64, String)> {
    stored.map(|stored| (stored.generation, stored.text))
}

#[test]
fn text_and_tables_change_together_and_the_one_before_is_kept() {
    let tables = tables();
    assert_eq!((tables.stored(), tables.stored_before()), (None, None));
    let mut before = None;
    for generation in 1..20u8 {
        // Of every length around a word's.
        let text = "x".repeat(usize::from(generation)) + "\u{e4}";
        let backends: Vec<u8> = (1..=1 + generation % 5).collect();
        change(&tables, &backends, &text, &mut Unobserved, Ok(())).expect("it is done");
        let now = Some((u64::from(generation), text));
        assert_eq!(text_of(tables.stored()), now);
        assert_eq!(text_of(tables.stored_before()), before);
        before = now;
        let placed = seen(&tables).destinations;
        assert_eq!(placed.len(), backends.len());
    }
}

#[test]
fn whichever_stage_fails_everything_is_as_it_was() {
    let tables = tables();
    change(&tables, &[1, 2], "first", &mut Unobserved, Ok(())).expect("it is done");
    change(&tables, &[1, 3], "second", &mut Unobserved, Ok(())).expect("it is done");
    for round in 0..5 {
        let before = seen(&tables);
        for stage in Stage::ALL {
            let failed = change(&tables, &[3, 4], "third", &mut Failing(stage), Ok(()));
            assert!(failed.is_err(), "{stage:?}");
            assert_eq!(seen(&tables), before, "{stage:?} in round {round}");
        }
        let attach = Err(anyhow::anyhow!("the driver refuses"));
        let failed = change(&tables, &[5, 6, 7], "third", &mut Unobserved, attach);
        assert!(failed.is_err());
        assert_eq!(seen(&tables), before);
        // What failed hinders nothing.
        let backends = [1, 4 + round];
        change(&tables, &backends, "next", &mut Unobserved, Ok(())).expect("it is done");
        assert_eq!(text_of(tables.stored_before()), text_of(before.now));
    }
}

#[test]
fn a_process_that_dies_before_the_switch_leaves_the_old_text() {
    let tables = tables();
    change(&tables, &[1, 2], "first", &mut Unobserved, Ok(())).expect("it is done");
    change(&tables, &[1, 3], "second", &mut Unobserved, Ok(())).expect("it is done");
    let before = seen(&tables);
    for round in 0..4 {
        // All of it but for the switch, and nobody takes it back.
        let loaded = tables.loaded().expect("what is loaded");
        let placement = place(&loaded, &wanted(&[3, 4])).expect("there is room");
        let new = NewText::lasting("of a dead process");
        tables.enter_text(new, placement.index.seed).expect("room");
        assert_eq!(seen(&tables).now, before.now, "round {round}");
        assert_eq!(seen(&tables).before, before.before, "round {round}");
    }
    change(&tables, &[1, 2], "third", &mut Unobserved, Ok(())).expect("it is done");
    assert_eq!(text_of(tables.stored()), Some((3, "third".to_owned())));
    assert_eq!(
        text_of(tables.stored_before()),
        Some((2, "second".to_owned()))
    );
}

#[test]
fn a_text_that_does_not_fit_is_refused_before_anything_is_changed() {
    let tables = tables();
    let room = ROOM as usize - 64;
    change(&tables, &[1], &"a".repeat(room), &mut Unobserved, Ok(())).expect("it fits");
    let before = seen(&tables);
    let long = "b".repeat(room + 1);
    let error = change(&tables, &[1, 2], &long, &mut Unobserved, Ok(())).expect_err("too long");
    let words = error.to_string();
    assert!(
        words.contains("4033 bytes") && words.contains("hold 4032"),
        "{words}"
    );
    assert_eq!(seen(&tables), before);
}

#[test]
fn a_deadline_stands_until_it_is_confirmed() {
    let tables = tables();
    change(&tables, &[1], "first", &mut Unobserved, Ok(())).expect("it is done");
    assert_eq!(tables.pending(), None);
    let loaded = tables.loaded().expect("what is loaded");
    let placement = place(&loaded, &wanted(&[1, 2])).expect("there is room");
    let transaction = Transaction {
        tables: &tables,
        is_new: false,
        loaded: &loaded,
        placement: &placement,
        text: NewText {
            text: "second",
            deadline: 77,
            given_up: 0,
            goes_on: false,
        },
    };
    transaction
        .carry_out(&mut Unobserved, || Ok(()))
        .expect("it is done");
    assert_eq!(tables.pending(), Some((2, 77)));
    tables.confirm();
    assert_eq!(tables.pending(), None);
    assert_eq!(text_of(tables.stored()), Some((2, "second".to_owned())));
}

#[test]
fn a_text_that_goes_on_with_other_tables_keeps_the_one_before_it() {
    let tables = tables();
    change(&tables, &[1, 2], "first", &mut Unobserved, Ok(())).expect("it is done");
    change(&tables, &[1, 2, 3], "second", &mut Unobserved, Ok(())).expect("it is done");
    for round in 0..8 {
        let loaded = tables.loaded().expect("what is loaded");
        let mut wanted = wanted(&[1, 2, 3]);
        let service = "192.0.2.10:80".parse().expect("it");
        let is_failing = round % 2 == 0;
        wanted
            .failing
            .insert((service, [10, 0, 0, 2].into()), is_failing);
        let placement = place(&loaded, &wanted).expect("there is room");
        let transaction = Transaction {
            tables: &tables,
            is_new: false,
            loaded: &loaded,
            placement: &placement,
            text: NewText {
                goes_on: true,
                ..NewText::lasting("second")
            },
        };
        let done = transaction.carry_out(&mut Unobserved, || Ok(()));
        done.expect("it is done");
        assert_eq!(text_of(tables.stored()), Some((2, "second".to_owned())));
        assert_eq!(
            text_of(tables.stored_before()),
            Some((1, "first".to_owned()))
        );
        let failing: Vec<bool> = tables
            .placed_destinations()
            .iter()
            .map(|d| d.is_failing)
            .collect();
        assert_eq!(failing, [false, is_failing, false]);
    }
    change(&tables, &[1], "third", &mut Unobserved, Ok(())).expect("it is done");
    assert_eq!(text_of(tables.stored()), Some((3, "third".to_owned())));
    assert_eq!(
        text_of(tables.stored_before()),
        Some((2, "second".to_owned()))
    );
}
