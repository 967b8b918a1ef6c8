//! A server that answers datagrams, bound to the virtual address.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::host::Host;

/// Answers each datagram with the host's name, a line feed and what it got.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts a server on `host`. It is bound to the address that clients ask,
    /// or its answers would leave from another one.
    pub fn start(host: &Host, address: &str, port: u16) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let socket = host.inside(|| UdpSocket::bind((address, port)));
        let socket = socket.expect("the host has the virtual address");
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).expect("a timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let (name, stopped) = (host.name().to_owned(), Arc::clone(&stop));
        let thread = Some(thread::spawn(move || answer(&socket, &name, &stopped)));
        Self { stop, thread }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Fails only if the thread panicked, which has been seen then.
            let _ = thread.join();
        }
    }
}

fn answer(socket: &UdpSocket, name: &str, stopped: &AtomicBool) {
    let mut question = [0; 65_536];
    while !stopped.load(Ordering::SeqCst) {
        let (length, client) = match socket.recv_from(&mut question) {
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => panic!("{name} answers datagrams: {error}"),
        };
        let mut answer = format!("{name}\n").into_bytes();
        answer.extend_from_slice(&question[..length]);
        // The client may be gone by now.
        let _ = socket.send_to(&answer, client);
    }
}

/// A client's socket: one flow of datagrams.
#[derive(Debug)]
pub struct Flow(UdpSocket);

impl Flow {
    /// A socket of `host` that speaks to `address` alone.
    pub fn open(host: &Host, address: &str, port: u16) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let any = if address.is_ipv4() { "0.0.0.0" } else { "::" };
        let socket = host.inside(|| UdpSocket::bind((any, 0))).expect("a port");
        let patience = Some(Duration::from_secs(5));
        socket.set_read_timeout(patience).expect("a timeout");
        socket.connect((address, port)).expect("a route");
        Self(socket)
    }

    /// Sends `question`, which must come back whole; who answered.
    pub fn ask(&self, question: &[u8]) -> String {
        self.0.send(question).expect("it is sent");
        let mut answer = vec![0; 65_536];
        let length = self.0.recv(&mut answer).expect("an answer");
        let end = answer[..length].iter().position(|&byte| byte == b'\n');
        let end = end.expect("a name before what was asked");
        assert_eq!(answer[end + 1..length], *question, "another answer");
        String::from_utf8_lossy(&answer[..end]).into_owned()
    }
}
