//! What changes while packets come: backends go and return, slots get new
//! owners, time passes, the flow table fills.

use super::trio::Trio;
use crate::reference::flows::{Bucket, Entry};
use crate::reference::generator::Generator;
use crate::reference::steer::Walk;
use crate::reference::world::{ERRORS, RESETS, Slot, State, World};

/// Changes the world, the same for all three.
pub fn change(trio: &mut Trio, chance: &mut Generator) {
    match chance.below(9) {
        8 => route_changes(trio, chance),
        0..=2 => backend_changes(trio, chance),
        3..=4 => slots_change(trio, chance),
        5 => settle(trio, chance),
        6 => time_passes(trio, chance),
        _ => {
            let sent = [0, 0, 0, RESETS - 20, RESETS - 1, RESETS, RESETS + 7];
            trio.model.resets = chance.one_of(&sent);
            let sent = [0, 0, 0, ERRORS - 20, ERRORS - 1, ERRORS, ERRORS + 7];
            trio.model.errors = chance.one_of(&sent);
            trio.show_budget();
        }
    }
}

/// A destination behind a tunnel gets another next hop, and a way that is as
/// wide or not.
fn route_changes(trio: &mut Trio, chance: &mut Generator) {
    let number = any_destination(&trio.model, chance);
    let destination = trio.model.destinations.get_mut(&number);
    let destination = destination.expect("it is there");
    if let Some(tunnel) = &mut destination.tunnel {
        destination.mac[1] = chance.byte();
        tunnel.mtu = chance.one_of(&[576, 1280, 1372, 1380, 1452, 1460, 1472, 1480]);
        tunnel.gue = tunnel.gue.map(|_| chance.one_of(&[6080, 5555]));
    }
    trio.show_destination(number);
}

fn any_destination(world: &World, chance: &mut Generator) -> u16 {
    let n = chance.below(world.destinations.len());
    *world.destinations.keys().nth(n).expect("one of them")
}

fn any_service(world: &World, chance: &mut Generator) -> u16 {
    let n = chance.below(world.services.len());
    *world.services.keys().nth(n).expect("one of them")
}

/// Destinations of a service: all of them, those that are in rotation.
fn of_service(world: &World, service: u16) -> (Vec<u16>, Vec<u16>) {
    let all = world
        .destinations
        .iter()
        .filter(|(_, d)| d.service == service);
    let live = all.clone().filter(|(_, d)| d.state == State::Live);
    (
        all.map(|(n, _)| *n).collect(),
        live.map(|(n, _)| *n).collect(),
    )
}

/// A destination gets another state; slots that it owned get other owners.
fn backend_changes(trio: &mut Trio, chance: &mut Generator) {
    let number = any_destination(&trio.model, chance);
    let service = trio.model.destinations[&number].service;
    let (_, live) = of_service(&trio.model, service);
    let state = match chance.below(12) {
        0 => State::GivenUp,
        1 => State::Out,
        2..=3 => State::OutTold,
        _ => State::Live,
    };
    // A service without any backend is soon boring.
    let is_last = live.is_empty() || live == [number];
    let stays = is_last && chance.below(3) > 0;
    let destination = trio.model.destinations.get_mut(&number);
    destination.expect("it is there").state = if stays { State::Live } else { state };
    trio.show_destination(number);
    // A loader that is killed, or not yet so far, leaves slots as they are.
    if chance.below(8) == 0 {
        return;
    }
    let (_, live) = of_service(&trio.model, service);
    let slots = &mut trio
        .model
        .services
        .get_mut(&service)
        .expect("it is there")
        .slots;
    for slot in slots.iter_mut() {
        let is_orphan = slot.current.is_none_or(|owner| !live.contains(&owner));
        if is_orphan {
            let heir = (!live.is_empty()).then(|| chance.one_of(&live));
            give(slot, heir);
        }
    }
    trio.show_slots(service);
}

/// A slot gets another owner: `previous` remains the oldest one.
fn give(slot: &mut Slot, heir: Option<u16>) {
    if slot.current == heir {
        return;
    }
    if !slot.unsettled {
        slot.previous = slot.current;
        slot.unsettled = true;
    }
    slot.current = heir;
}

/// Some slots of a service get other owners; former ones are forgotten now and
/// then, as after a window.
fn slots_change(trio: &mut Trio, chance: &mut Generator) {
    let service = any_service(&trio.model, chance);
    let (all, live) = of_service(&trio.model, service);
    if live.is_empty() {
        return;
    }
    let forgets = chance.below(6) == 0;
    let invents = chance.below(4) == 0;
    let share = chance.one_of(&[1, 2, 4]);
    let slots = &mut trio
        .model
        .services
        .get_mut(&service)
        .expect("it is there")
        .slots;
    for slot in slots.iter_mut() {
        if chance.below(share) == 0 {
            give(slot, Some(chance.one_of(&live)));
        }
        if forgets && slot.unsettled {
            slot.previous = None;
        } else if invents && slot.unsettled {
            slot.previous = Some(chance.one_of(&all));
        }
    }
    trio.show_slots(service);
}

/// The slots of a service settle.
fn settle(trio: &mut Trio, chance: &mut Generator) {
    let service = any_service(&trio.model, chance);
    let slots = &mut trio
        .model
        .services
        .get_mut(&service)
        .expect("it is there")
        .slots;
    for slot in slots.iter_mut() {
        *slot = Slot::settled(slot.current);
    }
    trio.show_slots(service);
}

/// All entries become older.
fn time_passes(trio: &mut Trio, chance: &mut Generator) {
    let epochs = chance.one_of(&[1, 1, 1, 2, 3, 30, 60, 64, 200]);
    let mut numbers = Vec::new();
    for (number, bucket) in &mut trio.model.flows.all {
        numbers.push(*number);
        for entry in bucket.iter_mut().flatten() {
            entry.epoch = entry.epoch.wrapping_sub(epochs);
        }
    }
    for number in numbers {
        trio.show_bucket(number);
    }
}

/// Changes the bucket of the flow that a packet was about, which comes back
/// soon.
pub fn disturb(trio: &mut Trio, walk: &Walk, chance: &mut Generator) {
    let Some(about) = walk.about else { return };
    let number = trio.bucket_of(about);
    let mut bucket = trio.model.flows.bucket(number);
    let own = bucket
        .iter()
        .position(|entry| entry.is_some_and(|entry| entry.tag == about.hash.tag()));
    let now = trio.model.flows.now;
    match (chance.below(6), own) {
        (0, _) => bucket = Bucket::default(),
        // The flow is not among those that fill the bucket, or is.
        (1, own) => {
            if let Some(place) = own {
                bucket[place] = None;
            }
            crowd(&mut bucket, trio, chance);
        }
        (2, _) => crowd(&mut bucket, trio, chance),
        (3, Some(place)) => {
            let age = chance.one_of(&[0, 1, 2, 3, 63, 64, 128, 254, 255]);
            if let Some(entry) = &mut bucket[place] {
                entry.epoch = now.wrapping_sub(age);
            }
        }
        (4, Some(place)) => {
            let (all, _) = of_service(&trio.model, about.service);
            if let (Some(entry), false) = (&mut bucket[place], all.is_empty()) {
                entry.destination = chance.one_of(&all);
            }
        }
        (5, _) => {
            // A stranger with this flow's tag: of another service, mostly.
            let place = own.unwrap_or_else(|| chance.below(8));
            bucket[place] = Some(Entry {
                tag: about.hash.tag(),
                epoch: now.wrapping_sub(chance.one_of(&[0, 1, 2, 70])),
                destination: any_destination(&trio.model, chance),
            });
        }
        _ => return,
    }
    trio.model.flows.all.insert(number, bucket);
    trio.show_bucket(number);
}

/// Fills the free places of a bucket with other flows.
fn crowd(bucket: &mut Bucket, trio: &Trio, chance: &mut Generator) {
    let ages: &[u8] = match chance.below(4) {
        0 => &[60, 61, 62, 63, 64],
        1 => &[64, 65, 66, 66, 67, 200],
        _ => &[0, 1, 30, 62, 63],
    };
    for place in bucket.iter_mut().filter(|place| place.is_none()) {
        let number = u64::from(chance.byte()) << 8 | u64::from(chance.byte());
        *place = Some(Entry {
            tag: number << 24 | 0x00c0_ffee,
            epoch: trio.model.flows.now.wrapping_sub(chance.one_of(ages)),
            destination: any_destination(&trio.model, chance),
        });
    }
}
