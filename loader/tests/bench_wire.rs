//! The wire of `dsrload bench`, with programs whose frames can be counted by
//! hand. Needs root.

#![cfg(test)]

use dsrload::EMBEDDED;
use dsrload::bench::stream::{Stream, flags};
use dsrload::bench::wire::{LANE_MAC, Lane, Mode, Rate, STRIDE, Wire};
use dsrload::model::{Protocol, ServiceAddress};
use dsrload::netlink::Netlink;
use dsrload::object::Spec;
use dsrload::sys::bpf::{
    BPF_F_XDP_HAS_FRAGS, BPF_XDP, ProgramFd, ProgramKind, ProgramSpec, program_by_id, program_info,
    program_load,
};
use dsrload::sys::namespace::netns_cookie;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};
use xdp_prog::abi::bench::{LENGTH_V4, LENGTH_V6, program};

const MODES: [Mode; 2] = [Mode::Drv, Mode::Skb];
/// More than two stretches, and no whole number of batches.
const FRAMES: u32 = 10_007;
/// How long the kernel may take to end a namespace.
const DEADLINE: Duration = Duration::from_secs(20);

fn object() -> Spec {
    Spec::parse(EMBEDDED).expect("the embedded object")
}

fn loaded(name: &str, instructions: &[u8]) -> ProgramFd {
    let spec = ProgramSpec {
        kind: ProgramKind::XDP,
        name,
        license: c"GPL",
        instructions,
        expected_attach_type: BPF_XDP,
        flags: BPF_F_XDP_HAS_FRAGS,
        btf: None,
    };
    program_load(&spec, None).expect("a program; this test needs root")
}

/// A program that uses no table.
fn floor(name: &str) -> ProgramFd {
    let linked = object().link(name, &BTreeMap::new()).unwrap();
    loaded(name, &linked.instructions)
}

/// `return XDP_DROP`
fn dropping() -> ProgramFd {
    loaded(
        "drop",
        &[0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0],
    )
}

fn stream(vip: &str, port: u16, protocol: Protocol) -> Stream {
    let address = ServiceAddress {
        vip: vip.parse().expect("an address"),
        port,
        protocol,
    };
    Stream::to(address, LANE_MAC.0, flags::ACK).of(1000)
}

/// Streams for this port, and how long their frames are.
fn streams(port: u16) -> [(Stream, usize); 4] {
    [
        (stream("192.0.2.1", port, Protocol::Tcp), LENGTH_V4),
        (stream("192.0.2.1", port, Protocol::Udp), LENGTH_V4),
        (stream("2001:db8::1", port, Protocol::Tcp), LENGTH_V6),
        (stream("2001:db8::1", port, Protocol::Udp), LENGTH_V6),
    ]
}

/// Every frame comes back, of this length each.
fn returns_all(lane: &Lane<'_>, stream: &Stream, frames: u32, length: usize) -> Rate {
    let rate = lane.run(stream, frames).unwrap();
    assert_eq!(rate.sent, u64::from(frames));
    assert_eq!((rate.received, rate.lost()), (rate.sent, 0));
    assert_eq!(rate.bytes, rate.sent * length as u64);
    rate
}

#[test]
fn the_floor_returns_every_frame_in_the_driver_and_in_the_stack() {
    let wire = Wire::open(&object()).unwrap();
    for mode in MODES {
        for name in [program::FLOOR, program::FLOOR_SWAP] {
            let lane = wire.lane(mode, &floor(name)).unwrap();
            for (stream, length) in streams(80) {
                let rate = returns_all(&lane, &stream, FRAMES, length);
                assert_eq!(
                    rate.nanoseconds.len() as u64,
                    u64::from(FRAMES - 1) / STRIDE
                );
                let (least, most) = (rate.picoseconds(0).unwrap(), rate.picoseconds(100).unwrap());
                assert!(0 < least && least <= most, "{rate:?}");
            }
        }
    }
}

#[test]
fn frames_that_the_balancer_drops_are_lost() {
    let wire = Wire::open(&object()).unwrap();
    for mode in MODES {
        let lane = wire.lane(mode, &dropping()).unwrap();
        let rate = lane
            .run(&stream("192.0.2.1", 80, Protocol::Tcp), FRAMES)
            .unwrap();
        assert_eq!((rate.sent, rate.received), (u64::from(FRAMES), 0));
        assert_eq!((rate.lost(), rate.bytes), (u64::from(FRAMES), 0));
    }
}

/// The program that swaps MACs passes what is not for port 80: then nothing
/// comes back, so the frames are what the stream says.
#[test]
fn the_frames_are_for_the_port_that_the_stream_says() {
    let wire = Wire::open(&object()).unwrap();
    let lane = wire.lane(Mode::Drv, &floor(program::FLOOR_SWAP)).unwrap();
    for (stream, _) in streams(81) {
        assert_eq!(lane.run(&stream, FRAMES).unwrap().received, 0);
    }
}

/// The generator gets the same memory back, with room taken at the head.
#[test]
fn frames_that_grow_come_back_longer_and_none_is_lost() {
    let grown = [
        (program::FLOOR_ADJUST_V4, 20, 1_000_000),
        (program::FLOOR_ADJUST_V6, 40, FRAMES),
    ];
    let wire = Wire::open(&object()).unwrap();
    for mode in MODES {
        for (name, by, frames) in grown {
            let lane = wire.lane(mode, &floor(name)).unwrap();
            for (stream, length) in streams(80).into_iter().step_by(2) {
                returns_all(&lane, &stream, frames, length + by);
            }
        }
    }
}

#[test]
fn lanes_take_turns_and_a_run_may_be_of_no_frames() {
    let wire = Wire::open(&object()).unwrap();
    let program = floor(program::FLOOR);
    let lanes = MODES.map(|mode| wire.lane(mode, &program).unwrap());
    assert_ne!(lanes[0].interface(), lanes[1].interface());
    let (stream, length) = &streams(80)[0];
    for lane in lanes.iter().chain(&lanes) {
        returns_all(lane, stream, 1, *length);
        let rate = returns_all(lane, stream, 0, *length);
        assert_eq!(rate.picoseconds(50), None);
    }
}

#[test]
fn a_stream_goes_on_where_the_lane_has_left_it() {
    let wire = Wire::open(&object()).unwrap();
    let program = floor(program::FLOOR);
    let [lane, other] = [(); 2].map(|()| wire.lane(Mode::Drv, &program).unwrap());
    let mut stream = streams(80)[0].0.clone();
    stream.services = 3;
    let after = |frames: u64| (frames % stream.flows, frames % stream.services);
    let count = u64::from(FRAMES);
    lane.run(&stream, FRAMES).unwrap();
    assert_eq!(lane.place(), after(count));
    other.run(&stream, 1).unwrap();
    lane.go_on(&stream, FRAMES).unwrap();
    assert_eq!(lane.place(), after(2 * count));
    lane.run(&stream, 1).unwrap();
    assert_eq!(lane.place(), after(1));
}

/// With an address the kernel would look for neighbours and routers, and the
/// sink count what it says.
#[test]
fn the_kernel_has_nothing_to_say_on_a_lane() {
    let wire = Wire::open(&object()).unwrap();
    let lane = wire.lane(Mode::Drv, &floor(program::FLOOR)).unwrap();
    returns_all(&lane, &streams(80)[0].0, FRAMES, LENGTH_V4);
    let mut netlink = Netlink::open().unwrap();
    for name in ["g0", "l0"] {
        let link = netlink.link_by_name(name).unwrap().unwrap();
        assert!(link.up && link.running, "{link:?}");
        assert_eq!(netlink.addresses(link.index).unwrap(), []);
    }
}

#[test]
fn a_wire_leaves_nothing_behind() {
    let before = netns_cookie().unwrap();
    let program = floor(program::FLOOR);
    let id = program_info(&program).unwrap().id;
    let wire = Wire::open(&object()).unwrap();
    assert_ne!(netns_cookie().unwrap(), before);
    wire.lane(Mode::Drv, &program).unwrap();
    let names = |netlink: &mut Netlink| {
        let links = netlink.links().unwrap().into_iter();
        links.map(|link| link.name).collect::<Vec<_>>()
    };
    let mut inside = names(&mut Netlink::open().unwrap());
    inside.sort();
    assert_eq!(inside, ["g0", "l0", "lo"]);
    drop(wire);
    assert_eq!(netns_cookie().unwrap(), before);
    // The interface holds it as long as there is one.
    drop(program);
    let start = Instant::now();
    while program_by_id(id).unwrap().is_some() {
        assert!(start.elapsed() < DEADLINE, "the interface is still there");
        thread::sleep(Duration::from_millis(2));
    }
}
