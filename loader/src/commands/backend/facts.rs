//! What this host is like.

use crate::model::backend::setting::{ANNOUNCE, IGNORE, RP_FILTER};
use crate::model::backend::{Address, Facts, Held, Interface, Setting};
use crate::netlink::Netlink;
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// `ARPHRD_ETHER` (`include/uapi/linux/if_arp.h`).
const ETHERNET: u16 = 1;

/// Reads everything that [`Facts`] hold.
///
/// # Errors
///
/// What the kernel says; there is no `/proc`.
pub fn read(netlink: &mut Netlink) -> Result<Facts> {
    let mut facts = Facts::default();
    for link in netlink.links().context("list interfaces")? {
        let addresses = netlink
            .addresses(link.index)
            .with_context(|| format!("list addresses of {}", link.name))?;
        facts
            .addresses
            .extend(addresses.into_iter().map(|own| Held {
                own: Address {
                    address: own.address,
                    prefix_len: own.prefix_len,
                },
                interface: link.name.clone(),
            }));
        facts.interfaces.push(Interface {
            is_up: link.up,
            is_ethernet: link.hardware == ETHERNET,
            name: link.name,
        });
    }
    facts.settings = settings(&facts.interfaces)?;
    Ok(facts)
}

/// The settings that there are. An interface with too small an MTU for IPv4 has
/// none.
fn settings(interfaces: &[Interface]) -> Result<BTreeMap<Setting, u32>> {
    let mut wanted: Vec<Setting> = [true, false].map(Setting::forwarding).into();
    for rule in [IGNORE, ANNOUNCE, RP_FILTER] {
        let all = Setting::of_all(rule.name);
        // It is always there, if `/proc` is.
        value(&all)?.with_context(|| {
            format!(
                "{} is not there: this command needs /proc mounted",
                all.path()
            )
        })?;
        wanted.push(all);
        wanted.extend(interfaces.iter().map(|i| Setting::of(&i.name, rule.name)));
    }
    let mut settings = BTreeMap::new();
    for setting in wanted {
        if let Some(value) = value(&setting)? {
            settings.insert(setting, value);
        }
    }
    Ok(settings)
}

/// The value of a setting, if there is such a one.
fn value(setting: &Setting) -> Result<Option<u32>> {
    let path = setting.path();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path),
    };
    let value = text.trim();
    let value = value
        .parse()
        .map_err(|_| anyhow!("{path} holds '{value}', and a number is expected"))?;
    Ok(Some(value))
}
