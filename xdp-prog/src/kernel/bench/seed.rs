//! A reference: the algorithm of the system that this project began with.
//!
//! Every packet is looked up in a hash table of all flows. A flow that is not
//! in it goes to a random backend and is entered. The table never forgets: once
//! it is full, each packet of an unknown flow goes to another backend, after an
//! update that fails. IPv4 and TCP alone, for one VIP.
//!
//! Differences, all in its favour: it prints nothing, and its flows have their
//! memory from the start. All bytes of the MACs are written; the original
//! writes the last one of each, which only works in its lab. What it misreads,
//! options and fragments, passes.

use super::{ARRAY, HASH, Map, Received, Zeroed, action, at, helper, same, tables, xdp_md};
use crate::abi::bench::reference::{
    Macs, REALS_MAX, SEED_FLOWS_MAX, Seed, SeedFlow, section, transport,
};
use crate::abi::word::Word32;
use crate::packet::ethernet::{self, EtherType};
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::transport::Tcp;
use crate::packet::{Buffer, Frame, ipv4};
use core::mem::MaybeUninit;

tables! {
    SEED: [Seed; 1] in ".bss.seed" = section::SEED;
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static SEED_FLOWS: Map<SeedFlow, Word32, HASH, { SEED_FLOWS_MAX as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static SEED_MACS: Map<u32, Macs, ARRAY, { REALS_MAX as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn seed(context: *mut xdp_md) -> u32 {
    let mut received = Received(context);
    match steer(&mut received.frame()) {
        Some(()) => action::TX,
        None => action::PASS,
    }
}

#[inline(always)]
fn steer(frame: &mut Frame) -> Option<()> {
    let flow = read(frame)?;
    let backend = match SEED_FLOWS.find(&flow) {
        Some(backend) => backend.get(),
        None => enter(&flow)?,
    };
    let macs = SEED_MACS.find(&backend)?;
    let ethernet: &mut ethernet::Ethernet = frame.header_mut(0)?;
    ethernet.macs_low.set_raw(macs.low.get());
    ethernet.macs_high.set_raw(macs.high.get());
    Some(())
}

/// The flow, if it is one for the VIP.
#[inline(always)]
fn read(frame: &Frame) -> Option<SeedFlow> {
    let ethernet: &ethernet::Ethernet = frame.header(0)?;
    if !ethernet.ether_type.is(EtherType::IPV4) {
        return None;
    }
    let ip: &Ipv4 = frame.header(ethernet::LENGTH)?;
    let is_read = ip.protocol == Protocol::TCP
        && ip.header_length() == Some(ipv4::LENGTH)
        && !ip.is_later_fragment();
    if !is_read || ip.destination.raw() != at(&SEED, 0, 0).vip.get() {
        return None;
    }
    let tcp: &Tcp = frame.header(ethernet::LENGTH + ipv4::LENGTH)?;
    let (source, destination) = (ip.source.raw() as u64, ip.destination.raw() as u64);
    Some(SeedFlow {
        addresses: source | destination << 32,
        transport: transport(tcp.ports.raw(), ip.protocol.0),
    })
}

/// Enters a flow with a random backend, which it gets even if the table is
/// full.
#[inline(always)]
fn enter(flow: &SeedFlow) -> Option<u32> {
    // SAFETY: takes no arguments.
    let random = unsafe { helper::get_prandom_u32() };
    let backend = random.checked_rem(at(&SEED, 0, 0).backends.get())?;
    let (key, value) = ((&raw const *flow).cast(), (&raw const backend).cast());
    // SAFETY: a map, a key and a value of its sizes; the verifier checks.
    unsafe { helper::map_update(SEED_FLOWS.raw(), key, value, 0) };
    Some(backend)
}
