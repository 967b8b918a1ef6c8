//! What the kernel is asked to do for a balancer while no process of ours runs.

use super::Output;
use crate::datapath::neighbours::{Key, keep, release};
use crate::netlink::Netlink;
use anyhow::Result;
use std::collections::BTreeSet;

/// Has the kernel keep the neighbours resolved that are needed now, and no more
/// those that were. Forwarding goes on without, so this is no reason to fail.
///
/// # Errors
///
/// The writer's.
pub fn neighbours(
    netlink: &mut Netlink,
    before: &BTreeSet<Key>,
    now: &BTreeSet<Key>,
    output: &mut Output<'_>,
) -> Result<()> {
    let left: BTreeSet<Key> = before.difference(now).copied().collect();
    if let Err(error) = keep(netlink, now).and_then(|()| release(netlink, &left)) {
        writeln!(
            output.talk,
            "dsrload: the kernel does not keep MACs as current as it could: {error}"
        )?;
    }
    Ok(())
}
