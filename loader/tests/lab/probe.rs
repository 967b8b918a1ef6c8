//! A question as a health check asks it: by a mark.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::host::Host;

/// How long an answer is waited for: long on a segment of its own.
const PATIENCE_MS: u16 = 700;

/// Asks port 80 of `address` from `host`, by a socket with this mark; who answers.
pub fn ask(host: &Host, address: &str, mark: u32) -> io::Result<String> {
    let address: IpAddr = address.parse().expect("an address");
    host.inside(|| {
        let mut stream = marked(SocketAddr::from((address, 80)), mark)?;
        fetch(&mut stream)
    })
}

/// A connection by a socket with this mark.
fn marked(to: SocketAddr, mark: u32) -> io::Result<TcpStream> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::Mark, &mark)?;
    // The time to send is also that to connect.
    let patience = TimeVal::milliseconds(PATIENCE_MS.into());
    setsockopt(&socket, sockopt::SendTimeout, &patience)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(Errno::EINPROGRESS) => return Err(io::ErrorKind::TimedOut.into()),
        answer => answer?,
    }
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_millis(PATIENCE_MS.into())))?;
    Ok(stream)
}

/// Asks a web server of the lab; who answers.
fn fetch(stream: &mut TcpStream) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.0\r\nHost: lab\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.trim().to_owned())
    } else {
        Err(io::Error::other(head.to_owned()))
    }
}
