//! The far end of the tunnels: its tables as maps, and the entry point.

use super::maps::{LPM_TRIE, Map, NO_PREALLOC, Zeroed, at, same, tables};
use super::{Received, helper};
use crate::abi::SourceKey;
use crate::abi::decap::{ADDRESSES_MAX, BALANCERS_MAX, Row, Settings, State, section};
use crate::abi::limits;
use crate::decap::decap;
use crate::decap::tables::Tables;
use core::ffi::c_void;
use core::mem::MaybeUninit;

tables! {
    DECAP_STATE: [State; 1] in ".bss.decapstate" = section::STATE;
    DECAP_ROWS: [Row; limits::CPUS] in ".bss.decaprows" = section::ROWS;
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata.decap")]
static DECAP: Settings = Settings::of_object();
const _: () = assert!(same(b".rodata.decap", section::SETTINGS.as_bytes()));

/// `enum bpf_map_type`.
const HASH: usize = 1;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static BALANCERS: Map<SourceKey, u32, LPM_TRIE, { BALANCERS_MAX as usize }, NO_PREALLOC> =
    Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static ADDRESSES: Map<[u64; 2], u32, HASH, { ADDRESSES_MAX as usize }, NO_PREALLOC> = Map::new();

/// All maps.
pub struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> &Settings {
        &DECAP
    }
    #[inline(always)]
    fn state(&self) -> &State {
        at(&DECAP_STATE, 0, 0)
    }
    #[inline(always)]
    fn row(&self) -> &Row {
        // SAFETY: takes no arguments.
        let cpu = unsafe { helper::get_smp_processor_id() };
        at(&DECAP_ROWS, cpu, self.settings().cpu_mask.get())
    }
    #[inline(always)]
    fn address(&self, address: &[u64; 2]) -> u32 {
        // SAFETY: a map, and a key of its size; the verifier checks.
        let value = unsafe { helper::map_lookup(ADDRESSES.raw(), (&raw const *address).cast()) };
        // SAFETY: null, or a value that lives as long as this run.
        unsafe { value.as_ref() }.copied().unwrap_or(0)
    }
    #[inline(always)]
    fn is_allowed(&self, source: &SourceKey) -> bool {
        // SAFETY: a map, and a key of its size; the verifier checks.
        let value = unsafe { helper::map_lookup(BALANCERS.raw(), (&raw const *source).cast()) };
        !value.is_null()
    }
}

/// The entry point. Its name is [`PROGRAM`](crate::abi::decap::PROGRAM).
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn dsrdecap(context: *mut c_void) -> u32 {
    decap(Received(context.cast()), &Maps).verdict() as u32
}
