//! The connection model: random sequences of everything that operators and
//! clients do, played on the shipped program in the kernel and its own control
//! plane. Each client remembers where its connection was, and no packet of a
//! living one may go elsewhere; what the design excuses is counted, and has to
//! be shown by facts.
//!
//! Needs root. Nothing is attached; all is gone when the process ends.

pub mod balancer;
pub mod control;
mod dice;
mod flow;
mod judge;
mod segment;
mod sequence;
mod site;
mod summary;
mod world;

use balancer::Balancer;
use control::{Control, Faithful};
use dice::Dice;
use dsrload::EMBEDDED;
pub use summary::Summary;
use summary::Tally;
use world::World;

/// Seconds that an epoch of the flow table lasts here.
pub const EPOCH: u64 = 4;

/// Flows that the tables of a site hold: plenty, and hardly any.
const SIZES: [u32; 2] = [4096, 64];

/// Failures that are told in full.
const TOLD: usize = 3;
/// Steps of each.
const STEPS: usize = 40;

/// Plays this many sequences on the shipped program.
pub fn run(sequences: usize, seed: u64) -> Summary {
    Sites::of(EMBEDDED).run(&Faithful, sequences, seed, usize::MAX)
}

/// Balancers to play on, with large tables and with small ones. Sequences start
/// from empty tables, not from a program of their own.
pub struct Sites {
    object: Vec<u8>,
    sites: [Vec<Balancer>; SIZES.len()],
}

impl Sites {
    /// Balancers that run this object.
    pub fn of(object: &[u8]) -> Self {
        Self {
            object: object.to_vec(),
            sites: [const { Vec::new() }; SIZES.len()],
        }
    }

    /// Plays this many sequences, or until this many have failed.
    pub fn run(
        &mut self,
        control: &impl Control,
        sequences: usize,
        seed: u64,
        most: usize,
    ) -> Summary {
        let mut summary = Summary::default();
        for number in 0..sequences as u64 {
            let (end, tally, _) = self.play(control, Dice::new(seed, number), false);
            summary.sequences += 1;
            summary.tally += &tally;
            let Err(failure) = end else { continue };
            summary.broken += 1;
            if summary.failures.len() < TOLD {
                let (_, _, told) = self.play(control, Dice::new(seed, number), true);
                let head = format!("seed {seed}, sequence {number}: {failure}");
                summary.failures.push(format!("{head}\n{told}"));
            }
            if summary.broken >= most {
                break;
            }
        }
        summary
    }

    /// Plays one sequence: how it ended, what was counted, and what happened
    /// first and last if that is to be told.
    fn play(
        &mut self,
        control: &impl Control,
        mut dice: Dice,
        is_told: bool,
    ) -> (Result<(), String>, Tally, String) {
        let size = dice.below(SIZES.len());
        let balancers = dice.pick(&[1, 1, 2, 2, flow::BALANCERS]);
        let site = &mut self.sites[size];
        while site.len() < balancers {
            site.push(Balancer::load(&self.object, SIZES[size]));
        }
        let site = &mut site[..balancers];
        let mut world = World::any(control, site, dice, is_told);
        let end = world.play();
        let log = world.log.unwrap_or_default();
        let last = log.len().saturating_sub(STEPS);
        let head = log.first().cloned().unwrap_or_default();
        let told = format!("{head}\n... {last} steps\n{}", log[last..].join("\n"));
        (end, world.tally, told)
    }
}
