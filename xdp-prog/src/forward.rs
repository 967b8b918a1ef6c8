//! Sending a frame on: both MACs rewritten, nothing else touched.

use crate::abi::outcome::Verdict;
use crate::abi::{Destination, Outcome};
use crate::packet::Frame;
use crate::packet::ethernet::Ethernet;
use crate::tables::Tables;

/// `XDP_REDIRECT`: the frame leaves through another interface.
pub const REDIRECT: u32 = 4;

/// Readdresses `frame` to `destination` and gives the XDP action.
///
/// # Errors
///
/// [`Outcome::BadHeader`] cannot come up after parsing; it is what the
/// verifier needs to see. [`Outcome::NoWayOut`]: the destination's interface
/// is not there.
#[inline(always)]
pub fn l2<T: Tables>(
    frame: &mut Frame,
    tables: &T,
    destination: &Destination,
) -> Result<u32, Outcome> {
    let port = destination.port.get();
    let action = if port as u32 == tables.settings().port.get() {
        Verdict::Transmit as u32
    } else {
        tables.redirect(port)
    };
    if action != Verdict::Transmit as u32 && action != REDIRECT {
        return Err(Outcome::NoWayOut);
    }
    let ethernet: &mut Ethernet = frame.header_mut(0).ok_or(Outcome::BadHeader)?;
    ethernet.macs_low.set_raw(destination.macs_low.get());
    ethernet.macs_high.set_raw(destination.macs_high.get());
    Ok(action)
}
