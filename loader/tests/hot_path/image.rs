//! The tables of the host build as bytes, as the kernel would have them.

use std::collections::BTreeMap;
use xdp_prog::abi::word::{Word16, Word32, Word64};
use xdp_prog::abi::{
    Bucket, Budget, Control, Counter, Destination, OutcomeRow, Port, Service, Tunnel, limits,
    section,
};
use xdp_prog::tables::Tables;

/// Rows of what each CPU has for itself; the host build has one.
pub const CPUS: u32 = 2;

/// The row that is the host build's. Not the first one, so that a wrong row is
/// noticed.
pub const CPU: u32 = 1;

/// Bytes under way.
struct Bytes(Vec<u8>);

/// What stands in a table.
trait Entry {
    fn write(&self, to: &mut Bytes);
}

impl Entry for Word16 {
    fn write(&self, to: &mut Bytes) {
        to.0.extend(self.get().to_le_bytes());
    }
}

impl Entry for Word32 {
    fn write(&self, to: &mut Bytes) {
        to.0.extend(self.get().to_le_bytes());
    }
}

impl Entry for Word64 {
    fn write(&self, to: &mut Bytes) {
        to.0.extend(self.get().to_le_bytes());
    }
}

impl<T: Entry, const N: usize> Entry for [T; N] {
    fn write(&self, to: &mut Bytes) {
        self.iter().for_each(|entry| entry.write(to));
    }
}

/// Writes the fields in their order. That none is left out, the compiler sees.
macro_rules! entries {
    ($($name:ident { $($field:ident)+ })+) => {$(
        impl Entry for $name {
            fn write(&self, to: &mut Bytes) {
                let Self { $($field),+ } = self;
                $($field.write(to);)+
            }
        }
    )+};
}

entries! {
    Control { index trace zero32 vips keys keys6 netns retired zero }
    Port { mac interface mtu }
    Service {
        address key first_slot slot_mask id flags client_mask changed client_bits on_dead sources
    }
    Destination {
        macs_low macs_high port flags address service weight state health untracked untracked_at
        reserved
    }
    Tunnel { source mtu port zero reserved }
    Counter { packets bytes connections untracked }
    Budget { epoch resets errors zero reserved }
}

impl Entry for OutcomeRow {
    fn write(&self, to: &mut Bytes) {
        self.0.write(to);
    }
}

impl Entry for Bucket {
    fn write(&self, to: &mut Bytes) {
        self.0.write(to);
    }
}

/// A table of so many entries.
fn table<'a, T: Entry + 'a>(count: u32, entry: impl Fn(u32) -> &'a T) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    (0..count).for_each(|index| entry(index).write(&mut bytes));
    bytes.0
}

/// Rows of zeros around that of [`CPU`].
fn rows(row: Vec<u8>) -> Vec<u8> {
    let zeros = |rows: u32| vec![0; row.len() * rows as usize];
    [zeros(CPU), row.clone(), zeros(CPUS - CPU - 1)].concat()
}

/// Tables by the sections that they stand in.
pub type Image = BTreeMap<&'static str, Vec<u8>>;

/// A table of as many entries as a mask of the settings says.
fn masked<'a, T: Entry + 'a>(mask: &Word32, entry: impl Fn(u32) -> &'a T) -> Vec<u8> {
    table(mask.get() + 1, entry)
}

/// Two copies of a table of so many entries.
fn copies<'a, T: Entry + 'a>(count: u32, entry: impl Fn(u32, u32) -> &'a T) -> Vec<u8> {
    [0, 1]
        .map(|copy| table(count, |index| entry(copy, index)))
        .concat()
}

/// A table with an entry for each destination.
fn numbered<'a, T: Entry + 'a>(entry: impl Fn(u16) -> &'a T) -> Vec<u8> {
    table(limits::DESTINATIONS, |number| {
        entry(u16::try_from(number).expect("it has 16 bits"))
    })
}

/// The tables that the program reads.
pub fn of_read(tables: &impl Tables) -> Image {
    let settings = tables.settings();
    let service = |copy, place| tables.service(copy, place);
    let displacement = |copy, index| tables.displacement(copy, index);
    let port = |number: u32| tables.port_at(u16::try_from(number).expect("a few ports"));
    BTreeMap::from([
        (section::CONTROL, table(1, |_| tables.control())),
        (section::PORTS, table(limits::PORTS, port)),
        (section::OWN_PORT, table(1, |_| tables.port())),
        (section::SERVICES, copies(limits::SERVICE_PLACES, service)),
        (
            section::DISPLACEMENTS,
            copies(limits::DISPLACEMENTS, displacement),
        ),
        (
            section::SLOTS,
            masked(&settings.slot_mask, |index| tables.slot(index)),
        ),
        (
            section::DESTINATIONS,
            numbered(|number| tables.destination(number)),
        ),
        (section::TUNNELS, numbered(|number| tables.tunnel(number))),
    ])
}

/// The tables that it writes, too.
pub fn of_written(tables: &impl Tables) -> Image {
    let bucket = |index| tables.bucket(index);
    let counters = numbered(|number| tables.counter(number));
    BTreeMap::from([
        (
            section::FLOWS,
            masked(&tables.settings().bucket_mask, bucket),
        ),
        (section::COUNTERS, rows(counters)),
        (section::OUTCOMES, rows(table(1, |_| tables.outcomes()))),
        (section::BUDGETS, rows(table(1, |_| tables.budget()))),
    ])
}
