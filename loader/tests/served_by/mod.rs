//! Small servers that behave in some way or other, each in threads that end with the
//! test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Nobody is served for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that does this to each who connects.
pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || {
                stream.set_write_timeout(Some(PATIENCE)).expect("a time");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time");
                serve(stream);
            });
        }
    });
    address
}

/// A server that reads a request and answers this.
pub fn answering(bytes: &'static [u8]) -> SocketAddr {
    serving(move |mut stream| {
        head(&mut stream);
        say(&mut stream, bytes);
    })
}

/// The head of a request.
pub fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends this; whether somebody is there to take it.
pub fn say(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// A server that answers datagrams, or does not.
pub fn datagrams(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut bytes = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            if let Some(answer) = answer(&bytes[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}
