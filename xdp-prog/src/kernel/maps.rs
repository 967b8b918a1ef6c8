//! The tables as maps: one static in a section of its own is one map.

use super::{apart, helper};
use crate::abi::limits;
use crate::abi::word::{Shared, Word16, Word32};
use crate::abi::{
    Bucket, Budget, Control, Counter, Destination, FragmentKey, Outcome, OutcomeRow, Port, Service,
    Settings, SourceKey, Tunnel, section,
};
use crate::choose::{Choice, Risk, answered};
use crate::tables::Tables;
use core::mem::MaybeUninit;

/// A static of zeros whose memory user space maps and may make smaller.
///
/// Its length is the largest: the compiler must not conclude anything from a
/// shorter one. What is really there the masks of [`Settings`] say.
macro_rules! tables {
    ($($name:ident: [$ty:ty; $len:expr] in $section:literal = $declared:expr;)*) => {$(
        const _: () = assert!(same($declared.as_bytes(), $section.as_bytes()));
        #[unsafe(no_mangle)]
        #[unsafe(link_section = $section)]
        static $name: Zeroed<[$ty; $len as usize]> = Zeroed(MaybeUninit::zeroed());
    )*};
}
pub(super) use tables;

/// Whether two names are equal; `==` is not `const`.
pub(super) const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

#[repr(transparent)]
pub(super) struct Zeroed<T>(pub(super) MaybeUninit<T>);

// SAFETY: holds tables, which are made of atomics alone.
unsafe impl<T> Sync for Zeroed<T> {}

tables! {
    CONTROL: [Control; 1] in ".bss.control" = section::CONTROL;
    PORTS: [Port; limits::PORTS] in ".bss.ports" = section::PORTS;
    OWN_PORT: [Port; 1] in ".bss.ownport" = section::OWN_PORT;
    SERVICES: [Service; 2 * limits::SERVICE_PLACES] in ".bss.services" = section::SERVICES;
    DISPLACEMENTS: [Word16; 2 * limits::DISPLACEMENTS] in ".bss.displace" = section::DISPLACEMENTS;
    SLOTS: [Word32; limits::SLOTS] in ".bss.slots" = section::SLOTS;
    DESTINATIONS: [Destination; limits::DESTINATIONS] in ".bss.dests" = section::DESTINATIONS;
    TUNNELS: [Tunnel; limits::DESTINATIONS] in ".bss.tunnels" = section::TUNNELS;
    FLOWS: [Bucket; limits::FLOW_BUCKETS] in ".bss.flows" = section::FLOWS;
    COUNTERS: [Counter; limits::CPUS * limits::DESTINATIONS] in ".bss.counters" = section::COUNTERS;
    OUTCOMES: [OutcomeRow; limits::CPUS] in ".bss.outcomes" = section::OUTCOMES;
    BUDGETS: [Budget; limits::CPUS] in ".bss.budgets" = section::BUDGETS;
}

/// The record that tells an object of ours from others'. The loader fills in the
/// rest, for each interface, before the kernel sees it.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata.settings")]
static SETTINGS: Settings = Settings::of_object();
const _: () = assert!(same(b".rodata.settings", section::SETTINGS.as_bytes()));

/// A BTF-defined map: nothing of it is ever read, its debug info describes it
/// (libbpf's format).
#[repr(C)]
pub struct Map<K, V, const TYPE: usize, const MAX: usize, const FLAGS: usize> {
    r#type: *const [i32; TYPE],
    key: *const K,
    value: *const V,
    max_entries: *const [i32; MAX],
    map_flags: *const [i32; FLAGS],
}

// SAFETY: the pointers are null and stand for types.
unsafe impl<K, V, const T: usize, const M: usize, const F: usize> Sync for Map<K, V, T, M, F> {}

impl<K, V, const T: usize, const M: usize, const F: usize> Map<K, V, T, M, F> {
    pub(super) const fn new() -> Self {
        Self {
            r#type: core::ptr::null(),
            key: core::ptr::null(),
            value: core::ptr::null(),
            max_entries: core::ptr::null(),
            map_flags: core::ptr::null(),
        }
    }

    /// What helpers take.
    #[inline(always)]
    pub(super) fn raw(&'static self) -> *const core::ffi::c_void {
        (&raw const *self).cast()
    }

    /// The value of this key.
    #[inline(always)]
    pub(super) fn find(&'static self, key: &K) -> Option<&'static V>
    where
        V: Shared,
    {
        // SAFETY: a map, and a key of its size; the verifier checks.
        let value = unsafe { helper::map_lookup(self.raw(), (&raw const *key).cast()) };
        // SAFETY: null, or a value that lives as long as this run; any bits
        // are a valid `V`, and who else writes it writes words.
        unsafe { value.cast::<V>().as_ref() }
    }
}

/// `enum bpf_map_type`, and `BPF_F_NO_PREALLOC`, which a trie must have.
const LRU_HASH: usize = 9;
pub(super) const LPM_TRIE: usize = 11;
const DEVMAP: usize = 14;
pub(super) const NO_PREALLOC: usize = 1;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static DEVICES: Map<u32, u32, DEVMAP, { limits::PORTS as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static FRAGMENTS: Map<FragmentKey, u32, LRU_HASH, { limits::FRAGMENTS as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static SOURCES: Map<SourceKey, u32, LPM_TRIE, { limits::SOURCES as usize }, NO_PREALLOC> =
    Map::new();

/// Entry `index & mask` of a table.
#[inline(always)]
pub(super) fn at<T, const N: usize>(
    table: &'static Zeroed<[T; N]>,
    index: u32,
    mask: u32,
) -> &'static T {
    within(table, (index & mask) as usize)
}

/// Entry `index` of a table, which has been masked.
#[inline(always)]
fn within<T, const N: usize>(table: &'static Zeroed<[T; N]>, index: usize) -> &'static T {
    // SAFETY: the loader makes each map as large as its mask says, and the
    // verifier refuses the program if it did not.
    let entry = unsafe { table.0.as_ptr().cast::<T>().add(index) };
    // SAFETY: as above; every bit pattern is a table.
    unsafe { &*entry }
}

/// Entry `index` of a copy, in a table of two copies of so many entries.
///
/// Two steps, each of which has its bounds: of an `or` of both the verifier of
/// Linux 6.1 would know nothing.
#[inline(always)]
fn of_copy<T, const N: usize>(
    table: &'static Zeroed<[T; N]>,
    copy: u32,
    index: u32,
    entries: u32,
) -> &'static T {
    let first: *const T = within(table, (copy as usize & 1) << entries.ilog2());
    // SAFETY: a copy has so many entries, and all bits of an index below.
    let entry = unsafe { first.add(index as usize & (entries as usize - 1)) };
    // SAFETY: as in `within`.
    unsafe { &*entry }
}

/// All maps.
pub struct Maps;

impl Maps {
    #[inline(always)]
    fn cpu(&self) -> u32 {
        // SAFETY: takes no arguments.
        let cpu = unsafe { helper::get_smp_processor_id() };
        cpu & self.settings().cpu_mask.get()
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> &Settings {
        &SETTINGS
    }
    #[inline(always)]
    fn control(&self) -> &Control {
        at(&CONTROL, 0, 0)
    }
    #[inline(always)]
    fn port(&self) -> &Port {
        at(&OWN_PORT, 0, 0)
    }
    #[inline(always)]
    fn port_at(&self, number: u16) -> &Port {
        at(&PORTS, number as u32, limits::PORTS - 1)
    }
    #[inline(always)]
    fn service(&self, copy: u32, place: u32) -> &Service {
        of_copy(&SERVICES, copy, place, limits::SERVICE_PLACES)
    }
    #[inline(always)]
    fn displacement(&self, copy: u32, index: u32) -> &Word16 {
        of_copy(&DISPLACEMENTS, copy, index, limits::DISPLACEMENTS)
    }
    #[inline(always)]
    fn slot(&self, index: u32) -> &Word32 {
        at(&SLOTS, index, self.settings().slot_mask.get())
    }
    #[inline(always)]
    fn destination(&self, number: u16) -> &Destination {
        at(&DESTINATIONS, number as u32, limits::DESTINATIONS - 1)
    }
    #[inline(always)]
    fn tunnel(&self, number: u16) -> &Tunnel {
        at(&TUNNELS, number as u32, limits::DESTINATIONS - 1)
    }
    #[inline(always)]
    fn bucket(&self, index: u32) -> &Bucket {
        at(&FLOWS, index, self.settings().bucket_mask.get())
    }
    #[inline(always)]
    fn choose_at_risk(&self, risk: &Risk) -> Result<Choice, Outcome> {
        let [hash, what, packet] = risk.words();
        answered(apart::choose_at_risk(hash, what, packet))
    }
    #[inline(always)]
    fn enter(&self, hash: u64, epoch: u8, destination: u16) -> bool {
        apart::enter(hash, epoch as u64, destination as u64) != 0
    }
    #[inline(always)]
    fn counter(&self, destination: u16) -> &Counter {
        const ROW: u32 = limits::DESTINATIONS;
        let place = destination as usize & (ROW as usize - 1);
        within(&COUNTERS, (self.cpu() as usize) << ROW.ilog2() | place)
    }
    #[inline(always)]
    fn outcomes(&self) -> &OutcomeRow {
        at(&OUTCOMES, self.cpu(), self.settings().cpu_mask.get())
    }
    #[inline(always)]
    fn budget(&self) -> &Budget {
        at(&BUDGETS, self.cpu(), self.settings().cpu_mask.get())
    }
    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "what stands there is a destination's number"
    )]
    fn fragment(&self, key: &FragmentKey) -> Option<u16> {
        // SAFETY: a map, and a key of its size; the verifier checks.
        let value = unsafe { helper::map_lookup(FRAGMENTS.raw(), (&raw const *key).cast()) };
        // SAFETY: null, or a value that lives as long as this run.
        unsafe { value.as_ref() }.map(|number| *number as u16)
    }
    #[inline(always)]
    fn note_fragment(&self, key: &FragmentKey, destination: u16) {
        let number = destination as u32;
        let (key, value) = ((&raw const *key).cast(), (&raw const number).cast());
        // Without it the other fragments are counted as unknown, and so is
        // every failure.
        // SAFETY: a map, a key and a value of its sizes; the verifier checks.
        unsafe { helper::map_update(FRAGMENTS.raw(), key, value, 0) };
    }
    #[inline(always)]
    fn source(&self, key: &SourceKey) -> Option<u32> {
        // SAFETY: a map, and a key of its size; the verifier checks.
        let value = unsafe { helper::map_lookup(SOURCES.raw(), (&raw const *key).cast()) };
        // SAFETY: null, or a value that lives as long as this run.
        unsafe { value.as_ref() }.copied()
    }
    #[inline(always)]
    fn ticks(&self) -> u64 {
        // SAFETY: takes no arguments.
        unsafe { helper::jiffies64() }
    }
    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "an XDP action is a small number"
    )]
    fn redirect(&self, port: u16) -> u32 {
        let drop = crate::abi::outcome::Verdict::Drop as u64;
        // SAFETY: the map is a device map; the verifier checks.
        unsafe { helper::redirect_map(DEVICES.raw(), port as u64, drop) as u32 }
    }
}
