//! What a load starts from: the programs that are to be replaced, and the
//! tables that go on.

use super::find::{self, Attached, Balancer, Foreign, Holder};
use super::tables::{Capacity, Tables};
use crate::fault;
use crate::netlink::{Link, Netlink};
use crate::object::Spec;
use crate::sys::namespace::netns_cookie;
use crate::sys::random::random_words;
use anyhow::{Context, Result};

/// A program of ours that is to be replaced.
#[derive(Debug)]
pub enum Found {
    /// Its tables go on.
    Readable(Attached),
    /// Its tables are of another version: they start anew.
    Unreadable(Attached),
}

/// What of ours is on each interface, and what of others.
///
/// # Errors
///
/// What the kernel says.
pub fn holders(links: &[Link]) -> Result<(Vec<Option<Found>>, Vec<Foreign>)> {
    let mut found = Vec::new();
    let mut foreigners = Vec::new();
    for link in links {
        found.push(match find::holder(link)? {
            Holder::Nobody => None,
            Holder::Ours(attached) => Some(Found::Readable(attached)),
            Holder::Another(attached) => Some(Found::Unreadable(attached)),
            Holder::Decap(decap) => return Err(decap.fault()),
            Holder::Foreign(foreign) => {
                foreigners.push(foreign);
                None
            }
        });
    }
    Ok((found, foreigners))
}

/// The tables to work on, and who else uses them.
#[derive(Debug)]
pub struct Base {
    /// The tables.
    pub tables: Tables,
    /// They were made now: nobody reads them yet.
    pub is_new: bool,
    /// All interfaces that use them.
    pub others: Vec<Attached>,
}

impl Base {
    /// The tables of the programs that were found, or new ones.
    ///
    /// # Errors
    ///
    /// The programs have tables of their own each; what the kernel says.
    pub fn of(
        netlink: &mut Netlink,
        spec: &Spec,
        found: &[Option<Found>],
        capacity: Capacity,
    ) -> Result<Self> {
        let mut base: Option<Self> = None;
        for attached in found.iter().flatten().filter_map(|found| match found {
            Found::Readable(attached) => Some(attached),
            Found::Unreadable(_) => None,
        }) {
            let name = &attached.link.name;
            if let Some(base) = &base {
                if base
                    .others
                    .iter()
                    .all(|a| a.link.index != attached.link.index)
                {
                    return Err(fault!(
                        Failed,
                        "{} and {} are loaded with tables of their own: unload one of them first",
                        base.others
                            .first()
                            .map_or("another", |a| a.link.name.as_str()),
                        name
                    ));
                }
                continue;
            }
            let (mut balancers, _) = find::balancers(netlink, Some(name), true)?;
            let Balancer { attached, tables } = balancers.pop().with_context(|| {
                format!("the XDP program of {name} has just been replaced; try again")
            })?;
            base = Some(Self {
                tables,
                is_new: false,
                others: attached,
            });
        }
        match base {
            Some(base) => Ok(base),
            None => Self::new(spec, capacity),
        }
    }

    /// A balancer that is at hand.
    #[must_use]
    pub fn going_on(balancer: Balancer) -> Self {
        Self {
            tables: balancer.tables,
            is_new: false,
            others: balancer.attached,
        }
    }

    fn new(spec: &Spec, capacity: Capacity) -> Result<Self> {
        let tables = Tables::create(spec, capacity).map_err(explain_permission)?;
        let control = tables.control();
        let keys = control.keys.iter().chain(&control.keys6);
        for (key, word) in keys.zip(random_words::<9>().context("make a hash key")?) {
            key.set(word);
        }
        control.netns.set(netns_cookie().unwrap_or(0));
        Ok(Self {
            tables,
            is_new: true,
            others: Vec::new(),
        })
    }
}

/// Capabilities of another user namespace than the first do not count.
fn explain_permission(error: anyhow::Error) -> anyhow::Error {
    let refused = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.raw_os_error() == Some(libc::EPERM));
    if refused {
        fault!(
            Permission,
            "{error:#}; this takes CAP_BPF and CAP_NET_ADMIN in the first user namespace"
        )
    } else {
        error
    }
}
