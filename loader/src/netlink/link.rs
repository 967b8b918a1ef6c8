//! Network interfaces.

use super::message::{
    Attribute, Request, attributes, flag, malformed, split_fixed, u16_at, u32_at,
};
use super::xdp::XdpAttachment;
use super::{Netlink, Result};
use std::io;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;

/// Bytes of `struct ifinfomsg`: family, pad, type (`u16`), index, flags, change.
pub(super) const IFINFOMSG: usize = 16;
const IFF_UP: u32 = 1 << 0;
const IFF_RUNNING: u32 = 1 << 6;

/// Attributes of an interface (`include/uapi/linux/if_link.h`).
mod ifla {
    pub const ADDRESS: u16 = 1;
    pub const IFNAME: u16 = 3;
    pub const MTU: u16 = 4;
    pub const LINK: u16 = 5;
    pub const MASTER: u16 = 10;
    pub const TXQLEN: u16 = 13;
    pub const LINKINFO: u16 = 18;
    pub const EXT_MASK: u16 = 29;
    pub const NUM_RX_QUEUES: u16 = 32;
    pub const LINK_NETNSID: u16 = 37;
    pub const XDP: u16 = 43;
    /// Inside `LINKINFO`.
    pub const INFO_KIND: u16 = 1;
}

/// Leave the traffic counters out of the answer (4.4).
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// Longest name of an interface: `IFNAMSIZ` without its NUL.
const NAME_MAX: usize = 15;

/// A network interface as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in this network namespace, never 0.
    pub index: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its Ethernet address; zeros where the hardware has none.
    pub mac: [u8; 6],
    /// What hardware it is (`ARPHRD_*` of `if_arp.h`): 1 is Ethernet, 772
    /// loopback.
    pub hardware: u16,
    /// Switched on by the administrator.
    pub up: bool,
    /// Able to carry traffic now.
    pub running: bool,
    /// Longest packet without the Ethernet header, in bytes.
    pub mtu: u32,
    /// Driver kind of a virtual interface, such as `veth` or `bridge`.
    pub kind: Option<String>,
    /// Index of the other end of a veth pair, or of the interface below a stacked
    /// one.
    pub peer_index: Option<u32>,
    /// `peer_index` counts in another network namespace than ours.
    pub peer_is_elsewhere: bool,
    /// Index of the bridge or bond this interface is a port of.
    pub master: Option<u32>,
    /// Receive queues it was made with.
    pub rx_queues: u32,
    /// The XDP programs attached to it.
    pub xdp: XdpAttachment,
}

impl Netlink {
    /// The interface of this name, or `None`. A name that no interface can have
    /// (empty, or longer than 15 bytes) is none.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>> {
        if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
            return Ok(None);
        }
        let mut terminated = name.as_bytes().to_vec();
        terminated.push(0);
        self.link(get(0, flag::ACK).attribute(ifla::IFNAME, &terminated))
    }

    /// The interface of this number, or `None`.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>> {
        // 0 would ask for a name that is not given: EINVAL.
        if index == 0 || i32::try_from(index).is_err() {
            return Ok(None);
        }
        self.link(get(index, flag::ACK))
    }

    /// All interfaces of this network namespace.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        self.parsed(&get(0, flag::DUMP), RTM_NEWLINK, parse)
    }

    /// Switches an interface on or off.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<()> {
        let mut fixed = ifinfomsg(index);
        let flags = if up { IFF_UP } else { 0 };
        fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
        fixed[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
        let request = Request::new("RTM_SETLINK", RTM_SETLINK, flag::ACK, &fixed);
        self.socket.request(&request).map(drop)
    }

    /// Sets the length of the longest packet of an interface, in bytes. `EINVAL`
    /// when it can have none of that length. One below 1,280 takes its IPv6 away.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<()> {
        self.set_number(index, ifla::MTU, mtu)
    }

    /// Sets how many packets wait to be sent.
    pub fn set_queue_length(&mut self, index: u32, packets: u32) -> Result<()> {
        self.set_number(index, ifla::TXQLEN, packets)
    }

    fn set_number(&mut self, index: u32, attribute: u16, value: u32) -> Result<()> {
        let request = Request::new("RTM_SETLINK", RTM_SETLINK, flag::ACK, &ifinfomsg(index))
            .attribute(attribute, &value.to_ne_bytes());
        self.socket.request(&request).map(drop)
    }

    fn link(&mut self, request: Request) -> Result<Option<Link>> {
        match self.parsed(&request, RTM_NEWLINK, parse) {
            Ok(links) => Ok(links.into_iter().next()),
            Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn get(index: u32, flags: u16) -> Request {
    Request::new("RTM_GETLINK", RTM_GETLINK, flags, &ifinfomsg(index))
        .attribute(ifla::EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes())
}

/// The fixed part that names an interface and asks for no change of its flags.
pub(super) fn ifinfomsg(index: u32) -> [u8; IFINFOMSG] {
    let mut fixed = [0; IFINFOMSG];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed
}

fn parse(body: &[u8]) -> io::Result<Option<Link>> {
    let (fixed, list) = split_fixed(body, IFINFOMSG)?;
    let flags = u32_at(fixed, 8).unwrap_or_default();
    let mut link = Link {
        hardware: u16_at(fixed, 2).unwrap_or_default(),
        index: u32_at(fixed, 4).unwrap_or_default(),
        up: flags & IFF_UP != 0,
        running: flags & IFF_RUNNING != 0,
        ..Link::default()
    };
    for attribute in attributes(list) {
        link.set(attribute?)?;
    }
    if link.index == 0 || link.name.is_empty() {
        return Err(malformed("an interface without number or name"));
    }
    Ok(Some(link))
}

impl Link {
    fn set(&mut self, attribute: Attribute<'_>) -> io::Result<()> {
        match attribute.kind {
            ifla::ADDRESS => self.mac = attribute.mac().unwrap_or_default(),
            ifla::IFNAME => self.name = attribute.text(),
            ifla::MTU => self.mtu = attribute.u32()?,
            ifla::LINK => self.peer_index = Some(attribute.u32()?).filter(|&index| index != 0),
            ifla::LINK_NETNSID => self.peer_is_elsewhere = true,
            ifla::MASTER => self.master = Some(attribute.u32()?),
            ifla::NUM_RX_QUEUES => self.rx_queues = attribute.u32()?,
            ifla::LINKINFO => self.kind = kind(attribute.data)?,
            ifla::XDP => self.xdp = XdpAttachment::parse(attribute.data)?,
            _ => {}
        }
        Ok(())
    }
}

fn kind(info: &[u8]) -> io::Result<Option<String>> {
    for attribute in attributes(info) {
        let attribute = attribute?;
        if attribute.kind == ifla::INFO_KIND {
            return Ok(Some(attribute.text()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{AttributeList, HEADER};
    use crate::netlink::xdp::AttachedMode;

    fn body() -> Vec<u8> {
        let mut fixed = ifinfomsg(7);
        fixed[2..4].copy_from_slice(&1_u16.to_ne_bytes());
        fixed[8..12].copy_from_slice(&(IFF_UP | IFF_RUNNING).to_ne_bytes());
        let xdp = AttributeList::default()
            .attribute(2, &[2])
            .attribute(6, &90_u32.to_ne_bytes());
        let info = AttributeList::default().attribute(ifla::INFO_KIND, b"veth\0");
        Request::new("test", RTM_NEWLINK, 0, &fixed)
            .attribute(ifla::IFNAME, b"eth0\0")
            .attribute(ifla::ADDRESS, &[2, 0, 0, 0, 0, 1])
            .attribute(ifla::MTU, &1500_u32.to_ne_bytes())
            .attribute(ifla::LINK, &8_u32.to_ne_bytes())
            .attribute(ifla::LINK_NETNSID, &0_i32.to_ne_bytes())
            .attribute(ifla::MASTER, &3_u32.to_ne_bytes())
            .attribute(ifla::NUM_RX_QUEUES, &4_u32.to_ne_bytes())
            .nested(ifla::LINKINFO, &info)
            .nested(ifla::XDP, &xdp)
            .attribute(0x3000, b"not known here")
            .bytes(1)
            .split_off(HEADER)
    }

    #[test]
    fn an_interface_is_what_its_attributes_say() {
        let link = parse(&body()).unwrap().unwrap();
        assert_eq!(link.xdp.mode(), AttachedMode::Skb);
        assert_eq!(
            link,
            Link {
                index: 7,
                name: "eth0".to_owned(),
                mac: [2, 0, 0, 0, 0, 1],
                hardware: 1,
                up: true,
                running: true,
                mtu: 1500,
                kind: Some("veth".to_owned()),
                peer_index: Some(8),
                peer_is_elsewhere: true,
                master: Some(3),
                rx_queues: 4,
                xdp: XdpAttachment {
                    skb: Some(90),
                    drv: None,
                    hw: None
                },
            }
        );
    }

    #[test]
    fn an_interface_cut_anywhere_never_panics() {
        let whole = body();
        for end in 0..whole.len() {
            match parse(&whole[..end]) {
                Ok(link) => assert_eq!(link.unwrap().index, 7, "cut at {end}"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
            }
        }
    }

    #[test]
    fn hardware_without_an_ethernet_address_has_zeros() {
        let body = Request::new("test", RTM_NEWLINK, 0, &ifinfomsg(2))
            .attribute(ifla::IFNAME, b"tunl0\0")
            .attribute(ifla::ADDRESS, &[192, 0, 2, 1])
            .bytes(1)
            .split_off(HEADER);
        assert_eq!(parse(&body).unwrap().unwrap().mac, [0; 6]);
    }

    #[test]
    fn a_number_of_the_wrong_size_is_an_error() {
        let body = Request::new("test", RTM_NEWLINK, 0, &ifinfomsg(2))
            .attribute(ifla::IFNAME, b"eth0\0")
            .attribute(ifla::MTU, &[5, 220])
            .bytes(1)
            .split_off(HEADER);
        assert_eq!(parse(&body).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
