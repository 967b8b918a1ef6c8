//! Checks of backends in tunnels: they go the way that clients' packets go.
//!
//! The kernel routes a check's packets, which are for the VIP, into an interface of
//! ours (a way of [`super::path`]). From there we put them inside the packets of the
//! backend's tunnel, as the datapath would: so neither the kernel's tunnel modules
//! are needed nor is anything left to chance about what they would send. Which
//! backend's they are is told by the port that the check's socket is bound to
//! ([`Ports`]). Answers come without a tunnel: from the VIP, straight to the check's
//! source.

mod inner;
mod outer;
mod ports;

use super::device::Device;
use super::path::Via;
use super::reach::Ports;
use crate::model::forward::TunnelKind;
use crate::netlink::{Netlink, RouteKind};
use crate::sys::readiness;
use anyhow::{Context, Result};
use nix::errno::Errno;
use outer::{Senders, Target};
use ports::{OfTarget, Table};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// The longest packet that an interface of ours lets through.
const PACKET_MAX: usize = 65_535;

/// Whether tunnels of these kinds take a raw socket (CAP_NET_RAW).
#[must_use]
pub fn needs_raw(kinds: impl IntoIterator<Item = TunnelKind>) -> bool {
    kinds.into_iter().any(|kind| kind == TunnelKind::Ipip)
}

/// As [`Tunnels::via`], by the interface with this index.
///
/// # Errors
///
/// There is no route to the backend.
pub fn via(netlink: &mut Netlink, interface: u32, vip: IpAddr, backend: IpAddr) -> Result<Via> {
    let source = if vip.is_ipv4() == backend.is_ipv4() {
        let route = netlink.route(backend, None);
        route
            .with_context(|| format!("find a route to {backend}"))?
            .source
    } else {
        let route = netlink.route(vip, None).ok();
        route
            .filter(|route| route.kind == RouteKind::Unicast)
            .and_then(|route| route.source)
    };
    Ok(Via {
        is_v4: vip.is_ipv4(),
        interface,
        gateway: None,
        source,
    })
}

/// The interface, and who sends to which backend through it.
#[derive(Debug)]
pub struct Tunnels {
    name: String,
    device: RefCell<Rc<Device>>,
    renewed: Notify,
    senders: RefCell<Senders>,
    table: Rc<RefCell<Table>>,
}

impl Tunnels {
    /// Makes an interface of this name. With `raw`, sockets for tunnels that take
    /// them are opened now, for a process that will not have CAP_NET_RAW later.
    ///
    /// # Errors
    ///
    /// There is an interface of that name (`Busy`); a capability is missing; no
    /// `/dev/net/tun`.
    pub fn open(netlink: &mut Netlink, name: &str, raw: bool) -> Result<Self> {
        let mut senders = Senders::default();
        if raw {
            senders.open_raw().context("open a raw socket")?;
        }
        Ok(Self {
            name: name.to_owned(),
            device: RefCell::new(Rc::new(Device::create(netlink, name)?)),
            renewed: Notify::new(),
            senders: RefCell::new(senders),
            table: Rc::default(),
        })
    }

    /// Makes that the interface is there, and that no packet is longer than what
    /// fits all tunnels: their smallest room, in bytes.
    ///
    /// After it, the ways ([`Self::via`]) may be others than before.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set(&self, netlink: &mut Netlink, room: u16) -> Result<()> {
        if !self.device().is_there(netlink)? {
            self.device
                .replace(Rc::new(Device::create(netlink, &self.name)?));
            self.renewed.notify_one();
        }
        let answer = netlink.set_mtu(self.device().index(), room.into());
        answer.with_context(|| format!("let packets of {} be {room} bytes long", self.name))
    }

    /// The way of packets for this VIP into the tunnel to this backend. Their source
    /// is the address that this host has towards the backend, which so can answer;
    /// with another version of IP inside of the tunnel than outside, it is the one
    /// towards the VIP.
    ///
    /// # Errors
    ///
    /// There is no route to the backend.
    pub fn via(&self, netlink: &mut Netlink, vip: IpAddr, backend: IpAddr) -> Result<Via> {
        via(netlink, self.interface(), vip, backend)
    }

    /// Index of the interface.
    #[must_use]
    pub fn interface(&self) -> u32 {
        self.device().index()
    }

    /// Sends what comes from certain ports to this backend. `source` is the source
    /// of the outer packets, which the backend has to allow.
    ///
    /// # Errors
    ///
    /// `source` is of another version of IP than `backend`, or no address of this
    /// host (GUE); no CAP_NET_RAW (IP in IP).
    pub fn ports(
        &self,
        backend: IpAddr,
        kind: TunnelKind,
        source: IpAddr,
    ) -> io::Result<Rc<dyn Ports>> {
        let sender = self.senders.borrow_mut().sender(backend, kind, source)?;
        let target = Rc::new(Target {
            backend,
            source,
            sender,
        });
        Ok(Rc::new(OfTarget::new(Rc::clone(&self.table), target)))
    }

    /// Carries packets, for as long as it is polled. The calling thread's tokio
    /// runtime must have its I/O enabled.
    ///
    /// # Errors
    ///
    /// The runtime's.
    pub async fn run(&self) -> io::Result<Infallible> {
        loop {
            let device = self.device().as_fd().try_clone_to_owned()?;
            let waited = readiness::of_input(device)?;
            tokio::select! {
                () = self.renewed.notified() => {}
                ended = self.carry(&waited) => {
                    ended?;
                    self.renewed.notified().await;
                }
            }
        }
    }

    /// Carries packets until somebody removes the interface.
    async fn carry(&self, waited: &AsyncFd<OwnedFd>) -> io::Result<()> {
        let mut packet = vec![0; PACKET_MAX];
        loop {
            let mut ready = waited.readable().await?;
            loop {
                match nix::unistd::read(waited.get_ref(), &mut packet) {
                    Ok(length) => self.send(packet.get(..length).unwrap_or_default()),
                    Err(Errno::EAGAIN) => break ready.clear_ready(),
                    Err(Errno::EINTR) => {}
                    Err(Errno::EBADFD) => return Ok(()),
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }

    /// Sends a packet to whom its port says. Others are not ours, and one that cannot
    /// be sent is lost as on any network: the check will not be answered.
    fn send(&self, packet: &[u8]) {
        let Some(flow) = inner::flow(packet) else {
            return;
        };
        let target = self.table.borrow().target(flow);
        if let Some(target) = target {
            let _lost: io::Result<()> = target.send(packet);
        }
    }

    fn device(&self) -> Rc<Device> {
        Rc::clone(&self.device.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_in_ip_alone_takes_a_raw_socket() {
        let gue = TunnelKind::Gue(6080);
        assert!(!needs_raw([]));
        assert!(!needs_raw([gue, gue]));
        assert!(needs_raw([gue, TunnelKind::Ipip]));
    }
}
