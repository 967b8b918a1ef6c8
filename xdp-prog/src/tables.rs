//! What the packet logic asks of its surroundings.

use crate::abi::word::{Word16, Word32};
use crate::abi::{
    Bucket, Budget, Control, Counter, Destination, FragmentKey, Outcome, OutcomeRow, Port, Service,
    Settings, SourceKey, Tunnel,
};
use crate::choose::{Choice, Risk, choose_at_risk};
use crate::track::Track;

/// The tables and the few things that only the kernel can do.
///
/// Implemented by maps and helpers inside the kernel, by ordinary memory on
/// the host. Every index is masked by the implementation, so none is wrong.
pub trait Tables {
    /// What never changes while the program runs.
    fn settings(&self) -> &Settings;
    /// The switches.
    fn control(&self) -> &Control;
    /// The interface that this program is attached to.
    fn port(&self) -> &Port;
    /// An interface of the balancer, by its number.
    fn port_at(&self, number: u16) -> &Port;
    /// A place of one of the two copies of the service table.
    fn service(&self, copy: u32, place: u32) -> &Service;
    /// A displacement of one of the two copies.
    fn displacement(&self, copy: u32, index: u32) -> &Word16;
    /// A slot.
    fn slot(&self, index: u32) -> &Word32;
    /// A destination, by its number.
    fn destination(&self, number: u16) -> &Destination;
    /// The tunnel to a destination.
    fn tunnel(&self, number: u16) -> &Tunnel;
    /// A bucket of the flow table.
    fn bucket(&self, index: u32) -> &Bucket;
    /// The backend of a flow whose entry, if it has one, decides
    /// ([`choose_at_risk`]). In the kernel it is a function that the verifier
    /// looks at once, and whose registers the way of other packets need not
    /// share.
    ///
    /// # Errors
    ///
    /// Those of [`choose`](crate::choose::choose).
    #[inline(always)]
    fn choose_at_risk(&self, risk: &Risk) -> Result<Choice, Outcome>
    where
        Self: Sized,
    {
        choose_at_risk(self, risk)
    }
    /// Enters the flow of this hash ([`Track::find_room`]). In the kernel it is
    /// a function that the verifier looks at once, since comparing all places of
    /// a bucket is much to look at.
    #[inline(always)]
    fn enter(&self, hash: u64, epoch: u8, destination: u16) -> bool
    where
        Self: Sized,
    {
        Track::at(self, hash, epoch).find_room(destination)
    }
    /// This CPU's counter of a destination.
    fn counter(&self, destination: u16) -> &Counter;
    /// This CPU's counters of outcomes.
    fn outcomes(&self) -> &OutcomeRow;
    /// What this CPU has spent.
    fn budget(&self) -> &Budget;
    /// The destination that the first fragment of a packet went to.
    fn fragment(&self, key: &FragmentKey) -> Option<u16>;
    /// Notes where the first fragment of a packet goes.
    fn note_fragment(&self, key: &FragmentKey, destination: u16);
    /// What a service's list says of a source, one of
    /// [`source`](crate::abi::key::source); `None` if no prefix matches.
    fn source(&self, key: &SourceKey) -> Option<u32>;
    /// The kernel's clock: jiffies.
    fn ticks(&self) -> u64;
    /// Sends the frame out of another port: `XDP_REDIRECT`, or another value
    /// if that port cannot be redirected to.
    fn redirect(&self, port: u16) -> u32;
}
