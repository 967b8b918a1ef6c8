//! rtnetlink: interfaces, their XDP programs and addresses, neighbours, routes.
//!
//! A request is bytes, and so is the answer: [`message`] writes and reads them,
//! [`answer`] puts the messages of one answer together, [`socket`] carries them.
//! The other files hold one kind of object each. No policy: what to attach,
//! replace or resolve is the caller's decision.
//!
//! A socket stays in the network namespace of the thread that opened it,
//! whatever that thread does later, and interface indices are those of that
//! namespace.

mod address;
mod answer;
mod default_route;
mod error;
mod link;
mod message;
mod neighbour;
mod route;
mod rule;
mod socket;
mod table_route;
mod tc;
mod veth;
mod watch;
mod xdp;

pub use address::Address;
pub use default_route::DefaultRoute;
pub use error::NetlinkError;
pub use link::Link;
pub use neighbour::{Neighbour, NeighbourState};
pub use route::{KernelRoute, RouteKind};
pub use rule::{Rule, RuleAction};
pub use table_route::TableRoute;
pub use tc::{Filter, Hook, NewFilter, Qdisc};
pub use veth::VethEnd;
pub use watch::{News, Watch};
pub use xdp::{AttachedMode, Change, Expected, Mode, XdpAttachment};

use message::Request;
use socket::Socket;
use std::io;

/// What every request answers with.
pub type Result<T> = std::result::Result<T, NetlinkError>;

/// A conversation with the kernel about one network namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Opens a conversation about the calling thread's network namespace.
    pub fn open() -> Result<Self> {
        let socket =
            Socket::open().map_err(|error| NetlinkError::new("socket(NETLINK_ROUTE)", error))?;
        Ok(Self { socket })
    }

    /// The replies of one kind to a request, each read by `parse`, which may
    /// leave one out.
    fn parsed<T>(
        &mut self,
        request: &Request,
        kind: u16,
        parse: impl Fn(&[u8]) -> io::Result<Option<T>>,
    ) -> Result<Vec<T>> {
        let replies = self.socket.request(request)?;
        replies
            .iter()
            .filter(|reply| reply.kind == kind)
            .filter_map(|reply| parse(&reply.body).transpose())
            .collect::<io::Result<_>>()
            .map_err(|error| NetlinkError::new(request.name, error))
    }
}
