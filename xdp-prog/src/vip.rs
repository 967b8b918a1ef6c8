//! Which service a packet is for, and which VIP.

use crate::abi::key::source;
use crate::abi::state::{service, service_key};
use crate::abi::{Service, SourceKey};
use crate::packet::ipv4::Protocol;
use crate::select::{Addresses, Flow, Place};
use crate::tables::Tables;

/// The service of a flow: that of its port, else one of any port.
#[inline(always)]
pub fn service_of<'a, A: Addresses, T: Tables>(
    tables: &'a T,
    flow: &Flow<A>,
) -> Option<&'a Service> {
    let address = flow.addresses.vip();
    let found = find(tables, address, service_key(flow.port(), flow.protocol));
    if found.is_some() {
        return found;
    }
    any_port(tables, address[0], address[1], flow.protocol)
}

/// [`service_of`], in fewer instructions, and slower.
#[inline(always)]
pub fn service_of_apart<'a, A: Addresses, T: Tables>(
    tables: &'a T,
    flow: &Flow<A>,
) -> Option<&'a Service> {
    let [high, low] = flow.addresses.vip();
    let key = service_key(flow.port(), flow.protocol);
    let found = find_apart(tables, high, low, key);
    if found.is_some() {
        return found;
    }
    any_port(tables, high, low, flow.protocol)
}

/// The VIP's own entry.
#[inline(always)]
pub fn vip<T: Tables>(tables: &T, address: [u64; 2]) -> Option<&Service> {
    find_apart(tables, address[0], address[1], service_key([0, 0], 0))
}

/// The service of any port at this address.
#[inline(never)]
fn any_port<T: Tables>(tables: &T, high: u64, low: u64, protocol: u8) -> Option<&Service> {
    let flag = if Protocol(protocol) == Protocol::TCP {
        service::ANY_TCP
    } else {
        service::ANY_UDP
    };
    let vip = vip(tables, [high, low])?;
    if vip.flags.get() & flag == 0 {
        return None;
    }
    find_apart(tables, high, low, service_key([0, 0], protocol))
}

/// [`find`], out of the way of the packets that need it once. The address is
/// taken in its halves, for which registers do.
#[inline(never)]
fn find_apart<T: Tables>(tables: &T, high: u64, low: u64, key: u32) -> Option<&Service> {
    find(tables, [high, low], key)
}

/// The entry of this address and key: one displacement, one entry, one exact
/// compare.
#[inline(always)]
fn find<T: Tables>(tables: &T, address: [u64; 2], key: u32) -> Option<&Service> {
    let control = tables.control();
    let copy = control.active.get();
    let seed = control.seeds[copy as usize & 1].get();
    let place = Place::of(address, key, seed);
    let displacement = tables.displacement(copy, place.displacement).get();
    let entry = tables.service(copy, place.start ^ displacement as u32);
    let same = entry.key.get() == key
        && entry.address[1].get() == address[1]
        && entry.address[0].get() == address[0];
    same.then_some(entry)
}

/// Whether a service has a list of sources that keeps this client out.
#[inline(always)]
pub fn is_denied<A: Addresses, T: Tables>(tables: &T, flow: &Flow<A>, service: &Service) -> bool {
    let [high, low] = flow.addresses.client();
    service.flags.get() & service::SOURCES != 0 && is_listed_out(tables, service, high, low)
}

/// Whether the service's list keeps this client out.
#[inline(never)]
fn is_listed_out<T: Tables>(tables: &T, service: &Service, high: u64, low: u64) -> bool {
    let key = SourceKey::of_address(service.sources.get(), [high, low]);
    match tables.source(&key) {
        Some(found) => found & source::DENIED != 0,
        None => service.flags.get() & service::SOURCES_CLOSED != 0,
    }
}
