//! The tables that change while packets flow.

pub use super::find::{index, mapped, mark, service_key, unmapped, vip_bit};
use super::limits::{FLOWS_PER_BUCKET, OUTCOMES};
use super::word::{Shared, Word16, Word32, Word64};

macro_rules! table {
    ($(#[$meta:meta])* pub struct $name:ident[$bytes:literal] {
        $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)+
    }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Default)]
        pub struct $name { $($(#[$field_meta])* pub $field: $ty,)+ }

        const _: () = assert!(
            size_of::<$name>() == 0 $(+ size_of::<$ty>())+,
            concat!(stringify!($name), " has hidden padding: name it"),
        );
        const _: () = assert!(size_of::<$name>() == $bytes);

        // SAFETY: words and arrays of words alone, without padding, as the
        // assertion above shows.
        #[allow(unsafe_code, reason = "see the trait")]
        unsafe impl Shared for $name {}
    };
}

table! {
    /// The switches of one balancer. The first cache line holds what every
    /// IPv4 packet reads.
    pub struct Control[192] {
        /// Which copy of the service table is in force, and the seed of its
        /// perfect hash: an [`index`]. One store of this word makes a new table
        /// visible.
        pub index: Word64,
        /// Not 0: each packet for a VIP is shown in the trace pipe.
        pub trace: Word32,
        /// Always zero.
        pub zero32: Word32,
        /// For each VIP the [`bit`](super::state::vip_bit) of its last byte. What
        /// is for an address without its bit is for no VIP.
        pub vips: Word64,
        /// Keys of the [flow hash](crate::select::Flow::hash). Random, made once,
        /// kept as long as the tables: a new key would move every flow.
        pub keys: [Word64; 5],
        /// Keys that IPv6 takes in addition.
        pub keys6: [Word64; 4],
        /// Cookie of the network namespace (`SO_NETNS_COOKIE`) of the loader.
        pub netns: Word64,
        /// Forwarded packets whose destination was given up since.
        pub retired: Word64,
        /// Always zero.
        pub zero: [Word64; 10],
    }
}

table! {
    /// An interface that the balancer is attached to.
    pub struct Port[16] {
        /// Its MAC in the six low bytes, as on the wire; the others are 0.
        pub mac: Word64,
        /// Its interface index; 0 for a port that is not in use.
        pub interface: Word32,
        /// Its MTU: bytes of IP. A longer packet that comes in is a super-frame,
        /// which the kernel has put together of several and takes apart again.
        pub mtu: Word32,
    }
}

table! {
    /// A place of the service table.
    ///
    /// Each VIP has one entry more, of port 0 and protocol 0: it tells a
    /// packet for an unknown port of a VIP from one for no VIP.
    pub struct Service[64] {
        /// The VIP as on the wire; IPv4 as IPv4-mapped (RFC 4291, 2.5.5.2).
        pub address: [Word64; 2],
        /// [`service_key`]; 0 for a place that is not in use.
        pub key: Word32,
        /// Its first slot.
        pub first_slot: Word32,
        /// Its number of slots less one.
        pub slot_mask: Word32,
        /// Its number, which its destinations carry. All VIPs and ports of one
        /// service have the same, and the same slots.
        pub id: Word16,
        /// Bits of [`service`].
        pub flags: Word16,
        /// With [`service::CLIENT`]: the bits of the client's address, in the
        /// form of `address`, that its flows have in common.
        pub client_mask: [Word64; 2],
        /// When a slot last changed: seconds since the machine started. User
        /// space alone reads this and the next two.
        pub changed: Word64,
        /// Bits of the client's address that count for affinity: IPv4 in the
        /// low byte, IPv6 in the next.
        pub client_bits: Word32,
        /// What becomes of the flows of a backend that is down: 0 rehash, 1
        /// reset, 2 hold.
        pub on_dead: Word16,
        /// The number of its list of [sources](super::SourceKey); 0 for none. The
        /// program reads it. A list is never changed: another one, of another
        /// number, takes its place, so that it is in force as a whole.
        pub sources: Word16,
    }
}

/// Bits of [`Service::flags`].
pub mod service {
    /// On a VIP's own entry: the address is the balancing host's, too. What
    /// no service takes is left to its stack.
    pub const LOCAL: u16 = 1;
    /// Every flow is entered in the flow table, not only those at risk.
    pub const TRACK_ALL: u16 = 1 << 1;
    /// No flow is entered; every packet goes to its slot's destination.
    pub const TRACK_NONE: u16 = 1 << 2;
    /// New connections go to a random slot's destination. With `TRACK_ALL`.
    pub const RANDOM: u16 = 1 << 3;
    /// Affinity: all flows of a client (`client_mask`) go to one destination.
    pub const CLIENT: u16 = 1 << 4;
    /// There is a list of client addresses that are served, or are not.
    pub const SOURCES: u16 = 1 << 5;
    /// A client that is on no list is not served.
    pub const SOURCES_CLOSED: u16 = 1 << 6;
    /// On a VIP's own entry: there is a TCP service of any port.
    pub const ANY_TCP: u16 = 1 << 8;
    /// On a VIP's own entry: there is a UDP service of any port.
    pub const ANY_UDP: u16 = 1 << 9;
    /// On a VIP's own entry: echo requests are not answered.
    pub const NO_ECHO: u16 = 1 << 10;
}

/// A slot names the destination of the flows that hash to it: `current` (16
/// bits) for new flows; `previous` (15 bits) for flows that were established
/// before `current` came; and a bit that says that it is unsettled. 0 names
/// none: in `current` no backend, in `previous` a former one that is gone.
///
/// While a slot is unsettled, every flow that sends a packet is entered in the
/// flow table. So a later change replaces `current` alone: `previous` stays the
/// owner of those that have sent none since, and no sequence of changes loses
/// a flow. The bit is needed because a change may be taken back: then both are
/// equal, but flows of the owner in between are still in the table.
pub mod slot {
    const UNSETTLED: u32 = 1 << 31;

    /// A settled slot of `destination`.
    #[inline(always)]
    #[must_use]
    pub const fn settled(destination: u16) -> u32 {
        destination as u32 | (destination as u32) << 16
    }

    /// A slot of `current` whose older flows belong to `previous`.
    #[inline(always)]
    #[must_use]
    pub const fn unsettled(current: u16, previous: u16) -> u32 {
        UNSETTLED | current as u32 | (previous as u32) << 16
    }

    /// Who gets the new flows of `slot`.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the slot apart")]
    pub const fn current(slot: u32) -> u16 {
        slot as u16
    }

    /// Who has the flows that were established before.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the slot apart")]
    pub const fn previous(slot: u32) -> u16 {
        ((slot & !UNSETTLED) >> 16) as u16
    }

    /// Whether all flows belong to `current`.
    #[inline(always)]
    #[must_use]
    pub const fn is_settled(slot: u32) -> bool {
        slot & UNSETTLED == 0
    }
}

table! {
    /// One backend of one service, and how to reach it.
    pub struct Destination[64] {
        /// The first eight bytes of a frame to it: its MAC and the first two
        /// bytes of ours. A backend's new MAC is one store of this word.
        pub macs_low: Word64,
        /// The next four: the rest of our MAC.
        pub macs_high: Word32,
        /// The [`Port`] it is reached through, or [`destination::HERE`].
        pub port: Word16,
        /// Bits of [`destination`].
        pub flags: Word16,
        /// The backend's own address, in the form of [`Service::address`].
        pub address: [Word64; 2],
        /// [`Service::id`] of its service.
        pub service: Word16,
        /// Its share of new flows. User space alone reads this and the next.
        pub weight: Word16,
        /// What it is to do: 0 ready, 1 drain, 2 maintenance, 3 down.
        pub state: Word16,
        /// What its checks say: 0 nothing, or that it is well; 1 that it is not.
        pub health: Word16,
        /// [`Counter::untracked`] of all CPUs when a sweep last looked, and when
        /// that had risen: seconds since the machine started. User space alone
        /// reads these.
        pub untracked: Word64,
        /// See `untracked`.
        pub untracked_at: Word64,
        /// Always zero.
        pub reserved: Word64,
    }
}

/// Bits of [`Destination::flags`].
pub mod destination {
    /// The entry names a backend. Without it, flows that still name it are
    /// balanced anew.
    pub const LIVE: u16 = 1;
    /// The backend is out at once (down, or in maintenance): flows that name it
    /// are balanced anew.
    pub const OUT: u16 = 1 << 1;
    /// Together with `OUT`: established TCP connections are answered with a
    /// reset, so that the client connects again at once.
    pub const RESET: u16 = 1 << 2;
    /// In place of a port: the backend is this host itself. Packets for it pass
    /// to the stack as they are. No port has this number.
    pub const HERE: u16 = u16::MAX;
    /// It is reached through a tunnel: packets go to it inside others, as its
    /// [`Tunnel`](super::Tunnel) says, and its MACs are those of the next hop.
    /// Without it, MACs are all that is rewritten.
    pub const TUNNEL: u16 = 1 << 3;
    /// Together with `TUNNEL`: GUE, else IP in IP.
    pub const GUE: u16 = 1 << 4;
    /// The operator gave its MAC: it does not follow the neighbour table. User
    /// space alone reads this and the next.
    pub const MAC_GIVEN: u16 = 1 << 5;
    /// Together with `TUNNEL`: the operator gave the outer source.
    pub const SOURCE_GIVEN: u16 = 1 << 6;
}

table! {
    /// How packets are wrapped up for one destination that is reached through a
    /// tunnel. It stands under the destination's number. The outer destination
    /// is [`Destination::address`], of either version of IP, whatever the
    /// version of what is inside.
    pub struct Tunnel[32] {
        /// The outer source, in the form of [`Service::address`].
        pub source: [Word64; 2],
        /// The longest IP packet that fits inside, in bytes: the path's MTU less
        /// the outer headers.
        pub mtu: Word16,
        /// GUE: the outer UDP destination port, wire order.
        pub port: Word16,
        /// Always zero.
        pub zero: Word32,
        /// Always zero.
        pub reserved: Word64,
    }
}

table! {
    /// What one CPU sent to one destination. Only that CPU writes.
    pub struct Counter[32] {
        /// Packets.
        pub packets: Word64,
        /// Bytes of IP (the header's total length), as `ipvsadm --stats` counts.
        pub bytes: Word64,
        /// TCP connections opened.
        pub connections: Word64,
        /// Flows that should have been entered in the flow table, and found no
        /// room. They go where a flow without an entry goes.
        pub untracked: Word64,
    }
}

/// How often each outcome came up on one CPU. Only that CPU writes.
/// [`Outcome::Forwarded`](super::Outcome::Forwarded) is not counted here: it
/// is the sum of the destinations' packets and of [`Control::retired`].
#[repr(C)]
#[derive(Debug, Default)]
pub struct OutcomeRow(pub [Word64; OUTCOMES]);

const _: () = assert!(OUTCOMES.is_power_of_two());

impl OutcomeRow {
    /// How often this outcome came up.
    #[inline(always)]
    #[must_use]
    pub fn of(&self, outcome: super::Outcome) -> &Word64 {
        // Masked rather than compared: no branch, and no panic to prove away.
        &self.0[outcome as usize % OUTCOMES]
    }
}

// SAFETY: an array of words.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for OutcomeRow {}

table! {
    /// What one CPU has spent of what it may in one epoch of the flow table.
    /// Only that CPU writes. One cache line.
    pub struct Budget[64] {
        /// The epoch, all 32 bits of it.
        pub epoch: Word32,
        /// TCP resets sent: [`RESETS_PER_EPOCH`](super::limits::RESETS_PER_EPOCH)
        /// at most.
        pub resets: Word32,
        /// ICMP errors sent: [`ERRORS_PER_EPOCH`](super::limits::ERRORS_PER_EPOCH)
        /// at most.
        pub errors: Word32,
        /// Always zero.
        pub zero: Word32,
        /// Always zero.
        pub reserved: [Word64; 6],
    }
}

/// A bucket of the flow table: one cache line of
/// [entries](crate::track::entry).
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Bucket(pub [Word64; FLOWS_PER_BUCKET]);

const _: () = assert!(size_of::<Bucket>() == 64);

// SAFETY: an array of words that fills its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Bucket {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_vip_is_held_as_its_mapped_ipv6_address() {
        let wire = u32::from_le_bytes([192, 0, 2, 1]);
        let words = mapped(wire);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&words[0].to_le_bytes());
        bytes[8..].copy_from_slice(&words[1].to_le_bytes());
        assert_eq!(
            bytes,
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]
        );
        assert_eq!(unmapped(words), Some(wire));
        assert_eq!(unmapped([1, words[1]]), None);
        assert_eq!(unmapped([0, words[1] ^ 1]), None);
    }

    #[test]
    fn no_key_in_use_looks_like_an_empty_place() {
        assert_ne!(service_key([0, 0], [0, 0], 0), 0);
    }
}
