//! The tables in ordinary memory: both programs without a kernel.

use super::clamp::{Change, Segment};
use super::tables::Tables;
use crate::abi::SourceKey;
use crate::abi::decap::{Outcome, Row, Settings, State};
use crate::host::contains;
use crate::packet::checksum::replaced;
use crate::packet::frame::Wire16;
use crate::packet::{Buffer, Frame};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The tables of one interface, and of one CPU.
#[derive(Debug, Default)]
pub struct HostTables {
    /// The settings.
    pub settings: Settings,
    /// The state.
    pub state: State,
    /// The counters.
    pub row: Row,
    /// The addresses that matter.
    pub addresses: BTreeMap<[u64; 2], u32>,
    /// Those who are allowed.
    pub balancers: Vec<SourceKey>,
}

impl Tables for HostTables {
    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn state(&self) -> &State {
        &self.state
    }
    fn row(&self) -> &Row {
        &self.row
    }
    fn address(&self, address: &[u64; 2]) -> u32 {
        self.addresses.get(address).copied().unwrap_or(0)
    }
    fn is_allowed(&self, source: &SourceKey) -> bool {
        self.balancers.iter().any(|prefix| contains(prefix, source))
    }
}

impl Segment for &mut Vec<u8> {
    fn frame(&mut self) -> Frame<'_> {
        Buffer::frame(self)
    }

    fn replace(&mut self, change: &Change) -> bool {
        let [old, new] = change.summands();
        let mut frame = Buffer::frame(self);
        let Some(checksum) = frame.header_mut::<Wire16>(change.checksum) else {
            return false;
        };
        checksum.set_raw(replaced(checksum.raw(), old, new));
        let Some(word) = frame.header_mut::<Wire16>(change.at) else {
            return false;
        };
        *word = change.new;
        true
    }
}

/// Ends the tunnel of a frame in place.
pub fn run<T: Tables>(frame: &mut Vec<u8>, tables: &T) -> Outcome {
    super::decap(frame, tables)
}

/// Clamps the MSS of a frame in place.
pub fn clamp<T: Tables>(frame: &mut Vec<u8>, tables: &T) {
    super::clamp::clamp(frame, tables);
}
