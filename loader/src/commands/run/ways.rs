//! The ways to backends: what the kernel tells of neighbours, routes and interfaces
//! reaches the tables.

use super::keeper::{AGAIN, Keeper, PENDING_ROUND, REST, ROUND, TICK};
use crate::commands::refresh::lines;
use crate::datapath::refresh::{Look, apply, look};
use crate::model::Mac;
use crate::netlink::News;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

impl Keeper {
    /// Looks at the ways to backends, and writes what differs.
    pub(super) fn follow_ways(&mut self, now: Instant) {
        self.look_and_write(now);
        // However many news there are, they take a part of a CPU only.
        self.due.look_rest = now + now.elapsed() * REST;
    }

    fn look_and_write(&mut self, now: Instant) {
        self.due.look = now + ROUND;
        let seen = self.look_at_ways();
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                self.due.look = now + AGAIN;
                return self.talk.failure("the ways to backends", &error);
            }
        };
        if seen.has_changes() {
            let applied = self.change(|change, talk| {
                // Once more: nobody changes anything now.
                let seen = look(&mut change.netlink, &change.balancer, Duration::ZERO)?;
                let lines = lines(&seen, &change.balancer);
                apply(&change.balancer.tables, &seen)?;
                lines.iter().for_each(|line| talk.info("way", line));
                Ok(())
            });
            match applied {
                Ok(true) => {}
                Ok(false) => self.due.look = now + TICK,
                Err(error) => self.talk.failure("the ways to backends", &error),
            }
            self.reread();
        }
        for member in self
            .roster
            .services
            .iter_mut()
            .flat_map(|entry| &mut entry.backends)
        {
            member.silent = match (seen.lost.get(&member.placed.number), member.silent.take()) {
                (None, _) => None,
                (Some(why), Some((since, _))) => Some((since, why.clone())),
                (Some(why), None) => Some((now, why.clone())),
            };
        }
        if !seen.lost.is_empty() {
            self.due.look = self.due.look.min(now + PENDING_ROUND);
        }
        self.last_look = seen;
        self.due.is_health = true;
        // Interfaces, and what is in the way of checks, may be others now.
        self.targets_anew();
    }

    fn look_at_ways(&mut self) -> Result<Look> {
        let (netlink, balancer) = self.at_hand.as_mut().context("no balancer is at hand")?;
        look(netlink, balancer, Duration::ZERO)
    }

    /// Works out where checks go, once more.
    pub(super) fn targets_anew(&mut self) {
        if let Some((netlink, balancer)) = &mut self.at_hand {
            self.targets.aim(
                netlink,
                balancer,
                &self.said.run,
                &mut self.roster,
                &mut self.talk,
            );
        }
    }
}

/// Neighbours that are known by the MAC that they have are no news: the kernel
/// tells of each time that it has asked them.
pub(super) fn concerns(news: &News, last: &Look) -> bool {
    news.is_general
        || news.neighbours.iter().any(|&(interface, neighbour)| {
            let known = last.neighbours.get(&(interface, neighbour.address));
            known.is_some_and(|&known| known != neighbour.mac.map(Mac))
        })
}
