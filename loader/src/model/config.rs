//! All that a balancer is to do, and what is wrong with it.

use super::Affinity;
use super::forward::Forward;
use super::service::{Backend, Manner, Policy, Protocol, Service, ServiceAddress, Tracking};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use xdp_prog::abi::limits;

/// All that a balancer is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Its services.
    pub services: Vec<Service>,
}

impl Config {
    /// The lab that the project started from: one VIP, two backends on
    /// Docker's default network, new connections at random.
    #[must_use]
    pub fn lab_default() -> Self {
        let backend = |last| Backend {
            address: IpAddr::V4(Ipv4Addr::new(172, 17, 0, last)),
            mac: None,
            forward: None,
            weight: 1,
            state: None,
        };
        Self {
            services: vec![Service {
                addresses: vec![ServiceAddress {
                    vip: IpAddr::V4(Ipv4Addr::new(192, 168, 25, 10)),
                    port: 80,
                    protocol: Protocol::Tcp,
                }],
                backends: vec![backend(3), backend(4)],
                manner: Manner {
                    policy: Policy::Random,
                    tracking: Tracking::All,
                    ..Manner::default()
                },
                forward: Forward::L2,
                sources: Vec::new(),
            }],
        }
    }

    /// Number of backends of all services together.
    #[must_use]
    pub fn backends(&self) -> usize {
        self.services.iter().map(|s| s.backends.len()).sum()
    }

    /// Number of addresses of all services together.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.services.iter().map(|s| s.addresses.len()).sum()
    }

    /// Everything that is wrong with it, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for service in &self.services {
            for address in &service.addresses {
                if !seen.insert(address) {
                    faults.push(format!("service {address} is given twice"));
                }
            }
            faults.extend(service_faults(service));
        }
        let limits = [
            ("services", self.addresses(), limits::SERVICES),
            // Number 0 names none.
            ("backends", self.backends(), limits::DESTINATIONS - 1),
        ];
        for (what, count, limit) in limits {
            if count > limit as usize {
                faults.push(format!("{count} {what}: one balancer holds {limit}"));
            }
        }
        faults
    }
}

/// What is wrong with one service alone.
#[must_use]
pub fn service_faults(service: &Service) -> Vec<String> {
    let name = service.name();
    let mut faults = Vec::new();
    if service.backends.is_empty() {
        faults.push(format!("service {name} has no backend: add one by -r"));
    }
    let mut backends = BTreeSet::new();
    for backend in &service.backends {
        let address = backend.address;
        if !backends.insert(address) {
            faults.push(format!(
                "backend {address} of service {name} is given twice"
            ));
        }
        if service.addresses.iter().any(|a| a.vip == address) {
            faults.push(format!(
                "backend {address} of service {name} is the VIP itself: give the server's own address"
            ));
        }
        let is_other = |a: &ServiceAddress| a.vip.is_ipv4() != address.is_ipv4();
        if service.forward(backend) == Forward::L2 && service.addresses.iter().any(is_other) {
            faults.push(format!(
                "backend {address} of service {name} is of another IP version than its VIP, and l2 sends packets on as they are: --forward ipip carries either version in either"
            ));
        }
    }
    faults.extend(source_faults(service));
    let manner = &service.manner;
    if manner.policy == Policy::Random && manner.tracking != Tracking::All {
        faults.push(format!(
            "service {name}: policy random takes tracking all, since no slot says where a connection went"
        ));
    }
    if manner.policy == Policy::Random && manner.affinity != Affinity::Flow {
        faults.push(format!(
            "service {name}: policy random and affinity by client exclude each other"
        ));
    }
    faults
}

/// What is wrong with the outer sources of its tunnels.
fn source_faults(service: &Service) -> Vec<String> {
    let name = service.name();
    let mut faults = Vec::new();
    let mut versions = BTreeSet::new();
    for source in &service.sources {
        if !versions.insert(source.is_ipv4()) {
            faults.push(format!(
                "service {name} has two outer sources of one IP version: --source takes one of each"
            ));
        }
        let is_used = service.backends.iter().any(|backend| {
            backend.address.is_ipv4() == source.is_ipv4() && service.forward(backend) != Forward::L2
        });
        if !is_used {
            faults.push(format!(
                "--source {source} of service {name} is used by no tunnel: no backend of this IP version is reached by ipip or gue"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TunnelKind;

    fn tcp(text: &str) -> ServiceAddress {
        ServiceAddress::parse(text, Protocol::Tcp).expect(text)
    }

    fn backend(text: &str) -> Backend {
        text.parse().expect(text)
    }

    fn service(address: &str, backends: &[&str]) -> Service {
        Service {
            addresses: vec![tcp(address)],
            backends: backends.iter().map(|b| backend(b)).collect(),
            manner: Manner::default(),
            forward: Forward::L2,
            sources: Vec::new(),
        }
    }

    #[test]
    fn all_faults_are_listed_not_only_the_first() {
        let config = Config {
            services: vec![
                service("192.0.2.10:80", &["10.0.0.3", "10.0.0.3"]),
                service("192.0.2.10:80", &[]),
            ],
        };
        assert_eq!(config.faults().len(), 3, "{:?}", config.faults());
        assert_eq!(Config::lab_default().faults(), Vec::<String>::new());
    }

    #[test]
    fn a_backend_of_another_ip_version_needs_a_tunnel() {
        let mut config = Config {
            services: vec![service("192.0.2.10:80", &["2001:db8::3"])],
        };
        let faults = config.faults();
        assert!(faults[0].contains("IP version") && faults[0].contains("--forward ipip"));
        config.services[0].backends[0].forward = Some(Forward::Tunnel(TunnelKind::Ipip));
        assert_eq!(config.faults(), Vec::<String>::new());
        config.services[0].forward = Forward::Tunnel(TunnelKind::Gue(6080));
        config.services[0].backends[0].forward = Some(Forward::L2);
        assert!(config.faults()[0].contains("IP version"));
    }

    #[test]
    fn an_outer_source_is_one_of_a_version_that_a_tunnel_uses() {
        let ipip = Some(Forward::Tunnel(TunnelKind::Ipip));
        let faults = |forward: Option<Forward>, sources: &[&str]| {
            let mut tunnels = service("192.0.2.10:80", &["10.0.0.3", "10.0.0.4"]);
            tunnels.backends[1].forward = forward;
            tunnels.sources = sources.iter().map(|s| s.parse().expect(s)).collect();
            let services = vec![tunnels];
            Config { services }.faults()
        };
        assert_eq!(faults(ipip, &["10.0.0.1"]), Vec::<String>::new());
        assert!(faults(ipip, &["10.0.0.1", "10.0.0.2"])[0].contains("one IP version"));
        assert!(faults(ipip, &["2001:db8::1"])[0].contains("used by no tunnel"));
        assert!(faults(None, &["10.0.0.1"])[0].contains("used by no tunnel"));
    }

    #[test]
    fn a_random_policy_without_tracking_is_refused() {
        let mut random = service("192.0.2.10:80", &["10.0.0.3"]);
        random.manner.policy = Policy::Random;
        let config = Config {
            services: vec![random],
        };
        assert!(config.faults()[0].contains("tracking all"));
    }

    #[test]
    fn more_than_a_balancer_holds_is_refused_with_the_limit() {
        let backends: Vec<String> = (0..9).map(|n| format!("10.0.0.{}", n + 3)).collect();
        let backends: Vec<&str> = backends.iter().map(String::as_str).collect();
        let config = Config {
            services: (1..=1025)
                .map(|port| service(&format!("192.0.2.10:{port}"), &backends))
                .collect(),
        };
        assert_eq!(
            config.faults(),
            [
                "1025 services: one balancer holds 1024",
                "9225 backends: one balancer holds 8191"
            ]
        );
    }
}
