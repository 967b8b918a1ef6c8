//! A reference: the design that Katran is known for, after its documentation.
//! It shares no code with Katran, whose name stands for the design alone.
//!
//! Each VIP has a ring of a prime number of places, made by Maglev's algorithm;
//! a hash of the flow names the place, and that the backend. What a flow once
//! went to is kept in a cache, a hash table of each CPU for itself that forgets
//! what was used longest ago. A SYN is not looked up there: it goes by the ring
//! and is entered. So is every other packet that is not found, but no more than
//! so many in a second, which keeps floods out. UDP has no SYN: its flows end
//! when they were idle for a while. Packets and bytes are counted for each VIP
//! and each backend, and what came of the cache.
//!
//! Katran wraps packets up. Here two MACs are rewritten as in the programs that
//! it is compared with, so that what is measured is the balancing alone. Nor is
//! there a cache for CPUs that have none of their own, which would make each
//! look-up a call: they go by the ring. Fragments and IPv4 options are dropped,
//! everything else that is not TCP or UDP passes.

use super::{
    ARRAY, ARRAY_OF_MAPS, HASH, LRU_HASH, Map, PERCPU_ARRAY, Received, action, helper, jhash,
    xdp_md,
};
use crate::abi::bench::reference::{
    CACHE_FLOWS, CacheSum, Cached, Flow, HASH_SEED, HASH_SEED_V6, Macs, NEW_FLOWS_PER_SECOND,
    REALS_MAX, RING, Sum, UDP_IDLE_NS, VIPS_MAX, Vip, VipValue, transport, vip_flag,
};
use crate::abi::limits;
use crate::abi::word::{Word32, Word64};
use crate::packet::ethernet::{self, EtherType};
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::ipv6::{FRAGMENT, Ipv6};
use crate::packet::transport::{Tcp, Udp, flag};
use crate::packet::{Buffer, Frame, ipv4, ipv6};
use core::ffi::c_void;

const SECOND_NS: u64 = 1_000_000_000;

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_VIPS: Map<Vip, VipValue, HASH, { VIPS_MAX as usize }, 0> = Map::new();

// The loader makes as many rings as there are VIPs.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_RINGS: Map<u32, Word64, ARRAY, { RING as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_REALS: Map<u32, Macs, ARRAY, { REALS_MAX as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_VIP_SUMS: Map<u32, Sum, PERCPU_ARRAY, { VIPS_MAX as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_REALSUMS: Map<u32, Sum, PERCPU_ARRAY, { REALS_MAX as usize }, 0> = Map::new();

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_CACHESUM: Map<u32, CacheSum, PERCPU_ARRAY, 1, 0> = Map::new();

type Cache = Map<Flow, Cached, LRU_HASH, { CACHE_FLOWS as usize }, 0>;

/// A BTF-defined map of maps, in libbpf's format.
#[repr(C)]
struct Caches {
    r#type: *const [i32; ARRAY_OF_MAPS],
    key: *const u32,
    value: *const u32,
    max_entries: *const [i32; limits::CPUS as usize],
    values: [*const Cache; 0],
}

// SAFETY: the pointers are null and stand for types.
unsafe impl Sync for Caches {}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KL_CACHES: Caches = Caches {
    r#type: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
    max_entries: core::ptr::null(),
    values: [],
};

/// The cache of the CPU that runs the program; null if it has none.
#[inline(always)]
fn cache() -> *const c_void {
    // SAFETY: takes no arguments.
    let cpu = unsafe { helper::get_smp_processor_id() };
    let (map, key) = ((&raw const KL_CACHES).cast(), (&raw const cpu).cast());
    // SAFETY: a map, and a key of its size; the verifier checks, and knows that
    // the value is a map.
    unsafe { helper::map_lookup(map, key) }.cast()
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn katran_like(context: *mut xdp_md) -> u32 {
    let mut received = Received(context);
    match steer(&mut received.frame()) {
        Ok(()) => action::TX,
        Err(action) => action,
    }
}

/// What is read of a packet.
#[repr(C)]
struct Packet {
    /// From the IP header on. Stands first and has 32 bits, since an action
    /// lies here in a `Result`: else the compiler would store what is here in
    /// halves.
    length: u32,
    flow: Flow,
    opens: bool,
    is_udp: bool,
    is_v6: bool,
}

#[inline(always)]
fn steer(frame: &mut Frame) -> Result<(), u32> {
    let ethernet: &ethernet::Ethernet = frame.header(0).ok_or(action::DROP)?;
    let ether_type = ethernet.ether_type;
    let packet = if ether_type.is(EtherType::IPV4) {
        read_v4(frame)?
    } else if ether_type.is(EtherType::IPV6) {
        read_v6(frame)?
    } else {
        return Err(action::PASS);
    };
    let macs = choose(&packet)?;
    let ethernet: &mut ethernet::Ethernet = frame.header_mut(0).ok_or(action::DROP)?;
    ethernet.macs_low.set_raw(macs.low.get());
    ethernet.macs_high.set_raw(macs.high.get());
    Ok(())
}

#[inline(always)]
fn read_v4(frame: &Frame) -> Result<Packet, u32> {
    let ip: &Ipv4 = frame.header(ethernet::LENGTH).ok_or(action::DROP)?;
    if ip.header_length() != Some(ipv4::LENGTH) || ip.is_fragment() {
        return Err(action::DROP);
    }
    let (transport, opens) = ends::<{ ethernet::LENGTH + ipv4::LENGTH }>(frame, ip.protocol)?;
    Ok(Packet {
        flow: flow(
            [ip.source.raw() as u64, 0],
            [ip.destination.raw() as u64, 0],
            transport,
        ),
        length: ip.total_length.number() as u32,
        opens,
        is_udp: ip.protocol == Protocol::UDP,
        is_v6: false,
    })
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "a header's length")]
fn read_v6(frame: &Frame) -> Result<Packet, u32> {
    let ip: &Ipv6 = frame.header(ethernet::LENGTH).ok_or(action::DROP)?;
    if ip.next == FRAGMENT {
        return Err(action::DROP);
    }
    let (transport, opens) = ends::<{ ethernet::LENGTH + ipv6::LENGTH }>(frame, ip.next)?;
    Ok(Packet {
        flow: flow(ip.source.raw(), ip.destination.raw(), transport),
        length: size_of::<Ipv6>() as u32 + ip.payload_length.number() as u32,
        opens,
        is_udp: ip.next == Protocol::UDP,
        is_v6: true,
    })
}

#[inline(always)]
const fn flow(source: [u64; 2], destination: [u64; 2], transport: u64) -> Flow {
    Flow {
        source: [Word64::new(source[0]), Word64::new(source[1])],
        destination: [Word64::new(destination[0]), Word64::new(destination[1])],
        transport: Word64::new(transport),
    }
}

/// The two ends (see [`transport`]), and whether this is a SYN.
#[inline(always)]
fn ends<const OFFSET: usize>(frame: &Frame, protocol: Protocol) -> Result<(u64, bool), u32> {
    match protocol {
        Protocol::TCP => {
            let tcp: &Tcp = frame.header(OFFSET).ok_or(action::DROP)?;
            let opens = tcp.flags & flag::SYN != 0;
            Ok((transport(tcp.ports.raw(), protocol.0), opens))
        }
        Protocol::UDP => {
            let udp: &Udp = frame.header(OFFSET).ok_or(action::DROP)?;
            Ok((transport(udp.ports.raw(), protocol.0), false))
        }
        _ => Err(action::PASS),
    }
}

/// The MACs of this packet's backend.
#[inline(always)]
fn choose(packet: &Packet) -> Result<&'static Macs, u32> {
    let [first, second] = &packet.flow.destination;
    let address = [first.get(), second.get()];
    let vip = Vip::of_destination(address, packet.flow.transport.get());
    let vip = KL_VIPS.find(&vip).ok_or(action::PASS)?;
    let (flags, number) = (vip.flags.get(), vip.number.get());
    // A variable, since a constant would be read-only data, that is a table.
    let only = 0;
    let sum = KL_CACHESUM.find(&only).ok_or(action::DROP)?;
    sum.packets.add(1);
    let cache = if flags & vip_flag::NO_CACHE == 0 {
        cache()
    } else {
        core::ptr::null()
    };
    let real = match known(cache, packet) {
        Some(real) => real,
        None => by_ring(cache, packet, number, flags, sum).ok_or(action::DROP)?,
    };
    count(KL_VIP_SUMS.find(&number), packet);
    count(KL_REALSUMS.find(&real), packet);
    KL_REALS.find(&real).ok_or(action::DROP)
}

/// Where the cache says that this flow goes.
#[inline(always)]
fn known(cache: *const c_void, packet: &Packet) -> Option<u32> {
    if packet.opens || cache.is_null() {
        return None;
    }
    // SAFETY: a map of `Cached` by `Flow`; the verifier checks.
    let value = unsafe { helper::map_lookup(cache, (&raw const packet.flow).cast()) };
    // SAFETY: null, or a value that lives as long as this run; words.
    let cached = unsafe { value.cast::<Cached>().as_ref() }?;
    if packet.is_udp {
        let now = now();
        if now.wrapping_sub(cached.seen.get()) > UDP_IDLE_NS {
            return None;
        }
        cached.seen.set(now);
    }
    Some(cached.real.get())
}

/// Where the ring says that this flow goes. It is entered in the cache, unless
/// too many were in this second.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "an index of a backend")]
fn by_ring(
    cache: *const c_void,
    packet: &Packet,
    number: u32,
    flags: u32,
    sum: &CacheSum,
) -> Option<u32> {
    let missed = if packet.opens {
        &sum.opened
    } else {
        &sum.missed
    };
    missed.add(1);
    let place = number.wrapping_mul(RING).wrapping_add(hash(packet) % RING);
    let real = KL_RINGS.find(&place)?.get() as u32;
    if cache.is_null() {
        return Some(real);
    }
    let now = now();
    if flags & vip_flag::NO_LIMIT == 0 && is_flooded(sum, now) {
        return Some(real);
    }
    let cached = Cached {
        real: Word32::new(real),
        zero: Word32::new(0),
        seen: Word64::new(if packet.is_udp { now } else { 0 }),
    };
    let (key, value) = ((&raw const packet.flow).cast(), (&raw const cached).cast());
    // SAFETY: a map, a key and a value of its sizes; the verifier checks.
    unsafe { helper::map_update(cache, key, value, 0) };
    Some(real)
}

/// Address and port of the client: what else names a flow, its VIP does too.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "words, taken apart")]
fn hash(packet: &Packet) -> u32 {
    let low = packet.flow.source[0].get();
    let client = if packet.is_v6 {
        let high = packet.flow.source[1].get();
        let words = [
            low as u32,
            (low >> 32) as u32,
            high as u32,
            (high >> 32) as u32,
        ];
        jhash::of_four(words, HASH_SEED_V6)
    } else {
        low as u32
    };
    let ports = packet.flow.transport.get() as u32;
    jhash::of_two([client, ports], HASH_SEED)
}

/// Whether this CPU has entered as many flows in this second as it may.
#[inline(always)]
fn is_flooded(sum: &CacheSum, now: u64) -> bool {
    if now.wrapping_sub(sum.since.get()) > SECOND_NS {
        sum.since.set(now);
        sum.fresh.set(1);
        return false;
    }
    sum.fresh.add(1);
    sum.fresh.get() > NEW_FLOWS_PER_SECOND
}

#[inline(always)]
fn count(sum: Option<&Sum>, packet: &Packet) {
    if let Some(sum) = sum {
        sum.packets.add(1);
        sum.bytes.add(packet.length as u64);
    }
}

/// The clock, in nanoseconds.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: takes no arguments.
    unsafe { helper::ktime_get_ns() }
}
