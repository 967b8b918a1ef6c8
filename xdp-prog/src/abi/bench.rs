//! The tables of `dsrload bench`: what the programs that measure, and those
//! that are measured beside ours, share with user space.
//!
//! A program that drives another restores the frame before every run, so that
//! a loop in the kernel (`BPF_PROG_TEST_RUN` with a `repeat`) sees the packets
//! of many flows, each as a client sends it.

pub mod reference;

use super::word::{Shared, Word64};

/// Names of the programs, in the object and in the kernel.
pub mod program {
    /// Restores an IPv4 frame, then calls the program in [`super::MEASURED`].
    pub const DRIVE_V4: &str = "drive_v4";
    /// The same for IPv6.
    pub const DRIVE_V6: &str = "drive_v6";
    /// Restores an IPv4 frame and sends it (`XDP_TX`).
    pub const GENERATE_V4: &str = "generate_v4";
    /// The same for IPv6.
    pub const GENERATE_V6: &str = "generate_v6";
    /// Counts frames and drops them.
    pub const SINK: &str = "sink";
    /// The floor: returns `XDP_TX`.
    pub const FLOOR: &str = "floor";
    /// Looks at the headers, swaps the MACs, returns `XDP_TX`.
    pub const FLOOR_SWAP: &str = "floor_swap";
    /// Makes room for an IPv4 header (20 bytes) and writes nothing.
    pub const FLOOR_ADJUST_V4: &str = "floor_adjust_v4";
    /// Makes room for an IPv6 header (40 bytes) and writes nothing.
    pub const FLOOR_ADJUST_V6: &str = "floor_adjust_v6";
}

/// Sections of the object, one for each table.
pub mod section {
    /// One [`Drive`](super::Drive).
    pub const DRIVE: &str = ".bss.drive";
    /// A [`Sink`](super::Sink) for each CPU.
    pub const SINKS: &str = ".bss.sinks";
}

/// The map that holds the program that is measured:
/// `BPF_MAP_TYPE_PROG_ARRAY`, one entry.
pub const MEASURED: &str = "MEASURED";

/// Bytes of an IPv4 frame: Ethernet, IPv4, TCP and 6 bytes, or UDP and 18.
pub const LENGTH_V4: usize = 60;

/// Bytes of an IPv6 frame: Ethernet, IPv6 and TCP, or UDP and 12 bytes.
pub const LENGTH_V6: usize = 74;

/// Stamps that a [`Drive`] holds.
pub const STAMPS: usize = 1024;

/// What is sent, and when. One program writes at a time.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Drive {
    /// The frame, from its first byte. The low half of the IPv4 source address
    /// (or the last two bytes of the IPv6 one) and the source port are
    /// overwritten by the flow; [`services`](Self::services) are added to the
    /// last two bytes of the destination address.
    pub template: [Word64; 16],
    /// The number of the next flow.
    pub flow: Word64,
    /// Flows before the first comes again; 0 if none ever does.
    pub flows: Word64,
    /// Added to the number of a flow before it is scattered.
    pub base: Word64,
    /// Odd: scatters numbers of flows over addresses and ports (32 bits), each
    /// to another place.
    pub multiplier: Word64,
    /// The service of the next packet, from 0.
    pub service: Word64,
    /// Services before the first comes again.
    pub services: Word64,
    /// Frames that were made.
    pub frames: Word64,
    /// A stamp is taken when the number of the frame has none of these bits.
    pub stamp_mask: Word64,
    /// Stamps taken.
    pub stamps: Word64,
    /// Runs that failed: the frame could not be restored, or there is nothing
    /// in [`MEASURED`].
    pub failures: Word64,
    /// Always zero.
    pub zero: [Word64; 6],
    /// The last [`STAMPS`] stamps, in a ring: `CLOCK_MONOTONIC`, nanoseconds.
    pub times: [Word64; STAMPS],
}

const _: () = assert!(size_of::<Drive>() == 8 * (16 + 16 + STAMPS));

// SAFETY: words and arrays of words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Drive {}

/// What arrived. Only one CPU writes. One cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Sink {
    /// Frames.
    pub frames: Word64,
    /// Bytes of them.
    pub bytes: Word64,
    /// Always zero.
    pub zero: [Word64; 6],
}

const _: () = assert!(size_of::<Sink>() == 64);

// SAFETY: as for `Drive`.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Sink {}
