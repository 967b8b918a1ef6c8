//! Which service a packet is for, and which VIP.

use crate::abi::key::source;
use crate::abi::state::{index, service, vip_bit};
use crate::abi::{Service, SourceKey};
use crate::packet::ipv4::Protocol;
use crate::select::{Addresses, Flow, Place};
use crate::tables::Tables;

/// Whether the destination can be a VIP: of most other addresses it is known at
/// once that they are none.
#[inline(always)]
pub fn may_be_vip<A: Addresses, T: Tables>(tables: &T, addresses: &A) -> bool {
    let bits = tables.control().vips.get();
    bits.wrapping_shr(vip_bit(addresses.vip())) & 1 != 0
}

/// The service of a flow's own address and port.
#[inline(always)]
pub fn own<'a, A: Addresses, T: Tables>(tables: &'a T, flow: &Flow<A>) -> Option<&'a Service> {
    find(tables, &flow.addresses, A::key(flow.port(), flow.protocol))
}

/// The service of a flow: that of its port, else one of any port. `vip` is the
/// entry of its address.
#[inline(always)]
pub fn service_of<'a, A: Addresses, T: Tables>(
    tables: &'a T,
    flow: &Flow<A>,
    vip: &Service,
) -> Option<&'a Service> {
    let flag = if Protocol(flow.protocol) == Protocol::TCP {
        service::ANY_TCP
    } else {
        service::ANY_UDP
    };
    // One look-up in the code, so that the verifier looks at it once.
    let mut key = A::key(flow.port(), flow.protocol);
    for _ in 0..2 {
        let found = find_apart(tables, &flow.addresses, key);
        if found.is_some() || vip.flags.get() & flag == 0 {
            return found;
        }
        key = A::key([0, 0], flow.protocol);
    }
    None
}

/// The VIP's own entry.
#[inline(always)]
pub fn vip<'a, A: Addresses, T: Tables>(tables: &'a T, addresses: &A) -> Option<&'a Service> {
    find(tables, addresses, A::key([0, 0], 0))
}

/// [`find`], out of the way.
#[inline(never)]
fn find_apart<'a, A: Addresses, T: Tables>(
    tables: &'a T,
    addresses: &A,
    key: u32,
) -> Option<&'a Service> {
    find(tables, addresses, key)
}

/// The entry of this destination and key: one displacement, one entry, one exact
/// compare.
#[inline(always)]
fn find<'a, A: Addresses, T: Tables>(
    tables: &'a T,
    addresses: &A,
    key: u32,
) -> Option<&'a Service> {
    let index = tables.control().index.get();
    let copy = index::copy(index);
    let place = Place::of(addresses.word(), key, index);
    let displacement = tables.displacement(copy, place.displacement).get();
    let entry = tables.service(copy, place.start ^ displacement as u32);
    (entry.key.get() == key && addresses.is_vip_of(entry)).then_some(entry)
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
