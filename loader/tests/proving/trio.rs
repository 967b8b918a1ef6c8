//! The three balancers, one packet through all of them.

use super::mirror::{self, Mirror, bucket_words, fragment_key};
use crate::packets::snapshot::counter;
use crate::packets::subject::{Host, Subject};
use crate::packets::value::action_name;
use crate::reference::choose::About;
use crate::reference::outcome::Outcome;
use crate::reference::steer::Walk;
use crate::reference::world::World;
use crate::subject::Kernel;
use xdp_prog::abi::limits::OUTCOMES;
use xdp_prog::tables::Tables;

/// Beyond so many fragmented packets all are forgotten: the kernel's table, of
/// 8,192, would begin to forget by itself.
const FRAGMENTS: usize = 2_000;

/// The reference, the host build and the program in the kernel, in one world.
pub struct Trio {
    /// The reference.
    pub model: World,
    mirror: Mirror,
    host: Host,
    kernel: Option<Kernel>,
    /// How often each outcome came up in the reference.
    outcomes: [u64; OUTCOMES],
    numbers: Vec<(&'static str, usize)>,
}

impl Trio {
    /// All of them in the world of `model`; without the kernel, two.
    pub fn new(model: World, kernel: Option<Kernel>) -> Self {
        let all = xdp_prog::abi::Outcome::ALL.iter();
        let trio = Self {
            mirror: Mirror::new(&model),
            model,
            host: Host::at_epoch(0),
            kernel,
            outcomes: [0; OUTCOMES],
            numbers: all.map(|o| (o.name(), *o as usize)).collect(),
        };
        trio.refill();
        trio
    }

    /// Writes the reference's world into both others' tables.
    pub fn refill(&self) {
        self.on_both(
            |host| self.mirror.fill(&self.model, host),
            |kernel| self.mirror.fill(&self.model, kernel),
        );
        let restore = |word: &xdp_prog::abi::word::Word64, to: u64| word.set(to);
        for (n, to) in self.outcomes.into_iter().enumerate() {
            self.on_both(
                |host| restore(&host.tables().outcomes().0[n], to),
                |kernel| restore(&kernel.tables().outcomes().0[n], to),
            );
        }
    }

    fn on_both(&self, mut host: impl FnMut(&Host), mut kernel: impl FnMut(&Kernel)) {
        host(&self.host);
        if let Some(one) = &self.kernel {
            kernel(one);
        }
    }

    /// The number of an outcome in the tables.
    pub fn number(&self, outcome: Outcome) -> usize {
        let name = outcome.row().0;
        let found = self.numbers.iter().find(|(known, _)| *known == name);
        found.expect("all outcomes have rows").1
    }

    /// One frame through all. The error says in what they differ.
    pub fn step(&mut self, frame: &[u8]) -> Result<Walk, String> {
        let mut expected = frame.to_vec();
        let walk = self.model.run(&mut expected);
        if walk.outcome != Outcome::Forwarded {
            self.outcomes[self.number(walk.outcome)] += 1;
        }
        let before = walk.about.map(|about| self.model.explain(about));
        let mut faults = String::new();
        let mut frame_of_host = frame.to_vec();
        let action = self.host.run(&mut frame_of_host);
        faults += &self.judge(
            "the host build",
            &self.host,
            &walk,
            action,
            &expected,
            &frame_of_host,
        );
        if let Some(kernel) = &mut self.kernel {
            let mut frame_of_kernel = frame.to_vec();
            let action = kernel.run(&mut frame_of_kernel);
            let kernel = self.kernel.as_ref().expect("it was there");
            faults += &self.judge(
                "the kernel",
                kernel,
                &walk,
                action,
                &expected,
                &frame_of_kernel,
            );
        }
        if self.model.fragments.len() > FRAGMENTS {
            self.forget_fragments();
        }
        if faults.is_empty() {
            return Ok(walk);
        }
        Err(format!(
            "the reference says {walk:?}\n  {before:?}\n{faults}"
        ))
    }

    /// In what a subject differs from the reference, after a packet.
    fn judge(
        &self,
        name: &str,
        subject: &impl Subject,
        walk: &Walk,
        action: u32,
        expected: &[u8],
        got: &[u8],
    ) -> String {
        let mut faults = String::new();
        if action != walk.action as u32 {
            faults += &format!("  {name}: action {}\n", action_name(action));
        }
        if got != expected {
            faults += &format!("  {name}: frame\n  {}\n", hex(got));
            faults += &format!("  reference:\n  {}\n", hex(expected));
        }
        let tables = subject.tables();
        for (n, word) in tables.outcomes().0.iter().enumerate() {
            if word.get() != self.outcomes[n] {
                let names = xdp_prog::abi::Outcome::ALL;
                let outcome = names.get(n).map_or("?", |o| o.name());
                let (got, expected) = (word.get(), self.outcomes[n]);
                faults += &format!("  {name}: outcome {outcome} {got}, reference {expected}\n");
            }
        }
        for (number, destination) in &self.model.destinations {
            let count = destination.count;
            let expected = [
                count.packets,
                count.bytes,
                count.connections,
                count.untracked,
            ];
            let got = counter(tables, *number);
            if got != expected {
                faults += &format!("  {name}: destination {number} {got:?}, not {expected:?}\n");
            }
        }
        if let Some(about) = walk.about {
            let number = self.bucket_of(about);
            faults += &self.judge_bucket(name, tables, number);
        }
        let resets = tables.budget().resets.get();
        if resets != self.model.resets {
            faults += &format!("  {name}: {resets} resets, not {}\n", self.model.resets);
        }
        let errors = tables.budget().errors.get();
        if errors != self.model.errors {
            faults += &format!("  {name}: {errors} errors, not {}\n", self.model.errors);
        }
        faults
    }

    /// The bucket of a flow.
    pub fn bucket_of(&self, about: About) -> u32 {
        about.hash.bucket(self.model.flows.buckets)
    }

    fn judge_bucket(&self, name: &str, tables: &impl Tables, number: u32) -> String {
        let expected = bucket_words(&self.model.flows.bucket(number));
        let words = &tables.bucket(number).0;
        if words.iter().map(|word| word.get()).eq(expected) {
            return String::new();
        }
        let got: Vec<u64> = words.iter().map(|word| word.get()).collect();
        format!("  {name}: bucket {number:#x} {got:x?}\n  reference: {expected:x?}\n")
    }

    /// In what whole tables differ: flows, and where fragments go.
    pub fn judge_all(&self) -> String {
        let mut faults = String::new();
        for number in 0..self.model.flows.buckets {
            faults += &self.judge_bucket("the host build", self.host.tables(), number);
            if let Some(kernel) = &self.kernel {
                faults += &self.judge_bucket("the kernel", kernel.tables(), number);
            }
        }
        for (id, destination) in &self.model.fragments {
            let key = fragment_key(id);
            let noted = [
                self.host.tables().fragment(&key),
                match &self.kernel {
                    Some(kernel) => kernel.noted_fragment(&key),
                    None => Some(*destination),
                },
            ];
            if noted != [Some(*destination); 2] {
                faults += &format!("  {id:?}: {noted:?}, reference {destination}\n");
            }
        }
        faults
    }

    /// Forgets where fragments go.
    pub fn forget_fragments(&mut self) {
        for (id, _) in std::mem::take(&mut self.model.fragments) {
            let key = fragment_key(&id);
            self.on_both(
                |host| host.forget_fragment(&key),
                |kernel| kernel.forget_fragment(&key),
            );
        }
    }

    /// Shows the others what has changed: a destination,
    pub fn show_destination(&self, number: u16) {
        self.on_both(
            |host| mirror::backend(&self.model, number, host.tables()),
            |kernel| mirror::backend(&self.model, number, kernel.tables()),
        );
    }

    /// the slots of a service,
    pub fn show_slots(&self, service: u16) {
        self.on_both(
            |host| self.mirror.slots(&self.model, service, host.tables()),
            |kernel| self.mirror.slots(&self.model, service, kernel.tables()),
        );
    }

    /// a bucket,
    pub fn show_bucket(&self, number: u32) {
        self.on_both(
            |host| mirror::bucket(&self.model, number, host.tables()),
            |kernel| mirror::bucket(&self.model, number, kernel.tables()),
        );
    }

    /// and how many resets and errors were sent.
    pub fn show_budget(&self) {
        self.on_both(
            |host| mirror::budget(&self.model, host.tables()),
            |kernel| mirror::budget(&self.model, kernel.tables()),
        );
    }
}

/// A frame as fixtures write it, long ones shortened.
pub fn hex(frame: &[u8]) -> String {
    let word = |pair: &[u8]| -> String { pair.iter().map(|b| format!("{b:02x}")).collect() };
    let words: Vec<String> = frame.chunks(2).take(120).map(word).collect();
    let rest = frame.len().saturating_sub(240);
    if rest == 0 {
        return words.join(" ");
    }
    format!("{} and {rest} bytes more", words.join(" "))
}
