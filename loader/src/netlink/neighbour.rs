//! The neighbour table: Ethernet addresses of IP addresses (ARP, RFC 826, and
//! Neighbour Discovery, RFC 4861).

use super::address::{family_and_bytes, ip_address};
use super::message::{Request, attributes, flag, split_fixed, u16_at, u32_at};
use super::{Netlink, Result};
use std::io;
use std::net::IpAddr;

pub(super) const RTM_NEWNEIGH: u16 = 28;
pub(super) const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;

/// Bytes of `struct ndmsg`: family, 3 of padding, index, state (`u16`), flags,
/// type.
const NDMSG: usize = 12;

/// Attributes of a neighbour (`include/uapi/linux/neighbour.h`).
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_IFINDEX: u16 = 8;
/// More flags (5.16).
const NDA_FLAGS_EXT: u16 = 15;

/// Treat the entry as used for a packet: the kernel makes one if there is none,
/// and resolves it.
const NTF_USE: u8 = 1 << 0;
/// In `NDA_FLAGS_EXT`: the kernel keeps the entry resolved, whether it is used or
/// not (5.16).
const NTF_EXT_MANAGED: u32 = 1 << 0;

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Whom it is about.
    pub address: IpAddr,
    /// Its Ethernet address, while the kernel holds it for valid.
    pub mac: Option<[u8; 6]>,
    /// What the kernel thinks of it.
    pub state: NeighbourState,
    /// The kernel keeps it resolved, whether it is used or not.
    pub is_managed: bool,
}

/// What the kernel thinks of a neighbour (`NUD_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Nothing was tried yet.
    None,
    /// It was asked for the first time; no answer yet.
    Incomplete,
    /// It answered a short while ago.
    Reachable,
    /// It answered once, and was not used since.
    Stale,
    /// It was stale, is used again, and will be asked soon.
    Delay,
    /// It is being asked again.
    Probe,
    /// It does not answer.
    Failed,
    /// It needs no asking, as a multicast address.
    NoArp,
    /// An administrator has set it.
    Permanent,
}

impl NeighbourState {
    /// The word that `ip neigh` has for it, in small letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Delay => "delay",
            Self::Probe => "probe",
            Self::Failed => "failed",
            Self::NoArp => "noarp",
            Self::Permanent => "permanent",
        }
    }

    fn from_bits(bits: u16) -> Self {
        match bits {
            0x01 => Self::Incomplete,
            0x02 => Self::Reachable,
            0x04 => Self::Stale,
            0x08 => Self::Delay,
            0x10 => Self::Probe,
            0x20 => Self::Failed,
            0x40 => Self::NoArp,
            0x80 => Self::Permanent,
            _ => Self::None,
        }
    }
}

impl Netlink {
    /// The entry for one address, or `None` (Linux 5.0). `ENODEV` when there is
    /// no such interface.
    pub fn neighbour(&mut self, index: u32, address: IpAddr) -> Result<Option<Neighbour>> {
        let (family, bytes) = family_and_bytes(address);
        let request = Request::new(
            "RTM_GETNEIGH",
            RTM_GETNEIGH,
            flag::ACK,
            &ndmsg(family, index, 0),
        )
        .attribute(NDA_DST, &bytes);
        match self.parsed(&request, RTM_NEWNEIGH, |body| parse(body, index)) {
            Ok(found) => Ok(found.into_iter().find(|found| found.address == address)),
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The IPv4 and IPv6 entries of an interface; none when there is no such
    /// interface.
    pub fn neighbours(&mut self, index: u32) -> Result<Vec<Neighbour>> {
        let request = Request::new("RTM_GETNEIGH", RTM_GETNEIGH, flag::DUMP, &ndmsg(0, 0, 0))
            .attribute(NDA_IFINDEX, &index.to_ne_bytes());
        self.parsed(&request, RTM_NEWNEIGH, |body| parse(body, index))
    }

    /// Has the kernel resolve an address, as if it had a packet for it. Read
    /// [`Netlink::neighbour`] until it is known. The entry is the kernel's, and
    /// goes as others do.
    ///
    /// The kernel asks three times within three seconds, then the entry is
    /// [`NeighbourState::Failed`] until this is called again. It asks nothing for
    /// an IPv6 address while the interface's own link-local address is tentative,
    /// that is for up to two seconds after the link came up. `ENODEV` when there
    /// is no such interface.
    pub fn solicit(&mut self, index: u32, address: IpAddr) -> Result<()> {
        self.socket.request(&used(index, address)).map(drop)
    }

    /// The same, and has the kernel keep the entry resolved from now on, without
    /// traffic, until [`Netlink::solicit`] is called. Kernels before 5.16 do what
    /// `solicit` does. Not for an entry that an administrator has set: the kernel
    /// would take it for one of its own.
    pub fn manage(&mut self, index: u32, address: IpAddr) -> Result<()> {
        let request = used(index, address).attribute(NDA_FLAGS_EXT, &NTF_EXT_MANAGED.to_ne_bytes());
        self.socket.request(&request).map(drop)
    }
}

/// Asks for an entry as if there were a packet for it.
fn used(index: u32, address: IpAddr) -> Request {
    let (family, bytes) = family_and_bytes(address);
    Request::new(
        "RTM_NEWNEIGH",
        RTM_NEWNEIGH,
        flag::ACK | flag::CREATE,
        &ndmsg(family, index, NTF_USE),
    )
    .attribute(NDA_DST, &bytes)
}

fn ndmsg(family: u8, index: u32, flags: u8) -> [u8; NDMSG] {
    let mut fixed = [0; NDMSG];
    fixed[0] = family;
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    // The state stays 0: the kernel is to find it.
    fixed[10] = flags;
    fixed
}

/// `None` for another interface's entry, which kernels before 4.20 list too, and
/// for other families.
fn parse(body: &[u8], index: u32) -> io::Result<Option<Neighbour>> {
    let found = any_neighbour(body)?;
    Ok(found.and_then(|(interface, found)| (interface == index).then_some(found)))
}

/// An entry and its interface. `None` for families other than IP.
pub(super) fn any_neighbour(body: &[u8]) -> io::Result<Option<(u32, Neighbour)>> {
    let (fixed, list) = split_fixed(body, NDMSG)?;
    let (mut address, mut mac, mut is_managed) = (None, None, false);
    for attribute in attributes(list) {
        let attribute = attribute?;
        match attribute.kind {
            NDA_DST => address = ip_address(fixed[0], attribute.data),
            NDA_LLADDR => mac = attribute.mac(),
            NDA_FLAGS_EXT => is_managed = attribute.u32()? & NTF_EXT_MANAGED != 0,
            _ => {}
        }
    }
    let state = NeighbourState::from_bits(u16_at(fixed, 8).unwrap_or_default());
    let index = u32_at(fixed, 4).unwrap_or_default();
    Ok(address.map(|address| {
        let neighbour = Neighbour {
            address,
            mac,
            state,
            is_managed,
        };
        (index, neighbour)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::HEADER;

    fn body(state: u16) -> Vec<u8> {
        let mut fixed = ndmsg(2, 7, 0);
        fixed[8..10].copy_from_slice(&state.to_ne_bytes());
        Request::new("test", RTM_NEWNEIGH, 0, &fixed)
            .attribute(NDA_DST, &[192, 0, 2, 1])
            .attribute(NDA_LLADDR, &[2, 0, 0, 0, 0, 9])
            .bytes(1)
            .split_off(HEADER)
    }

    #[test]
    fn a_neighbour_is_what_its_attributes_say() {
        assert_eq!(
            parse(&body(0x02), 7).unwrap(),
            Some(Neighbour {
                address: [192, 0, 2, 1].into(),
                mac: Some([2, 0, 0, 0, 0, 9]),
                state: NeighbourState::Reachable,
                is_managed: false,
            })
        );
        assert_eq!(parse(&body(0x02), 8).unwrap(), None);
    }

    #[test]
    fn a_managed_entry_is_asked_for_and_told_by_the_same_flag() {
        let request =
            used(7, [192, 0, 2, 1].into()).attribute(NDA_FLAGS_EXT, &NTF_EXT_MANAGED.to_ne_bytes());
        let body = request.bytes(1).split_off(HEADER);
        let found = parse(&body, 7).unwrap().unwrap();
        assert!(found.is_managed);
        assert_eq!(found.state, NeighbourState::None);
        let plain = used(7, [192, 0, 2, 1].into()).bytes(1).split_off(HEADER);
        assert!(!parse(&plain, 7).unwrap().unwrap().is_managed);
    }

    #[test]
    fn each_state_is_one_bit() {
        let states = (0..8).map(|bit| parse(&body(1 << bit), 7).unwrap().unwrap().state);
        assert_eq!(
            states.collect::<Vec<_>>(),
            [
                NeighbourState::Incomplete,
                NeighbourState::Reachable,
                NeighbourState::Stale,
                NeighbourState::Delay,
                NeighbourState::Probe,
                NeighbourState::Failed,
                NeighbourState::NoArp,
                NeighbourState::Permanent,
            ]
        );
        assert_eq!(NeighbourState::from_bits(0), NeighbourState::None);
        assert_eq!(NeighbourState::from_bits(0x100), NeighbourState::None);
    }

    #[test]
    fn a_neighbour_cut_anywhere_never_panics() {
        let whole = body(0x02);
        for end in 0..whole.len() {
            if let Ok(Some(found)) = parse(&whole[..end], 7) {
                assert_eq!(found.address, IpAddr::from([192, 0, 2, 1]), "cut at {end}");
            }
        }
    }

    #[test]
    fn a_solicitation_leaves_the_state_to_the_kernel() {
        let fixed = ndmsg(2, 7, NTF_USE);
        assert_eq!(u16_at(&fixed, 8), Some(0));
        assert_eq!(fixed[10], 1);
    }
}
