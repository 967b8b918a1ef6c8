//! Sending a frame on: [`l2`] rewrites both MACs and touches nothing else,
//! [`wrap`] puts the packet inside another one. To a backend that is this host,
//! not even MACs are written.

mod tunnel;

pub use tunnel::{Outside, wrap, wrap_plain};

use crate::abi::outcome::Verdict;
use crate::abi::state::destination::HERE;
use crate::abi::{Destination, Outcome};
use crate::packet::ethernet::Ethernet;
use crate::tables::Tables;

/// `XDP_REDIRECT`: the frame leaves through another interface.
pub const REDIRECT: u32 = 4;

/// Readdresses a frame, with a packet of this many bytes, to `destination` and
/// gives the XDP action.
///
/// # Errors
///
/// [`Outcome::NoWayOut`] as from [`action`].
#[inline(always)]
pub fn l2<T: Tables>(
    ethernet: &mut Ethernet,
    tables: &T,
    destination: &Destination,
    length: u64,
) -> Result<u32, Outcome> {
    let action = action(tables, destination, length)?;
    if action != Verdict::Pass as u32 {
        readdress(ethernet, destination);
    }
    Ok(action)
}

/// Writes the MACs of a frame to `destination`.
#[inline(always)]
fn readdress(ethernet: &mut Ethernet, destination: &Destination) {
    ethernet.macs_low.set_raw(destination.macs_low.get());
    ethernet.macs_high.set_raw(destination.macs_high.get());
}

/// The XDP action that sends a frame out of the destination's interface, or to
/// this host's stack.
///
/// # Errors
///
/// [`Outcome::NoWayOut`]: the destination's interface is not there, or another one
/// than this and takes no packet of this many bytes. The kernel would drop it
/// without a word (`xdp_ok_fwd_dev`), which hits super-frames in skb mode: they
/// can be sent back, but not redirected.
#[inline(always)]
pub fn action<T: Tables>(
    tables: &T,
    destination: &Destination,
    length: u64,
) -> Result<u32, Outcome> {
    let port = destination.port.get();
    let action = if port as u32 == tables.settings().port.get() {
        Verdict::Transmit as u32
    } else if port == HERE {
        // It is addressed to our MAC, or it would not have come this far: the
        // stack takes it.
        return Ok(Verdict::Pass as u32);
    } else {
        let mtu = tables.port_at(port).mtu.get() as u64;
        if mtu != 0 && length > mtu {
            return Err(Outcome::NoWayOut);
        }
        tables.redirect(port)
    };
    if action != Verdict::Transmit as u32 && action != REDIRECT {
        return Err(Outcome::NoWayOut);
    }
    Ok(action)
}
