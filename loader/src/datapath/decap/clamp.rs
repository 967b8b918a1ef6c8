//! The tc filter: put in its place, found again, and taken away with whatever
//! was made for it.

use super::tables::Kept;
use crate::fault;
use crate::netlink::{Filter, Hook, Link, Netlink, NetlinkError, NewFilter};
use crate::sys::bpf::{ProgramFd, program_by_id, program_info};
use anyhow::{Context, Result};
use xdp_prog::abi::decap::CLAMP;

/// Early, so that no filter that accepts a packet keeps it from ours, which
/// decides nothing; and not the number that people type.
pub const PRIORITY: u16 = 213;

/// Its number among filters of that priority.
pub const HANDLE: u32 = 1;

/// How to give back what was there.
#[derive(Debug)]
pub enum Before {
    /// A filter of ours, with this program if it could be opened.
    Ours(Option<ProgramFd>),
    /// Clsact, without a filter of ours.
    Clsact,
    /// Not even clsact.
    Nothing,
}

/// Our filter on an interface: its program's id.
///
/// # Errors
///
/// What the kernel says.
pub fn find(netlink: &mut Netlink, link: &Link) -> Result<Option<u32>> {
    Ok(at_our_place(netlink, link)?
        .filter(is_ours)
        .and_then(|filter| filter.program))
}

/// What the filter's program kept, after a loader was killed before the XDP
/// program was there. `None` without a filter, or if it may not be looked at.
#[must_use]
pub fn kept(netlink: &mut Netlink, link: &Link) -> Option<Kept> {
    let id = find(netlink, link).ok()??;
    let info = program_info(&program_by_id(id).ok()??).ok()?;
    Kept::by_ids(&info.map_ids, true).ok()
}

fn at_our_place(netlink: &mut Netlink, link: &Link) -> Result<Option<Filter>> {
    let filters = netlink
        .filters(link.index, Hook::Egress)
        .with_context(|| format!("list the tc filters of {}", link.name))?;
    Ok(filters
        .into_iter()
        .find(|f| f.priority == PRIORITY && f.chain == 0 && has_our_place(f)))
}

/// All filters of one priority are of one kind.
fn has_our_place(filter: &Filter) -> bool {
    filter.handle == HANDLE || filter.kind != "bpf"
}

fn is_ours(filter: &Filter) -> bool {
    filter.name.as_deref() == Some(CLAMP)
}

/// Puts the program in its place, and notes what was made for it. Tells how to
/// undo that.
///
/// # Errors
///
/// `Busy`: somebody else's filter or qdisc is in the way. `Refused`, with the
/// kernel's words.
pub fn put(netlink: &mut Netlink, link: &Link, program: &ProgramFd, kept: &Kept) -> Result<Before> {
    let refused = |error: NetlinkError| refusal(link, &error);
    let before = match at_our_place(netlink, link)? {
        Some(filter) if is_ours(&filter) => {
            let old = filter.program.and_then(|id| program_by_id(id).ok()?);
            netlink
                .set_filter(link.index, new(program), false)
                .map_err(refused)?;
            Before::Ours(old)
        }
        Some(filter) => {
            return Err(fault!(
                Busy,
                "{}: a tc filter that is not dsrload's has the place of ours (egress, pref {PRIORITY}): '{}'; it is left alone",
                link.name,
                filter.name.unwrap_or(filter.kind)
            ));
        }
        None => add(netlink, link, program, kept)?,
    };
    let id = program_info(program).context("ask for the program")?.id;
    match find(netlink, link)? {
        Some(found) if found == id => Ok(before),
        found => Err(fault!(
            Refused,
            "{}: the kernel said that the tc filter has program {id}, but there is {found:?}",
            link.name
        )),
    }
}

/// Puts a filter where none of ours is.
fn add(netlink: &mut Netlink, link: &Link, program: &ProgramFd, kept: &Kept) -> Result<Before> {
    let refused = |error: NetlinkError| refusal(link, &error);
    let qdiscs = netlink
        .qdiscs(link.index)
        .with_context(|| format!("list the qdiscs of {}", link.name))?;
    // Whatever was made before is not there any more, or is somebody else's now.
    kept.state().clsact.set(0);
    match qdiscs.iter().find(|qdisc| qdisc.is_clsacts) {
        Some(qdisc) if qdisc.kind == "clsact" => {
            netlink
                .set_filter(link.index, new(program), true)
                .map_err(refused)?;
            return Ok(Before::Clsact);
        }
        Some(qdisc) => {
            return Err(fault!(
                Busy,
                "{0} has the qdisc '{1}' in the place of clsact, and that sees nothing of what leaves: `tc qdisc del dev {0} {1}` first if that may be",
                link.name,
                qdisc.kind
            ));
        }
        None => {}
    }
    // Noted first: whoever is killed leaves no clsact that nobody knows of.
    kept.state().clsact.set(1);
    let [clsact, filter] = netlink.add_clsact_and_filter(link.index, new(program));
    match (clsact, filter) {
        (Ok(()), Ok(())) => Ok(Before::Nothing),
        (Ok(()), Err(error)) => {
            take_back(netlink, link, &Before::Nothing, kept);
            Err(refused(error))
        }
        (Err(_), Ok(())) => {
            // Somebody else has just made it.
            kept.state().clsact.set(0);
            Ok(Before::Clsact)
        }
        (Err(error), Err(_)) => {
            kept.state().clsact.set(0);
            Err(refused(error))
        }
    }
}

fn new(program: &ProgramFd) -> NewFilter<'_> {
    NewFilter {
        hook: Hook::Egress,
        priority: PRIORITY,
        handle: HANDLE,
        name: CLAMP,
        program,
    }
}

fn refusal(link: &Link, error: &NetlinkError) -> anyhow::Error {
    match error.errno() {
        Some(libc::EPERM) => fault!(
            Permission,
            "{}: {error}; a tc filter takes CAP_NET_ADMIN",
            link.name
        ),
        _ => fault!(Refused, "{}: the tc filter: {error}", link.name),
    }
}

/// Gives back what was there before. Fails only if somebody else has changed it
/// meanwhile: then it is theirs.
pub fn take_back(netlink: &mut Netlink, link: &Link, before: &Before, kept: &Kept) {
    match before {
        Before::Ours(Some(program)) => {
            let _ = netlink.set_filter(link.index, new(program), false);
        }
        // It cannot be given back; the new one does no harm.
        Before::Ours(None) => {}
        Before::Clsact => {
            let _ = netlink.delete_filter(link.index, Hook::Egress, PRIORITY, HANDLE);
        }
        Before::Nothing => {
            let _ = netlink.delete_clsact(link.index);
            kept.state().clsact.set(0);
        }
    }
}

/// Takes our filter away, and clsact if we made it and nobody else uses it.
/// `false` if there is none of ours.
///
/// # Errors
///
/// `Refused`, with the kernel's words.
pub fn remove(netlink: &mut Netlink, link: &Link, clsact_is_ours: bool) -> Result<bool> {
    let is_there = find(netlink, link)?.is_some();
    let mut is_shared = !clsact_is_ours;
    for hook in [Hook::Ingress, Hook::Egress] {
        let filters = netlink
            .filters(link.index, hook)
            .with_context(|| format!("list the tc filters of {}", link.name))?;
        is_shared |= filters
            .iter()
            .any(|f| hook == Hook::Ingress || is_anothers(f));
    }
    let done = match (is_shared, is_there) {
        (true, true) => netlink.delete_filter(link.index, Hook::Egress, PRIORITY, HANDLE),
        (false, _) => netlink.delete_clsact(link.index),
        (true, false) => Ok(()),
    };
    match done {
        // Somebody else was faster.
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EINVAL)) => Ok(is_there),
        done => done
            .map(|()| is_there)
            .map_err(|error| refusal(link, &error)),
    }
}

/// Neither ours nor the one that stands for all of our priority.
fn is_anothers(filter: &Filter) -> bool {
    let is_at_ours = filter.priority == PRIORITY && filter.chain == 0;
    !(is_at_ours && (filter.handle == 0 || filter.handle == HANDLE && is_ours(filter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_filter_is_not_anothers() {
        let ours = Filter {
            kind: "bpf".to_owned(),
            priority: PRIORITY,
            handle: HANDLE,
            chain: 0,
            name: Some(CLAMP.to_owned()),
            program: Some(7),
        };
        assert!(!is_anothers(&ours));
        let but = |change: &dyn Fn(&mut Filter)| {
            let mut filter = ours.clone();
            change(&mut filter);
            is_anothers(&filter)
        };
        assert!(!but(&|f| (f.handle, f.name) = (0, None)));
        assert!(but(&|f| f.handle = 2));
        assert!(but(&|f| f.priority = 1));
        assert!(but(&|f| f.chain = 1));
        assert!(but(&|f| f.name = Some("other".to_owned())));
    }
}
