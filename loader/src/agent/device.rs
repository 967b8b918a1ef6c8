//! An interface of ours: a `tun` that ends with the process, however that ends.

use crate::netlink::{Link, Netlink};
use crate::{fault, sys};
use anyhow::{Context, Error, Result};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The interface.
#[derive(Debug)]
pub(super) struct Device {
    name: String,
    fd: OwnedFd,
    index: u32,
}

impl Device {
    /// Makes it, switched on, without any address.
    ///
    /// # Errors
    ///
    /// There is an interface of that name; no CAP_NET_ADMIN; no `/dev/net/tun`.
    pub fn create(netlink: &mut Netlink, name: &str) -> Result<Self> {
        let fd = sys::tun::create(name).map_err(|error| refused(name, error))?;
        let link = netlink.link_by_name(name)?;
        let link = link.with_context(|| format!("{name} is gone as soon as it was made"))?;
        let device = Self {
            name: name.to_owned(),
            fd,
            index: link.index,
        };
        match netlink.set_silent(link.index) {
            // This host has no IPv6.
            Err(error)
                if [Some(libc::EAFNOSUPPORT), Some(libc::EINVAL)].contains(&error.errno()) => {}
            answer => answer.with_context(|| format!("keep {name} without an address"))?,
        }
        device.switch_on(netlink)?;
        Ok(device)
    }

    /// Whether it is still there; switches it on if somebody has switched it off.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn is_there(&self, netlink: &mut Netlink) -> Result<bool> {
        match netlink.link_by_index(self.index)? {
            None => Ok(false),
            Some(Link { up: false, .. }) => self.switch_on(netlink).map(|()| true),
            Some(_) => Ok(true),
        }
    }

    fn switch_on(&self, netlink: &mut Netlink) -> Result<()> {
        let answer = netlink.set_up(self.index, true);
        answer.with_context(|| format!("switch {} on", self.name))
    }

    /// Its number in this network namespace.
    pub fn index(&self) -> u32 {
        self.index
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn refused(name: &str, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EINVAL) => fault!(
            Busy,
            "there is an interface {name} already: of another dsrload run, perhaps; name another \
             one (`announce_device` in `[run]`)"
        ),
        Some(libc::EPERM) => fault!(
            Permission,
            "make the interface {name}: CAP_NET_ADMIN is missing"
        ),
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => fault!(
            Failed,
            "make the interface {name}: there is no /dev/net/tun (modprobe tun; in a container, \
             give it the device)"
        ),
        _ => Error::new(error).context(format!("make the interface {name}")),
    }
}
