//! Where a packet's way ends: the rows of the README's table.

/// What the kernel is told to do with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `XDP_DROP`
    Drop = 1,
    /// `XDP_PASS`
    Pass = 2,
    /// `XDP_TX`
    Transmit = 3,
    /// `XDP_REDIRECT`
    Redirect = 4,
}

/// An outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Forwarded,
    NotIp,
    OtherStation,
    BadHeader,
    NotVip,
    Neighbour,
    LocalVip,
    Truncated,
    FragmentUnknown,
    ExtensionHeader,
    OtherProtocol,
    IcmpUnrelated,
    NoService,
    SourceDenied,
    NoBackend,
    EchoAnswered,
    ResetSent,
    ResetLimited,
    TooBigAnswered,
    TooBig,
    TtlAnswered,
    TtlExpired,
    NoWayOut,
}

impl Outcome {
    /// The name and the verdict of its row.
    pub fn row(self) -> (&'static str, Action) {
        use Action::{Drop, Pass, Transmit};
        match self {
            Self::Forwarded => ("forwarded", Transmit),
            Self::NotIp => ("not_ip", Pass),
            Self::OtherStation => ("other_station", Pass),
            Self::BadHeader => ("bad_header", Pass),
            Self::NotVip => ("not_vip", Pass),
            Self::Neighbour => ("neighbour", Pass),
            Self::LocalVip => ("local_vip", Pass),
            Self::Truncated => ("truncated", Drop),
            Self::FragmentUnknown => ("fragment_unknown", Drop),
            Self::ExtensionHeader => ("extension_header", Drop),
            Self::OtherProtocol => ("other_protocol", Drop),
            Self::IcmpUnrelated => ("icmp_unrelated", Drop),
            Self::NoService => ("no_service", Drop),
            Self::SourceDenied => ("source_denied", Drop),
            Self::NoBackend => ("no_backend", Drop),
            Self::EchoAnswered => ("echo_answered", Transmit),
            Self::ResetSent => ("reset_sent", Transmit),
            Self::ResetLimited => ("reset_limited", Drop),
            Self::TooBigAnswered => ("too_big_answered", Transmit),
            Self::TooBig => ("too_big", Drop),
            Self::TtlAnswered => ("ttl_answered", Transmit),
            Self::TtlExpired => ("ttl_expired", Drop),
            Self::NoWayOut => ("no_way_out", Drop),
        }
    }

    /// Whether the host's stack takes it over if the VIP is its own: everything
    /// that is for no service.
    pub fn is_for_no_service(self) -> bool {
        matches!(
            self,
            Self::Neighbour
                | Self::Truncated
                | Self::FragmentUnknown
                | Self::ExtensionHeader
                | Self::OtherProtocol
                | Self::IcmpUnrelated
                | Self::NoService
        )
    }
}
