//! Random sequences of configs, one applied after the other, on tables in memory:
//! each by the same steps as the product's, through text, document, plan and
//! placement. What must hold after each:
//!
//! * no number of a destination is given to another while an entry of the flow
//!   table or an unsettled slot names it;
//! * the text that is stored says what the tables do;
//! * what is in force needs no step to be in force;
//! * states that a config does not say are as they were;
//! * health that nobody has news of is as it was, and a service without its quorum is
//!   served by its sorry backend alone, if that is well.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "each test binary uses its part of the dice")]
#[path = "connections/dice.rs"]
mod dice;

use dice::Dice;
use dsrload::config::merge::{merged, with_states};
use dsrload::config::plan::steps;
use dsrload::config::write::write;
use dsrload::config::{Balancer, Document, examine};
use dsrload::model::placement::{
    Loaded, PlacedDestination, Placement, Route, Wanted, WantedBackend, WantedService, place,
};
use dsrload::model::{ServiceAddress, State, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use xdp_prog::abi::limits::SLOTS_DEFAULT;
use xdp_prog::abi::state::slot;

const SEQUENCES: u64 = 40;
const CHANGES: u64 = 30;

/// A config of up to four services and up to five backends each.
fn config(dice: &mut Dice) -> String {
    let mut text = "[balancer]\nslots = 256\n".to_owned();
    let first = dice.below(4);
    for number in 0..4 {
        if number != first && dice.below(3) == 0 {
            continue;
        }
        // Two services may trade an address: 443 is at one or the other.
        let ports = match number {
            0 | 1 if dice.below(4) == 0 => "[\"80/tcp\", \"8080/tcp\"]".to_owned(),
            _ => "\"80/tcp\"".to_owned(),
        };
        writeln!(
            text,
            "[service.s{number}]\nvip = \"192.0.2.{}\"\nports = {ports}",
            number + 1
        )
        .expect("a string");
        if dice.below(5) == 0 {
            text += "on_dead = \"reset\"\n";
        }
        if dice.below(8) == 0 {
            text += dice.pick(&["tracking = \"all\"\n", "tracking = \"none\"\n"]);
        }
        if dice.below(3) == 0 {
            writeln!(text, "sorry = \"10.0.{number}.9\"").expect("a string");
        }
        if dice.below(4) == 0 {
            text += "check = { type = \"tcp\" }\n";
        }
        if dice.below(3) == 0 {
            text += "quorum = 1\nannounce = true\n";
        }
        writeln!(text, "[service.s{number}.backends]").expect("a string");
        let least = dice.below(5);
        for backend in 0..5 {
            if backend == least || dice.below(3) != 0 {
                let state = match dice.below(6) {
                    0 => ", state = \"drain\"",
                    1 => ", state = \"maint\"",
                    2 => ", state = \"ready\"",
                    _ => "",
                };
                let weight = dice.below(4);
                let ip = format!("10.0.{number}.{}", backend + 1);
                writeln!(
                    text,
                    "b{backend} = {{ ip = \"{ip}\", weight = {weight}{state} }}"
                )
                .expect("a string");
            }
        }
    }
    text
}

fn read(text: &str) -> Document {
    let (document, findings) = examine(text);
    let is_error = |f: &dsrload::config::Finding| f.severity.name() == "error";
    assert!(!findings.iter().any(is_error), "{findings:?} in\n{text}");
    document
}

fn wanted(document: &Document) -> Wanted {
    let said = Balancer::new(&with_states(document));
    let services = said.config.services.iter().zip(&said.care);
    let services = services.map(|(service, care)| WantedService {
        addresses: service.addresses.clone(),
        manner: service.manner.clone(),
        backends: service
            .backends
            .iter()
            .map(|backend| WantedBackend {
                route: Route {
                    address: backend.address,
                    macs: [7; 12],
                    is_mac_given: false,
                    port: 0,
                    tunnel: None,
                },
                weight: backend.weight,
                state: backend.state,
            })
            .collect(),
        quorum: care.quorum,
        sorry: care.sorry,
    });
    Wanted {
        services: services.collect(),
        slots: said.options.slots_each(),
        ..Wanted::default()
    }
}

/// Tables in memory, and the text that is stored with them.
struct Memory {
    loaded: Loaded,
    text: String,
}

impl Memory {
    /// What a new process finds.
    fn document(&self) -> Document {
        match self.text.is_empty() {
            true => Document::default(),
            false => read(&self.text),
        }
    }

    fn apply(&mut self, config: &str, dice: &mut Dice) {
        let before = self.document();
        let document = merged(&before, &read(config));
        self.loaded.now += 1;
        let mut wanted = wanted(&document);
        for service in &wanted.services {
            for backend in &service.backends {
                let first = service.addresses.iter().min().copied();
                if let (Some(first), 0) = (first, dice.below(5)) {
                    let key = (first, backend.route.address);
                    wanted.failing.insert(key, dice.below(2) == 0);
                }
            }
        }
        let placement = match place(&self.loaded, &wanted) {
            Ok(placement) => placement,
            // Two services may have become one.
            Err(error) => panic!("{error}\n{config}"),
        };
        self.health_is_kept(&placement, &wanted);
        who_is_sorry_stands_in(&placement, &wanted);
        self.gives_out_no_number_that_is_named(&placement);
        self.commit(placement, dice);
        self.text = write(&document);
        self.text_says_what_the_tables_do();
        let again = merged(&self.document(), &read(&self.text));
        let (now, again) = (Balancer::new(&self.document()), Balancer::new(&again));
        assert_eq!(steps(&now, &again), [], "{}", self.text);
        states_are_kept(&before, &read(config), &document);
    }

    fn gives_out_no_number_that_is_named(&self, placement: &Placement) {
        let mut named: BTreeMap<u16, &str> = BTreeMap::new();
        let words = self.loaded.words.values().flatten();
        for &word in words.filter(|&&word| !slot::is_settled(word)) {
            named.insert(slot::previous(word), "a slot's former flows");
            named.insert(slot::current(word), "a slot's new flows");
        }
        named.extend(self.loaded.named.iter().map(|&number| (number, "a flow")));
        let of = |d: &PlacedDestination| (d.service, d.route.address);
        let before: BTreeMap<u16, _> = self
            .loaded
            .destinations
            .iter()
            .map(|d| (d.number, of(d)))
            .collect();
        let mut given = BTreeSet::new();
        for new in &placement.destinations {
            assert!(given.insert(new.number), "{new:?}: given twice");
            if before.get(&new.number) != Some(&of(new)) {
                assert_eq!(named.get(&new.number), None, "{new:?}");
                assert!(!before.contains_key(&new.number), "{new:?}");
            }
        }
    }

    fn health_is_kept(&self, placement: &Placement, wanted: &Wanted) {
        for new in &placement.destinations {
            let service = placement.services.iter().find(|s| s.id == new.service);
            let first = service.and_then(|s| s.addresses.iter().min().copied());
            let told = first.and_then(|first| wanted.failing.get(&(first, new.route.address)));
            let mut before = self.loaded.destinations.iter();
            let was = before.find(|d| d.number == new.number);
            let kept = was.is_some_and(|was| was.is_failing);
            assert_eq!(new.is_failing, told.copied().unwrap_or(kept), "{new:?}");
        }
    }

    /// As `Tables::commit`, and some flows come, go, or settle.
    fn commit(&mut self, placement: Placement, dice: &mut Dice) {
        let loaded = &mut self.loaded;
        let mut slots: BTreeMap<u32, Vec<u32>> = placement.slots.into_iter().collect();
        let old = std::mem::take(&mut loaded.words);
        loaded.words = placement
            .services
            .iter()
            .map(|service| {
                let new = slots.remove(&service.slots.start);
                let words = new.or_else(|| old.get(&service.id).cloned());
                (service.id, words.expect("its slots are somewhere"))
            })
            .collect();
        assert!(slots.is_empty(), "slots of no service");
        loaded.services = placement.services;
        loaded.destinations = placement.destinations;
        loaded.copy = 1 - loaded.copy;
        for d in &loaded.destinations {
            if dice.below(2) == 0 {
                loaded.named.insert(d.number);
            }
        }
        loaded.named.retain(|_| dice.below(10) != 0);
        if dice.below(6) == 0 {
            for words in loaded.words.values_mut() {
                for word in words {
                    *word = slot::settled(slot::current(*word));
                }
            }
        }
    }

    fn text_says_what_the_tables_do(&self) {
        let said = Balancer::new(&self.document());
        type Row = (IpAddr, u16, &'static str);
        let mut by_text: BTreeMap<Vec<ServiceAddress>, BTreeSet<Row>> = BTreeMap::new();
        for service in &said.config.services {
            let rows = service.backends.iter().map(|b| {
                let state = b.state.unwrap_or(State::Ready);
                (b.address, b.weight, state.word())
            });
            by_text.insert(service.addresses.clone(), rows.collect());
        }
        let by_tables = self.loaded.services.iter().map(|service| {
            let rows = self.loaded.destinations.iter();
            let rows = rows.filter(|d| d.service == service.id);
            let rows = rows.map(|d| (d.route.address, d.weight, d.state.word()));
            (service.addresses.clone(), rows.collect())
        });
        assert_eq!(by_text, by_tables.collect(), "{}", self.text);
    }
}

/// The new owners of slots, by what is known of the backends and nothing else.
fn who_is_sorry_stands_in(placement: &Placement, wanted: &Wanted) {
    for service in &wanted.services {
        let mut placed = placement.services.iter();
        let placed = placed.find(|s| s.addresses == service.addresses);
        let placed = placed.expect("it is placed");
        let mine: Vec<_> = placement
            .destinations
            .iter()
            .filter(|d| d.service == placed.id)
            .collect();
        let is_well = |d: &&&PlacedDestination| d.state == State::Ready && !d.is_failing;
        let is_sorry = |d: &PlacedDestination| service.sorry == Some(d.route.address);
        let regular = mine
            .iter()
            .filter(is_well)
            .filter(|d| !is_sorry(d) && d.weight > 0);
        let has_quorum = regular.clone().count() >= service.quorum as usize;
        let sorry = mine.iter().filter(is_well).find(|d| is_sorry(d));
        let wanted: BTreeSet<u16> = match (has_quorum, sorry) {
            (false, Some(sorry)) => BTreeSet::from([sorry.number]),
            _ => regular.map(|d| d.number).collect(),
        };
        let start = placed.slots.start;
        let Some((_, words)) = placement.slots.iter().find(|(first, _)| *first == start) else {
            continue;
        };
        let owners = words.iter().map(|&word| slot::current(word));
        let owners: BTreeSet<u16> = owners.filter(|&owner| owner != 0).collect();
        assert!(
            owners.is_subset(&wanted),
            "{owners:?} of {wanted:?}: {service:?}"
        );
        assert_eq!(owners.is_empty(), wanted.is_empty(), "{service:?}");
    }
}

fn states_are_kept(before: &Document, asked: &Document, now: &Document) {
    let of = |document: &Document, service: usize, address: IpAddr| {
        let services = Balancer::new(document).config.services;
        let backends = services.get(service)?.backends.clone();
        backends.into_iter().find(|b| b.address == address)
    };
    let asked = Balancer::new(asked).config;
    let former = dsrload::config::plan::former(&Balancer::new(before).config, &asked);
    for (index, (service, former)) in asked.services.iter().zip(former).enumerate() {
        for backend in &service.backends {
            let was = former.and_then(|former| of(before, former, backend.address));
            let kept = was.and_then(|was| was.state).unwrap_or(State::Ready);
            let is = of(now, index, backend.address).expect("it is there");
            let is = is.state.unwrap_or(State::Ready);
            assert_eq!(is, backend.state.unwrap_or(kept), "{backend:?}");
        }
    }
}

#[test]
fn random_sequences_of_configs_keep_numbers_text_and_states() {
    for seed in 0..SEQUENCES {
        let mut dice = Dice::new(seed, 0);
        let mut memory = Memory {
            loaded: Loaded {
                slots: SLOTS_DEFAULT,
                ..Loaded::default()
            },
            text: String::new(),
        };
        for _ in 0..CHANGES {
            let config = config(&mut dice);
            memory.apply(&config, &mut dice);
        }
    }
}
