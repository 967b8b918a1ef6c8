//! Policy rules by mark: which table routes packets that a socket has marked.

use super::message::{Attribute, Request, attributes, flag, split_fixed, u32_at};
use super::{Netlink, Result};
use std::io;

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

/// Bytes of `struct fib_rule_hdr`: family, prefix lengths of destination and
/// source, tos, table, two unused, action, flags (`u32`).
const FIB_RULE_HDR: usize = 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// In the flags: the rule is for packets that it does *not* describe.
const FIB_RULE_INVERT: u32 = 1 << 1;

/// Attributes of a rule (`include/uapi/linux/fib_rules.h`).
mod fra {
    pub const GOTO: u16 = 4;
    pub const PRIORITY: u16 = 6;
    pub const FWMARK: u16 = 10;
    pub const TABLE: u16 = 15;
    pub const FWMASK: u16 = 16;
    /// Who made the rule (4.17), as `RTPROT_*` of routes.
    pub const PROTOCOL: u16 = 21;
}

/// What is done with a packet (`FR_ACT_*`).
mod action {
    pub const TO_TABLE: u8 = 1;
    pub const GOTO: u8 = 2;
    pub const NOTHING: u8 = 3;
    pub const UNREACHABLE: u8 = 7;
}

/// A rule for packets with a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// For IPv4, else for IPv6.
    pub is_v4: bool,
    /// Its place among all rules: the lowest comes first. The table of local
    /// addresses is asked at 0, the main one at 32,766.
    pub priority: u32,
    /// The mark, of which the bits of `mask` count.
    pub mark: u32,
    /// See `mark`.
    pub mask: u32,
    /// It is for packets with any other mark.
    pub is_inverted: bool,
    /// What is done with them.
    pub action: RuleAction,
    /// Who made it: a number as that of routes. 0 on a kernel before 4.17.
    pub protocol: u8,
}

/// What a rule does with its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAction {
    /// They take a route of this table, if it has one for them.
    Table(u32),
    /// The rule with this priority is next.
    GoTo(u32),
    /// The next rule is next.
    Nothing,
    /// They reach nobody: `ENETUNREACH`.
    Unreachable,
    /// Anything else, of which rules of ours know nothing.
    Other,
}

impl Netlink {
    /// The rules of both versions of IP that this protocol made.
    pub fn rules(&mut self, protocol: u8) -> Result<Vec<Rule>> {
        let request = Request::new("RTM_GETRULE", RTM_GETRULE, flag::DUMP, &[0; FIB_RULE_HDR]);
        let mut found = self.parsed(&request, RTM_NEWRULE, parse)?;
        found.retain(|rule| rule.protocol == protocol);
        Ok(found)
    }

    /// Adds a rule. `EEXIST` when there is one like it, whoever made it.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        let flags = flag::ACK | flag::CREATE | flag::EXCLUSIVE;
        let request = change("RTM_NEWRULE", RTM_NEWRULE, flags, rule);
        self.socket.request(&request).map(drop)
    }

    /// Removes a rule. `ENOENT` when there is none like it.
    ///
    /// The kernel does not compare the protocol: this must be a rule that
    /// [`Self::rules`] has found. (Of two that differ in nothing else the kernel
    /// refuses the second.)
    pub fn remove_rule(&mut self, rule: &Rule) -> Result<()> {
        let request = change("RTM_DELRULE", RTM_DELRULE, flag::ACK, rule);
        self.socket.request(&request).map(drop)
    }
}

fn change(name: &'static str, kind: u16, flags: u16, rule: &Rule) -> Request {
    let (action, table, target) = match rule.action {
        RuleAction::Table(table) => (action::TO_TABLE, Some(table), None),
        RuleAction::GoTo(priority) => (action::GOTO, None, Some(priority)),
        RuleAction::Nothing => (action::NOTHING, None, None),
        RuleAction::Unreachable => (action::UNREACHABLE, None, None),
        // FR_ACT_UNSPEC: the kernel refuses it.
        RuleAction::Other => (0, None, None),
    };
    let mut fixed = [0; FIB_RULE_HDR];
    fixed[0] = if rule.is_v4 { AF_INET } else { AF_INET6 };
    fixed[7] = action;
    let inverted = if rule.is_inverted { FIB_RULE_INVERT } else { 0 };
    fixed[8..12].copy_from_slice(&inverted.to_ne_bytes());
    let mut request = Request::new(name, kind, flags, &fixed)
        .attribute(fra::PRIORITY, &rule.priority.to_ne_bytes())
        .attribute(fra::FWMARK, &rule.mark.to_ne_bytes())
        .attribute(fra::FWMASK, &rule.mask.to_ne_bytes())
        .attribute(fra::PROTOCOL, &[rule.protocol]);
    if let Some(table) = table {
        request = request.attribute(fra::TABLE, &table.to_ne_bytes());
    }
    if let Some(priority) = target {
        request = request.attribute(fra::GOTO, &priority.to_ne_bytes());
    }
    request
}

/// `None` for the rules of other families, which have the same messages.
fn parse(body: &[u8]) -> io::Result<Option<Rule>> {
    let (fixed, list) = split_fixed(body, FIB_RULE_HDR)?;
    if ![AF_INET, AF_INET6].contains(&fixed[0]) {
        return Ok(None);
    }
    let mut rule = Rule {
        is_v4: fixed[0] == AF_INET,
        priority: 0,
        mark: 0,
        mask: 0,
        is_inverted: u32_at(fixed, 8).unwrap_or_default() & FIB_RULE_INVERT != 0,
        action: match fixed[7] {
            action::TO_TABLE => RuleAction::Table(fixed[4].into()),
            action::GOTO => RuleAction::GoTo(0),
            action::NOTHING => RuleAction::Nothing,
            action::UNREACHABLE => RuleAction::Unreachable,
            _ => RuleAction::Other,
        },
        protocol: 0,
    };
    for attribute in attributes(list) {
        rule.set(attribute?)?;
    }
    Ok(Some(rule))
}

impl Rule {
    fn set(&mut self, attribute: Attribute<'_>) -> io::Result<()> {
        match (attribute.kind, &mut self.action) {
            (fra::PRIORITY, _) => self.priority = attribute.u32()?,
            (fra::FWMARK, _) => self.mark = attribute.u32()?,
            (fra::FWMASK, _) => self.mask = attribute.u32()?,
            (fra::PROTOCOL, _) => {
                self.protocol = attribute.data.first().copied().unwrap_or_default();
            }
            (fra::TABLE, RuleAction::Table(table)) => *table = attribute.u32()?,
            (fra::GOTO, RuleAction::GoTo(priority)) => *priority = attribute.u32()?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::HEADER;
    use crate::sys::namespace::OwnNamespace;

    fn rule(action: RuleAction) -> Rule {
        Rule {
            is_v4: true,
            priority: 805,
            mark: 0x0dc9_0001,
            mask: u32::MAX,
            is_inverted: false,
            action,
            protocol: 201,
        }
    }

    const ACTIONS: [RuleAction; 4] = [
        RuleAction::Table(20_100_001),
        RuleAction::GoTo(807),
        RuleAction::Nothing,
        RuleAction::Unreachable,
    ];

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for action in ACTIONS {
            for (is_v4, is_inverted) in [(true, false), (false, true)] {
                let rule = Rule {
                    is_v4,
                    is_inverted,
                    ..rule(action)
                };
                let body = change("test", RTM_NEWRULE, 0, &rule)
                    .bytes(1)
                    .split_off(HEADER);
                assert_eq!(parse(&body).unwrap(), Some(rule));
                for end in 0..body.len() {
                    let _ = parse(&body[..end]);
                }
            }
        }
    }

    #[test]
    fn the_rules_of_multicast_routing_are_left_out() {
        let mut body = change("test", RTM_NEWRULE, 0, &rule(ACTIONS[0]))
            .bytes(1)
            .split_off(HEADER);
        body[0] = 128;
        assert_eq!(parse(&body).unwrap(), None);
    }

    #[test]
    fn the_kernel_keeps_what_it_is_given_until_it_is_taken_away() {
        let _namespace = OwnNamespace::enter().expect("this test needs root");
        let mut netlink = Netlink::open().unwrap();
        let rules: Vec<Rule> = (0..)
            .zip(ACTIONS)
            .flat_map(|(nth, action)| {
                [true, false].map(|is_v4| Rule {
                    is_v4,
                    priority: 804 + nth,
                    is_inverted: nth == 1,
                    ..rule(action)
                })
            })
            .collect();
        for rule in &rules {
            netlink.add_rule(rule).unwrap();
            let again = netlink.add_rule(rule).unwrap_err();
            assert_eq!(again.errno(), Some(libc::EEXIST));
        }
        let foreign = Rule {
            protocol: 202,
            priority: 900,
            ..rules[0]
        };
        netlink.add_rule(&foreign).unwrap();

        let mut found = netlink.rules(201).unwrap();
        let mut expected = rules.clone();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);

        for rule in &rules {
            netlink.remove_rule(rule).unwrap();
            let again = netlink.remove_rule(rule).unwrap_err();
            assert_eq!(again.errno(), Some(libc::ENOENT));
        }
        assert_eq!(netlink.rules(201).unwrap(), []);
        assert_eq!(netlink.rules(202).unwrap(), [foreign]);
    }
}
