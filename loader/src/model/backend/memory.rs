//! What setup has changed, so that undo takes back that and no more.

use super::{Address, Facts, LOOPBACK, Step, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Which network namespace of which boot is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The kernel's name for this boot.
    pub boot: String,
    /// The namespace's cookie, which no other has until the next boot.
    pub cookie: u64,
}

/// Where a VIP on `lo` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Setup added it.
    Added,
    /// It was there before.
    Found,
}

/// What setup has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Where.
    pub place: Place,
    /// The VIPs that are set up.
    pub vips: BTreeMap<IpAddr, Origin>,
    /// What else was changed for them, in that order.
    pub steps: Vec<Step>,
}

impl Memory {
    /// Nothing was changed.
    #[must_use]
    pub fn nothing(place: Place) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    /// What is to be remembered once these steps are done, too. It is written
    /// before they are: whoever is killed in between leaves more remembered than
    /// done, which undo finds out.
    #[must_use]
    pub fn and(&self, wanted: &Wanted, steps: &[Step]) -> Self {
        let mut memory = self.clone();
        for &vip in &wanted.vips {
            let is_added = steps.contains(&Step::Add(Address::alone(vip)));
            let origin = memory.vips.entry(vip).or_insert(Origin::Found);
            if is_added {
                *origin = Origin::Added;
            }
        }
        let is_vip = |own: &Address| wanted.vips.contains(&own.address);
        for step in steps {
            match step {
                Step::Add(own) if is_vip(own) => {}
                Step::Set { setting, was, to } => memory.set(setting, *was, *to),
                other if memory.steps.contains(other) => {}
                other => memory.steps.push(other.clone()),
            }
        }
        memory
    }

    /// A setting changes. What it was before is what it is now, unless that is
    /// what an earlier setup wrote.
    fn set(&mut self, changed: &super::Setting, now: u32, wanted: u32) {
        for step in &mut self.steps {
            if let Step::Set { setting, was, to } = step
                && setting == changed
            {
                if now != *to {
                    *was = now;
                }
                *to = wanted;
                return;
            }
        }
        self.steps.push(Step::Set {
            setting: changed.clone(),
            was: now,
            to: wanted,
        });
    }
}

/// How to take back what was changed for some VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoing {
    /// What is to be done.
    pub steps: Vec<Step>,
    /// What is left as it is, and why: a sentence for each.
    pub left: Vec<String>,
    /// What is to be remembered afterwards.
    pub memory: Memory,
}

/// Takes back what was changed for these VIPs, and with the last of them what
/// was changed for all.
///
/// # Errors
///
/// VIPs that were never set up here: a sentence for each.
pub fn undo(memory: &Memory, facts: &Facts, vips: &[IpAddr]) -> Result<Undoing, Vec<String>> {
    let unknown = vips.iter().filter(|vip| !memory.vips.contains_key(vip));
    let unknown: Vec<String> = unknown.map(|&vip| not_ours(facts, vip)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut undoing = Undoing {
        steps: Vec::new(),
        left: Vec::new(),
        memory: memory.clone(),
    };
    for &vip in vips {
        undoing.vip(facts, vip);
    }
    if undoing.memory.vips.is_empty() {
        for step in std::mem::take(&mut undoing.memory.steps).iter().rev() {
            undoing.take_back(facts, step);
        }
    }
    Ok(undoing)
}

fn not_ours(facts: &Facts, vip: IpAddr) -> String {
    match facts.holders(vip).next() {
        Some(held) => format!(
            "{vip} was not set up by dsrload in this network namespace, as far as is remembered: it stays; to remove it: {}",
            super::removal(held)
        ),
        None => format!("{vip} was not set up by dsrload here, and is not there"),
    }
}

impl Undoing {
    fn vip(&mut self, facts: &Facts, vip: IpAddr) {
        let own = Address::alone(vip);
        let origin = self.memory.vips.remove(&vip);
        match (origin, facts.loopback_has(own)) {
            (Some(Origin::Added), true) => self.steps.push(Step::Remove(own)),
            (Some(Origin::Found), true) => self.left.push(format!(
                "{vip} was on lo before setup and stays; to remove it: {}",
                Step::Remove(own).command()
            )),
            _ => {}
        }
    }

    fn take_back(&mut self, facts: &Facts, step: &Step) {
        match step {
            Step::Set { setting, was, to } => match facts.settings.get(setting) {
                Some(now) if now == to => self.steps.push(step.inverse()),
                Some(now) if now != was => self.left.push(format!(
                    "{setting} is {now}, and setup wrote {to}: somebody has changed it since, so it stays; it was {was} before"
                )),
                // It was not written yet, or its interface is gone.
                _ => {}
            },
            Step::Up if facts.loopback_is_up() => match self.tenant(facts) {
                None => self.steps.push(Step::Down),
                Some(own) => self
                    .left
                    .push(format!("lo was down before setup and stays up: it has {own}")),
            },
            Step::Add(own) if facts.loopback_has(*own) => self.steps.push(step.inverse()),
            _ => {}
        }
    }

    /// An address of `lo` that is there for others: IPv6 ones do not survive
    /// that it is switched off.
    fn tenant(&self, facts: &Facts) -> Option<Address> {
        let goes = |own: Address| {
            own == Address::loopback()
                || own.address == Ipv6Addr::LOCALHOST
                || self.steps.contains(&Step::Remove(own))
        };
        let held = facts.addresses.iter();
        held.filter(|held| held.interface == LOOPBACK)
            .map(|held| held.own)
            .find(|&own| !goes(own))
    }
}
