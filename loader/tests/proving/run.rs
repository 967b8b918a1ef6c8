//! So many packets, and what came of them.

use super::scene;
use super::table::Table;
use super::trio::{Trio, hex};
use super::upheaval;
use crate::packets::fixture::Fixture;
use crate::reference::fault::Fault;
use crate::reference::generator::Generator;
use crate::subject::Kernel;

/// The world changes every so many packets.
const CHANGE: usize = 400;

/// A bucket is changed after one packet of so many.
const DISTURB: usize = 12;

/// Whole tables are compared every so many packets.
const WHOLE: usize = 20_000;

/// After so many differences there is nothing more to learn.
const ENOUGH: usize = 20;

/// What is to be run.
pub struct Plan<'a> {
    /// Number of packets.
    pub packets: usize,
    /// The same seed gives the same packets and changes.
    pub seed: u64,
    /// Frames to take, and to change.
    pub fixtures: &'a [Fixture],
    /// No frame is longer.
    pub longest: usize,
}

/// What came of it.
pub struct Summary {
    /// Packets that were compared.
    pub packets: usize,
    /// Each difference in words, with its frame.
    pub differences: Vec<String>,
    /// What each class did.
    pub table: Table,
}

/// Runs packets through the reference, which makes a mistake if told to, the
/// host build, and the kernel if it is there.
pub fn run(plan: &Plan, kernel: Option<Kernel>, fault: Option<Fault>) -> Summary {
    let mut world = scene::world();
    world.fault = fault;
    let steps = plan.fixtures.iter().flat_map(|fixture| &fixture.steps);
    let models = steps.map(|step| &step.frame).filter(|f| f.len() < 2000);
    let targets = scene::targets(&world);
    let mut generator =
        Generator::new(plan.seed, world.station, targets, models.cloned().collect());
    let mut trio = Trio::new(world, kernel);
    let mut summary = Summary {
        packets: 0,
        differences: Vec::new(),
        table: Table::default(),
    };
    while summary.packets < plan.packets && summary.differences.len() < ENOUGH {
        let (class, mut frame) = generator.frame();
        frame.truncate(plan.longest);
        match trio.step(&frame) {
            Ok(walk) => {
                summary.table.count(class, trio.number(walk.outcome));
                if generator.below(DISTURB) == 0 {
                    upheaval::disturb(&mut trio, &walk, &mut generator);
                }
            }
            Err(fault) => {
                let n = summary.packets;
                let hex = hex(&frame);
                let difference = format!("packet {n} ({class:?}): {fault}in: {hex}\n");
                summary.differences.push(difference);
                if fault_is_set(&trio) {
                    return summary;
                }
                trio.refill();
            }
        }
        summary.packets += 1;
        if summary.packets.is_multiple_of(CHANGE) {
            upheaval::change(&mut trio, &mut generator);
        }
        if summary.packets.is_multiple_of(WHOLE) || summary.packets == plan.packets {
            let fault = trio.judge_all();
            if !fault.is_empty() {
                let n = summary.packets;
                summary
                    .differences
                    .push(format!("tables after packet {n}:\n{fault}"));
                trio.refill();
            }
        }
    }
    summary
}

/// A mistake that was made on purpose need be found once.
fn fault_is_set(trio: &Trio) -> bool {
    trio.model.fault.is_some()
}
