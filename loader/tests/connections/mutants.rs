//! Programs and control planes that break the promise, each in one place: what
//! the model has to find.

use crate::connections::Sites;
use crate::connections::control::{Control, Faithful};
use build_support_driver::Program;
use dsrload::commands::settle::Patience;
use dsrload::model::placement::{Loaded, Placement};
use dsrload::model::sweep::Clock;
use std::fs;
use std::path::Path;
use xdp_prog::abi::TABLES;
use xdp_prog::abi::state::destination;
use xdp_prog::abi::state::slot::{current, is_settled, previous, settled, unsettled};

/// One change of the program's source.
struct Mutant {
    /// What it does.
    name: &'static str,
    file: &'static str,
    /// Stands there once.
    from: &'static str,
    to: &'static str,
}

const CHOOSE: &str = "choose.rs";
const RISK: &str = "choose/risk.rs";
const TRACK: &str = "track/mod.rs";

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the former owner of a slot is forgotten",
        file: CHOOSE,
        from: "if is_in(entry) {",
        to: "if is_in(entry) && false {",
    },
    Mutant {
        name: "new connections go to the former owner",
        file: CHOOSE,
        from: "let wanted = if is_anew {",
        to: "let wanted = if is_anew && risk.anew == 0 {",
    },
    Mutant {
        name: "flows at risk are not entered",
        file: CHOOSE,
        from: "if risk.role == Role::About || self.track.enter(self.tables, wanted) {",
        to: "if risk.role == Role::About || self.track.has_room() {",
    },
    Mutant {
        name: "an entry of a backend that is out still counts",
        file: CHOOSE,
        from: "& (destination::LIVE | destination::OUT) == destination::LIVE",
        to: "& destination::LIVE != 0",
    },
    Mutant {
        name: "an entry of a backend that was removed still counts",
        file: CHOOSE,
        from: "& (destination::LIVE | destination::OUT) == destination::LIVE",
        to: "& destination::OUT == 0",
    },
    Mutant {
        name: "at a glance an entry of a backend that is out still counts",
        file: CHOOSE,
        from: "risk.is_for(entry) && is_in(entry);",
        to: "risk.is_for(entry);",
    },
    Mutant {
        name: "a SYN sent again is balanced anew",
        file: CHOOSE,
        from: "} else if !(risk.opens() && self.track.is_stale(&known)) {",
        to: "} else if !risk.opens() {",
    },
    Mutant {
        name: "a port used again keeps its old backend",
        file: CHOOSE,
        from: "} else if !(risk.opens() && self.track.is_stale(&known)) {",
        to: "} else {",
    },
    Mutant {
        name: "a SYN of a client with affinity opens a connection",
        file: RISK,
        from: "self.flags & service::CLIENT == 0 && transport::opens(self.tcp_flags)",
        to: "transport::opens(self.tcp_flags)",
    },
    Mutant {
        name: "an ICMP error is entered",
        file: CHOOSE,
        from: "if risk.role == Role::About || self.track.enter(self.tables, wanted) {",
        to: "if self.track.enter(self.tables, wanted) {",
    },
    Mutant {
        name: "an ICMP error keeps an entry young",
        file: CHOOSE,
        from: "if risk.role == Role::Own {",
        to: "if risk.role == Role::Own || true {",
    },
    Mutant {
        name: "without room a flow goes where it would be entered",
        file: CHOOSE,
        from: "let choice = given(without, true)?;",
        to: "let choice = given(wanted, true)?;",
    },
    Mutant {
        name: "without room connections of a new owner are reset",
        file: CHOOSE,
        from: "if self.track.has_room() {",
        to: "if true {",
    },
    Mutant {
        name: "flows without room are not counted",
        file: CHOOSE,
        from: "self.tables.counter(without).untracked.add(1);",
        to: "",
    },
    Mutant {
        name: "a slot of two equal names counts as settled",
        file: "abi/state.rs",
        from: "slot & UNSETTLED == 0",
        to: "slot & UNSETTLED == 0 || current(slot) == previous(slot)",
    },
    Mutant {
        name: "entries of living connections make room",
        file: TRACK,
        from: "pub const IDLE_EPOCHS: u8 = 64;",
        to: "pub const IDLE_EPOCHS: u8 = 1;",
    },
    Mutant {
        name: "entries grow old although packets come",
        file: TRACK,
        from: "if known.entry.epoch() != self.epoch {",
        to: "if known.entry.epoch() == self.epoch {",
    },
    Mutant {
        name: "a flow is entered beside its old entry",
        file: TRACK,
        from: "0x200",
        to: "0",
    },
];

/// A copy of the program's source with one change, compiled.
fn compile(mutant: &Mutant) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-prog/src");
    let root = fs::read_to_string(source.join("lib.rs")).expect("the program's source");
    let tables = TABLES.iter().map(|(symbol, _)| symbol);
    let program = Program::new("xdp-prog/src/lib.rs", &root).expect("a directory");
    let program = tables.fold(program, |program, table| program.table(table));
    let copy = program.directory().join("xdp-prog/src");
    copy_folder(&source, &copy);

    let file = copy.join(mutant.file);
    let text = fs::read_to_string(&file).expect(mutant.file);
    let count = text.matches(mutant.from).count();
    assert_eq!(
        count, 1,
        "{}: {} in {}",
        mutant.name, mutant.from, mutant.file
    );
    fs::write(&file, text.replace(mutant.from, mutant.to)).expect("to write it");

    let outcome = program.build().expect("the compiler runs");
    assert_eq!(outcome.code, Some(0), "{}: {}", mutant.name, outcome.stderr);
    fs::read(program.object()).expect("the object")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the source") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, &to).expect("to copy it");
        }
    }
}

/// Has the model look for every mutant of the program. What it did not find.
pub fn escaped_programs(sequences: usize, seed: u64) -> Vec<&'static str> {
    let escapes = |mutant: &&Mutant| {
        let mut sites = Sites::of(&compile(mutant));
        escapes(mutant.name, &mut sites, &Faithful, sequences, seed)
    };
    MUTANTS.iter().filter(escapes).map(|m| m.name).collect()
}

fn escapes(
    name: &str,
    sites: &mut Sites,
    control: &impl Control,
    sequences: usize,
    seed: u64,
) -> bool {
    let summary = sites.run(control, sequences, seed, 1);
    let first = summary.failures.first().and_then(|f| f.lines().next());
    eprintln!("{name}: after {}: {first:?}", summary.sequences);
    summary.broken == 0
}

/// A control plane that breaks the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traitor {
    /// A change of an unsettled slot makes its last owner the former one.
    OverwritesPrevious,
    /// A change leaves slots settled.
    NeverUnsettles,
    /// Any change gives up the former owner.
    GivesUpPrevious,
    /// A slot whose flows may be anywhere is settled.
    TrustsTrackingAll,
    /// Entries from before a service remembered no flows count after that.
    TrustsOldEntries,
    /// A backend that is removed stays live.
    KeepsRemoved,
    /// A backend that is out is not marked.
    KeepsOut,
    /// Numbers are given out again while flows name them.
    ReusesNumbers,
    /// When a change was made is not noted.
    ForgetsTime,
    /// A sweep takes every entry for an old one.
    SweepsLiving,
    /// A sweep gives up silent flows at once.
    HasNoPatience,
}

const TRAITORS: &[Traitor] = &[
    Traitor::OverwritesPrevious,
    Traitor::NeverUnsettles,
    Traitor::GivesUpPrevious,
    Traitor::TrustsTrackingAll,
    Traitor::TrustsOldEntries,
    Traitor::KeepsRemoved,
    Traitor::KeepsOut,
    Traitor::ReusesNumbers,
    Traitor::ForgetsTime,
    Traitor::SweepsLiving,
    Traitor::HasNoPatience,
];

/// The same for the control plane.
pub fn escaped_control(sequences: usize, seed: u64) -> Vec<String> {
    let mut sites = Sites::of(dsrload::EMBEDDED);
    let mut escaped = Vec::new();
    for traitor in TRAITORS {
        let name = format!("{traitor:?}");
        if escapes(&name, &mut sites, traitor, sequences, seed) {
            escaped.push(name);
        }
    }
    escaped
}

impl Traitor {
    /// What a slot is to hold, by what it held and what it should hold.
    fn word(self, old: u32, new: u32) -> u32 {
        match self {
            Self::OverwritesPrevious if current(old) != current(new) => {
                unsettled(current(new), current(old))
            }
            Self::NeverUnsettles => settled(current(new)),
            Self::GivesUpPrevious if !is_settled(new) => unsettled(current(new), 0),
            Self::TrustsTrackingAll if is_settled(old) && previous(new) == current(new) => {
                settled(current(new))
            }
            _ => new,
        }
    }
}

impl Control for Traitor {
    fn loaded(&self, loaded: &mut Loaded) {
        match self {
            Self::ReusesNumbers => loaded.named.clear(),
            Self::ForgetsTime => loaded.now = 0,
            _ => {}
        }
    }

    fn placed(&self, loaded: &Loaded, placement: &mut Placement) {
        for (first, words) in &mut placement.slots {
            let service = placement.services.iter().find(|s| s.slots.start == *first);
            let id = service.expect("the slots of a service").id;
            let Some(before) = loaded.words.get(&id) else {
                continue;
            };
            for (new, old) in words.iter_mut().zip(before) {
                *new = self.word(*old, *new);
            }
        }
        if *self == Self::TrustsOldEntries {
            placement.forgotten.clear();
        }
        if *self == Self::KeepsRemoved {
            placement.retired.clear();
        }
        if *self == Self::KeepsOut {
            for placed in &mut placement.destinations {
                placed.flags &= !destination::OUT;
            }
        }
    }

    fn swept(&self, _loaded: &mut Loaded, clock: &mut Clock, patience: &mut Patience) {
        match self {
            Self::SweepsLiving => clock.idle = 0,
            Self::HasNoPatience => *patience = Patience { idle: 0, window: 0 },
            _ => {}
        }
    }
}
