//! Three balancers that share a VIP: a router with BIRD spreads flows over those
//! that announce it, and backends answer the client by the router.
//!
//! ```text
//! client ── router ──┬── balancer-1..3   BIRD, dsrload, our route for the VIP
//!                    └── backend-1..3    nginx, the VIP on lo
//! ```
//!
//! All balancers have the same config, so a flow that the router gives to another
//! one goes on to the same backend.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::process::ExitStatus;
use std::sync::Arc;

use serde_json::Value;

use super::agent::Agent;
use super::bird::Bird;
use super::host::Host;
use super::mounts::Mounts;
use super::product::Product;
use super::turn;
use super::web::Nginx;

/// The VIPs.
pub const VIPS: [&str; 2] = ["192.0.2.10", "2001:db8:c0::10"];

/// How many balancers, and how many backends.
pub const COUNT: usize = 3;

/// A balancer.
#[derive(Debug)]
pub struct Balancer {
    /// The machine.
    pub host: Host,
    /// Its routing daemon.
    pub bird: Bird,
    /// `dsrload`, which is loaded by the first agent.
    pub dsrload: Product,
    agent: Option<Agent>,
    nth: usize,
}

/// The hosts.
#[derive(Debug)]
pub struct EcmpLab {
    /// Holds the segment of router, balancers and backends.
    pub switch: Host,
    /// `wan` leads to the client, `lan` to the segment.
    pub router: Host,
    /// Its routing daemon.
    pub bird: Bird,
    /// They announce nothing at first.
    pub balancers: [Balancer; COUNT],
    /// All of them serve the VIPs.
    pub backends: [(Host, Nginx); COUNT],
    /// Reaches everything by the router.
    pub client: Host,
    _turn: File,
}

impl EcmpLab {
    /// Builds it; `binary` is the program under test, `more` what else stands in
    /// each service.
    pub fn build(binary: &str, more: &str) -> Self {
        let turn = turn();
        turn.lock_shared().expect("a place among the labs");
        let mounts = Mounts::with_bpffs();
        let switch = Host::new("switch", &mounts);
        switch.ip("link add br0 type bridge
             link set br0 up");
        let (router, client) = uplink(&switch, &mounts);
        let backends = [0, 1, 2].map(|nth| backend(nth, &switch, &mounts));
        let balancers = [0, 1, 2].map(|nth| balancer(nth, binary, more, &switch, &mounts));
        let bird = Bird::start(&router, &router_config());
        Self {
            switch,
            router,
            bird,
            balancers,
            backends,
            client,
            _turn: turn,
        }
    }

    /// Cuts a balancer's cable, or mends it (`down` or `up`).
    pub fn cable(&self, nth: usize, state: &str) {
        let port = self.balancers[nth].host.name();
        self.switch.ip(&format!("link set {port} {state}"));
    }

    /// Makes that no answer of a backend gets to a balancer itself, so that its checks
    /// fail and what it forwards does not, or that they do again.
    pub fn answer_checks_of(&self, nth: usize, are_answered: bool) {
        let verb = if are_answered { "del" } else { "add" };
        let [own4, own6] = addresses(11 + nth);
        for (backend, _) in &self.backends {
            backend.ip(&format!(
                "route {verb} blackhole {own4}/32
                 route {verb} blackhole {own6}/128"
            ));
        }
    }

    /// Takes the VIPs off a backend, or gives them back.
    pub fn serve(&self, nth: usize, is_serving: bool) {
        let verb = if is_serving { "add" } else { "del" };
        vips_on_lo(&self.backends[nth].0, verb);
    }

    /// The balancers that the router's kernel spreads flows for a VIP over.
    pub fn next_hops(&self, vip: &str) -> BTreeSet<usize> {
        let version = if vip.contains(':') { "-6" } else { "-4" };
        let shown = self
            .router
            .run(&format!("ip -j {version} route show {vip}"));
        let routes: Vec<Value> = serde_json::from_str(&shown).expect("a list");
        let own: HashMap<String, usize> = (0..COUNT)
            .flat_map(|nth| addresses(11 + nth).map(|own| (own, nth)))
            .collect();
        let mut found = BTreeSet::new();
        for route in &routes {
            let several = route["nexthops"].as_array().into_iter().flatten();
            for hop in several.chain([route]) {
                if let Some(gateway) = hop["gateway"].as_str() {
                    found.insert(own[gateway]);
                }
            }
        }
        found
    }
}

impl Balancer {
    /// Starts `dsrload run`, and waits until it looks after the balancer.
    pub fn start_agent(&mut self) {
        let agent = Agent::start(&self.dsrload, &format!("eth0 -c {CONFIG}"));
        self.agent = Some(agent);
    }

    /// The agent that runs.
    pub fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("it is started")
    }

    /// Waits until its agent says so of a backend, for both VIPs.
    pub fn sees(&self, backend: usize, state: &str) {
        for own in reals(backend) {
            self.agent().becomes(&own, state);
        }
    }

    /// Kills the agent as SIGKILL does.
    pub fn kill_agent(&mut self) {
        self.agent.take().expect("it is started").kill();
    }

    /// Ends the agent by SIGTERM; what it has said.
    pub fn end_agent(&mut self) -> (ExitStatus, String) {
        self.agent.take().expect("it is started").end()
    }

    /// Starts its routing daemon anew.
    pub fn start_bird(&mut self) {
        self.bird = Bird::start(&self.host, &balancer_config(self.nth));
    }
}

/// What a backend is known by: one address for each VIP.
pub fn reals(nth: usize) -> [String; 2] {
    addresses(21 + nth)
}

/// The addresses of a host on the segment.
fn addresses(last: usize) -> [String; 2] {
    [format!("10.2.0.{last}"), format!("2001:db8:2::{last}")]
}

/// The router, and the client behind it.
fn uplink(switch: &Host, mounts: &Arc<Mounts>) -> (Host, Host) {
    let [router, client] = ["router", "client"].map(|name| Host::new(name, mounts));
    for host in [&router, &client] {
        host.set("ipv6/conf/default/accept_dad", "0");
    }
    router.plug("lan", "0e:a5:3b:c2:d7:94", switch, "router");
    switch.ip("link set router master br0");
    client.plug("eth0", "3e:b0:52:96:fd:28", &router, "wan");
    let [v4, v6] = addresses(1);
    router.ip(&format!(
        "addr add {v4}/24 dev lan
         addr add {v6}/64 dev lan
         addr add 10.1.0.1/24 dev wan
         addr add 2001:db8:1::1/64 dev wan"
    ));
    router.set("ipv4/ip_forward", "1");
    router.set("ipv6/conf/all/forwarding", "1");
    // By ports, too: one client's flows go to all balancers.
    router.set("ipv4/fib_multipath_hash_policy", "1");
    router.set("ipv6/fib_multipath_hash_policy", "1");
    client.ip("addr add 10.1.0.2/24 dev eth0
         addr add 2001:db8:1::2/64 dev eth0
         route add default via 10.1.0.1
         route add ::/0 via 2001:db8:1::1");
    (router, client)
}

/// A host on the segment, whose way out is the router.
fn station(name: &str, last: usize, switch: &Host, mounts: &Arc<Mounts>) -> Host {
    let host = Host::new(name, mounts);
    host.set("ipv6/conf/default/accept_dad", "0");
    host.plug("eth0", &format!("5a:1f:c4:70:8e:{last:02x}"), switch, name);
    switch.ip(&format!("link set {name} master br0"));
    let ([v4, v6], [router4, router6]) = (addresses(last), addresses(1));
    host.ip(&format!(
        "addr add {v4}/24 dev eth0
         addr add {v6}/64 dev eth0
         route add default via {router4}
         route add ::/0 via {router6}"
    ));
    host
}

fn backend(nth: usize, switch: &Host, mounts: &Arc<Mounts>) -> (Host, Nginx) {
    let host = station(&format!("backend-{}", nth + 1), 21 + nth, switch, mounts);
    host.set("ipv4/conf/all/arp_ignore", "1");
    host.set("ipv4/conf/all/arp_announce", "2");
    vips_on_lo(&host, "add");
    let nginx = Nginx::start(&host);
    (host, nginx)
}

fn vips_on_lo(host: &Host, verb: &str) {
    let [v4, v6] = VIPS;
    host.ip(&format!(
        "addr {verb} {v4}/32 dev lo
         addr {verb} {v6}/128 dev lo"
    ));
}

/// The config of all balancers, in each one's own view.
const CONFIG: &str = "/run/dsrload.toml";

fn config(more: &str) -> String {
    let mut config = String::from("[balancer]\nseed = \"ecmp\"\nmode = \"skb\"\n");
    for (version, (name, vip)) in ["web", "web6"].into_iter().zip(VIPS).enumerate() {
        config.push_str(&format!(
            "[service.{name}]
             vip = \"{vip}\"
             ports = \"80/tcp\"
             announce = true
             check = {{ type = \"http\", every = \"200ms\", timeout = \"150ms\", rise = 2, fall = 2 }}
             {more}
             [service.{name}.backends]\n"
        ));
        for nth in 0..COUNT {
            let own = &reals(nth)[version];
            config.push_str(&format!("b{} = \"{own}\"\n", nth + 1));
        }
    }
    config
}

fn balancer(nth: usize, binary: &str, more: &str, switch: &Host, mounts: &Arc<Mounts>) -> Balancer {
    // Each has files of its own, pins among them, as machines do.
    let host = station(&format!("balancer-{}", nth + 1), 11 + nth, switch, mounts)
        .with_mounts(Mounts::with_bpffs());
    host.set("ipv4/ip_forward", "0");
    host.inside(|| fs::write(CONFIG, config(more)))
        .expect("the lab's own /run");
    Balancer {
        bird: Bird::start(&host, &balancer_config(nth)),
        dsrload: Product::new(&host, binary),
        host,
        agent: None,
        nth,
    }
}

/// What both sides of a session have in common. With longer times than BFD takes,
/// so that it is BFD that finds out.
const SESSION: &str = "bfd on; hold time 9; keepalive time 3;
    connect delay time 1; connect retry time 1; error wait time 1, 2;";

fn router_config() -> String {
    let mut config = String::from(
        "router id 10.2.0.1;
         protocol device { scan time 60; }
         protocol bfd {
           interface \"lan\" { interval 100 ms; multiplier 3; };
         }
         protocol kernel {
           merge paths on;
           ipv4 { import none; export where source = RTS_BGP; };
         }
         protocol kernel {
           merge paths on;
           ipv6 { import none; export where source = RTS_BGP; };
         }\n",
    );
    let [router4, router6] = addresses(1);
    for nth in 0..COUNT {
        let [v4, v6] = addresses(11 + nth);
        for (own, peer, channel, vips) in [
            (&router4, v4, "ipv4", "192.0.2.0/24{32,32}"),
            (&router6, v6, "ipv6", "2001:db8:c0::/64{128,128}"),
        ] {
            config.push_str(&format!(
                "protocol bgp {{
                   local {own} as 64512; neighbor {peer} as 64513; passive; {SESSION}
                   {channel} {{ import where net ~ [ {vips} ]; export none; }};
                 }}\n"
            ));
        }
    }
    config
}

fn balancer_config(nth: usize) -> String {
    let ([own4, own6], [router4, router6]) = (addresses(11 + nth), addresses(1));
    let mut config = format!(
        "router id {own4};
         protocol device {{ scan time 60; }}
         protocol bfd {{
           interface \"eth0\" {{ interval 100 ms; multiplier 3; }};
         }}\n"
    );
    for (own, router, channel) in [(own4, router4, "ipv4"), (own6, router6, "ipv6")] {
        config.push_str(&format!(
            "{channel} table vips_{channel};
             protocol kernel {{
               kernel table 3700;
               learn;
               scan time 60;
               {channel} {{
                 table vips_{channel};
                 import where krt_source = 201;
                 export none;
               }};
             }}
             protocol bgp {{
               local {own} as 64513; neighbor {router} as 64512; {SESSION}
               {channel} {{ table vips_{channel}; import none; export all; next hop self; }};
             }}\n"
        ));
    }
    config
}
