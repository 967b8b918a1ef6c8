//! `dsrload show ...`, as typed.

use super::time::{interval, time};
use crate::model::ServiceAddress;
use clap::{Args, Subcommand};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// What is shown.
#[derive(Debug, Subcommand)]
pub enum Show {
    /// Services: how they treat their flows, who answers, what was forwarded.
    #[command(after_help = "Example:\n  dsrload show services --watch")]
    Services(LookArgs),
    /// Backends: state, share, way, what they were sent, and which of their flows
    /// the flow table knows.
    #[command(after_help = "Example:\n  dsrload show backends --idle 60s -j")]
    Backends(BackendsArgs),
    /// The flow table. It holds a part of each flow's hash and not the client's
    /// address: name a client to find its flow.
    #[command(after_help = "\
Examples:
  dsrload show flows --backend 10.0.0.3 --limit 20
  dsrload show flows --client 198.51.100.7:40312 --service 192.0.2.10:80")]
    Flows(FlowsArgs),
    /// Packets that were dropped, why, and what to do about it.
    #[command(after_help = "Example:\n  dsrload show drops --watch 5")]
    Drops(LookArgs),
    /// Next hops: the MACs in the tables, and what the kernel knows of them.
    #[command(after_help = "Example:\n  dsrload show neigh eth0")]
    Neigh(LookArgs),
}

/// Arguments that all of them take.
#[derive(Args, Debug)]
pub struct LookArgs {
    /// Only the balancer of this interface; without it, all of the network
    /// namespace.
    #[arg(value_name = "IFACE")]
    pub interface: Option<String>,
    /// As JSON; with --watch one line for each look.
    #[arg(short, long)]
    pub json: bool,
    /// Looks again and again, this many seconds apart, until a signal comes, and
    /// shows what happened in between. [default: 1]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = interval
    )]
    pub watch: Option<Duration>,
}

/// Arguments of `show backends`.
#[derive(Args, Debug)]
pub struct BackendsArgs {
    /// Where, and how often.
    #[command(flatten)]
    pub look: LookArgs,
    /// How flows are told to be alive.
    #[command(flatten)]
    pub idle: IdleArgs,
}

/// When a flow is taken for idle.
#[derive(Args, Debug)]
pub struct IdleArgs {
    /// A flow that was silent for this long is idle, not live.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = time)]
    pub idle: Duration,
}

/// Arguments of `show flows`.
#[derive(Args, Debug)]
pub struct FlowsArgs {
    /// Where, and how often.
    #[command(flatten)]
    pub look: LookArgs,
    /// How flows are told to be alive.
    #[command(flatten)]
    pub idle: IdleArgs,
    /// Only flows of this service: VIP:PORT, or VIP:PORT/udp.
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<ServiceAddress>,
    /// Only flows of this backend.
    #[arg(long, value_name = "BACKEND", conflicts_with = "client")]
    pub backend: Option<IpAddr>,
    /// The flow from this address and port to each service, or to that of
    /// --service: its slot, its entry, and where its packets go. The port may be
    /// left out where a service has affinity by client.
    #[arg(long, value_name = "ADDR:PORT")]
    pub client: Option<Client>,
    /// How many flows are listed at the most.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        conflicts_with = "client"
    )]
    pub limit: usize,
}

/// Where a flow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address.
    pub address: IpAddr,
    /// Its port.
    pub port: Option<u16>,
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Err(format!(
                "'{text}' is a prefix: the flow table holds a part of each flow's hash and no address, so clients of a prefix cannot be told from others; name one flow, ADDR:PORT"
            ));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self {
                address,
                port: None,
            });
        }
        let wrong =
            || format!("'{text}' is no client such as 198.51.100.7:40312 or [2001:db8::7]:40312");
        let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = address
            .strip_prefix('[')
            .and_then(|address| address.strip_suffix(']'));
        let address = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().map(IpAddr::V6),
            None => address.parse(),
        };
        Ok(Self {
            address: address.map_err(|_| wrong())?,
            port: Some(port.parse().map_err(|_| wrong())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_and_mostly_a_port() {
        let client = |text: &str| text.parse::<Client>().map(|c| (c.address, c.port));
        let v4 = IpAddr::from([198, 51, 100, 7]);
        let v6: IpAddr = "2001:db8::7".parse().expect("an address");
        assert_eq!(client("198.51.100.7:40312"), Ok((v4, Some(40312))));
        assert_eq!(client("198.51.100.7"), Ok((v4, None)));
        assert_eq!(client("[2001:db8::7]:40312"), Ok((v6, Some(40312))));
        assert_eq!(client("2001:db8::7"), Ok((v6, None)));
        for text in [
            "",
            "198.51.100:1",
            "198.51.100.7:",
            "198.51.100.7:65536",
            "[::1]",
            "host:1",
        ] {
            assert!(client(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_refused_with_the_reason() {
        let error = "198.51.100.0/24".parse::<Client>().expect_err("a prefix");
        assert!(error.contains("hash and no address"), "{error}");
    }
}
