//! Sockets of checks: marked, so that they take the backend's way, and with faults
//! of this host told apart from a backend's.

use super::{Answer, Target, Verdict, failed};
use crate::agent::reach::{Ports, Reach};
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// A connection to a backend. It is reset when it is dropped: nobody waits for its
/// end, here or there.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    _port: Option<Port>,
}

/// A port that leads into a tunnel, as long as this lives.
pub struct Port {
    ports: Rc<dyn Ports>,
    local: SocketAddr,
    is_udp: bool,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Port({})", self.local)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.close(self.local, self.is_udp);
    }
}

/// Connects to the backend.
pub async fn connect(target: &Target) -> Answer<Connection> {
    let socket = match target.to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(|error| told(&error))?;
    let port = prepare(&socket, target).map_err(|error| told(&error))?;
    let stream = socket.connect(target.to).await;
    let stream = stream.map_err(|error| told(&error))?;
    // A port of this host that nobody listens at may be the socket's own: then it
    // has met itself.
    if stream.local_addr().is_ok_and(|own| own == target.to) {
        return failed("connection refused");
    }
    Ok(Connection {
        stream,
        _port: port,
    })
}

fn prepare(socket: &TcpSocket, target: &Target) -> io::Result<Option<Port>> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(socket, sockopt::Linger, &linger)?;
    lead(
        socket,
        target,
        false,
        |any| socket.bind(any),
        || socket.local_addr(),
    )
}

/// A UDP socket that is connected to the backend.
pub async fn datagrams(target: &Target) -> Answer<(UdpSocket, Option<Port>)> {
    let opened = async {
        // What is bound here decides the version of IP; the route decides the rest.
        let socket = UdpSocket::bind(any(target.to)).await?;
        // Without these, only some ICMP errors are told (ip(7), ipv6(7)): not that a
        // router has no way to the backend.
        match target.to {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
        }
        let port = lead(&socket, target, true, |_| Ok(()), || socket.local_addr())?;
        socket.connect(target.to).await?;
        io::Result::Ok((socket, port))
    };
    opened.await.map_err(|error| told(&error))
}

fn any(to: SocketAddr) -> SocketAddr {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, 0)
}

/// Has the packets of a socket take the backend's way.
fn lead(
    socket: &impl AsFd,
    target: &Target,
    is_udp: bool,
    bind: impl FnOnce(SocketAddr) -> io::Result<()>,
    local: impl FnOnce() -> io::Result<SocketAddr>,
) -> io::Result<Option<Port>> {
    match &target.reach {
        Reach::Routes => Ok(None),
        Reach::Mark(mark) => {
            setsockopt(socket, sockopt::Mark, mark)?;
            Ok(None)
        }
        Reach::Tunnel(mark, ports) => {
            setsockopt(socket, sockopt::Mark, mark)?;
            bind(any(target.to))?;
            let local = local()?;
            ports.open(local, is_udp);
            Ok(Some(Port {
                ports: Rc::clone(ports),
                local,
                is_udp,
            }))
        }
    }
}

/// An error, as a verdict.
pub fn told(error: &io::Error) -> Verdict {
    let not_made = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::ENOBUFS,
        libc::EPERM,
        libc::EADDRNOTAVAIL,
        libc::EADDRINUSE,
        libc::EAGAIN,
        libc::ENOSPC,
    ];
    let number = error.raw_os_error();
    if number.is_some_and(|number| not_made.contains(&number)) {
        return Verdict::NotMade(format!("this host: {error}"));
    }
    Verdict::Failed(match number {
        Some(libc::ECONNREFUSED) => "connection refused".to_owned(),
        Some(libc::ECONNRESET) => "connection reset".to_owned(),
        Some(libc::EHOSTUNREACH) => "no way to it: host unreachable".to_owned(),
        // A router or firewall says so (ICMPv6, RFC 4443, 3.1, code 1).
        Some(libc::EACCES) => "no way to it: prohibited".to_owned(),
        Some(libc::ENETUNREACH) => "no way to it: network unreachable".to_owned(),
        Some(libc::ETIMEDOUT) => "no answer".to_owned(),
        _ => error.to_string(),
    })
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
