//! One connection of the client's whose ports are known, and which speaks when it
//! is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::host::Host;

/// An open connection to a web server.
#[derive(Debug)]
pub struct Talk(BufReader<TcpStream>);

impl Talk {
    /// Opens one from `host` to port 80 of `address`.
    pub fn open(host: &Host, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let patience = Duration::from_secs(5);
        let to = SocketAddr::from((address, 80));
        let stream = host.inside(|| TcpStream::connect_timeout(&to, patience));
        let stream = stream.expect("a connection");
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Self(BufReader::new(stream))
    }

    /// Where it comes from, as `dsrload` takes it.
    pub fn client(&self) -> String {
        let own = self.0.get_ref().local_addr();
        own.expect("its own address").to_string()
    }

    /// Asks, and is answered; by whom.
    pub fn ask(&mut self) -> String {
        let request = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n";
        self.0.get_mut().write_all(request).expect("it is sent");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("an answer");
            assert!(!line.is_empty(), "the connection was closed");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("an answer");
        String::from_utf8_lossy(&body).trim().to_owned()
    }
}
