//! What the kernel tells of its own accord: changes of interfaces, neighbours
//! and routes.

use super::message::{kind, messages};
use super::neighbour::{RTM_DELNEIGH, RTM_NEWNEIGH, any_neighbour};
use super::socket::Socket;
use super::{Neighbour, NetlinkError, Result};
use std::io;
use std::time::Duration;

/// The groups (`RTMGRP_*`): links, neighbours, routes of IPv4 and of IPv6.
const GROUPS: u32 = 0x1 | 0x4 | 0x40 | 0x400;

/// A seat among those whom the kernel tells.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
}

/// What was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Something changed that may concern anybody: a route, an interface; or
    /// news were lost.
    pub is_general: bool,
    /// Neighbours that changed, each with its interface. One that was forgotten
    /// has no MAC any more.
    pub neighbours: Vec<(u32, Neighbour)>,
}

impl Watch {
    /// Takes a seat: what changes from now on is told.
    pub fn open() -> Result<Self> {
        let socket = Socket::listen(GROUPS)
            .map_err(|error| NetlinkError::new("bind(NETLINK_ROUTE)", error))?;
        Ok(Self { socket })
    }

    /// Waits for news, for as long as this, and takes all that there are by then.
    pub fn wait(&mut self, patience: Duration) -> Result<News> {
        let mut news = News::default();
        let told = self.take(patience, &mut news);
        told.map_err(|error| NetlinkError::new("recvmsg(NETLINK_ROUTE)", error))?;
        Ok(news)
    }

    fn take(&mut self, patience: Duration, news: &mut News) -> io::Result<()> {
        let mut patience = patience;
        loop {
            match self.socket.heard(patience) {
                Ok(Some(datagram)) => news.add(datagram)?,
                Ok(None) => return Ok(()),
                // More happened than there was room for.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => news.is_general = true,
                Err(error) => return Err(error),
            }
            patience = Duration::ZERO;
        }
    }
}

impl News {
    fn add(&mut self, datagram: &[u8]) -> io::Result<()> {
        for message in messages(datagram) {
            let message = message?;
            match message.kind {
                kind::NOOP => {}
                RTM_NEWNEIGH => self.neighbours.extend(any_neighbour(message.body)?),
                RTM_DELNEIGH => {
                    let gone = any_neighbour(message.body)?;
                    let gone = gone.map(|(index, gone)| (index, Neighbour { mac: None, ..gone }));
                    self.neighbours.extend(gone);
                }
                _ => self.is_general = true,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::NeighbourState;
    use crate::netlink::message::Request;

    fn neighbour(kind: u16) -> Vec<u8> {
        let fixed = [&[2, 0, 0, 0], &7_u32.to_ne_bytes()[..], &[2, 0, 0, 0]].concat();
        Request::new("test", kind, 0, &fixed)
            .attribute(1, &[192, 0, 2, 1])
            .attribute(2, &[2, 0, 0, 0, 0, 9])
            .bytes(0)
    }

    fn news(datagram: &[u8]) -> News {
        let mut news = News::default();
        news.add(datagram).unwrap();
        news
    }

    #[test]
    fn neighbours_are_told_by_name_and_all_else_concerns_anybody() {
        let told = news(&[neighbour(RTM_NEWNEIGH), neighbour(RTM_DELNEIGH)].concat());
        assert!(!told.is_general);
        let [(interface, found), (_, gone)] = told.neighbours[..] else {
            panic!("two neighbours: {told:?}");
        };
        assert_eq!((interface, found.state), (7, NeighbourState::Reachable));
        assert_eq!(found.mac, Some([2, 0, 0, 0, 0, 9]));
        assert_eq!((gone.address, gone.mac), (found.address, None));

        for kind in [16, 17, 24, 25] {
            let told = news(&Request::new("test", kind, 0, &[0; 16]).bytes(0));
            assert!(told.is_general && told.neighbours.is_empty(), "{kind}");
        }
        assert_eq!(news(&[]), News::default());
    }

    #[test]
    fn what_makes_no_sense_is_an_error_and_no_panic() {
        let whole = neighbour(RTM_NEWNEIGH);
        for end in 1..whole.len() {
            let mut news = News::default();
            assert!(news.add(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
