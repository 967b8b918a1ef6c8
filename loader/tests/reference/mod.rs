//! The reference: what becomes of a packet, written a second time from the
//! contract (the README's "What becomes of a packet" and "What happens to
//! connections", ARCHITECTURE.md, the documentation of the tables, and the
//! RFCs), for clarity and not for speed. It shares nothing with the program:
//! it has its own parser, its own hash, its own tables, and reads every byte by
//! its place in the standard.
//!
//! Where the contract is silent it does what an operator would expect:
//!
//! * A frame that is no IP is `not_ip` whomever it is for; one for another
//!   station is `other_station` even if its IP header is broken.
//! * An IPv4 packet that ends inside its options is judged by its destination,
//!   which could be read.
//! * Nothing is read of a fragment but its addresses and its identification,
//!   and of the first one its ports: how long it says to be matters to nobody.
//! * Of a first fragment that is neither TCP nor UDP nothing more is read: it
//!   is `fragment_unknown`, however short.
//! * The outermost fragment header names a fragmented packet: it alone is in all
//!   of its fragments.
//! * What starts more than 512 bytes into the frame is not read, in a quote
//!   neither.
//! * A client whose IPv6 address maps an IPv4 address is that client to lists.
//! * A list of sources comes before the choice of a backend: who is denied does
//!   not learn that there is none.
//! * A slot's present owner is not questioned: who writes slots sees to it that
//!   it is there.
//! * A checksum of an echo reply that is zero is written as ffff, which is zero in
//!   ones' complement, too.
//! * What no interface can send counts for no destination, and its fragments
//!   are not remembered; its flow is, so that it keeps its backend.
//! * Of what keeps a packet out of a tunnel, its hops come first, then its length,
//!   then the way: who could be told is told, also if nobody could be sent anything.
//!   A super-frame that no length field could count comes last.
//! * A packet is as long as it says, also if the frame ends before; what is quoted
//!   of it is what is there.
//! * Later fragments are told by their number, in the place of the ports of a flow.
//! * A tunnel that leaves IPv6 less than 1280 is not made; if it is, clients are
//!   told 1280 all the same.
//! * What goes into no tunnel is like what no interface can send, in all that is
//!   counted and remembered.
//! * Who has no entry because of a full bucket counts as untracked with each
//!   packet, also when the packet had no way out.

pub mod answer;
pub mod choose;
pub mod fault;
pub mod flows;
pub mod generator;
pub mod hash;
pub mod outcome;
pub mod quote;
pub mod steer;
pub mod tunnel;
pub mod wire;
pub mod world;
