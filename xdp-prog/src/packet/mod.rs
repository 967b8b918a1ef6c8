//! The one parser: frame, Ethernet, IPv4, transport.
//!
//! [`frame`] is the only place where packet memory is touched, and the only
//! `unsafe` of the packet logic. Each protocol has a file with its header as
//! it stands on the wire and what the balancer wants of it.

pub mod ethernet;
#[allow(
    unsafe_code,
    reason = "raw packet memory; every access is checked here"
)]
pub mod frame;
pub mod ipv4;
pub mod transport;

pub use frame::Frame;
