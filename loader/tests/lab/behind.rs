//! Backends behind a router, which only a tunnel reaches.

use std::sync::Arc;

use super::host::Host;
use super::mounts::Mounts;
use super::pass::{PassProgram, XdpLink};
use super::product::Product;
use super::web::Nginx;
use super::{BALANCER, BALANCER6, Backend, Lab, VIP, VIP6};

/// The backends' own addresses, in the order of [`Behind::backends`].
pub const FAR_BACKENDS: [&str; 2] = ["10.20.0.3", "10.20.0.4"];

/// Those of IPv6.
pub const FAR_BACKENDS6: [&str; 2] = ["2001:db8:20::3", "2001:db8:20::4"];

/// The router's address on the balancer's side.
pub const BORDER: &str = "172.17.0.8";

/// Its address of IPv6 there.
pub const BORDER6: &str = "2001:db8:17::8";

/// The router's station address on the balancer's side.
pub const BORDER_MAC: &str = "16:4b:e1:97:2c:f8";

/// The backends' names.
pub const FAR_NAMES: [&str; 2] = ["far-a", "far-b"];

const FAR_MACS: [&str; 2] = ["b2:5d:08:e3:91:67", "6a:f4:3c:1b:d0:95"];

/// A segment behind a router.
#[derive(Debug)]
pub struct Behind {
    /// On the balancer's switch, and on the far one as `eth1`.
    pub router: Host,
    /// The far switch; its ports are named after the hosts.
    pub switch: Host,
    /// `far-a` and `far-b`, which hold the virtual addresses and serve them.
    pub backends: [Backend; 2],
    native: Vec<XdpLink>,
}

impl Lab {
    /// Adds a router and two backends behind it. From the balancer to them,
    /// everything carries packets of `mtu` bytes; the client 1500.
    pub fn behind(&self, mtu: u32) -> Behind {
        let mounts = self.balancer.mounts();
        let router = self.add_host("border", BORDER, BORDER_MAC);
        router.set("ipv4/ip_forward", "1");
        router.set("ipv6/conf/all/forwarding", "1");
        // It sees the answers come from an address that it knows elsewhere.
        router.set("ipv4/conf/all/rp_filter", "0");
        let switch = Host::new("far", mounts);
        switch.ip("link add br0 type bridge
             link set br0 up");
        router.plug("eth1", "fa:83:6e:45:b9:02", &switch, "border");
        switch.ip("link set border master br0");
        router.ip("addr add 10.20.0.1/24 dev eth1
             addr add 2001:db8:20::1/64 dev eth1");
        self.balancer.ip(&format!(
            "route add 10.20.0.0/24 via {BORDER}
             route add 2001:db8:20::/64 via {BORDER6}"
        ));
        let backends = [0, 1].map(|index| far_backend(index, &switch, mounts));
        let behind = Behind {
            router,
            switch,
            backends,
            native: Vec::new(),
        };
        behind.set_mtu(self, mtu);
        behind
    }
}

fn far_backend(index: usize, switch: &Host, mounts: &Arc<Mounts>) -> Backend {
    let name = FAR_NAMES[index];
    let host = Host::new(name, mounts);
    host.set("ipv6/conf/default/accept_dad", "0");
    host.plug("eth0", FAR_MACS[index], switch, name);
    switch.ip(&format!("link set {name} master br0"));
    host.set("ipv4/conf/all/arp_ignore", "1");
    host.set("ipv4/conf/all/arp_announce", "2");
    host.set("ipv4/conf/all/rp_filter", "0");
    host.ip(&format!(
        "addr add {}/24 dev eth0
         addr add {}/64 dev eth0
         addr add {VIP}/32 dev lo
         addr add {VIP6}/128 dev lo",
        FAR_BACKENDS[index], FAR_BACKENDS6[index]
    ));
    let nginx = Nginx::start(&host);
    Backend {
        host,
        address: FAR_BACKENDS[index],
        mac: FAR_MACS[index],
        nginx,
    }
}

impl Behind {
    fn set_mtu(&self, lab: &Lab, mtu: u32) {
        let ports = |switch: &Host, ports: &[&str]| {
            for port in ports {
                switch.ip(&format!("link set {port} mtu {mtu}"));
            }
        };
        ports(&lab.switch, &[lab.balancer.name(), self.router.name()]);
        ports(&lab.balancer, &["eth0"]);
        ports(&self.router, &["eth0", "eth1"]);
        ports(&self.switch, &[self.router.name()]);
        for backend in &self.backends {
            ports(&self.switch, &[backend.host.name()]);
            ports(&backend.host, &["eth0"]);
            // The client, who is on a switch with longer packets, takes 1500.
            backend.host.ip("route add default via 10.20.0.1 mtu 1500
                 route add ::/0 via 2001:db8:20::1 mtu 1500");
        }
        for switch in [&lab.switch, &self.switch] {
            switch.ip(&format!("link set br0 mtu {mtu}"));
        }
    }

    /// `dsrload decap` on both backends, which take tunnels of the lab's
    /// balancer and of `others`.
    pub fn decap(&self, binary: &str, mode: &str, others: &[&str]) -> [Product; 2] {
        let allow = [&[BALANCER, BALANCER6][..], others].concat().join(",");
        self.backends.each_ref().map(|backend| {
            let decap = Product::new(&backend.host, binary);
            decap
                .run(&format!("decap eth0 --mode {mode} --allow {allow}"))
                .exits(0);
            decap
        })
    }

    /// The same once more, with another flag.
    pub fn decap_again(&self, binary: &str, mode: &str, flag: &str) {
        for backend in &self.backends {
            Product::new(&backend.host, binary)
                .run(&format!(
                    "decap eth0 --mode {mode} --allow {BALANCER},{BALANCER6} {flag}"
                ))
                .exits(0);
        }
    }

    /// Takes the clamps of the backends away: their clients are told the truth
    /// about their interfaces, and no more.
    pub fn take_clamps_off(&self) {
        for backend in &self.backends {
            backend.host.run("tc filter del dev eth0 egress");
        }
    }

    /// Makes native mode work on the host at this port of the far switch.
    pub fn native_port(&mut self, port: &str) {
        self.native
            .push(PassProgram::load("lab_far_port").attach_native(&self.switch, port));
        self.switch.run(&format!("ethtool -K {port} tx off"));
    }

    /// Makes native mode work on the backends' `eth0`: a frame whose checksum
    /// was left to a card that is not there would keep the hole.
    pub fn native_ready(&mut self) {
        for name in FAR_NAMES {
            self.native_port(name);
        }
        // Where frames are put together, and their checksums left out.
        self.router.run("ethtool -K eth1 tx off");
    }

    /// The backend of this name.
    pub fn backend(&self, name: &str) -> &Backend {
        let found = self.backends.iter().find(|b| b.host.name() == name);
        found.unwrap_or_else(|| panic!("there is no backend {name}"))
    }
}
