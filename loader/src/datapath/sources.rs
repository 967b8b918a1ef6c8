//! The lists of client addresses that are served, or are not: a trie of
//! prefixes for all services. A list that is in force is never changed: a new
//! one is entered beside it, and goes into force with everything else.

use super::tables::Tables;
use super::write::grace;
use crate::model::placement::PlacedService;
use crate::model::{Manner, Prefix};
use crate::sys::bpf::{BPF_ANY, MapFd, map_delete, map_lookup, map_next_key, map_update};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xdp_prog::abi::key::source;
use xdp_prog::abi::{self, limits};

/// Bits of the list's number, which stands before the address.
const LIST_BITS: u32 = 32;

/// A key of the trie as it stands in memory: length in bits, list, address.
type Key = [u8; 24];

/// Allowed and denied prefixes of each list.
type Lists = BTreeMap<u16, (Vec<Prefix>, Vec<Prefix>)>;

fn key(list: u16, prefix: &Prefix) -> Key {
    let (address, length) = prefix.mapped();
    let mut key = [0; 24];
    key[..4].copy_from_slice(&(LIST_BITS + u32::from(length)).to_ne_bytes());
    key[4..8].copy_from_slice(&u32::from(list).to_ne_bytes());
    key[8..].copy_from_slice(&address.octets());
    key
}

fn parse(key: &Key) -> Option<(u16, Prefix)> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let (list, address) = rest.split_first_chunk::<4>()?;
    let length = u32::from_ne_bytes(*length).checked_sub(LIST_BITS)?;
    let address: [u8; 16] = address.try_into().ok()?;
    let prefix = Prefix::from_mapped(Ipv6Addr::from(address), u8::try_from(length).ok()?);
    Some((u16::try_from(u32::from_ne_bytes(*list)).ok()?, prefix))
}

/// All of IPv4, which stands among the IPv6 addresses in the trie.
const IPV4: Prefix = Prefix {
    address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    length: 0,
};

/// What the trie is to hold for these services. A prefix that is allowed inside
/// one that is denied is denied: the longest match must not bring it back.
fn entries(services: &[PlacedService]) -> BTreeMap<Key, u32> {
    let mut entries = BTreeMap::new();
    for service in services {
        let Manner { allow, deny, .. } = &service.manner;
        // `::/0` and its like are about IPv6, and do not speak for IPv4.
        let mut all = allow.iter().chain(deny);
        if all.any(|prefix| prefix.address.is_ipv6() && prefix.contains(&IPV4)) {
            let unlisted = if allow.is_empty() {
                source::ALLOWED
            } else {
                source::DENIED
            };
            entries.insert(key(service.sources, &IPV4), unlisted | source::IMPLIED);
        }
        let denied = deny;
        for prefix in &service.manner.allow {
            if !denied.iter().any(|d| d.contains(prefix)) {
                entries.insert(key(service.sources, prefix), source::ALLOWED);
            }
        }
        for prefix in denied {
            entries.insert(key(service.sources, prefix), source::DENIED);
        }
    }
    entries
}

impl Tables {
    /// The lists in force.
    pub(super) fn sources(&self) -> Result<Lists> {
        let map = self.map(abi::SOURCES)?;
        let mut lists = Lists::new();
        for key in keys(map)? {
            let mut value = [0; 4];
            if let Some((list, prefix)) = parse(&key)
                && map_lookup(map, &key, &mut value)?
            {
                let (allow, deny) = lists.entry(list).or_default();
                match u32::from_ne_bytes(value) {
                    source::ALLOWED => allow.push(prefix),
                    source::DENIED => deny.push(prefix),
                    _ => {}
                }
            }
        }
        Ok(lists)
    }

    /// Adds what is wanted and not there.
    pub(super) fn add_sources(&self, services: &[PlacedService]) -> Result<()> {
        let map = self.map(abi::SOURCES)?;
        for (key, value) in entries(services) {
            map_update(map, &key, &value.to_ne_bytes(), BPF_ANY).with_context(|| {
                format!(
                    "enter a prefix: all services hold {} together",
                    limits::SOURCES
                )
            })?;
        }
        Ok(())
    }

    /// Removes what is there and not wanted.
    pub(super) fn remove_sources(&self, services: &[PlacedService]) -> Result<()> {
        let map = self.map(abi::SOURCES)?;
        let wanted = entries(services);
        let mut keys = keys(map)?;
        keys.retain(|key| !wanted.contains_key(key));
        if !keys.is_empty() {
            // A packet that found its service before the switch has yet to look
            // its client up.
            grace();
        }
        for key in &keys {
            map_delete(map, key).context("remove a prefix")?;
        }
        Ok(())
    }
}

/// All keys of the trie.
fn keys(map: &MapFd) -> Result<BTreeSet<Key>> {
    let mut keys = BTreeSet::new();
    let mut last: Option<Key> = None;
    loop {
        let mut next = [0; 24];
        if !map_next_key(map, last.as_ref().map(|k| &k[..]), &mut next)? || !keys.insert(next) {
            return Ok(keys);
        }
        last = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(allow: &[&str], deny: &[&str]) -> BTreeMap<Key, u32> {
        let prefixes = |texts: &[&str]| texts.iter().map(|t| t.parse().expect(t)).collect();
        let service = PlacedService {
            addresses: Vec::new(),
            manner: Manner {
                allow: prefixes(allow),
                deny: prefixes(deny),
                ..Manner::default()
            },
            id: 1,
            sources: 7,
            slots: 0..1,
            changed: 0,
        };
        entries(&[service])
    }

    #[test]
    fn a_prefix_of_all_ipv6_does_not_speak_for_ipv4() {
        let of_ipv4 = |entries: BTreeMap<Key, u32>| entries.get(&key(7, &IPV4)).copied();
        let implied = |value| Some(value | source::IMPLIED);
        assert_eq!(of_ipv4(list(&[], &["::/0"])), implied(source::ALLOWED));
        assert_eq!(of_ipv4(list(&["::/0"], &[])), implied(source::DENIED));
        assert_eq!(of_ipv4(list(&["::/8"], &["::/0"])), implied(source::DENIED));
        // Where IPv4 is listed, that counts; where nothing speaks for it, nothing is needed.
        assert_eq!(
            of_ipv4(list(&["0.0.0.0/0", "::/0"], &[])),
            Some(source::ALLOWED)
        );
        assert_eq!(of_ipv4(list(&["2001:db8::/32"], &["10.0.0.0/8"])), None);
    }

    #[test]
    fn a_key_is_written_and_read_alike() {
        for text in [
            "10.0.0.0/8",
            "192.0.2.1/32",
            "2001:db8::/32",
            "0.0.0.0/0",
            "::/0",
        ] {
            let prefix: Prefix = text.parse().expect(text);
            assert_eq!(parse(&key(7, &prefix)), Some((7, prefix)));
        }
    }
}
