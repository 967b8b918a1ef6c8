//! The tables in ordinary memory: the packet logic without a kernel.

use crate::abi::limits::{
    DESTINATIONS, DISPLACEMENTS, FLOWS_DEFAULT, FRAGMENTS, PORTS, SERVICE_PLACES, SLOTS_DEFAULT,
};
use crate::abi::word::{Word16, Word32, Word64};
use crate::abi::{
    ABI_VERSION, Bucket, Budget, Control, Counter, Destination, FragmentKey, MAGIC, OutcomeRow,
    Port, Service, Settings, SourceKey, Tunnel,
};
use crate::balance::{Apart, Decision, balance};
use crate::packet::{Buffer, Frame};
use crate::tables::Tables;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

/// Buckets of the flow table, which is of the usual size.
const BUCKETS: u32 = FLOWS_DEFAULT / 8;

/// A balancer of one CPU in ordinary memory.
pub struct HostTables {
    settings: Settings,
    control: Control,
    ports: Box<[Port]>,
    services: Box<[Service]>,
    displacements: Box<[Word16]>,
    slots: Box<[Word32]>,
    destinations: Box<[Destination]>,
    tunnels: Box<[Tunnel]>,
    flows: Box<[Bucket]>,
    counters: Box<[Counter]>,
    outcomes: OutcomeRow,
    budget: Budget,
    fragments: RefCell<BTreeMap<FragmentKey, u16>>,
    sources: RefCell<BTreeMap<SourceKey, u32>>,
    ticks: Word64,
}

/// Empty tables of the largest size, for the program on port 0.
impl Default for HostTables {
    fn default() -> Self {
        fn table<T: Default>(n: u32) -> Box<[T]> {
            (0..n).map(|_| T::default()).collect()
        }
        Self {
            settings: Settings {
                magic: Word64::new(MAGIC),
                abi: Word32::new(ABI_VERSION),
                slot_mask: Word32::new(SLOTS_DEFAULT - 1),
                bucket_mask: Word32::new(BUCKETS - 1),
                epoch_shift: Word32::new(8),
                ..Settings::default()
            },
            control: Control::default(),
            ports: table(PORTS),
            services: table(2 * SERVICE_PLACES),
            displacements: table(2 * DISPLACEMENTS),
            slots: table(SLOTS_DEFAULT),
            destinations: table(DESTINATIONS),
            tunnels: table(DESTINATIONS),
            flows: table(BUCKETS),
            counters: table(DESTINATIONS),
            outcomes: OutcomeRow::default(),
            budget: Budget::default(),
            fragments: RefCell::default(),
            sources: RefCell::default(),
            ticks: Word64::default(),
        }
    }
}

impl HostTables {
    /// Sets the clock.
    pub fn set_ticks(&self, ticks: u64) {
        self.ticks.set(ticks);
    }

    /// Enters a prefix into a service's list of sources, with a value of
    /// [`source`](crate::abi::key::source).
    pub fn set_source(&self, prefix: SourceKey, value: u32) {
        self.sources.borrow_mut().insert(prefix, value);
    }

    /// Forgets where the fragments of a packet go.
    pub fn forget_fragment(&self, key: &FragmentKey) {
        self.fragments.borrow_mut().remove(key);
    }

    /// Forgets where the fragments of all packets go.
    pub fn forget_fragments(&self) {
        self.fragments.borrow_mut().clear();
    }
}

/// Whether an address, of a list, is in a prefix.
pub(crate) fn contains(prefix: &SourceKey, address: &SourceKey) -> bool {
    let bits = |key: &SourceKey| {
        let [high, low] = key.address.map(|word| u128::from(word.to_be()));
        high << 64 | low
    };
    // The list's 32 bits count as well.
    let ignored = (32 + 128) - prefix.prefix;
    let differs = (bits(prefix) ^ bits(address)).checked_shr(ignored);
    prefix.list == address.list && differs.unwrap_or(0) == 0
}

impl Tables for HostTables {
    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn control(&self) -> &Control {
        &self.control
    }
    fn port(&self) -> &Port {
        &self.ports[self.settings.port.get() as usize]
    }
    fn port_at(&self, number: u16) -> &Port {
        &self.ports[number as usize % self.ports.len()]
    }
    fn service(&self, copy: u32, place: u32) -> &Service {
        &self.services[((copy & 1) * SERVICE_PLACES + (place & (SERVICE_PLACES - 1))) as usize]
    }
    fn displacement(&self, copy: u32, index: u32) -> &Word16 {
        let index = index & (DISPLACEMENTS - 1);
        &self.displacements[((copy & 1) * DISPLACEMENTS + index) as usize]
    }
    fn slot(&self, index: u32) -> &Word32 {
        &self.slots[(index & self.settings.slot_mask.get()) as usize]
    }
    fn destination(&self, number: u16) -> &Destination {
        &self.destinations[number as usize % self.destinations.len()]
    }
    fn tunnel(&self, number: u16) -> &Tunnel {
        &self.tunnels[number as usize % self.tunnels.len()]
    }
    fn bucket(&self, index: u32) -> &Bucket {
        &self.flows[(index & self.settings.bucket_mask.get()) as usize]
    }
    fn counter(&self, destination: u16) -> &Counter {
        &self.counters[destination as usize % self.counters.len()]
    }
    fn outcomes(&self) -> &OutcomeRow {
        &self.outcomes
    }
    fn budget(&self) -> &Budget {
        &self.budget
    }
    fn fragment(&self, key: &FragmentKey) -> Option<u16> {
        self.fragments.borrow().get(key).copied()
    }
    fn note_fragment(&self, key: &FragmentKey, destination: u16) {
        let mut fragments = self.fragments.borrow_mut();
        // The kernel forgets the oldest; here any will do.
        if fragments.len() >= FRAGMENTS as usize {
            fragments.pop_first();
        }
        fragments.insert(*key, destination);
    }
    fn source(&self, key: &SourceKey) -> Option<u32> {
        let sources = self.sources.borrow();
        let matching = sources.iter().filter(|(prefix, _)| contains(prefix, key));
        let longest = matching.max_by_key(|(prefix, _)| prefix.prefix);
        longest.map(|(_, value)| *value)
    }
    fn ticks(&self) -> u64 {
        self.ticks.get()
    }
    fn redirect(&self, port: u16) -> u32 {
        // As the kernel's device map does: only ports in use.
        match self.ports.get(port as usize) {
            Some(port) if port.interface.get() != 0 => crate::forward::REDIRECT,
            _ => crate::abi::outcome::Verdict::Drop as u32,
        }
    }
}

impl Buffer for &mut Vec<u8> {
    fn frame(&mut self) -> Frame<'_> {
        let range = self.as_mut_ptr_range();
        // SAFETY: the bytes are borrowed mutably for as long as the frame lives.
        unsafe { Frame::from_range(range.start, range.end) }
    }

    fn cut(&mut self, length: usize) -> bool {
        let is_enough = length <= self.len();
        self.truncate(length);
        is_enough
    }

    fn grow(&mut self, by: usize) -> bool {
        self.splice(..0, core::iter::repeat_n(0, by));
        true
    }

    fn shrink(&mut self, by: usize) -> bool {
        let is_enough = by <= self.len();
        self.drain(..by.min(self.len()));
        is_enough
    }
}

impl Apart for &mut Vec<u8> {}

/// A frame in the middle of a larger piece of memory: what is cut off stays
/// where it is, outside, and what comes before it takes up what was outside.
pub struct Window<'a> {
    memory: &'a mut [u8],
    place: Range<usize>,
}

impl<'a> Window<'a> {
    /// The frame at this place.
    pub fn new(memory: &'a mut [u8], place: Range<usize>) -> Self {
        Self { memory, place }
    }

    /// Where the frame is.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }
}

impl Buffer for &mut Window<'_> {
    fn frame(&mut self) -> Frame<'_> {
        let range = self.memory[self.place.clone()].as_mut_ptr_range();
        // SAFETY: the bytes are borrowed mutably for as long as the frame lives.
        unsafe { Frame::from_range(range.start, range.end) }
    }

    fn cut(&mut self, length: usize) -> bool {
        let is_enough = length <= self.place.len();
        if is_enough {
            self.place.end = self.place.start + length;
        }
        is_enough
    }

    fn grow(&mut self, by: usize) -> bool {
        let start = self.place.start.checked_sub(by);
        self.place.start = start.unwrap_or(self.place.start);
        start.is_some()
    }

    fn shrink(&mut self, by: usize) -> bool {
        let is_enough = by <= self.place.len();
        if is_enough {
            self.place.start += by;
        }
        is_enough
    }
}

impl Apart for &mut Window<'_> {}

/// Balances a frame in place.
pub fn run<B: Apart, T: Tables>(frame: B, tables: &T) -> Decision {
    balance(frame, tables)
}
