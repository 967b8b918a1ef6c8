//! Services and backends as the operator names them.

use super::Mac;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use xdp_prog::abi::limits;

/// The transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl Protocol {
    /// IANA's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The protocol with IANA's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// The word that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Where clients turn to: VIP, port, protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAddress {
    /// The virtual address.
    pub vip: Ipv4Addr,
    /// 1 to 65,535.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}/{}", self.vip, self.port, self.protocol.name())
    }
}

impl ServiceAddress {
    /// Reads `VIP:PORT`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str, protocol: Protocol) -> Result<Self, String> {
        let (vip, port) = text
            .rsplit_once(':')
            .ok_or("expected VIP:PORT, such as 192.0.2.10:80")?;
        let vip = parse_address(vip)?;
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(|| format!("port '{port}': a number from 1 to 65535 is expected"))?;
        Ok(Self {
            vip,
            port,
            protocol,
        })
    }
}

/// An IPv4 address of one host.
fn parse_address(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr = text
        .parse()
        .map_err(|_| format!("'{text}' is not an IPv4 address such as 192.0.2.10"))?;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err(format!("{address} is not the address of one host"));
    }
    Ok(address)
}

/// A server that answers for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its own address.
    pub address: Ipv4Addr,
    /// Its MAC, if the operator gave it; else the kernel is asked.
    pub mac: Option<Mac>,
}

/// Reads `REAL` or `REAL=MAC`.
impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, mac) = match text.split_once('=') {
            Some((address, mac)) => (address, Some(mac.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            address: parse_address(address)?,
            mac,
        })
    }
}

/// A service and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where clients turn to.
    pub address: ServiceAddress,
    /// Who answers.
    pub backends: Vec<Backend>,
}

/// All that a balancer is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Its services.
    pub services: Vec<Service>,
}

impl Config {
    /// The lab that the project started from: one VIP, two backends on
    /// Docker's default network.
    #[must_use]
    pub fn lab_default() -> Self {
        let backend = |last| Backend {
            address: Ipv4Addr::new(172, 17, 0, last),
            mac: None,
        };
        Self {
            services: vec![Service {
                address: ServiceAddress {
                    vip: Ipv4Addr::new(192, 168, 25, 10),
                    port: 80,
                    protocol: Protocol::Tcp,
                },
                backends: vec![backend(3), backend(4)],
            }],
        }
    }

    /// Number of backends of all services together.
    #[must_use]
    pub fn backends(&self) -> usize {
        self.services.iter().map(|s| s.backends.len()).sum()
    }

    /// Everything that is wrong with it, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for service in &self.services {
            let address = service.address;
            if !seen.insert(address) {
                faults.push(format!("service {address} is given twice"));
            }
            if service.backends.is_empty() {
                faults.push(format!("service {address} has no backend: add one by -r"));
            }
            let mut backends = std::collections::BTreeSet::new();
            for backend in &service.backends {
                if !backends.insert(backend.address) {
                    faults.push(format!(
                        "backend {} of service {address} is given twice",
                        backend.address
                    ));
                }
                if backend.address == address.vip {
                    faults.push(format!(
                        "backend {} of service {address} is the VIP itself: give the server's own address",
                        backend.address
                    ));
                }
            }
        }
        let limits = [
            ("services", self.services.len(), limits::SERVICES),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Result<ServiceAddress, String> {
        ServiceAddress::parse(text, Protocol::Tcp)
    }

    #[test]
    fn a_service_is_read_and_written_alike() {
        let service = tcp("192.0.2.10:443").expect("a service");
        assert_eq!(service.to_string(), "192.0.2.10:443/tcp");
    }

    #[test]
    fn bad_services_are_refused_with_what_is_wrong() {
        for (text, words) in [
            ("192.0.2.10", "VIP:PORT"),
            ("192.0.2.10:0", "1 to 65535"),
            ("192.0.2.10:65536", "1 to 65535"),
            ("192.0.2.10:http", "1 to 65535"),
            ("192.0.2:80", "not an IPv4 address"),
            ("192.0.2.256:80", "not an IPv4 address"),
            ("0.0.0.0:80", "one host"),
            ("224.0.0.1:80", "one host"),
        ] {
            let error = tcp(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_backend_may_carry_its_mac() {
        let backend: Backend = "10.0.0.3=02:00:00:00:00:0a".parse().expect("a backend");
        assert_eq!(backend.mac, Some(Mac([2, 0, 0, 0, 0, 10])));
        assert!("10.0.0.3=".parse::<Backend>().is_err());
        assert!("10.0.0.300".parse::<Backend>().is_err());
    }

    #[test]
    fn all_faults_are_listed_not_only_the_first() {
        let service = Service {
            address: tcp("192.0.2.10:80").expect("a service"),
            backends: vec!["10.0.0.3".parse().expect("a backend"); 2],
        };
        let empty = Service {
            backends: vec![],
            ..service.clone()
        };
        let faults = Config {
            services: vec![service, empty],
        }
        .faults();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(Config::lab_default().faults(), Vec::<String>::new());
    }

    #[test]
    fn more_than_a_balancer_holds_is_refused_with_the_limit() {
        let mut config = Config::default();
        for n in 0..=limits::SERVICES {
            let port = u16::try_from(n + 1).expect("few");
            config.services.push(Service {
                address: ServiceAddress {
                    port,
                    ..tcp("192.0.2.10:80").expect("a service")
                },
                backends: ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
                    .map(|b| b.parse().expect("a backend"))
                    .to_vec(),
            });
        }
        let faults = config.faults();
        assert_eq!(
            faults,
            [
                "1025 services: one balancer holds 1024",
                "4100 backends: one balancer holds 4095"
            ]
        );
    }
}
