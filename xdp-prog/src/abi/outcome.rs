//! Every way that a packet can take, in one table.
//!
//! The enum, the counters, `dsrload stats`, its JSON and the README's rows
//! come from here.

/// What the kernel does with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// Dropped: `XDP_DROP`.
    Drop = 1,
    /// Handed to the kernel's stack, untouched: `XDP_PASS`.
    Pass = 2,
    /// Sent out of the interface it came in by: `XDP_TX`.
    Transmit = 3,
}

impl Verdict {
    /// The word that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Pass => "pass",
            Self::Transmit => "tx",
        }
    }
}

macro_rules! outcomes {
    ($outcome:ident; $($variant:ident => $verdict:ident, $name:literal, $help:literal $(, $remedy:literal)?;)+) => {
        /// Where a packet's way ended. Exactly one for each packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $outcome {
            $(#[doc = $help] $variant,)+
        }

        impl $outcome {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What becomes of the packet.
            #[inline(always)]
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self {
                    $(Self::$variant => Verdict::$verdict,)+
                }
            }

            /// The name that reports use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// One line for the operator.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)+
                }
            }

            /// What the operator can do about it; empty unless it drops packets.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($remedy)?),)+
                }
            }
        }
    };
}

pub(super) use outcomes;

outcomes! {
    Outcome;
    Forwarded => Transmit, "forwarded", "Sent to a backend.";
    NotIp => Pass, "not_ip", "Neither IPv4 nor IPv6: ARP and others, left to the kernel.";
    OtherStation => Pass, "other_station", "Addressed to another station's MAC, or to a group.";
    BadHeader => Pass, "bad_header", "Cut off inside its IP header, or not a valid one; the kernel drops it.";
    NotVip => Pass, "not_vip", "Not addressed to a VIP: the host's own traffic.";
    Neighbour => Pass, "neighbour", "For a VIP, but neighbour discovery or multicast listener discovery: left to the kernel.";
    LocalVip => Pass, "local_vip", "For no service, but the VIP is the host's own address: left to the kernel.";
    Truncated => Drop, "truncated", "For a VIP, but ends inside its TCP, UDP or ICMP header.",
        "Look for who sends cut packets: a capture on the interface shows them. In skb mode, super-frames of more than 64 KB count here, too: lower gso_ipv4_max_size of their sender.";
    FragmentUnknown => Drop, "fragment_unknown", "For a VIP, but a fragment, and no first one with ports was seen before it.",
        "Let a flow's fragments come by one balancer, in order; better, keep clients from fragmenting: lower their MTU, or mend path MTU discovery.";
    ExtensionHeader => Drop, "extension_header", "For a VIP, but with too many or too long IPv6 extension headers, or cut off inside one.",
        "Usually a probe or an attack. If clients need such headers, they cannot be balanced.";
    OtherProtocol => Drop, "other_protocol", "For a VIP, but neither TCP nor UDP nor ICMP.",
        "Services are of TCP and UDP alone. For another protocol give the host an address that is no VIP.";
    IcmpUnrelated => Drop, "icmp_unrelated", "ICMP for a VIP, but neither an echo request to be answered nor an error about a flow of a service.",
        "Harmless in small numbers: late errors, and pings where --no-echo is set. Many are a probe, or errors that belong to another balancer.";
    NoService => Drop, "no_service", "For a VIP, but no service listens at this port and protocol.",
        "Add a service for this port (`dsrload show services` lists those there are), or take it for a port scan.";
    SourceDenied => Drop, "source_denied", "The service's list of sources does not admit this client.",
        "Meant so by the service's --allow and --deny; if not, load with other lists.";
    NoBackend => Drop, "no_backend", "The service has no backend in rotation.",
        "Put a backend into rotation: `dsrload show backends` shows their states and weights, `dsrload ready SERVICE/BACKEND` brings one back.";
    EchoAnswered => Transmit, "echo_answered", "An echo request (ping) to a VIP: answered.";
    ResetSent => Transmit, "reset_sent", "The connection's backend is out: answered with a TCP reset.";
    ResetLimited => Drop, "reset_limited", "The connection's backend is out, but a reset is not due, or too many were sent.",
        "Clients will time out instead: bring the backend back, or wait until its connections are gone.";
    TooBigAnswered => Transmit, "too_big_answered", "Too long for the tunnel to its backend: the client was told what fits (ICMP).";
    TooBig => Drop, "too_big", "Too long for the tunnel to its backend, and not to be answered, or too many were.",
        "Raise the MTU on the way to the backend, or lower the MSS that it tells (`dsrload decap` does). In skb mode: `ethtool -K IFACE gro off`.";
    TtlAnswered => Transmit, "ttl_answered", "Its time to live ends before the tunnel to its backend: the client was told (ICMP).";
    TtlExpired => Drop, "ttl_expired", "Its time to live ends before the tunnel to its backend, and it is not to be answered, or too many were.",
        "A route goes in circles, or traceroute is at work: see where the packets come from.";
    NoWayOut => Drop, "no_way_out", "The backend's interface cannot be redirected to, or takes no packet as long as this.",
        "Load on that interface as well, or raise its MTU; in skb mode: `ethtool -K IFACE gro off`. `dsrload show neigh` shows where backends are.";
}

const _: () = assert!(Outcome::ALL.len() <= super::limits::OUTCOMES);

#[cfg(test)]
mod tests {
    use super::{Outcome, Verdict};
    use crate::abi::decap;

    #[test]
    fn what_drops_packets_has_a_remedy_and_nothing_else_has() {
        for outcome in Outcome::ALL {
            let drops = outcome.verdict() == Verdict::Drop;
            assert_eq!(drops, !outcome.remedy().is_empty(), "{}", outcome.name());
        }
        for outcome in decap::Outcome::ALL {
            let drops = outcome.verdict() == Verdict::Drop;
            assert_eq!(drops, !outcome.remedy().is_empty(), "{}", outcome.name());
        }
    }
}
