//! IP addresses of an interface.

use super::message::Request;
use super::message::{attributes, flag, split_fixed, u32_at};
use super::{Netlink, Result};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

/// Bytes of `struct ifaddrmsg`: family, prefix length, flags, scope, index.
const IFADDRMSG: usize = 8;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Of a point-to-point interface, the other side.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Nobody is asked whether the address is taken (IPv6 alone would ask).
const IFA_F_NODAD: u8 = 1 << 1;
/// Where an address counts: everywhere, or on this host.
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_HOST: u8 = 254;

/// An address that an interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's own address.
    pub address: IpAddr,
    /// Leading bits that name its subnet.
    pub prefix_len: u8,
}

impl Netlink {
    /// The IPv4 and IPv6 addresses of an interface. `ENODEV` when there is no
    /// such interface.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>> {
        let mut fixed = [0; IFADDRMSG];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        let request = Request::new("RTM_GETADDR", RTM_GETADDR, flag::DUMP, &fixed);
        self.parsed(&request, RTM_NEWADDR, |body| parse(body, index))
    }

    /// Gives an interface an address. `EEXIST` when it has it, `EACCES` when it
    /// may have none of this family.
    pub fn add_address(&mut self, index: u32, own: Address) -> Result<()> {
        let flags = flag::ACK | flag::CREATE | flag::EXCLUSIVE;
        let request = change("RTM_NEWADDR", RTM_NEWADDR, flags, index, own);
        self.socket.request(&request).map(drop)
    }

    /// Takes an address from an interface. `EADDRNOTAVAIL` when it does not have
    /// it.
    pub fn remove_address(&mut self, index: u32, own: Address) -> Result<()> {
        let request = change("RTM_DELADDR", RTM_DELADDR, flag::ACK, index, own);
        self.socket.request(&request).map(drop)
    }
}

fn change(name: &'static str, kind: u16, flags: u16, index: u32, own: Address) -> Request {
    let (family, bytes) = family_and_bytes(own.address);
    let (nodad, scope) = match own.address {
        IpAddr::V4(address) if address.is_loopback() => (0, RT_SCOPE_HOST),
        IpAddr::V4(_) => (0, RT_SCOPE_UNIVERSE),
        IpAddr::V6(_) => (IFA_F_NODAD, RT_SCOPE_UNIVERSE),
    };
    let mut fixed = [family, own.prefix_len, nodad, scope, 0, 0, 0, 0];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    Request::new(name, kind, flags, &fixed)
        .attribute(IFA_LOCAL, &bytes)
        .attribute(IFA_ADDRESS, &bytes)
}

/// `None` for another interface's address, which kernels before 4.20 list too,
/// and for other families.
fn parse(body: &[u8], index: u32) -> io::Result<Option<Address>> {
    let (fixed, list) = split_fixed(body, IFADDRMSG)?;
    let (family, prefix_len) = (fixed[0], fixed[1]);
    if u32_at(fixed, 4) != Some(index) {
        return Ok(None);
    }
    let (mut address, mut local) = (None, None);
    for attribute in attributes(list) {
        let attribute = attribute?;
        match attribute.kind {
            IFA_ADDRESS => address = ip_address(family, attribute.data),
            IFA_LOCAL => local = ip_address(family, attribute.data),
            _ => {}
        }
    }
    Ok(local.or(address).map(|address| Address {
        address,
        prefix_len,
    }))
}

/// The address in these bytes, if they are one of this family.
pub(super) fn ip_address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv4Addr::from(bytes).into()),
        AF_INET6 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// The family and the bytes of an address.
pub(super) fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::HEADER;

    fn body(family: u8, list: &[(u16, &[u8])]) -> Vec<u8> {
        let fixed = [[family, 24, 0, 0], 7_u32.to_ne_bytes()].concat();
        list.iter()
            .fold(
                Request::new("test", RTM_NEWADDR, 0, &fixed),
                |request, (kind, data)| request.attribute(*kind, data),
            )
            .bytes(1)
            .split_off(HEADER)
    }

    #[test]
    fn the_own_side_of_a_point_to_point_address_wins_in_either_order() {
        let (peer, own) = ([192, 0, 2, 2], [192, 0, 2, 1]);
        let wanted = Address {
            address: own.into(),
            prefix_len: 24,
        };
        for list in [
            [(IFA_ADDRESS, &peer[..]), (IFA_LOCAL, &own[..])],
            [(IFA_LOCAL, &own[..]), (IFA_ADDRESS, &peer[..])],
        ] {
            assert_eq!(parse(&body(AF_INET, &list), 7).unwrap(), Some(wanted));
        }
    }

    #[test]
    fn ipv6_needs_no_local_attribute() {
        let address = Ipv6Addr::LOCALHOST;
        let body = body(AF_INET6, &[(IFA_ADDRESS, &address.octets())]);
        let found = parse(&body, 7).unwrap().unwrap();
        assert_eq!(found.address, IpAddr::V6(address));
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let other_interface = body(AF_INET, &[(IFA_LOCAL, &[192, 0, 2, 1])]);
        assert_eq!(parse(&other_interface, 8).unwrap(), None);
        let other_family = body(28, &[(IFA_LOCAL, &[1])]);
        assert_eq!(parse(&other_family, 7).unwrap(), None);
        let wrong_size = body(AF_INET, &[(IFA_LOCAL, &[192, 0, 2])]);
        assert_eq!(parse(&wrong_size, 7).unwrap(), None);
    }

    #[test]
    fn an_address_cut_anywhere_never_panics() {
        let whole = body(AF_INET, &[(IFA_LOCAL, &[192, 0, 2, 1])]);
        for end in 0..whole.len() {
            let cut = parse(&whole[..end], 7);
            assert!(!matches!(cut, Ok(Some(_))), "cut at {end}: {cut:?}");
        }
    }
}
