//! How a check's packets are led to one backend.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

/// How the packets of a socket get to a backend.
#[derive(Clone)]
pub enum Reach {
    /// By the host's routes.
    Routes,
    /// By the route that our rule gives to packets with this mark (`SO_MARK`).
    Mark(u32),
    /// The same, into a device of ours from which packets are put into the backend's
    /// tunnel. Which backend's is told by the socket's own port, which must be
    /// bound before anything is sent.
    Tunnel(u32, Rc<dyn Ports>),
}

/// Whoever has to know which port belongs to a backend.
pub trait Ports {
    /// A socket of this address, TCP or UDP, sends to the backend from now on.
    fn open(&self, local: SocketAddr, is_udp: bool);

    /// It does no longer.
    fn close(&self, local: SocketAddr, is_udp: bool);
}

impl fmt::Debug for Reach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Routes => out.write_str("Routes"),
            Self::Mark(mark) => write!(out, "Mark({mark:#x})"),
            Self::Tunnel(mark, _) => write!(out, "Tunnel({mark:#x})"),
        }
    }
}
