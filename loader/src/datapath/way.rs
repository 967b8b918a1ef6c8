//! The interfaces of a balancer, as ways to backends.

use crate::model::prefix::is_in_subnet;
use crate::netlink::{Address, Link, Netlink};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// An interface that backends can be reached through.
#[derive(Debug)]
pub struct Way {
    /// The interface.
    pub link: Link,
    /// Its number in the tables.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

impl Way {
    /// The interface with this number.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn new(netlink: &mut Netlink, link: &Link, port: u32) -> Result<Self> {
        Ok(Self {
            link: link.clone(),
            port: u16::try_from(port).unwrap_or(u16::MAX),
            addresses: netlink
                .addresses(link.index)
                .with_context(|| format!("list addresses of {}", link.name))?,
        })
    }

    /// Whether `address` is in one of its subnets.
    #[must_use]
    pub fn reaches(&self, address: IpAddr) -> bool {
        let mut own = self.addresses.iter();
        own.any(|own| is_in_subnet(address, own.address, own.prefix_len))
    }

    /// Its name and its subnets, for errors.
    #[must_use]
    pub fn subnets(&self) -> String {
        let subnets: Vec<String> = self
            .addresses
            .iter()
            .map(|own| format!("{}/{}", own.address, own.prefix_len))
            .collect();
        match subnets.as_slice() {
            [] => format!("{} (no address)", self.link.name),
            _ => format!("{} ({})", self.link.name, subnets.join(", ")),
        }
    }
}

/// All addresses of this host.
///
/// # Errors
///
/// What the kernel says.
pub fn local_addresses(netlink: &mut Netlink) -> Result<BTreeSet<IpAddr>> {
    let mut local = BTreeSet::new();
    for link in netlink.links().context("list interfaces")? {
        for own in netlink.addresses(link.index).context("list addresses")? {
            local.insert(own.address);
        }
    }
    Ok(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(address: &str, prefix_len: u8) -> Address {
        Address {
            address: address.parse().expect(address),
            prefix_len,
        }
    }

    fn contains_text(own: &Address, address: &str) -> bool {
        is_in_subnet(address.parse().expect(address), own.address, own.prefix_len)
    }

    #[test]
    fn a_subnet_holds_the_addresses_with_its_prefix() {
        assert!(contains_text(&own("172.17.0.2", 16), "172.17.255.3"));
        assert!(!contains_text(&own("172.17.0.2", 24), "172.17.1.3"));
        assert!(contains_text(&own("172.17.0.2", 31), "172.17.0.3"));
        assert!(contains_text(&own("172.17.0.2", 0), "8.8.8.8"));
        assert!(contains_text(&own("2001:db8::2", 64), "2001:db8::3"));
        assert!(!contains_text(&own("2001:db8::2", 64), "2001:db8:0:1::3"));
    }

    #[test]
    fn a_host_address_has_no_neighbours() {
        assert!(!contains_text(&own("172.17.0.2", 32), "172.17.0.2"));
        assert!(!contains_text(&own("2001:db8::2", 128), "2001:db8::2"));
    }

    #[test]
    fn a_subnet_of_one_ip_version_holds_none_of_the_other() {
        assert!(!contains_text(&own("0.0.0.0", 0), "2001:db8::3"));
    }
}
