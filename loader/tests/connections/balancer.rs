//! The shipped program with tables of its own, run by the product's own control
//! plane. Slots are never written from here; flows only grow older.

use super::control::Control;
use super::segment::{OUR_MAC, ROUTER_MAC, Segment};
use super::site::{self, Service, wanted};
use dsrload::commands::settle::{Patience, settle};
use dsrload::datapath::Tables;
use dsrload::datapath::program::{Loaded, Maker};
use dsrload::datapath::tables::Capacity;
use dsrload::model::ServiceAddress;
use dsrload::model::key::keys;
use dsrload::model::placement::{place, service_address};
use dsrload::model::sweep::Clock;
use dsrload::object::Spec;
use dsrload::sys::bpf::test_run;
use std::collections::{BTreeMap, HashMap};
use xdp_prog::abi::Outcome;
use xdp_prog::abi::limits::FLOWS_PER_BUCKET;
use xdp_prog::abi::state::{destination, index, slot};
use xdp_prog::track::entry::Entry;

/// Numbers of destinations that a sequence may come to.
const NUMBERS: usize = 512;
/// Slots of all services: as many as are needed, and half as many again.
const SLOTS: u32 = 4096;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// To this backend of this service.
    To(u8, u8),
    /// Back to where it came from: a reset.
    Back,
    /// It was dropped.
    Nowhere,
}

/// What the tables say of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Of its hash: what an entry is known by.
    pub tag: u64,
    /// What its slot holds.
    pub word: u32,
    /// Its entry.
    pub entry: Option<Entry>,
    /// All entries of its bucket.
    pub bucket: [u64; FLOWS_PER_BUCKET],
    /// The backend that its slot sends flows without an entry to.
    pub without: Option<u8>,
}

/// One balancer.
pub struct Balancer {
    tables: Tables,
    loaded: Loaded,
    /// What its keys are made of.
    pub site: String,
    /// The services that it was told of last.
    pub services: Vec<Service>,
    /// Tags of entries that others have taken the places of, and how many
    /// epochs they were idle then.
    pub evicted: HashMap<u64, u8>,
    /// Where each service stands in the table.
    places: BTreeMap<ServiceAddress, usize>,
    /// Service and backend of each destination that ever was.
    names: Vec<Option<(u8, u8)>>,
    /// Packets that each destination was sent.
    forwarded: Vec<u64>,
    /// All packets, and those that were forwarded.
    sent: (u64, u64),
    /// Packets that found no room in the flow table.
    untracked: u64,
}

impl Balancer {
    /// Loads `object`, for which time stands still, with a flow table of this
    /// size.
    pub fn load(object: &[u8], flows: u32) -> Self {
        let spec = Spec::parse(object).expect("an object");
        let capacity = Capacity {
            slots: SLOTS,
            flows,
            ..Capacity::default()
        };
        let tables = Tables::create(&spec, capacity).expect("tables; this takes root");
        let mut maker = Maker::new(&spec, &tables).expect("the clock");
        maker.epoch_shift = 63;
        let loaded = maker.make(0).expect("the program");
        Self {
            tables,
            loaded,
            site: String::new(),
            services: Vec::new(),
            evicted: HashMap::new(),
            places: BTreeMap::new(),
            names: vec![None; NUMBERS],
            forwarded: vec![0; NUMBERS],
            sent: (0, 0),
            untracked: 0,
        }
    }

    /// Makes it as if it had been loaded just now, with the keys of this site.
    pub fn reset(&mut self, site: &str) {
        let tables = &self.tables;
        let control = tables.control();
        control.index.set(0);
        control.retired.set(0);
        let words = control.keys.iter().chain(&control.keys6);
        words.zip(keys(site)).for_each(|(word, key)| word.set(key));
        let mac = u64::from_le_bytes([2, 0, 0, 0, 0, OUR_MAC[5], 0, 0]);
        tables.ports.entries()[0].mac.set(mac);
        tables.services.entries().iter().for_each(|s| s.key.set(0));
        tables.slots.entries().iter().for_each(|s| s.set(0));
        self.words().for_each(|word| word.set(0));
        let row = tables.destinations.entries().len();
        for destination in &tables.destinations.entries()[..NUMBERS] {
            destination.flags.set(0);
        }
        for counters in tables.counters.entries().chunks_exact(row) {
            for counter in &counters[..NUMBERS] {
                counter.packets.set(0);
                counter.untracked.set(0);
            }
        }
        for row in tables.outcomes.entries() {
            row.0.iter().for_each(|word| word.set(0));
        }
        for budget in tables.budgets.entries() {
            budget.resets.set(0);
        }
        site.clone_into(&mut self.site);
        self.services.clear();
        self.evicted.clear();
        self.names.fill(None);
        self.forwarded.fill(0);
        self.sent = (0, 0);
        self.untracked = 0;
    }

    fn words(&self) -> impl Iterator<Item = &xdp_prog::abi::word::Word64> {
        self.tables.flows.entries().iter().flat_map(|b| &b.0)
    }

    /// Puts services in force, as every verb does. How many slots moved.
    pub fn apply(
        &mut self,
        control: &impl Control,
        services: &[Service],
        says_states: bool,
        now: u64,
    ) -> Result<usize, String> {
        let mut loaded = self.tables.loaded().map_err(|e| format!("{e:#}"))?;
        loaded.now = now;
        let (before, named) = (loaded.destinations.clone(), loaded.named.clone());
        control.loaded(&mut loaded);
        let mut placement = place(&loaded, &wanted(services, says_states))?;
        control.placed(&loaded, &mut placement);
        self.tables
            .prepare(&placement)
            .and_then(|()| self.tables.commit(&placement))
            .map_err(|e| format!("{e:#}"))?;

        self.services = services.to_vec();
        for new in &placement.destinations {
            let number = usize::from(new.number);
            if before.iter().all(|d| d.number != new.number) {
                self.forwarded[number] = 0;
                if named.contains(&new.number) {
                    return Err(format!("number {number} is given out, and flows name it"));
                }
            }
            let [mac @ .., _, _, _, _, _, _] = new.route.macs;
            self.names[number] = site::receiver(mac);
        }
        self.untracked = self.count_untracked();
        self.find_services();
        Ok(placement.moved.values().sum())
    }

    fn find_services(&mut self) {
        let all = self.tables.services.entries();
        let half = all.len() / 2;
        let copy = half * (index::copy(self.tables.control().index.get()) as usize);
        let found = (copy..copy + half).filter_map(|place| {
            let entry = &all[place];
            let words = [entry.address[0].get(), entry.address[1].get()];
            Some((service_address(words, entry.key.get())?, place))
        });
        self.places = found.collect();
    }

    /// Settles what can settle, as the verb does.
    pub fn settle(
        &self,
        control: &impl Control,
        now: u64,
        mut patience: Patience,
    ) -> Result<(), String> {
        let mut loaded = self.tables.loaded().expect("the tables");
        loaded.now = now;
        let epochs = patience.idle.div_ceil(super::EPOCH) + 1;
        let mut clock = Clock {
            now: 0,
            idle: u8::try_from(epochs).expect("a few"),
        };
        control.swept(&mut loaded, &mut clock, &mut patience);
        let swept = settle(&self.tables, &loaded, clock, patience);
        let left = self.unsettled();
        if swept.left != left {
            return Err(format!(
                "{left} slots are unsettled, and it says {}",
                swept.left
            ));
        }
        Ok(())
    }

    /// Lets entries grow older. The program's clock stands still.
    pub fn age(&self, epochs: u64) {
        let [epochs, ..] = epochs.to_le_bytes();
        for word in self.words() {
            let entry = Entry(word.get());
            if entry.is_free() {
                continue;
            }
            let epoch = entry.epoch().wrapping_sub(epochs);
            word.set(Entry::new(entry.tag(), epoch, entry.destination()).0);
        }
    }

    /// What the tables say of the flow of a segment.
    pub fn facts(&self, segment: &Segment) -> Facts {
        let address = ServiceAddress {
            vip: segment.vip,
            port: segment.port,
            protocol: segment.protocol,
        };
        let service = &self.tables.services.entries()[self.places[&address]];
        let hash = segment.hash(self.tables.control(), service);
        let low = |bits: u64, mask: usize| usize::try_from(bits).expect("64 bits") & mask;
        let slot = low(hash >> 40, service.slot_mask.get() as usize);
        let slot = service.first_slot.get() as usize + slot;
        let word = self.tables.slots.entries()[slot].get();
        let buckets = self.tables.flows.entries();
        let bucket = &buckets[low(hash, buckets.len() - 1)];
        let bucket = std::array::from_fn(|place| bucket.0[place].get());
        let tag = hash >> 24;
        let is_its_own = |e: &Entry| !e.is_free() && e.tag() == tag;
        Facts {
            tag,
            word,
            entry: bucket.map(Entry).into_iter().find(is_its_own),
            bucket,
            without: self.without(word, service.id.get()),
        }
    }

    fn without(&self, word: u32, service: u16) -> Option<u8> {
        let previous = slot::previous(word);
        let entry = &self.tables.destinations.entries()[usize::from(previous)];
        let flags = entry.flags.get() & (destination::LIVE | destination::OUT);
        let is_in = flags == destination::LIVE && entry.service.get() == service;
        self.backend(if is_in { previous } else { slot::current(word) })
    }

    /// Which backend has this number.
    pub fn backend(&self, number: u16) -> Option<u8> {
        self.names[usize::from(number)].map(|(_, backend)| backend)
    }

    /// Gives it a frame. Whether the packet found no room in the flow table.
    pub fn send(&mut self, frame: &[u8]) -> Result<(Went, bool), String> {
        let mut out = [0; 128];
        let run = test_run(&self.loaded.program, frame, &mut out)
            .map_err(|e| format!("BPF_PROG_TEST_RUN: {e}"))?;
        self.sent.0 += 1;
        let mac = [out[0], out[1], out[2], out[3], out[4], out[5]];
        let went = match (run.verdict, site::receiver(mac)) {
            (1, _) => Went::Nowhere,
            (3, None) if mac == ROUTER_MAC => Went::Back,
            (3, Some((service, backend))) => Went::To(service, backend),
            other => return Err(format!("a packet that {other:?}")),
        };
        if let Went::To(service, backend) = went {
            self.sent.1 += 1;
            let live = self.tables.destinations.entries().iter().zip(&self.names);
            let is_live = |flags: u16| flags & destination::LIVE != 0;
            let number = live
                .map(|(entry, name)| {
                    is_live(entry.flags.get()) && *name == Some((service, backend))
                })
                .position(|is_it| is_it);
            let number = number.ok_or_else(|| format!("{went:?}, which was removed"))?;
            self.forwarded[number] += 1;
        }
        let untracked = self.count_untracked();
        let found_no_room = untracked != self.untracked;
        self.untracked = untracked;
        Ok((went, found_no_room))
    }

    fn count_untracked(&self) -> u64 {
        let used = self.names.iter().rposition(Option::is_some).unwrap_or(0);
        let row = self.tables.destinations.entries().len();
        let rows = self.tables.counters.entries().chunks_exact(row);
        rows.flat_map(|row| &row[..=used])
            .map(|counter| counter.untracked.get())
            .sum()
    }

    /// The backend of each slot of a service.
    pub fn owners(&self, service: &Service) -> Vec<Option<u8>> {
        let words = self.slots(service);
        words.map(|w| self.backend(slot::current(w))).collect()
    }

    /// Slots that are not settled.
    pub fn unsettled(&self) -> usize {
        let all = self.services.iter().flat_map(|s| self.slots(s));
        all.filter(|&word| !slot::is_settled(word)).count()
    }

    fn slots(&self, service: &Service) -> impl Iterator<Item = u32> {
        let place = self.places[&service.addresses()[0]];
        let entry = &self.tables.services.entries()[place];
        let count = entry.slot_mask.get() as usize + 1;
        let slots = self.tables.slots.entries().iter();
        let slots = slots.skip(entry.first_slot.get() as usize).take(count);
        slots.map(|slot| slot.get())
    }

    /// Whether all counters add up to what was sent and seen.
    pub fn check_counters(&self) -> Result<(), String> {
        let outcomes = self.tables.outcomes();
        let forwarded = outcomes.iter().find(|(o, _)| *o == Outcome::Forwarded);
        let sums = (
            outcomes.iter().map(|(_, count)| count).sum::<u64>(),
            forwarded.map_or(0, |(_, count)| *count),
        );
        if sums != self.sent {
            let sent = self.sent;
            return Err(format!("counted {sums:?} packets, sent {sent:?}"));
        }
        for placed in self.tables.placed_destinations() {
            let counted = self.tables.count(placed.number).packets;
            let seen = self.forwarded[usize::from(placed.number)];
            if counted != seen {
                return Err(format!(
                    "{} counted {counted} packets, got {seen}",
                    placed.route.address
                ));
            }
        }
        Ok(())
    }
}
