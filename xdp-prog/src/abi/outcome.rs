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
    ($outcome:ident; $($variant:ident => $verdict:ident, $name:literal, $help:literal;)+) => {
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
    Truncated => Drop, "truncated", "For a VIP, but ends inside its TCP, UDP or ICMP header.";
    FragmentUnknown => Drop, "fragment_unknown", "For a VIP, but a fragment, and no first one with ports was seen before it.";
    ExtensionHeader => Drop, "extension_header", "For a VIP, but with too many or too long IPv6 extension headers, or cut off inside one.";
    OtherProtocol => Drop, "other_protocol", "For a VIP, but neither TCP nor UDP nor ICMP.";
    IcmpUnrelated => Drop, "icmp_unrelated", "ICMP for a VIP, but neither an echo request to be answered nor an error about a flow of a service.";
    NoService => Drop, "no_service", "For a VIP, but no service listens at this port and protocol.";
    SourceDenied => Drop, "source_denied", "The service's list of sources does not admit this client.";
    NoBackend => Drop, "no_backend", "The service has no backend in rotation.";
    EchoAnswered => Transmit, "echo_answered", "An echo request (ping) to a VIP: answered.";
    ResetSent => Transmit, "reset_sent", "The connection's backend is out: answered with a TCP reset.";
    ResetLimited => Drop, "reset_limited", "The connection's backend is out, but a reset is not due, or too many were sent.";
    TooBigAnswered => Transmit, "too_big_answered", "Too long for the tunnel to its backend: the client was told what fits (ICMP).";
    TooBig => Drop, "too_big", "Too long for the tunnel to its backend, and not to be answered, or too many were.";
    TtlAnswered => Transmit, "ttl_answered", "Its time to live ends before the tunnel to its backend: the client was told (ICMP).";
    TtlExpired => Drop, "ttl_expired", "Its time to live ends before the tunnel to its backend, and it is not to be answered, or too many were.";
    NoWayOut => Drop, "no_way_out", "The backend's interface cannot be redirected to, or takes no packet as long as this.";
}

const _: () = assert!(Outcome::ALL.len() <= super::limits::OUTCOMES);
