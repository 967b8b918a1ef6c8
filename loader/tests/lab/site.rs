//! A balancer on two segments, with routers to backends that are far away.

use serde_json::Value;

use super::deadline::wait_until;
use super::host::Host;
use super::product::Product;
use super::{Lab, VIP};

/// The routers' station addresses.
pub const ROUTER_MACS: [&str; 3] = [
    "0e:a5:3b:c2:d7:94",
    "b6:14:e8:5f:2c:a1",
    "7a:c3:90:4e:1d:f6",
];

/// A backend behind the first router.
pub const FAR: &str = "10.51.0.7";
/// One behind the third.
pub const FARTHER: &str = "10.52.0.7";
/// One on the third router's segment.
pub const SIDE: &str = "10.2.0.7";
/// A backend of IPv6 behind the first router.
pub const FAR6: &str = "2001:db8:51::7";

/// The lab, and a second interface of the balancer, on a segment of its own.
pub struct Site {
    /// The first segment.
    pub lab: Lab,
    /// Two on the lab's segment, one on the other.
    pub routers: [Host; 3],
    _side: Host,
    /// The program on the balancer.
    pub dsrload: Product,
}

impl Site {
    /// Builds it; `binary` is the program under test.
    pub fn new(binary: &str) -> Self {
        let lab = Lab::seed();
        let balancer = &lab.balancer;
        lab.switch.ip("link add br1 type bridge
             link set br1 up");
        balancer.plug("eth1", "46:d2:07:b9:6c:83", &lab.switch, "balancer-1");
        lab.switch.ip("link set balancer-1 master br1");
        balancer.ip("addr add 10.2.0.2/24 dev eth1
             addr add 2001:db8:2::2/64 dev eth1");
        let beside = |name: &str, address: &str, mac: &str| {
            let host = Host::new(name, balancer.mounts());
            host.plug("eth0", mac, &lab.switch, name);
            lab.switch.ip(&format!("link set {name} master br1"));
            host.ip(&format!("addr add {address}/24 dev eth0"));
            host
        };
        let routers = [
            lab.add_host("router-a", "172.17.0.7", ROUTER_MACS[0]),
            lab.add_host("router-b", "172.17.0.8", ROUTER_MACS[1]),
            beside("router-c", "10.2.0.1", ROUTER_MACS[2]),
        ];
        let side = beside("side", SIDE, "da:5e:81:3c:f7:20");
        balancer.ip("route add 10.51.0.0/16 via 172.17.0.7
             route add 10.52.0.0/16 via 10.2.0.1 mtu 1400
             route add 2001:db8:51::/64 via 2001:db8:17::7");
        let dsrload = Product::new(balancer, binary);
        Self {
            lab,
            routers,
            _side: side,
            dsrload,
        }
    }

    /// Loads one service with these backends on both interfaces.
    pub fn load(&self, backends: &str) {
        let line = format!("eth0 eth1 --mode skb -t {VIP}:80 {backends}");
        self.dsrload.run(&line).exits(0);
    }

    /// What is loaded of a backend.
    pub fn backend(&self, address: &str) -> Value {
        let balancer = self.dsrload.status().expect("it is loaded");
        balancer.backend(address).clone()
    }

    /// What the kernel says of a backend: how `ip route get` and `ip neighbour`
    /// put what `status` should say.
    fn kernel(&self, address: &str, overhead: u64) -> Value {
        let balancer = &self.lab.balancer;
        let ask = |line: &str| -> Value {
            let answer = balancer.run(line);
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        let route = &ask(&format!("ip -j route get {address}"))[0];
        let interface = route["dev"].as_str().expect("an interface");
        let next = route["gateway"].as_str().unwrap_or(address);
        let neighbour = &ask(&format!("ip -j neighbour show {next} dev {interface}"))[0];
        let link = &ask(&format!("ip -j link show {interface}"))[0];
        let of_route = route["metrics"][0]["mtu"].as_u64();
        let path = of_route.or(link["mtu"].as_u64()).expect("an MTU");
        serde_json::json!({
            "interface": interface,
            "mac": neighbour["lladdr"],
            "source": route["prefsrc"],
            "mtu": path - overhead,
        })
    }

    /// Panics unless a backend is reached as the kernel would reach it.
    pub fn agrees(&self, address: &str, overhead: u64) {
        let (loaded, kernel) = (self.backend(address), self.kernel(address, overhead));
        for (name, value) in kernel.as_object().expect("an object") {
            assert_eq!(&loaded[name], value, "{name} of {address}: {loaded}");
        }
    }

    /// Waits until one thing of a backend is as it should be.
    pub fn becomes(&self, address: &str, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let what = format!("{name} {value} of {address}");
        wait_until(&what, || self.backend(address)[name] == value);
    }
}
