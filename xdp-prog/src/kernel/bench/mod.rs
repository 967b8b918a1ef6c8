//! The programs of `dsrload bench`. None of them is ever attached to an
//! interface that carries others' traffic.

mod drive;
mod floor;
mod jhash;
mod katran_like;
mod seed;

use super::maps::{Map, Zeroed, at, same, tables};
use super::{Received, helper, xdp_md};
use crate::abi::bench::{Drive, Sink, section};
use crate::abi::limits;
use core::mem::MaybeUninit;

tables! {
    DRIVE: [Drive; 1] in ".bss.drive" = section::DRIVE;
    SINKS: [Sink; limits::CPUS] in ".bss.sinks" = section::SINKS;
}

/// `enum bpf_map_type`.
const HASH: usize = 1;
const ARRAY: usize = 2;
const PROG_ARRAY: usize = 3;
const PERCPU_ARRAY: usize = 6;
const LRU_HASH: usize = 9;
const ARRAY_OF_MAPS: usize = 12;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static MEASURED: Map<u32, u32, PROG_ARRAY, 1, 0> = Map::new();

/// `enum xdp_action`.
pub mod action {
    pub const ABORTED: u32 = 0;
    pub const DROP: u32 = 1;
    pub const PASS: u32 = 2;
    pub const TX: u32 = 3;
}
