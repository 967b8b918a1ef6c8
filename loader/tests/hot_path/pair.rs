//! The shipped object in the machine beside the host build of the same logic,
//! with the same tables. They must agree on everything.

use super::image::{self, CPU, CPUS};
use super::machine::{Machine, Work};
use super::memory::Piece;
use crate::packets::subject::{Host, Subject};
use dsrload::EMBEDDED;
use dsrload::object::Spec;
use std::collections::BTreeMap;
use xdp_prog::abi::settings::feature;
use xdp_prog::abi::word::{Word32, Word64};
use xdp_prog::abi::{PROGRAM, Settings, section};
use xdp_prog::balance::Decision;
use xdp_prog::tables::Tables;

/// The epoch that both clocks show. Not 0, which empty entries have.
pub const EPOCH: u8 = 5;

/// The two of them.
pub struct Pair {
    /// The host build.
    pub host: Host,
    machine: Machine,
    /// Where the tables that the program writes are in the machine's memory.
    addresses: BTreeMap<&'static str, u64>,
}

impl Pair {
    /// The shipped object with the tables of `host`.
    pub fn new(host: Host) -> Self {
        host.set_epoch(EPOCH);
        let spec = Spec::parse(EMBEDDED).expect("the embedded object");
        let names = spec.tables().map(|table| table.name.clone());
        let descriptors: BTreeMap<String, i32> = names.zip(100..).collect();
        let linked = spec.link(PROGRAM, &descriptors).expect("the program");
        let read = image::of_read(host.tables());
        let written = image::of_written(host.tables());
        let mut pieces = BTreeMap::new();
        for table in spec.tables() {
            let name = table.name.as_str();
            let bytes = match (read.get(name).or(written.get(name)), &table.contents) {
                (Some(bytes), _) => bytes.clone(),
                _ if name == section::SETTINGS => settings(host.tables()).to_bytes().to_vec(),
                (None, Some(contents)) => contents.clone(),
                // Only helper functions look into it.
                (None, None) => continue,
            };
            let piece = Piece::new(name, bytes, written.contains_key(name));
            pieces.insert(descriptors[name], piece);
        }
        let mut machine = Machine::new(&linked.instructions, pieces);
        machine.cpu = CPU.into();
        machine.ticks = host.tables().ticks();
        let address = |name| Some((name, machine.address_of(*descriptors.get(name)?)?));
        Self {
            addresses: written.keys().copied().filter_map(address).collect(),
            host,
            machine,
        }
    }

    /// Gives both the same frame. Tells what the host build decided and what
    /// the object's way cost.
    ///
    /// # Errors
    ///
    /// In what they differ, or what the kernel would not have let the object do.
    pub fn run(&mut self, frame: &[u8]) -> Result<(Decision, Work), String> {
        let (mut by_host, mut by_object) = (frame.to_vec(), frame.to_vec());
        let decision = self.host.decide(&mut by_host);
        let (verdict, work) = self.machine.run(&mut by_object)?;
        if verdict != u64::from(decision.action()) {
            return Err(format!("verdict {verdict}, the host build: {decision:?}"));
        }
        if by_object != by_host {
            return Err(format!("{by_object:02x?},\nthe host build: {by_host:02x?}"));
        }
        for (name, expected) in image::of_written(self.host.tables()) {
            let address = self.addresses.get(name).ok_or("a table is missing")?;
            let got = &self.machine.memory.piece(*address)?.bytes;
            let pairs = got.iter().zip(&expected);
            if let Some(at) = pairs
                .enumerate()
                .find_map(|(at, (a, b))| (a != b).then_some(at))
            {
                return Err(format!("{name} differs from the host build's at byte {at}"));
            }
        }
        Ok((decision, work))
    }
}

/// The host build's settings, on a machine of several CPUs and a kernel that
/// has everything.
fn settings(tables: &impl Tables) -> Settings {
    let same = |word: &Word32| Word32::new(word.get());
    let host = tables.settings();
    Settings {
        magic: Word64::new(host.magic.get()),
        abi: same(&host.abi),
        features: Word32::new(feature::TRACE | feature::BUFFERS),
        port: same(&host.port),
        cpu_mask: Word32::new(CPUS - 1),
        slot_mask: same(&host.slot_mask),
        bucket_mask: same(&host.bucket_mask),
        epoch_shift: same(&host.epoch_shift),
        zero: same(&host.zero),
    }
}
