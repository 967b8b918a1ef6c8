//! A host that might become a backend: a web server, and nothing that makes it
//! one.

use std::fs;

use super::Lab;
use super::host::Host;
use super::web::Nginx;

/// What distributions leave as it is, whatever the machine of the tests has.
const UNTOUCHED: [&str; 3] = ["arp_ignore", "arp_announce", "rp_filter"];

/// The host and its web server.
#[derive(Debug)]
pub struct Bare {
    /// The machine.
    pub host: Host,
    /// Its web server, which answers with the host's name.
    pub nginx: Nginx,
}

impl Bare {
    /// A host on the lab's switch with an address of its own, and no VIP.
    pub fn on(lab: &Lab, name: &str, address: &str, mac: &str) -> Self {
        let host = lab.add_host(name, address, mac);
        for interface in ["all", "default", "lo", "eth0"] {
            for setting in UNTOUCHED {
                host.set(&format!("ipv4/conf/{interface}/{setting}"), "0");
            }
        }
        host.set("ipv4/ip_forward", "0");
        let nginx = Nginx::start(&host);
        Self { host, nginx }
    }
}

/// The addresses of a host and its settings, to be compared byte for byte.
pub fn state(host: &Host) -> String {
    let mut state = host.run("ip -json addr show");
    state.push_str(&host.inside(settings));
    state
}

/// All settings of IPv4 of all interfaces.
fn settings() -> String {
    let mut lines = Vec::new();
    let conf = "/proc/sys/net/ipv4/conf";
    for interface in fs::read_dir(conf).expect("the kernel's settings") {
        let directory = interface.expect("an entry").path();
        for setting in fs::read_dir(&directory).expect("settings of an interface") {
            let path = setting.expect("an entry").path();
            if let Ok(value) = fs::read_to_string(&path) {
                lines.push(format!("{} {value}", path.display()));
            }
        }
    }
    lines.sort();
    assert!(lines.len() > 40, "settings are missing: {lines:?}");
    lines.concat()
}
