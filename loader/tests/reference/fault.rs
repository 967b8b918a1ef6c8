//! Mistakes that the reference makes when it is told to: a comparison that does
//! not notice them is worth nothing.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No SYN opens a connection.
    NoSynOpens,
    /// A SYN with ACK opens one, too.
    SynAckOpens,
    /// A SYN follows the flow's entry, however old.
    NoPortIsReused,
    /// A retransmitted SYN counts as a connection.
    RetransmissionCounts,
    /// Flows stay with a backend that is out.
    OutIsIgnored,
    /// Flows stay with a backend that is given up.
    GivenUpIsIgnored,
    /// Entries of other services are followed.
    ForeignEntryIsFollowed,
    /// An entry makes room an epoch too early.
    LiveEntryMakesRoom,
    /// A new flow without room goes to the slot's present owner.
    FullGoesToCurrent,
    /// Clients are told of a dead backend though their flows found no room.
    FullTellsAll,
    /// The first tag is no tag.
    VlanIsIgnored,
    /// Ports are read twenty bytes into an IPv4 packet.
    PortsAtFixedOffset,
    /// Padding counts as part of the packet.
    PaddingBelongs,
    /// Fragments of one identification are of one packet.
    FragmentsOfAnyProtocol,
    /// One extension header more is read over.
    SevenExtensionHeaders,
    /// A quoted packet's ports are not exchanged.
    QuoteIsNotReversed,
    /// A quote of later fragments is believed to have ports.
    QuoteOfLaterFragment,
    /// The service of any port comes before the one of this port.
    AnyPortFirst,
    /// The shortest prefix of a list decides.
    ShortestPrefixDecides,
    /// Carries are not added to a checksum.
    CarryIsLost,
    /// A reset does not acknowledge a FIN.
    FinTakesNoNumber,
    /// One reset too many is sent.
    OneResetMore,
    /// An error refreshes the entry of its flow.
    ErrorRefreshes,
    /// A client's SYN ends its affinity.
    AffinityEnds,
    /// A flow whose backend is gone returns to the former owner of its slot.
    FormerOwnerTakesAll,
    /// Flows without room are not counted.
    UntrackedIsNotCounted,
    /// Fragments follow the first one to a backend that is out.
    FragmentsFollowTheDead,
    /// The random choice does not depend on the sequence number.
    RollIgnoresSequence,
    /// An echo request may have a code.
    EchoOfAnyCode,
    /// Headers are read wherever they start.
    ReachIsEndless,
    /// What cannot be sent opens connections.
    NoWayOutOpens,
    /// The time to live stays what it was in a tunnel.
    HopIsNotTaken,
    /// The header checksum stays what it was, though a hop was taken.
    ChecksumStays,
    /// Routers may fragment the outer packet.
    OuterIsFragmented,
    /// The outer packet has no traffic class.
    ClassIsNotCopied,
    /// The EtherType is that of the packet inside.
    EtherTypeStays,
    /// An error quotes the packet with a hop taken.
    QuoteIsChanged,
    /// One byte more than fits is sent.
    RoomIsOneMore,
    /// Of a packet that has no hop left and is too long, the length counts.
    LengthBeforeHops,
    /// Super-frames have to fit.
    SuperFrameIsTooLong,
    /// A later fragment is answered by an error.
    FragmentIsAnswered,
    /// An error is answered by an error.
    ErrorIsAnswered,
    /// Whoever the source may be is answered by an error.
    AnyoneIsAnswered,
    /// One error too many is sent.
    OneErrorMore,
    /// A client of IPv6 is told less than 1280.
    NarrowIsTold,
    /// Fragments follow a first one that was not sent.
    UnsentIsFollowed,
    /// With affinity, all flows of a client have one label.
    ClientNamesTunnel,
    /// What stays on this host gets MACs.
    HereIsAddressed,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 48] = [
        Self::NoSynOpens,
        Self::SynAckOpens,
        Self::NoPortIsReused,
        Self::RetransmissionCounts,
        Self::OutIsIgnored,
        Self::GivenUpIsIgnored,
        Self::ForeignEntryIsFollowed,
        Self::LiveEntryMakesRoom,
        Self::FullGoesToCurrent,
        Self::FullTellsAll,
        Self::VlanIsIgnored,
        Self::PortsAtFixedOffset,
        Self::PaddingBelongs,
        Self::FragmentsOfAnyProtocol,
        Self::SevenExtensionHeaders,
        Self::QuoteIsNotReversed,
        Self::QuoteOfLaterFragment,
        Self::AnyPortFirst,
        Self::ShortestPrefixDecides,
        Self::CarryIsLost,
        Self::FinTakesNoNumber,
        Self::OneResetMore,
        Self::ErrorRefreshes,
        Self::AffinityEnds,
        Self::FormerOwnerTakesAll,
        Self::UntrackedIsNotCounted,
        Self::FragmentsFollowTheDead,
        Self::RollIgnoresSequence,
        Self::EchoOfAnyCode,
        Self::ReachIsEndless,
        Self::NoWayOutOpens,
        Self::HopIsNotTaken,
        Self::ChecksumStays,
        Self::OuterIsFragmented,
        Self::ClassIsNotCopied,
        Self::EtherTypeStays,
        Self::QuoteIsChanged,
        Self::RoomIsOneMore,
        Self::LengthBeforeHops,
        Self::SuperFrameIsTooLong,
        Self::FragmentIsAnswered,
        Self::ErrorIsAnswered,
        Self::AnyoneIsAnswered,
        Self::OneErrorMore,
        Self::NarrowIsTold,
        Self::UnsentIsFollowed,
        Self::ClientNamesTunnel,
        Self::HereIsAddressed,
    ];
}
