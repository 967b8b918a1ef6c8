//! The control plane between its decisions and the tables: where a mutant may
//! change something.

use dsrload::commands::settle::Patience;
use dsrload::model::placement::{Loaded, Placement};
use dsrload::model::sweep::Clock;

/// Does nothing, unless it is a mutant.
pub trait Control {
    /// What the tables are said to hold before a change.
    fn loaded(&self, _loaded: &mut Loaded) {}
    /// What a change will write.
    fn placed(&self, _loaded: &Loaded, _placement: &mut Placement) {}
    /// By what a sweep goes.
    fn swept(&self, _loaded: &mut Loaded, _clock: &mut Clock, _patience: &mut Patience) {}
}

/// The control plane as it is.
pub struct Faithful;

impl Control for Faithful {}
