//! The interfaces: whether our program is still there, and what becomes of one
//! that went away and came back.

use super::keeper::{End, Keeper};
use crate::commands::change::try_lock;
use crate::commands::in_force::InForce;
use crate::commands::load::{Place, load};
use crate::commands::source::Source;
use crate::datapath::resolve::Silence;
use crate::datapath::{Balancer, find};
use crate::netlink::Link;
use anyhow::{Context, Result};

/// What an interface is like.
enum Found {
    /// Our program is there.
    Well,
    /// It is away, or switched off.
    Away,
    /// It is there, and no program is.
    Bare,
    /// Another program is there than the one that we know.
    Another,
}

impl Keeper {
    /// Looks at all interfaces. What is new about their MACs and MTUs is known
    /// afterwards.
    pub(super) fn watch_interfaces(&mut self) -> Result<Option<End>> {
        let Some((netlink, balancer)) = &mut self.at_hand else {
            return Ok(None);
        };
        let links = netlink.links().context("list interfaces")?;
        let names = self.arguments.interfaces.clone();
        for name in &names {
            let link = links.iter().find(|link| link.name == *name);
            let known = balancer.attached.iter_mut().find(|a| a.link.name == *name);
            let is_same = link
                .zip(known.as_ref())
                .is_some_and(|(link, known)| link.index == known.link.index);
            let found = match (link, known) {
                (Some(link), Some(known))
                    if is_same && link.xdp.program(known.mode) == Some(known.info.id) =>
                {
                    known.link = link.clone();
                    Found::Well
                }
                (Some(link), _) if has_program(link) => Found::Another,
                // Whoever takes it off an interface that stays means it.
                (Some(_), Some(_)) if is_same => Found::Away,
                (Some(link), _) if link.up => Found::Bare,
                _ => Found::Away,
            };
            match found {
                Found::Well => {}
                Found::Away => {
                    let before = balancer.attached.len();
                    balancer.attached.retain(|a| a.link.name != *name);
                    if balancer.attached.len() < before {
                        self.survey.is_news = true;
                        let why = if is_same {
                            "was taken off by somebody else"
                        } else {
                            "is gone with its interface"
                        };
                        self.talk
                            .info("interface", &format!("{name}: our program {why}"));
                        if is_same {
                            self.arguments.interfaces.retain(|known| known != name);
                        }
                    }
                    if self.arguments.interfaces.is_empty() {
                        return Ok(Some(End::Unloaded));
                    }
                }
                Found::Another => return self.follow_another(name),
                Found::Bare => {
                    balancer.attached.retain(|a| a.link.name != *name);
                    return self.load_again(name).map(|()| None);
                }
            }
        }
        Ok(None)
    }

    /// Somebody has loaded another program: dsrload, or a stranger.
    fn follow_another(&mut self, name: &str) -> Result<Option<End>> {
        let Some((netlink, balancer)) = &mut self.at_hand else {
            return Ok(None);
        };
        // Whoever loads has pinned it as well before the lock is free again.
        let Some(_lock) = try_lock()? else {
            return Ok(None);
        };
        let (found, others) = find::balancers(netlink, Some(name), true)?;
        let Some(found) = found.into_iter().next() else {
            let who = if others.is_empty() {
                "a program that is not dsrload's"
            } else {
                "a program of another version of dsrload"
            };
            self.talk.warning(&format!(
                "{name} has {who} now: it is looked after no longer"
            ));
            balancer.attached.retain(|a| a.link.name != *name);
            self.arguments.interfaces.retain(|known| known != name);
            let is_over = self.arguments.interfaces.is_empty();
            return Ok(is_over.then_some(End::Unloaded));
        };
        self.talk.info(
            "interface",
            &format!("{name}: another dsrload has loaded it anew"),
        );
        self.take(found);
        Ok(None)
    }

    /// An interface has come back without our program.
    fn load_again(&mut self, name: &str) -> Result<()> {
        let Some((_, balancer)) = &self.at_hand else {
            return Ok(());
        };
        let Some(_lock) = try_lock()? else {
            return Ok(());
        };
        let document = InForce::of(&balancer.tables)?.document;
        let again = balancer.again()?;
        let place = Place {
            interfaces: &[name.to_owned()],
            object: None,
            balancer: Some(again),
        };
        let loaded = self.talk.with_output(|output| {
            load(place, &Source::File(document), Silence::IsToldOf, output)
        })?;
        self.talk
            .info("interface", &format!("{name} is back: loaded again"));
        self.take(loaded);
        Ok(())
    }

    /// Looks after this balancer from now on.
    fn take(&mut self, balancer: Balancer) {
        if let Some((_, at_hand)) = &mut self.at_hand {
            *at_hand = balancer;
        }
        self.seen = (0, 0);
        self.survey.is_news = true;
    }
}

fn has_program(link: &Link) -> bool {
    use crate::netlink::Mode;
    let modes = [Mode::Skb, Mode::Drv, Mode::Hw];
    modes
        .into_iter()
        .any(|mode| link.xdp.program(mode).is_some())
}
