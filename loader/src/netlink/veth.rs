//! Pairs of interfaces, of which each receives what the other sends.

use super::link::{IFINFOMSG, ifinfomsg};
use super::message::{AttributeList, Request, flag};
use super::{Netlink, Result};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;

/// Attributes of an interface (`include/uapi/linux/if_link.h`).
mod ifla {
    pub const ADDRESS: u16 = 1;
    pub const IFNAME: u16 = 3;
    pub const LINKINFO: u16 = 18;
    pub const AF_SPEC: u16 = 26;
    /// Inside `LINKINFO`.
    pub const INFO_KIND: u16 = 1;
    pub const INFO_DATA: u16 = 2;
    /// Inside `INFO_DATA` of a veth interface: the other end.
    pub const VETH_PEER: u16 = 1;
    /// Inside `AF_SPEC`, inside the family (3.17).
    pub const INET6_ADDR_GEN_MODE: u16 = 8;
}

const AF_INET6: u16 = 10;
/// The kernel gives the interface no link-local address.
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

/// One end of a pair that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// Its name, at most 15 bytes.
    pub name: &'a str,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

impl Netlink {
    /// Makes a pair of veth interfaces in this network namespace, both of them
    /// switched off. `EEXIST` when there is one of that name.
    pub fn add_veth(&mut self, near: VethEnd<'_>, far: VethEnd<'_>) -> Result<()> {
        self.socket.request(&pair(near, far)).map(drop)
    }

    /// Takes a pair away, by one of its ends. Programs on it are detached.
    pub fn remove_veth(&mut self, index: u32) -> Result<()> {
        let request = Request::new("RTM_DELLINK", RTM_DELLINK, flag::ACK, &ifinfomsg(index));
        self.socket.request(&request).map(drop)
    }

    /// Keeps the kernel from giving an interface an IPv6 address of its own when
    /// it is switched on, and so from saying a word there. `EAFNOSUPPORT` on a
    /// kernel without IPv6, and `EINVAL` where that is switched off.
    pub fn set_silent(&mut self, index: u32) -> Result<()> {
        let mode = AttributeList::default()
            .attribute(ifla::INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
        let families = AttributeList::default().nested(AF_INET6, &mode);
        let request = Request::new("RTM_SETLINK", RTM_SETLINK, flag::ACK, &ifinfomsg(index))
            .nested(ifla::AF_SPEC, &families);
        self.socket.request(&request).map(drop)
    }
}

fn pair(near: VethEnd<'_>, far: VethEnd<'_>) -> Request {
    let peer = AttributeList::behind(&[0; IFINFOMSG])
        .attribute(ifla::IFNAME, &terminated(far.name))
        .attribute(ifla::ADDRESS, &far.mac);
    let data = AttributeList::default().nested(ifla::VETH_PEER, &peer);
    let info = AttributeList::default()
        .attribute(ifla::INFO_KIND, b"veth\0")
        .nested(ifla::INFO_DATA, &data);
    Request::new(
        "RTM_NEWLINK",
        RTM_NEWLINK,
        flag::ACK | flag::CREATE | flag::EXCLUSIVE,
        &[0; IFINFOMSG],
    )
    .attribute(ifla::IFNAME, &terminated(near.name))
    .attribute(ifla::ADDRESS, &near.mac)
    .nested(ifla::LINKINFO, &info)
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{Attribute, attributes, messages};

    fn find(bytes: &[u8], kind: u16) -> Attribute<'_> {
        attributes(bytes)
            .map(std::result::Result::unwrap)
            .find(|attribute| attribute.kind == kind)
            .unwrap()
    }

    #[test]
    fn a_pair_is_one_end_with_the_other_inside() {
        let near = VethEnd {
            name: "near",
            mac: [2, 0, 0, 0, 0, 1],
        };
        let far = VethEnd {
            name: "far",
            mac: [2, 0, 0, 0, 0, 2],
        };
        let bytes = pair(near, far).bytes(1);
        let body = messages(&bytes).next().unwrap().unwrap().body;
        let list = &body[IFINFOMSG..];
        assert_eq!(find(list, ifla::IFNAME).text(), "near");
        assert_eq!(find(list, ifla::ADDRESS).mac(), Some(near.mac));
        let info = find(list, ifla::LINKINFO).data;
        assert_eq!(find(info, ifla::INFO_KIND).text(), "veth");
        let data = find(info, ifla::INFO_DATA).data;
        let peer = &find(data, ifla::VETH_PEER).data[IFINFOMSG..];
        assert_eq!(find(peer, ifla::IFNAME).text(), "far");
        assert_eq!(find(peer, ifla::ADDRESS).mac(), Some(far.mac));
    }
}
