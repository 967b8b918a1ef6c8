//! What the far end of the tunnels asks of its surroundings.

use crate::abi::SourceKey;
use crate::abi::decap::{Row, Settings, State};

/// The tables of one interface.
pub trait Tables {
    /// What never changes while the programs run.
    fn settings(&self) -> &Settings;
    /// What the two programs tell each other.
    fn state(&self) -> &State;
    /// What this CPU counted.
    fn row(&self) -> &Row;
    /// What an address is to this host: bits of
    /// [`address`](crate::abi::decap::address).
    fn address(&self, address: &[u64; 2]) -> u32;
    /// Whether tunnels from this address are ended.
    fn is_allowed(&self, source: &SourceKey) -> bool;
}
