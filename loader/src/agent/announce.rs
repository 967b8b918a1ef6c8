//! Announcing VIPs: a route for each, which a routing daemon exports, on an
//! interface that ends with this process. Whatever kills it withdraws them.
//!
//! The table is none that the host routes its own packets by. What is sent to the
//! interface all the same is thrown away at once, since nothing may wait there.

use super::device::Device;
use crate::fault;
use crate::model::run::Announce;
use crate::netlink::{Netlink, TableRoute};
use anyhow::{Context, Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The interface and its routes.
#[derive(Debug)]
pub struct Announcer {
    announce: Announce,
    device: Device,
}

impl Announcer {
    /// Makes the interface. Nothing is announced yet.
    ///
    /// # Errors
    ///
    /// There is an interface of that name (`Busy`); no CAP_NET_ADMIN; no
    /// `/dev/net/tun`.
    pub fn open(netlink: &mut Netlink, announce: &Announce) -> Result<Self> {
        Ok(Self {
            device: create(netlink, announce)?,
            announce: announce.clone(),
        })
    }

    /// Makes that these VIPs are announced and no others, whatever became of the
    /// interface and of the routes since. Gives those of which that is not so, and why:
    /// a route of somebody else, say, which stays.
    ///
    /// # Errors
    ///
    /// There is no interface, or the kernel does not tell of its routes.
    pub fn set(
        &mut self,
        netlink: &mut Netlink,
        vips: &BTreeSet<IpAddr>,
    ) -> Result<BTreeMap<IpAddr, Error>> {
        if !self.device.is_there(netlink)? {
            self.device = create(netlink, &self.announce)?;
        }
        let wanted: BTreeSet<TableRoute> = vips.iter().map(|&vip| self.route(vip)).collect();
        let found = self.routes(netlink)?;
        let mut refused = BTreeMap::new();
        for route in found.difference(&wanted) {
            if let Err(error) = netlink.remove_route(route) {
                refused.insert(route.destination, Error::new(error).context("withdraw it"));
            }
        }
        for route in wanted.difference(&found) {
            let vip = route.destination;
            if let Err(error) = netlink.add_route(route) {
                let error = match error.errno() {
                    Some(libc::EEXIST) => {
                        let table = route.table;
                        fault!(Busy, "table {table} has another route to it, which stays")
                    }
                    _ => Error::new(error).context("announce it"),
                };
                refused.insert(vip, error);
            }
        }
        Ok(refused)
    }

    /// Announces nothing from now on.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn withdraw_all(&mut self, netlink: &mut Netlink) -> Result<()> {
        let refused = self.set(netlink, &BTreeSet::new())?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((vip, error)) => Err(error.context(vip)),
        }
    }

    /// Whether it announces in this way.
    #[must_use]
    pub fn is_by(&self, announce: &Announce) -> bool {
        self.announce == *announce
    }

    fn route(&self, vip: IpAddr) -> TableRoute {
        TableRoute {
            table: self.announce.table,
            destination: vip,
            prefix_len: TableRoute::host_prefix(vip),
            interface: self.device.index(),
            gateway: None,
            source: None,
            protocol: self.announce.protocol,
        }
    }

    /// Those on our interface.
    fn routes(&self, netlink: &mut Netlink) -> Result<BTreeSet<TableRoute>> {
        let Announce {
            table, protocol, ..
        } = self.announce;
        let mut found = BTreeSet::new();
        for is_v4 in [true, false] {
            let routes = netlink.table_routes(is_v4, table, protocol);
            found.extend(routes.with_context(|| format!("list routes of table {table}"))?);
        }
        found.retain(|route| route.interface == self.device.index());
        Ok(found)
    }
}

fn create(netlink: &mut Netlink, announce: &Announce) -> Result<Device> {
    let device = Device::create(netlink, &announce.device)?;
    let answer = netlink.set_queue_length(device.index(), 0);
    answer.with_context(|| format!("let nothing wait in {}", announce.device))?;
    Ok(device)
}
