//! Sweeping the flow table: slots settle, flows age, and live ones are counted.

use super::keeper::Keeper;
use crate::commands::change::try_lock;
use crate::commands::settle::{Patience, epochs, settle};
use crate::datapath::write::grace;
use crate::datapath::{Balancer, clock};
use crate::model::sweep::Clock;
use crate::report::run::Flows;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use xdp_prog::track::entry::Entry;

/// From one sweep to the next, at least.
const EVERY: Duration = Duration::from_secs(10);
/// Sweeps take at most one part of so many of this thread's time.
const SHARE: u32 = 20;
/// A sweep that met somebody else's change comes again.
const AGAIN: Duration = Duration::from_secs(1);

impl Keeper {
    /// Sweeps, and says when the next sweep is due.
    pub fn sweep(&mut self, now: Instant) {
        let start = Instant::now();
        self.due.sweep = match self.swept() {
            Ok(true) => {
                self.talk.is_well("the flow table");
                now + EVERY.max(start.elapsed() * SHARE)
            }
            Ok(false) => now + AGAIN,
            Err(error) => {
                self.talk.failure("the flow table", &error);
                now + EVERY
            }
        };
    }

    /// False if somebody else changes the tables now.
    fn swept(&mut self) -> Result<bool> {
        let Some((_, balancer)) = &self.at_hand else {
            return Ok(false);
        };
        let Some(lock) = try_lock()? else {
            return Ok(false);
        };
        let run = &self.said.run;
        let start = Instant::now();
        let tables = &balancer.tables;
        let shift = balancer.attached.first().map_or(0, |a| a.epoch_shift);
        let loaded = tables.loaded()?;
        // No packet goes by older slots than these any more.
        grace();
        let time = Clock {
            now: clock::epoch(shift)?,
            idle: epochs(run.idle.as_secs(), shift)?,
        };
        let patience = Patience {
            idle: run.idle.as_secs(),
            window: run.window.as_secs(),
        };
        let swept = settle(tables, &loaded, time, patience);
        drop(lock);
        for service in swept.without_room {
            self.talk.warning(&format!(
                "flows of service {service} find no room in the flow table: slots that have a former owner stay unsettled; load with more flows"
            ));
        }
        self.survey.live = live(balancer, time);
        self.survey.flows = Flows {
            swept: super::clock(),
            sweep_seconds: start.elapsed().as_secs_f64(),
            ..Flows::default()
        };
        Ok(true)
    }
}

/// Live flows by destination.
fn live(balancer: &Balancer, clock: Clock) -> BTreeMap<u16, u64> {
    let mut live = BTreeMap::new();
    for word in balancer
        .tables
        .flows
        .entries()
        .iter()
        .flat_map(|bucket| &bucket.0)
    {
        let entry = Entry(word.get());
        if !entry.is_free() && clock.is_live(entry) {
            *live.entry(entry.destination()).or_default() += 1;
        }
    }
    live
}
