//! Which ports belong to which backend.

use super::inner::Socket;
use super::outer::Target;
use crate::agent::reach::Ports;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a socket that is closed still belongs to its backend: the kernel may
/// have its last packets to send, again and again if they are lost.
const LINGER: Duration = Duration::from_secs(10);

/// The sockets of checks.
#[derive(Debug, Default)]
pub(super) struct Table {
    open: HashMap<Socket, Entry>,
    /// Those that were closed, in the order of that.
    closed: VecDeque<(Instant, Socket)>,
}

#[derive(Debug)]
struct Entry {
    target: Rc<Target>,
    closed: Option<Instant>,
}

impl Table {
    /// Who gets what this socket sends.
    pub fn target(&self, socket: Socket) -> Option<Rc<Target>> {
        let unbound = Socket {
            address: match socket.address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            ..socket
        };
        let entry = self.open.get(&socket).or_else(|| self.open.get(&unbound))?;
        Some(Rc::clone(&entry.target))
    }

    fn open(&mut self, socket: Socket, target: Rc<Target>, now: Instant) {
        self.forget(now);
        let entry = Entry {
            target,
            closed: None,
        };
        self.open.insert(socket, entry);
    }

    fn close(&mut self, socket: Socket, now: Instant) {
        if let Some(entry) = self.open.get_mut(&socket) {
            entry.closed = Some(now);
            self.closed.push_back((now, socket));
        }
    }

    /// Forgets what was closed long ago, unless it was opened again since.
    fn forget(&mut self, now: Instant) {
        while let Some(&(at, socket)) = self.closed.front() {
            if now.duration_since(at) < LINGER {
                return;
            }
            self.closed.pop_front();
            let entry = self.open.get(&socket);
            if entry.is_some_and(|entry| entry.closed == Some(at)) {
                self.open.remove(&socket);
            }
        }
    }
}

/// The ports of checks of one backend.
#[derive(Debug)]
pub(super) struct OfTarget {
    table: Rc<RefCell<Table>>,
    target: Rc<Target>,
}

impl OfTarget {
    pub fn new(table: Rc<RefCell<Table>>, target: Rc<Target>) -> Self {
        Self { table, target }
    }
}

impl Ports for OfTarget {
    fn open(&self, local: SocketAddr, is_udp: bool) {
        let target = Rc::clone(&self.target);
        let mut table = self.table.borrow_mut();
        table.open(socket(local, is_udp), target, Instant::now());
    }

    fn close(&self, local: SocketAddr, is_udp: bool) {
        let mut table = self.table.borrow_mut();
        table.close(socket(local, is_udp), Instant::now());
    }
}

fn socket(local: SocketAddr, is_udp: bool) -> Socket {
    Socket {
        address: local.ip(),
        port: local.port(),
        is_udp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tunnel::outer::Senders;
    use crate::model::forward::TunnelKind;

    fn target(last: u8) -> Rc<Target> {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let backend = [127, 0, 0, last].into();
        let sender = Senders::default().sender(backend, TunnelKind::Gue(6080), loopback);
        Rc::new(Target {
            backend,
            source: loopback,
            sender: sender.unwrap(),
        })
    }

    fn of(text: &str) -> Socket {
        socket(text.parse().unwrap(), false)
    }

    fn backend(table: &Table, text: &str) -> Option<IpAddr> {
        table.target(of(text)).map(|target| target.backend)
    }

    #[test]
    fn a_socket_sends_to_its_backend_whether_it_is_bound_to_an_address_or_not() {
        let mut table = Table::default();
        let now = Instant::now();
        table.open(of("0.0.0.0:4000"), target(3), now);
        table.open(of("[::]:4000"), target(4), now);
        table.open(of("10.0.0.2:5000"), target(5), now);
        assert_eq!(
            backend(&table, "10.0.0.2:4000"),
            Some([127, 0, 0, 3].into())
        );
        assert_eq!(
            backend(&table, "[2000::2]:4000"),
            Some([127, 0, 0, 4].into())
        );
        assert_eq!(
            backend(&table, "10.0.0.2:5000"),
            Some([127, 0, 0, 5].into())
        );
        assert_eq!(backend(&table, "10.0.0.9:5000"), None);
        assert_eq!(
            table
                .target(Socket {
                    is_udp: true,
                    ..of("10.0.0.2:5000")
                })
                .map(|_| ()),
            None
        );
    }

    #[test]
    fn a_closed_socket_is_forgotten_later_unless_it_is_opened_again() {
        let mut table = Table::default();
        let start = Instant::now();
        let later = start + LINGER;
        table.open(of("0.0.0.0:4000"), target(3), start);
        table.open(of("0.0.0.0:5000"), target(3), start);
        table.close(of("0.0.0.0:4000"), start);
        table.close(of("0.0.0.0:5000"), start);
        table.close(of("0.0.0.0:6000"), start);
        assert!(
            backend(&table, "10.0.0.2:4000").is_some(),
            "its last packets"
        );
        table.open(of("0.0.0.0:5000"), target(4), start);
        table.open(of("0.0.0.0:7000"), target(4), later);
        assert_eq!(backend(&table, "10.0.0.2:4000"), None);
        assert_eq!(
            backend(&table, "10.0.0.2:5000"),
            Some([127, 0, 0, 4].into())
        );
        assert!(table.closed.is_empty());
    }
}
