//! What is tested: the packet logic, here or in the kernel.

use super::flow::Flow;
use super::site::Site;
use super::world::{INTERFACE, OTHER_PORT, PORT, low_bits};
use xdp_prog::abi::outcome::Verdict;
use xdp_prog::abi::{FragmentKey, Service, SourceKey};
use xdp_prog::balance::Decision;
use xdp_prog::host::{HostTables, run};
use xdp_prog::tables::Tables;
use xdp_prog::track::entry::Entry;

/// A balancer that packets can be given to.
pub trait Subject {
    /// Its tables.
    type Tables: Tables;

    /// Its tables.
    fn tables(&self) -> &Self::Tables;

    /// Enters a prefix into a service's list of sources.
    fn set_source(&self, prefix: &SourceKey, value: u32);

    /// Forgets where the fragments of a packet go.
    fn forget_fragment(&self, key: &FragmentKey);

    /// Balances a frame in place. Gives the XDP action.
    fn run(&mut self, frame: &mut Vec<u8>) -> u32;
}

/// The host build.
pub struct Host(HostTables);

impl Host {
    /// A balancer whose clock shows `epoch`.
    pub fn at_epoch(epoch: u8) -> Self {
        let tables = HostTables::default();
        // The tables show one port only, the one that the settings name.
        let settings = tables.settings();
        settings.port.set(u32::from(OTHER_PORT));
        tables.port().interface.set(INTERFACE);
        settings.port.set(u32::from(PORT));
        let host = Self(tables);
        host.set_epoch(epoch);
        host
    }

    /// Sets the clock.
    pub fn set_epoch(&self, epoch: u8) {
        let shift = self.0.settings().epoch_shift.get();
        self.0.set_ticks(u64::from(epoch) << shift);
    }

    /// Balances a frame in place.
    pub fn decide(&mut self, frame: &mut Vec<u8>) -> Decision {
        run(frame, &self.0)
    }
}

impl Subject for Host {
    type Tables = HostTables;

    fn tables(&self) -> &HostTables {
        &self.0
    }

    fn set_source(&self, prefix: &SourceKey, value: u32) {
        self.0.set_source(*prefix, value);
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        self.0.forget_fragment(key);
    }

    fn run(&mut self, frame: &mut Vec<u8>) -> u32 {
        self.decide(frame).action()
    }
}

/// A packet of a flow of its own: 203.0.113.250:65000 to 192.0.2.1:53, UDP.
const PROBE: [u8; 42] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0a, 0x55, 0x66, 0x77, 0x88, 0x99, 0x08, 0x00, //
    0x45, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, //
    203, 0, 113, 250, 192, 0, 2, 1, //
    0xfd, 0xe8, 0x00, 0x35, 0x00, 0x08, 0x00, 0x00,
];

/// The epoch that the balancer's clock shows: the kernel's cannot be read from
/// outside, so a packet is sent, and the epoch is that of its flow. The flow is
/// then forgotten; that the packet was counted is not.
pub fn epoch(subject: &mut impl Subject) -> Result<u8, String> {
    let action = subject.run(&mut PROBE.to_vec());
    if action != Verdict::Transmit as u32 {
        return Err(format!("the probe met action {action}"));
    }
    let tables = subject.tables();
    let seen = super::flow::of(&PROBE).ok_or("the probe is no packet")?;
    let flow = seen.flow.ok_or("the probe has no flow")?;
    let (service, _) = Site::of(&flow).ok_or("the probe is for no service")?;
    let place = Place::of(&flow, &Site::hashed(service), tables);
    let entry = place.find(tables).ok_or("the probe left no entry")?;
    place.forget(tables);
    Ok(entry.epoch())
}

/// Where a flow stands in the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its bucket.
    pub bucket: u32,
    /// Its tag.
    pub tag: u64,
    /// The place in the bucket that it prefers.
    pub preferred: usize,
}

impl Place {
    /// The place of `flow`, which is for `service`.
    pub fn of(flow: &Flow, service: &Service, tables: &impl Tables) -> Self {
        let hash = flow.hash(tables.control(), service);
        Self {
            bucket: low_bits(hash, tables.settings().bucket_mask.get()),
            tag: hash >> 24,
            preferred: low_bits(hash >> 21, 7) as usize,
        }
    }

    fn find(&self, tables: &impl Tables) -> Option<Entry> {
        let entries = tables.bucket(self.bucket).0.iter();
        entries
            .map(|word| Entry(word.get()))
            .find(|entry| entry.tag() == self.tag && !entry.is_free())
    }

    fn forget(&self, tables: &impl Tables) {
        for word in &tables.bucket(self.bucket).0 {
            if Entry(word.get()).tag() == self.tag {
                word.set(0);
            }
        }
    }
}
