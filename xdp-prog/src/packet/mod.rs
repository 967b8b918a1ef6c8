//! Headers as they stand on the wire: frame, Ethernet, IP, transport.
//!
//! [`frame`] is the only place where packet memory is touched, and the only
//! `unsafe` of the packet logic. Each protocol has a file with its header and
//! what the balancer wants of it; [`parse`](crate::parse) goes from one to the
//! next.

pub mod checksum;
pub mod ethernet;
#[allow(
    unsafe_code,
    reason = "raw packet memory; every access is checked here"
)]
pub mod frame;
pub mod icmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod start;
pub mod transport;

pub use frame::{Buffer, Frame};

/// Routers that a packet of our own may pass.
pub const HOPS: u8 = 64;
