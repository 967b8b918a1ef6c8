//! The steps that the verifier looks at alone ([`Apart`]): global functions
//! (Linux 5.6), which it checks once, with any context of a packet and any
//! numbers. What the build exports into `.text` is such a function.

use super::maps::Maps;
use super::{Received, trace, xdp_md};
use crate::abi::settings::feature;
use crate::balance::{Apart, Decision, Parcel, steps};
use crate::choose::{self, Risk, answer};
use crate::select::{V4, V6};
use crate::tables::Tables;
use crate::track::Track;

impl Apart for Received {
    #[inline(always)]
    fn walk_v4<T: Tables>(self, _: &T, offset: usize) -> Decision {
        Decision::of_word(walk_v4(self.0, offset as u64))
    }

    #[inline(always)]
    fn walk_v6<T: Tables>(self, _: &T, offset: usize) -> Decision {
        Decision::of_word(walk_v6(self.0, offset as u64))
    }

    #[inline(always)]
    fn wrap<T: Tables>(self, _: &T, parcel: Parcel) -> Decision {
        Decision::of_word(wrap(self.0, parcel.word()))
    }

    #[inline(always)]
    fn wrap_v4<T: Tables>(&mut self, _: &T, parcel: Parcel) -> Option<Decision> {
        decided(wrap_v4(self.0, parcel.word()))
    }

    #[inline(always)]
    fn wrap_v6<T: Tables>(&mut self, _: &T, parcel: Parcel) -> Option<Decision> {
        decided(wrap_v6(self.0, parcel.word()))
    }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
extern "C" fn walk_v4(context: *mut xdp_md, offset: u64) -> u64 {
    steps::walk::<V4, _, _>(Received(context), &Maps, offset_of(offset)).word()
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
extern "C" fn walk_v6(context: *mut xdp_md, offset: u64) -> u64 {
    steps::walk::<V6, _, _>(Received(context), &Maps, offset_of(offset)).word()
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
extern "C" fn wrap(context: *mut xdp_md, parcel: u64) -> u64 {
    steps::wrap(Received(context), &Maps, Parcel::of_word(parcel)).word()
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
pub extern "C" fn show(context: *mut xdp_md, decision: u64) -> u32 {
    // Once more than in the caller, which the verifier does not see from here.
    if Maps.settings().features.get() & feature::TRACE != 0 {
        trace::show(Received(context), Decision::of_word(decision));
    }
    0
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
extern "C" fn wrap_v4(context: *mut xdp_md, parcel: u64) -> u64 {
    let parcel = Parcel::of_word(parcel);
    word(steps::wrap_plain::<V4, _, _>(
        &mut Received(context),
        &Maps,
        parcel,
    ))
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
extern "C" fn wrap_v6(context: *mut xdp_md, parcel: u64) -> u64 {
    let parcel = Parcel::of_word(parcel);
    word(steps::wrap_plain::<V6, _, _>(
        &mut Received(context),
        &Maps,
        parcel,
    ))
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
pub extern "C" fn choose_at_risk(hash: u64, what: u64, packet: u64) -> u64 {
    let risk = Risk::of_words([hash, what, packet]);
    answer(&choose::choose_at_risk(&Maps, &risk))
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text")]
#[inline(never)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the caller's numbers, wider than they were"
)]
pub extern "C" fn enter(hash: u64, epoch: u64, destination: u64) -> u64 {
    let track = Track::at(&Maps, hash, epoch as u8);
    track.find_room(destination as u16) as u64
}

/// Where an IP header starts: behind Ethernet and its tags.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "BPF has 64 bits")]
fn offset_of(word: u64) -> usize {
    word as usize & 31
}

/// A decision as a word; 0 for none, since none aborts.
#[inline(always)]
fn word(decision: Option<Decision>) -> u64 {
    decision.map_or(0, Decision::word)
}

/// The decision of such a word.
#[inline(always)]
fn decided(word: u64) -> Option<Decision> {
    (word != 0).then_some(Decision::of_word(word))
}
