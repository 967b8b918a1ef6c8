//! A backend behind a router: client, edge, backend. The edge routes what comes
//! back; what goes to the virtual address it hands to a [`Relay`], which does by
//! hand what a balancer with tunnels does.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::flood::{bind, on_interface};
use super::host::Host;
use super::mounts::Mounts;
use super::sentinel::attached;
use super::turn;

/// The virtual addresses, on the backend's `lo`.
pub const VIPS: [&str; 2] = ["192.0.2.10", "2001:db8::10"];
/// The backend's own addresses.
pub const BACKENDS: [&str; 2] = ["10.0.0.2", "2001:db8:b::2"];
/// The edge's, on the backend's side: where tunnels come from.
pub const EDGES: [&str; 2] = ["10.0.0.1", "2001:db8:b::1"];
/// The backend's station address.
pub const BACKEND_MAC: [u8; 6] = [0x92, 0xe7, 0x0b, 0x35, 0x61, 0x4a];

const CLIENT_MAC: &str = "3e:b0:52:96:fd:28";

/// The hosts.
#[derive(Debug)]
pub struct FarEnd {
    /// Knows of no tunnel. Its `eth0` leads to the edge.
    pub client: Host,
    /// `c0` leads to the client, `e0` to the backend.
    pub edge: Host,
    /// Where `dsrload decap` runs, on `eth0`.
    pub backend: Host,
    _turn: File,
}

impl FarEnd {
    /// The hosts, beside other labs.
    pub fn build() -> Self {
        let turn = turn();
        turn.lock_shared().expect("a place among the labs");
        Self::new(turn)
    }

    /// The same, while no other lab exists on this machine.
    pub fn build_alone() -> Self {
        let turn = turn();
        turn.lock().expect("the machine for this lab alone");
        Self::new(turn)
    }

    fn new(turn: File) -> Self {
        let mounts = Mounts::with_bpffs();
        let [client, edge, backend] =
            ["client", "edge", "backend"].map(|name| Host::new(name, &mounts));
        client.plug("eth0", CLIENT_MAC, &edge, "c0");
        let mac = BACKEND_MAC.map(|byte| format!("{byte:02x}")).join(":");
        backend.plug("eth0", &mac, &edge, "e0");
        edge.set("ipv4/ip_forward", "1");
        edge.set("ipv6/conf/all/forwarding", "1");
        // Nobody else has these addresses: they are of use at once.
        edge.ip("addr add 198.51.100.1/24 dev c0
             addr add 2001:db8:c::1/64 dev c0 nodad
             addr add 10.0.0.1/24 dev e0
             addr add 2001:db8:b::1/64 dev e0 nodad");
        // Without a word: that goes by the relay.
        for vip in VIPS {
            edge.ip(&format!("route add blackhole {vip}"));
        }
        client.ip("addr add 198.51.100.7/24 dev eth0
             addr add 2001:db8:c::7/64 dev eth0 nodad
             route add default via 198.51.100.1
             route add default via 2001:db8:c::1");
        backend.ip("addr add 10.0.0.2/24 dev eth0
             addr add 2001:db8:b::2/64 dev eth0 nodad
             route add default via 10.0.0.1
             route add default via 2001:db8:b::1
             addr add 192.0.2.10/32 dev lo
             addr add 2001:db8::10/128 dev lo nodad");
        // The relay sees frames as they are on a wire.
        client.run("ethtool -K eth0 tx off tso off gso off");
        Self {
            client,
            edge,
            backend,
            _turn: turn,
        }
    }
}

/// What is on `eth0`: ids of programs of ours, and all qdiscs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The XDP program.
    pub xdp: Option<u32>,
    /// The filter's program.
    pub filter: Option<u32>,
    /// As `tc` shows them.
    pub qdiscs: String,
}

/// Looks at `eth0`.
pub fn found(host: &Host) -> Found {
    let filters = host.run("tc filter show dev eth0 egress");
    let words = filters
        .lines()
        .filter(|line| line.contains("dsrclamp"))
        .filter_map(|line| line.split_once(" id "))
        .filter_map(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    let ids: Vec<u32> = words.collect();
    assert!(ids.len() <= 1, "{filters}");
    let xdp = attached(host, "eth0");
    Found {
        xdp: xdp.filter(|xdp| xdp.name == "dsrdecap").map(|xdp| xdp.id),
        filter: ids.first().copied(),
        qdiscs: host.run("tc qdisc show dev eth0"),
    }
}

/// Takes a packet for the virtual address, gives the one that goes to the
/// backend.
pub type Wrap = dyn Fn(&[u8]) -> Vec<u8> + Send;

/// Sends on what the client sends to the virtual address.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU32,
    too_long: AtomicU32,
}

impl Relay {
    /// Starts on the edge of `lab`.
    pub fn start(lab: &FarEnd, wrap: Box<Wrap>) -> Self {
        let [from, to] = ["c0", "e0"].map(|interface| packets(&lab.edge, interface));
        listen(&from);
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || relay(&from, &to, &wrap, &theirs)));
        Self { shared, thread }
    }

    /// How many packets did not fit the interface inside of their tunnel.
    pub fn too_long(&self) -> u32 {
        self.shared.too_long.load(Ordering::SeqCst)
    }

    /// How many were sent on.
    pub fn sent(&self) -> u32 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Fails only if the thread panicked, which has been seen then.
            let _ = thread.join();
        }
    }
}

fn relay(from: &OwnedFd, to: &OwnedFd, wrap: &Wrap, shared: &Shared) {
    while !shared.stop.load(Ordering::SeqCst) {
        let Some(frame) = next(from) else { continue };
        let Some(packet) = frame.get(14..).filter(|packet| is_for_vip(packet)) else {
            continue;
        };
        match send(to, &wrap(packet)) {
            Ok(()) => shared.sent.fetch_add(1, Ordering::SeqCst),
            Err(Errno::EMSGSIZE) => shared.too_long.fetch_add(1, Ordering::SeqCst),
            Err(error) => panic!("the relay sends: {error}"),
        };
    }
}

fn is_for_vip(packet: &[u8]) -> bool {
    let vip = |n: usize| VIPS[n].parse::<std::net::IpAddr>().expect("an address");
    let is = |bytes: Option<&[u8]>, n: usize| match vip(n) {
        std::net::IpAddr::V4(vip) => bytes == Some(&vip.octets()),
        std::net::IpAddr::V6(vip) => bytes == Some(&vip.octets()),
    };
    match packet.first().map(|first| first >> 4) {
        Some(4) => is(packet.get(16..20), 0),
        Some(6) => is(packet.get(24..40), 1),
        _ => false,
    }
}

/// A socket for whole frames of an interface.
pub fn packets(host: &Host, interface: &str) -> OwnedFd {
    host.inside(|| {
        let index = nix::net::if_::if_nametoindex(interface).expect("the interface exists");
        on_interface(index)
    })
}

/// Lets a socket of [`packets`] receive.
pub fn listen(packets: &OwnedFd) {
    let patience = TimeVal::milliseconds(50);
    setsockopt(packets, sockopt::ReceiveTimeout, &patience).expect("a timeout");
    // Bound to no protocol, it sends only: bound again, to all.
    bind_all(packets);
}

fn bind_all(packets: &OwnedFd) {
    // SAFETY: it is a struct of integers, of which any may be 0.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address).try_into().expect("a small size");
    // SAFETY: the kernel writes at most `length` bytes, which `address` has.
    let told = unsafe {
        libc::getsockname(
            packets.as_raw_fd(),
            std::ptr::from_mut(&mut address).cast(),
            &raw mut length,
        )
    };
    assert_eq!(told, 0, "getsockname: {}", std::io::Error::last_os_error());
    address.sll_protocol = u16::to_be(libc::ETH_P_ALL.try_into().expect("a small number"));
    bind(packets, &address);
}

/// The next frame that a socket received, if one comes soon.
pub fn next(packets: &OwnedFd) -> Option<Vec<u8>> {
    let mut frame = vec![0; 70_000];
    match nix::unistd::read(packets, &mut frame) {
        Ok(length) => {
            frame.truncate(length);
            Some(frame)
        }
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        Err(error) => panic!("read frames: {error}"),
    }
}

/// Sends a packet to the backend, through a socket on the edge's `e0`.
pub fn send(packets: &OwnedFd, packet: &[u8]) -> nix::Result<()> {
    let frame = frame(packet);
    let sent = nix::unistd::write(packets, &frame)?;
    assert_eq!(sent, frame.len());
    Ok(())
}

/// The frame of a packet to the backend.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    let ether_type = match packet[0] >> 4 {
        6 => [0x86, 0xdd],
        _ => [0x08, 0x00],
    };
    let edge = [0x02, 0xed, 0x9e, 0, 0, 1];
    [&BACKEND_MAC[..], &edge, &ether_type, packet].concat()
}
