//! Measuring: round after round, each program in turn.

use super::cases::{Case, Subject};
use super::driver::{Driver, STRIDE};
use super::figures::{Rounds, cost, mpps};
use super::original::Original;
use super::programs::load;
use super::references::Reference;
use super::stream::Stream;
use super::wire::{Lane, Mode, Wire};
use super::world::{OWN_MAC, Version, World, mac_of, nth};
use crate::object::Spec;
use crate::report::bench::Row;
use crate::sys::bpf::ProgramFd;
use anyhow::{Context, Result, bail};
use std::net::IpAddr;
use xdp_prog::abi::bench::program;
use xdp_prog::abi::bench::reference::{CACHE_FLOWS, REALS_MAX, VIPS_MAX, vip_flag};
use xdp_prog::abi::limits;

/// Measurements of one program in one round, each of [`STRIDE`] packets. The
/// first is not counted: it pays for what the program before has put out of the
/// caches.
const STRIDES: u32 = 17;

/// The same on a wire.
const STRIDES_WIRE: u32 = 9;

/// Packets at least before anything is measured.
const WARM: u64 = 200_000;

/// A program that is loaded.
enum Loaded {
    Alone(ProgramFd),
    Ours(Box<World>),
    Other(Reference),
}

impl Loaded {
    fn new(bench: &Bench<'_>, case: &Case, subject: Subject) -> Result<Self> {
        let spec = bench.spec;
        let alone = |name| load(spec, name, &[]).map(Self::Alone);
        let katran = |flags| {
            let to = case.stream.to;
            let services = (0..case.site.services).map(|number| {
                let at = nth(number, to);
                (at.vip, at.port, at.protocol.number())
            });
            let services: Vec<_> = services.collect();
            let macs = macs(case.site.backends);
            Reference::katran_like(spec, &services, &macs, CACHE_FLOWS, flags).map(Self::Other)
        };
        match subject {
            Subject::Floor => alone(program::FLOOR),
            Subject::FloorSwap => alone(program::FLOOR_SWAP),
            Subject::FloorAdjust(Version::V4) => alone(program::FLOOR_ADJUST_V4),
            Subject::FloorAdjust(Version::V6) => alone(program::FLOOR_ADJUST_V6),
            Subject::Ours(state) => {
                let (at, flows) = (case.site_address(), room_for(case.stream.flows));
                let world = World::new(spec, case.site, state, at, flows)?;
                Ok(Self::Ours(Box::new(world)))
            }
            Subject::Copy => {
                let original = bench.original.context("nothing is loaded to be copied")?;
                Ok(Self::Ours(Box::new(World::copy(spec, original)?)))
            }
            Subject::Seed => {
                let IpAddr::V4(vip) = case.stream.to.vip else {
                    bail!("the seed knows IPv4 alone");
                };
                Reference::seed(spec, vip, &macs(case.site.backends)).map(Self::Other)
            }
            Subject::KatranLike => katran(0),
            Subject::KatranUnlimited => katran(vip_flag::NO_LIMIT),
        }
    }

    fn program(&self) -> &ProgramFd {
        match self {
            Self::Alone(program) => program,
            Self::Ours(world) => world.program(),
            Self::Other(reference) => &reference.program,
        }
    }
}

/// The MACs of frames to so many backends.
fn macs(backends: u16) -> Vec<(u64, u32)> {
    let frame = |number| {
        let [a, b, c, d, e, f] = mac_of(number);
        let [g, h, i, j, k, l] = OWN_MAC;
        (
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u32::from_le_bytes([i, j, k, l]),
        )
    };
    (0..backends).map(frame).collect()
}

/// Flows that a table must hold so that these find room.
fn room_for(flows: u64) -> u32 {
    let wanted = u32::try_from(flows.saturating_mul(5) / 4).unwrap_or(u32::MAX);
    let most = limits::FLOW_BUCKETS * 8;
    wanted
        .clamp(limits::FLOWS_DEFAULT, most)
        .next_power_of_two()
}

/// Whether a program can take the sizes of a case.
fn fits(case: &Case, subject: Subject) -> bool {
    match subject {
        Subject::KatranLike | Subject::KatranUnlimited => {
            u32::from(case.site.services) <= VIPS_MAX && u32::from(case.site.backends) <= REALS_MAX
        }
        _ => true,
    }
}

/// A program, where its stream goes on, and what it took so far.
struct Runner {
    subject: Subject,
    loaded: Loaded,
    place: (u64, u64),
    rounds: Rounds,
}

/// What is measured with.
pub struct Bench<'a> {
    /// The object that all programs are of.
    pub spec: &'a Spec,
    /// What runs them.
    pub driver: &'a Driver,
    /// What sends frames, if they are to be sent.
    pub wire: Option<&'a Wire>,
    /// What is loaded, where that is measured.
    pub original: Option<Original<'a>>,
    /// How often every program is measured.
    pub rounds: u32,
}

/// Measures all programs of a case, in so many rounds, and then on the wire, if
/// there is one.
///
/// # Errors
///
/// What the kernel says; a program does not do what it is for.
pub fn measure(bench: &Bench<'_>, case: &Case) -> Result<Vec<Row>> {
    let Bench {
        driver,
        wire,
        rounds,
        ..
    } = *bench;
    let mut runners = Vec::new();
    for &subject in case.subjects.iter().filter(|&&s| fits(case, s)) {
        let what = || format!("{}: {}", case.name, subject.name());
        let loaded = Loaded::new(bench, case, subject).with_context(what)?;
        driver
            .run(loaded.program(), &case.stream, warm_up(&case.stream))
            .with_context(what)?;
        if let Some(verdict) = case.verdict(subject) {
            driver
                .check(loaded.program(), &case.stream, verdict)
                .with_context(what)?;
        }
        runners.push(Runner {
            subject,
            loaded,
            place: driver.place()?,
            rounds: Rounds::new(),
        });
    }
    for _ in 0..rounds {
        for runner in &mut runners {
            driver.set_place(runner.place)?;
            let program = runner.loaded.program();
            let mut times = driver.go_on(program, &case.stream, STRIDES * STRIDE)?;
            runner.place = driver.place()?;
            times.remove(0);
            runner.rounds.push(times);
        }
    }
    let floor = runners.first().map(|runner| runner.rounds.clone());
    let floor = floor.unwrap_or_default();
    let mut rows: Vec<Row> = runners
        .iter()
        .map(|runner| Row {
            case: case.name.clone(),
            program: runner.subject.name(),
            cost: cost(&runner.rounds, &floor),
            mpps: None,
            mpps_skb: None,
        })
        .collect();
    if let Some(wire) = wire.filter(|_| case.comes_back()) {
        let rounds = rounds.div_ceil(3);
        let drv = rates(wire, Mode::Drv, &runners, &case.stream, rounds)?;
        let skb = rates(wire, Mode::Skb, &runners, &case.stream, rounds)?;
        for (row, (drv, skb)) in rows.iter_mut().zip(drv.into_iter().zip(skb)) {
            (row.mpps, row.mpps_skb) = (Some(drv), Some(skb));
        }
    }
    Ok(rows)
}

/// Millions of frames a second, of each program in turn.
fn rates(
    wire: &Wire,
    mode: Mode,
    runners: &[Runner],
    stream: &Stream,
    rounds: u32,
) -> Result<Vec<f64>> {
    let mut lanes: Vec<(Lane<'_>, Vec<u64>)> = Vec::new();
    for runner in runners {
        lanes.push((wire.lane(mode, runner.loaded.program())?, Vec::new()));
    }
    for round in 0..=rounds {
        for ((lane, times), runner) in lanes.iter_mut().zip(runners) {
            let frames = STRIDES_WIRE * STRIDE;
            let rate = lane.go_on(stream, frames)?;
            if rate.sent != rate.received {
                bail!(
                    "{}: {} of {} frames came back: nothing is said of its rate",
                    runner.subject.name(),
                    rate.received,
                    rate.sent
                );
            }
            // The first round is for the caches.
            if round > 0 {
                times.extend(rate.nanoseconds);
            }
        }
    }
    lanes
        .into_iter()
        .map(|(lane, times)| {
            lane.remove()?;
            Ok(mpps(&times))
        })
        .collect()
}

/// Packets until every flow has come twice.
fn warm_up(stream: &Stream) -> u32 {
    u32::try_from(stream.flows.saturating_mul(2).max(WARM)).unwrap_or(u32::MAX)
}
