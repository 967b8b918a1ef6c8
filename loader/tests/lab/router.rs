//! A client behind a router, on a line that carries less than the backends
//! think.

use super::host::Host;
use super::{BALANCER, BALANCER6, Lab, VIP, VIP6};

/// The client's addresses.
pub const FAR: &str = "10.9.0.2";

/// The client's address of IPv6.
pub const FAR6: &str = "2001:db8:9::2";

/// The router's address towards the client.
pub const ROUTER: &str = "10.9.0.1";

/// The router's address of IPv6 towards the client.
pub const ROUTER6: &str = "2001:db8:9::1";

/// The router, which speaks to the switch, and the client behind it.
#[derive(Debug)]
pub struct Remote {
    /// On the switch; sends what is for the virtual address to the balancer.
    pub router: Host,
    /// Reaches everything through the router.
    pub client: Host,
}

impl Lab {
    /// Adds a client behind a router whose line to the client carries packets
    /// of at most `mtu` bytes. The client does not know that: to its own end of
    /// the line, and so to the backends, 1500 bytes seem to be fine.
    pub fn remote(&self, mtu: u32) -> Remote {
        let router = self.add_host("router", "172.17.0.7", "0e:a5:3b:c2:d7:94");
        router.set("ipv4/ip_forward", "1");
        router.set("ipv6/conf/all/forwarding", "1");
        router.ip(&format!(
            "route add {VIP}/32 via {BALANCER}
             route add {VIP6}/128 via {BALANCER6}"
        ));
        let client = Host::new("far", self.balancer.mounts());
        for host in [&client, &router] {
            host.set("ipv6/conf/default/accept_dad", "0");
        }
        client.plug("eth0", "76:c9:1e:84:3a:5d", &router, "far");
        router.ip(&format!(
            "addr add {ROUTER}/24 dev far
             addr add {ROUTER6}/64 dev far
             link set far mtu {mtu}"
        ));
        client.ip(&format!(
            "addr add {FAR}/24 dev eth0
             addr add {FAR6}/64 dev eth0
             route add default via {ROUTER}
             route add ::/0 via {ROUTER6}"
        ));
        for backend in &self.backends {
            backend.host.ip("route add 10.9.0.0/24 via 172.17.0.7
                 route add 2001:db8:9::/64 via 2001:db8:17::7");
        }
        Remote { router, client }
    }
}
