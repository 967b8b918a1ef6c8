//! The first headers of nearly every frame, found by one comparison.

use super::ethernet::Ethernet;
use super::frame::Wire;
use super::transport::Udp;

/// Ethernet, IP without anything in between, and the first eight bytes of what
/// follows.
#[repr(C)]
pub struct Start<I> {
    /// The frame's own.
    pub ethernet: Ethernet,
    /// The packet's.
    pub ip: I,
    _transport: Udp,
}

// SAFETY: headers, one after the other, without padding: all have alignment 1.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl<I: Wire> Wire for Start<I> {}
