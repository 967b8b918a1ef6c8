//! A lab for direct server return: client, balancer and two backends with real
//! nginx on one bridge, in network namespaces that nobody else can see.
//!
//! A lab belongs to the test that builds it and is gone with the process, even
//! after SIGKILL ([`host`], [`mounts`]). Labs do not see each other, so tests
//! run in parallel; what they share is the machine's list of BPF programs and
//! its trace buffer. A test that looks at those has the machine to itself
//! ([`Lab::seed_alone`]).
//!
//! Needs root and the programs `ip`, `ethtool`, `bpftool`, `nginx`, `curl`; some
//! tests need `ping` and `traceroute`, too.

pub mod agent;
pub mod bare;
pub mod behind;
pub mod bird;
pub mod config;
pub mod datagram;
pub mod deadline;
pub mod ecmp;
pub mod far_end;
pub mod flood;
pub mod host;
pub mod load;
pub mod mounts;
pub mod pass;
pub mod probe;
pub mod product;
pub mod router;
pub mod sentinel;
pub mod site;
pub mod talk;
pub mod tally;
pub mod told;
pub mod web;

use std::fs::File;
use std::sync::Arc;

use host::Host;
use mounts::{BPFFS, Mounts};
use pass::{PassProgram, XdpLink};
use web::Nginx;

/// The virtual address. It is on no wire, only on the backends' `lo`.
pub const VIP: &str = "192.168.25.10";

/// The virtual address of IPv6, on the backends' `lo` as well.
pub const VIP6: &str = "2001:db8:25::10";

/// The balancer's address on its `eth0`.
pub const BALANCER: &str = "172.17.0.2";

/// The backends' own addresses, in the order of [`Lab::backends`].
pub const BACKENDS: [&str; 2] = ["172.17.0.3", "172.17.0.4"];

/// The client's address.
pub const CLIENT: &str = "172.17.0.5";

/// The same hosts' addresses of IPv6.
pub const BALANCER6: &str = "2001:db8:17::2";

/// The backends', in the order of [`Lab::backends`].
pub const BACKENDS6: [&str; 2] = ["2001:db8:17::3", "2001:db8:17::4"];

/// The client's.
pub const CLIENT6: &str = "2001:db8:17::5";

// Locally administered, and no byte is the same in any two: a balancer that
// rewrites only a part of an address is found out.
/// The station address of the balancer's `eth0`.
pub const BALANCER_MAC: &str = "5a:1f:c4:70:8e:d3";
const BACKEND_MACS: [&str; 2] = ["92:e7:0b:35:61:4a", "e6:48:d9:ac:13:7f"];
const THIRD: (&str, &str) = ("172.17.0.6", "ca:6d:f5:18:49:b2");
/// The station address of the client's `eth0`.
pub const CLIENT_MAC: &str = "3e:b0:52:96:fd:28";

/// A backend: a host that holds the virtual address and serves it.
#[derive(Debug)]
pub struct Backend {
    /// The machine.
    pub host: Host,
    /// Its own address.
    pub address: &'static str,
    /// The station address of its `eth0`.
    pub mac: &'static str,
    /// Its web server, which answers with the host's name.
    pub nginx: Nginx,
}

/// The hosts and the switch between them.
#[derive(Debug)]
pub struct Lab {
    /// Holds the bridge; its ports are named after the hosts.
    pub switch: Host,
    /// Where `dsrload` runs, on `eth0`.
    pub balancer: Host,
    /// `backend-a` and `backend-b`.
    pub backends: [Backend; 2],
    /// Reaches the virtual address through the balancer.
    pub client: Host,
    native: Option<XdpLink>,
    _turn: File,
}

impl Lab {
    /// The lab of the system that `dsrload` replaces: a bridge 172.17.0.1/16,
    /// the balancer .2, the backends .3 and .4, the client .5.
    pub fn seed() -> Self {
        let turn = turn();
        turn.lock_shared().expect("a place among the labs");
        Self::build(turn)
    }

    /// The same, while no other lab exists on this machine: for tests that look
    /// at what the whole machine shares.
    pub fn seed_alone() -> Self {
        let turn = turn();
        turn.lock().expect("the machine for this lab alone");
        Self::build(turn)
    }

    fn build(turn: File) -> Self {
        let mounts = Mounts::with_bpffs();
        let switch = Host::new("switch", &mounts);
        switch.ip("link add br0 type bridge
             addr add 172.17.0.1/16 dev br0
             link set br0 up");
        let balancer = station("balancer", BALANCER, BALANCER_MAC, &switch, &mounts);
        // A new namespace inherits this from the machine, where container
        // engines turn it on; then the kernel would answer for the balancer.
        balancer.set("ipv4/ip_forward", "0");
        let backends = [("backend-a", 0), ("backend-b", 1)].map(|(name, index)| {
            backend(name, BACKENDS[index], BACKEND_MACS[index], &switch, &mounts)
        });
        let client = station("client", CLIENT, CLIENT_MAC, &switch, &mounts);
        client.ip(&format!(
            "route add {VIP}/32 via {BALANCER}
             route add {VIP6}/128 via {BALANCER6}"
        ));
        Self {
            switch,
            balancer,
            backends,
            client,
            native: None,
            _turn: turn,
        }
    }

    /// The backend of this name.
    pub fn backend(&self, name: &str) -> &Backend {
        let found = self
            .backends
            .iter()
            .find(|backend| backend.host.name() == name);
        found.unwrap_or_else(|| panic!("there is no backend {name}"))
    }

    /// A third backend, `backend-c`, which no service knows yet.
    pub fn third_backend(&self) -> Backend {
        let (address, mac) = THIRD;
        backend(
            "backend-c",
            address,
            mac,
            &self.switch,
            self.balancer.mounts(),
        )
    }

    /// Takes a host off the network without a word, as a power cut does, or
    /// plugs it in again (`up` or `down`).
    pub fn cable(&self, host: &Host, state: &str) {
        self.switch.ip(&format!("link set {} {state}", host.name()));
    }

    /// One more host on the switch, which sees the same mounts as the balancer.
    pub fn add_host(&self, name: &str, address: &str, mac: &str) -> Host {
        station(name, address, mac, &self.switch, self.balancer.mounts())
    }

    /// Makes native mode work on the balancer's `eth0`, which is a veth.
    ///
    /// A frame sent back by XDP goes straight into the ring of the peer, here
    /// the bridge port. The peer empties that ring only if it has a native
    /// program itself; and a frame whose checksum was left to the sender's
    /// card keeps the hole, so the port must not leave any to it.
    pub fn native_ready(&mut self) {
        let port = self.balancer.name();
        self.native = Some(PassProgram::load("lab_port").attach_native(&self.switch, port));
        self.switch.run(&format!("ethtool -K {port} tx off"));
    }

    /// Lets the client reach the virtual address through `gateway` instead of
    /// what it used before; without the balancer, a backend will do.
    pub fn client_goes_through(&self, gateway: &str) {
        self.client
            .ip(&format!("route replace {VIP}/32 via {gateway}"));
    }
}

fn station(name: &str, address: &str, mac: &str, switch: &Host, mounts: &Arc<Mounts>) -> Host {
    let host = Host::new(name, mounts);
    // Nobody else has its addresses: they need not be tried for a second.
    host.set("ipv6/conf/default/accept_dad", "0");
    host.plug("eth0", mac, switch, name);
    switch.ip(&format!("link set {name} master br0"));
    host.ip(&format!(
        "addr add {address}/16 dev eth0
         addr add {}/64 dev eth0",
        v6(address)
    ));
    host
}

/// The address of IPv6 that a host has besides this one.
fn v6(address: &str) -> String {
    let last = address.rsplit('.').next().expect("it has parts");
    format!("2001:db8:17::{last}")
}

fn backend(
    name: &str,
    address: &'static str,
    mac: &'static str,
    switch: &Host,
    mounts: &Arc<Mounts>,
) -> Backend {
    let host = station(name, address, mac, switch, mounts);
    // Never answer or announce the virtual address on the wire, or the client
    // would find the backend instead of the balancer. (IPv6 answers only for
    // addresses of the interface that was asked.)
    host.set("ipv4/conf/all/arp_ignore", "1");
    host.set("ipv4/conf/all/arp_announce", "2");
    // A /32: with the subnet's length, the whole subnet would be local.
    host.ip(&format!(
        "addr add {VIP}/32 dev lo
         addr add {VIP6}/128 dev lo"
    ));
    let nginx = Nginx::start(&host);
    Backend {
        host,
        address,
        mac,
        nginx,
    }
}

/// A file that all labs of the machine can lock, and that nobody has to make.
fn turn() -> File {
    File::open(BPFFS).expect("a kernel with BPF has this directory")
}
