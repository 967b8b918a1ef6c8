//! Kernel settings of interfaces: which values do, and what changes one.

use super::{Facts, LOOPBACK, Step};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kernel setting, by its path below `/proc/sys/net`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Setting(String);

/// In place of an interface's name: the setting that counts for all.
const ALL: &str = "all";

impl Setting {
    /// Whether IPv4 packets for others are sent on.
    #[must_use]
    pub fn forwarding(is_v4: bool) -> Self {
        Self(if is_v4 {
            "ipv4/ip_forward".into()
        } else {
            "ipv6/conf/all/forwarding".into()
        })
    }

    /// What counts for an interface alone.
    #[must_use]
    pub fn of(interface: &str, name: &str) -> Self {
        Self(format!("ipv4/conf/{interface}/{name}"))
    }

    /// What counts for all interfaces.
    #[must_use]
    pub fn of_all(name: &str) -> Self {
        Self::of(ALL, name)
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/sys/net/{}", self.0)
    }

    /// The command that writes a value.
    #[must_use]
    pub fn command(&self, value: u32) -> String {
        format!("sysctl -w {self}={value}")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sysctl(8) takes either separator, and the name of a VLAN interface
        // has a dot.
        if self.0.contains('.') {
            write!(f, "net/{}", self.0)
        } else {
            write!(f, "net.{}", self.0.replace('/', "."))
        }
    }
}

/// Which values of a setting do. The kernel takes the larger of that of `all`
/// and that of the interface (`IN_DEV_MAXCONF` in `include/linux/inetdevice.h`).
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The setting's name.
    pub name: &'static str,
    /// What is written where another does not do.
    pub wanted: u32,
    /// Whether a value does.
    pub does: fn(u32) -> bool,
}

/// Not answering ARP for addresses of other interfaces, and not announcing them.
///
/// Larger is not always stricter (`arp_ignore` and `arp_solicit` in
/// `net/ipv4/arp.c`): of `arp_ignore` only 1, 2 and 8 are silent about an
/// address on `lo`, and what `arp_announce` does not know counts as 0.
pub const ARP: [Rule; 2] = [IGNORE, ANNOUNCE];

/// To whom ARP is answered.
pub const IGNORE: Rule = Rule {
    name: "arp_ignore",
    wanted: 1,
    does: |value| matches!(value, 1 | 2 | 8),
};

/// As whom ARP is asked.
pub const ANNOUNCE: Rule = Rule {
    name: "arp_announce",
    wanted: 2,
    does: |value| value == 2,
};

/// What comes out of a tunnel is from a client that the host may reach through
/// another interface: 1, and 1 alone, drops that.
pub const RP_FILTER: Rule = Rule {
    name: "rp_filter",
    wanted: 2,
    does: |value| value != 1,
};

impl Rule {
    /// What counts on an interface.
    #[must_use]
    pub fn effective(&self, facts: &Facts, interface: &str) -> u32 {
        let all = facts.value(&Setting::of_all(self.name));
        all.max(facts.value(&Setting::of(interface, self.name)))
    }

    /// Whether that does.
    #[must_use]
    pub fn holds(&self, facts: &Facts, interface: &str) -> bool {
        (self.does)(self.effective(facts, interface))
    }

    /// What makes it hold on all interfaces, those to come included.
    #[must_use]
    pub fn everywhere(&self, facts: &Facts) -> Vec<Step> {
        let mut steps: Vec<Step> = self.change(facts, ALL).into_iter().collect();
        let all = steps
            .first()
            .map_or_else(|| facts.value(&Setting::of_all(self.name)), |_| self.wanted);
        // `all` cannot outdo a larger value of an interface's own.
        for interface in facts.interfaces.iter().filter(|i| i.name != LOOPBACK) {
            let own = facts.value(&Setting::of(&interface.name, self.name));
            if !(self.does)(all.max(own)) {
                steps.extend(self.change(facts, &interface.name));
            }
        }
        steps
    }

    /// What makes it hold on this interface.
    #[must_use]
    pub fn on(&self, facts: &Facts, interface: &str) -> Option<Step> {
        if self.holds(facts, interface) {
            return None;
        }
        self.change(facts, interface)
    }

    /// Writes what is wanted, unless what is there does.
    fn change(&self, facts: &Facts, interface: &str) -> Option<Step> {
        let setting = Setting::of(interface, self.name);
        let was = facts.value(&setting);
        (!(self.does)(was) || self.wanted > was).then_some(Step::Set {
            setting,
            was,
            to: self.wanted,
        })
    }
}
