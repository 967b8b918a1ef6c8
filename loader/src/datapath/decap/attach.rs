//! Both programs in their places, or neither; and off again.

use super::program::Programs;
use super::tables::Kept;
use super::{Decap, clamp};
use crate::datapath::attach::{self, Done};
use crate::netlink::{Link, Mode, Netlink};
use anyhow::Result;

/// Attaches both programs.
///
/// The filter comes first: before the first packet of a tunnel it keeps the MSS to
/// the MTU, as it is anyway, so a loader that is killed in between leaves what was
/// there before.
///
/// # Errors
///
/// As for [`clamp::put`] and [`attach::attach`]; nothing is changed then.
pub fn attach(
    netlink: &mut Netlink,
    link: &Link,
    before: Option<&Decap>,
    modes: &[Mode],
    (programs, kept): (&Programs, &Kept),
) -> Result<Done> {
    let filter = clamp::put(netlink, link, &programs.clamp, kept)?;
    let before = before.map(|before| &before.program);
    attach::put(netlink, link, before, modes, &programs.decap)
        .inspect_err(|_| clamp::take_back(netlink, link, &filter, kept))
}

/// Takes both programs off.
///
/// # Errors
///
/// `Refused`, with the kernel's words.
pub fn detach(netlink: &mut Netlink, decap: &Decap) -> Result<()> {
    let kept = decap.is_readable().then(|| decap.kept(false)).transpose()?;
    let Decap {
        link,
        mode,
        program,
        info,
        ..
    } = decap;
    attach::take(netlink, link, *mode, program, info.id)?;
    let clsact_is_ours = kept.is_some_and(|kept| kept.state().clsact.get() != 0);
    clamp::remove(netlink, link, clsact_is_ours).map(drop)
}

/// Takes away a filter that a killed loader has left without its XDP program.
/// `false` if there is none.
///
/// # Errors
///
/// As for [`detach`].
pub fn sweep(netlink: &mut Netlink, link: &Link) -> Result<bool> {
    if clamp::find(netlink, link)?.is_none() {
        return Ok(false);
    }
    let kept = clamp::kept(netlink, link);
    let clsact_is_ours = kept.is_some_and(|kept| kept.state().clsact.get() != 0);
    clamp::remove(netlink, link, clsact_is_ours)
}
