//! A drained backend, as it is seen at one look.

use crate::datapath::Tables;
use crate::model::drain::Sight;
use crate::model::{Affinity, Protocol, ServiceAddress, State, Tracking};
use crate::sys::machine::uptime_seconds;
use anyhow::{Context, Result};
use std::net::IpAddr;
use std::time::Instant;
use xdp_prog::abi::state::slot;

/// What is seen of it.
#[derive(Debug)]
pub struct Subject {
    /// Its destination's number.
    pub number: u16,
    /// What it is to do.
    pub state: State,
    /// Which flows of its service are remembered.
    pub tracking: Tracking,
    /// The first packet of a flow need not show that it is the first.
    pub opens_unseen: bool,
    /// Seconds since a slot of its service last changed, at least.
    pub silent_seconds: u64,
    /// When a slot of its service last changed, or one of its flows found no room
    /// in the flow table, at the latest: by the clock of `sight`.
    pub since: u64,
    /// Its flows.
    pub sight: Sight,
}

impl Subject {
    /// Looks at it. `start` is when the looks began. `None` if there is no such
    /// backend.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn look(
        tables: &Tables,
        (service, backend): (ServiceAddress, IpAddr),
        start: Instant,
    ) -> Result<Option<Self>> {
        let mut services = tables.placed_services()?.into_iter();
        let Some(service) = services.find(|s| s.addresses.contains(&service)) else {
            return Ok(None);
        };
        let mut placed = tables.placed_destinations().into_iter();
        let is_it = |service_id: u16, address| (service_id, address) == (service.id, backend);
        let Some(placed) = placed.find(|d| is_it(d.service, d.route.address)) else {
            return Ok(None);
        };
        let number = placed.number;
        let slots = service.slots.start as usize..service.slots.end as usize;
        let slots = tables.slots.entries().get(slots).unwrap_or_default();
        let goes_back = |word: u32| !slot::is_settled(word) && slot::previous(word) == number;
        let has_unknown = slots.iter().any(|word| goes_back(word.get()));

        let uptime = uptime_seconds().context("ask for the time")?;
        // The looks' own clock is finer, and does not stand still in a second.
        let passed = u64::try_from(start.elapsed().as_millis()).unwrap_or(0);
        let now = EPOCH_OF_LOOKS + passed;
        // Both times are cut to whole seconds, so the change may be younger by one.
        let ago = |seconds: u64| uptime.saturating_sub(seconds).saturating_sub(1);
        let untracked = tables.count(number).untracked;
        let crowded = match tables.destinations.entries().get(usize::from(number)) {
            _ if untracked == 0 => 0,
            // A sweep has seen as many, and noted when.
            Some(entry) if entry.untracked.get() == untracked => entry.untracked_at.get(),
            _ => uptime,
        };
        let silent_seconds = ago(service.changed);
        let since = ago(service.changed.max(crowded)).saturating_mul(1_000);
        Ok(Some(Self {
            number,
            state: placed.state,
            tracking: service.manner.tracking,
            opens_unseen: service.manner.affinity != Affinity::Flow
                || service
                    .addresses
                    .iter()
                    .any(|a| a.protocol == Protocol::Udp),
            silent_seconds,
            since: now.saturating_sub(since),
            sight: Sight {
                now,
                entries: tables
                    .flow_entries()
                    .filter(|(_, entry)| entry.destination() == number)
                    .collect(),
                untracked,
                has_unknown,
            },
        }))
    }
}

/// Where the clock of looks begins: at a time that is later than any that it is
/// compared with.
const EPOCH_OF_LOOKS: u64 = 1 << 50;
