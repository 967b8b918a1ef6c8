//! The first headers of nearly every frame, found by one comparison.

use super::ethernet::Ethernet;
use super::frame::Wire;
use super::transport::Tcp;

/// Ethernet, IP without anything in between, and as much as a TCP header is
/// long: UDP's has the ports in the same place.
#[repr(C)]
pub struct Start<I> {
    /// The frame's own.
    pub ethernet: Ethernet,
    /// The packet's.
    pub ip: I,
    /// TCP's, or the first bytes of UDP.
    pub transport: Tcp,
}

// SAFETY: headers, one after the other, without padding: all have alignment 1.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl<I: Wire> Wire for Start<I> {}
