//! Announcing the VIPs of services that are up.

use super::keeper::{Keeper, PENDING_ROUND};
use crate::agent::announce::Announcer;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

impl Keeper {
    /// Brings the announcements in line, and tells what has become of them.
    pub(super) fn announce(&mut self, now: Instant) {
        let wanted: BTreeSet<IpAddr> = self.roster.announced().collect();
        if now < self.due.announce && wanted == self.asked {
            return;
        }
        self.due.announce = now + PENDING_ROUND;
        let announced = self.announce_these(&wanted);
        self.asked = wanted;
        for vip in announced.difference(&self.announced) {
            self.talk.info("announce", &format!("{vip} is announced"));
            self.talk.is_well(&format!("announcement of {vip}"));
        }
        for vip in self.announced.difference(&announced) {
            self.talk.info("announce", &format!("{vip} is withdrawn"));
        }
        for entry in &mut self.roster.services {
            let mut vips = entry.addresses.iter().map(|address| address.vip);
            let are_announced = vips.all(|vip| announced.contains(&vip));
            self.survey.is_news |= entry.are_announced != are_announced;
            entry.are_announced = are_announced;
        }
        self.announced = announced;
    }

    /// Announces these VIPs and no others; those that are announced then.
    fn announce_these(&mut self, wanted: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
        let nothing = BTreeSet::new();
        let Some((netlink, _)) = &mut self.at_hand else {
            return nothing;
        };
        let announcer = match &mut self.announcer {
            Some(announcer) => announcer,
            None if self.said.care.iter().all(|care| !care.announce) => return nothing,
            None => match Announcer::open(netlink, &self.said.run.announce) {
                Ok(announcer) => self.announcer.insert(announcer),
                Err(error) => {
                    self.talk.failure("the interface for announcements", &error);
                    return nothing;
                }
            },
        };
        let refused = match announcer.set(netlink, wanted) {
            Ok(refused) => refused,
            Err(error) => {
                self.talk.failure("announcements", &error);
                return nothing;
            }
        };
        for (vip, error) in &refused {
            self.talk.failure(&format!("announcement of {vip}"), error);
        }
        let all = wanted.union(&self.announced).copied();
        all.filter(|vip| wanted.contains(vip) != refused.contains_key(vip))
            .collect()
    }
}
