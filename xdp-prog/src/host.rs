//! The tables in ordinary memory: the packet logic without a kernel.

use crate::abi::limits::{DESTINATIONS, DISPLACEMENTS, FLOW_BUCKETS, PORTS, SERVICE_PLACES, SLOTS};
use crate::abi::word::{Word16, Word32, Word64};
use crate::abi::{
    ABI_VERSION, Bucket, Control, Counter, Destination, MAGIC, OutcomeRow, Port, Service, Settings,
};
use crate::balance::{Decision, balance};
use crate::packet::Frame;
use crate::tables::Tables;
use alloc::boxed::Box;

/// A balancer of one CPU in ordinary memory.
pub struct HostTables {
    settings: Settings,
    control: Control,
    ports: Box<[Port]>,
    services: Box<[Service]>,
    displacements: Box<[Word16]>,
    slots: Box<[Word32]>,
    destinations: Box<[Destination]>,
    flows: Box<[Bucket]>,
    counters: Box<[Counter]>,
    outcomes: OutcomeRow,
    ticks: Word64,
}

/// Empty tables of the largest size, for the program on port 0.
impl Default for HostTables {
    fn default() -> Self {
        fn table<T: Default>(n: u32) -> Box<[T]> {
            (0..n).map(|_| T::default()).collect()
        }
        Self {
            settings: Settings {
                magic: Word64::new(MAGIC),
                abi: Word32::new(ABI_VERSION),
                destination_bits: Word32::new(DESTINATIONS.ilog2()),
                service_mask: Word32::new(SERVICE_PLACES - 1),
                displacement_mask: Word32::new(DISPLACEMENTS - 1),
                slot_mask: Word32::new(SLOTS - 1),
                bucket_mask: Word32::new(FLOW_BUCKETS - 1),
                epoch_shift: Word32::new(8),
                ..Settings::default()
            },
            control: Control::default(),
            ports: table(PORTS),
            services: table(2 * SERVICE_PLACES),
            displacements: table(2 * DISPLACEMENTS),
            slots: table(SLOTS),
            destinations: table(DESTINATIONS),
            flows: table(FLOW_BUCKETS),
            counters: table(DESTINATIONS),
            outcomes: OutcomeRow::default(),
            ticks: Word64::default(),
        }
    }
}

impl HostTables {
    /// Sets the clock.
    pub fn set_ticks(&self, ticks: u64) {
        self.ticks.set(ticks);
    }
}

impl Tables for HostTables {
    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn control(&self) -> &Control {
        &self.control
    }
    fn port(&self) -> &Port {
        &self.ports[self.settings.port.get() as usize]
    }
    fn service(&self, copy: u32, place: u32) -> &Service {
        &self.services
            [((copy & 1) * SERVICE_PLACES + (place & self.settings.service_mask.get())) as usize]
    }
    fn displacement(&self, copy: u32, index: u32) -> &Word16 {
        let index = index & self.settings.displacement_mask.get();
        &self.displacements[((copy & 1) * DISPLACEMENTS + index) as usize]
    }
    fn slot(&self, index: u32) -> &Word32 {
        &self.slots[(index & self.settings.slot_mask.get()) as usize]
    }
    fn destination(&self, number: u16) -> &Destination {
        &self.destinations[number as usize % self.destinations.len()]
    }
    fn bucket(&self, index: u32) -> &Bucket {
        &self.flows[(index & self.settings.bucket_mask.get()) as usize]
    }
    fn counter(&self, destination: u16) -> &Counter {
        &self.counters[destination as usize % self.counters.len()]
    }
    fn outcomes(&self) -> &OutcomeRow {
        &self.outcomes
    }
    fn ticks(&self) -> u64 {
        self.ticks.get()
    }
    fn redirect(&self, port: u16) -> u32 {
        // As the kernel's device map does: only ports in use.
        match self.ports.get(port as usize) {
            Some(port) if port.interface.get() != 0 => crate::forward::REDIRECT,
            _ => crate::abi::outcome::Verdict::Drop as u32,
        }
    }
}

/// Balances the frame that `bytes` are, in place.
pub fn run<T: Tables>(bytes: &mut [u8], tables: &T) -> Decision {
    let range = bytes.as_mut_ptr_range();
    // SAFETY: the bytes are borrowed mutably for as long as the frame lives.
    let mut frame = unsafe { Frame::from_range(range.start, range.end) };
    balance(&mut frame, tables)
}
