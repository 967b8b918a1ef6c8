//! `dsrload plan FILE` as text and as JSON.

use serde::Serialize;
use std::fmt;
use std::io::{self, Write};

/// What applying a config would change.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// It is in force already.
    pub is_in_force: bool,
    /// What is done, additions first. All of it is in force at once.
    pub steps: Vec<StepReport>,
    /// What becomes of the services' slots.
    pub services: Vec<ServiceReport>,
    /// Counts changes of the config: that of the one in force.
    pub generation: u64,
    /// The digest of what is in force.
    pub digest_now: String,
    /// The digest of what would be.
    pub digest_then: String,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct StepReport {
    /// `add`, `change` or `remove`.
    pub kind: &'static str,
    /// `balancer`, `SERVICE` or `SERVICE/BACKEND`.
    pub target: String,
    /// What of it.
    pub what: String,
    /// Flows of what it is about; none where that is not loaded yet.
    #[serde(flatten)]
    pub touched: Option<Touched>,
}

/// Flows of a service or backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Flows that the flow table knows, and that were heard of within five minutes.
    pub live_flows: usize,
    /// Others that it knows.
    pub idle_flows: usize,
    /// Slots that are settled: their flows have no entry, and cannot be counted.
    pub settled_slots: usize,
    /// TCP connections opened since it was loaded, whether they live or not.
    pub connections: u64,
}

impl fmt::Display for Touched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            " [{} live flows known, {} idle; those of {} settled slots are not known; {} connections opened so far]",
            self.live_flows, self.idle_flows, self.settled_slots, self.connections
        )
    }
}

/// A service.
#[derive(Debug, Serialize)]
pub struct ServiceReport {
    /// Its name.
    pub name: String,
    /// Its slots.
    pub slots: u32,
    /// How many of them get another owner.
    pub moved: usize,
    /// It comes with this change.
    pub is_new: bool,
}

impl PlanReport {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_in_force {
            return writeln!(out, "nothing to do: digest {}", self.digest_now);
        }
        for step in &self.steps {
            write!(out, "{} {}: {}", step.kind, step.target, step.what)?;
            if let Some(touched) = step.touched {
                write!(out, "{touched}")?;
            }
            writeln!(out)?;
        }
        for service in &self.services {
            let (name, slots) = (&service.name, service.slots);
            match (service.is_new, service.moved) {
                (true, _) => writeln!(out, "{name}: {slots} new slots")?,
                (false, 0) => {}
                (false, moved) => {
                    writeln!(out, "{name}: {moved} of {slots} slots get another owner")?
                }
            }
        }
        let count = self.steps.len();
        let plural = if count == 1 { "" } else { "s" };
        writeln!(
            out,
            "{count} step{plural}, digest {} to {}",
            self.digest_now, self.digest_then
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &'static str, target: &str, touched: Option<Touched>) -> StepReport {
        StepReport {
            kind,
            target: target.to_owned(),
            what: "what".to_owned(),
            touched,
        }
    }

    fn plan() -> PlanReport {
        let touched = Touched {
            live_flows: 3,
            idle_flows: 1,
            settled_slots: 8192,
            connections: 70,
        };
        let service = |name: &str, moved, is_new| ServiceReport {
            name: name.to_owned(),
            slots: 16384,
            moved,
            is_new,
        };
        PlanReport {
            is_in_force: false,
            steps: vec![
                step("add", "web/b2", None),
                step("remove", "web/b1", Some(touched)),
            ],
            services: vec![
                service("dns", 0, false),
                service("new", 0, true),
                service("web", 5461, false),
            ],
            generation: 3,
            digest_now: "aa".to_owned(),
            digest_then: "bb".to_owned(),
        }
    }

    fn text(plan: &PlanReport) -> String {
        let mut out = Vec::new();
        plan.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn each_step_and_each_service_that_changes_has_a_line() {
        assert_eq!(
            text(&plan()),
            "\
add web/b2: what
remove web/b1: what [3 live flows known, 1 idle; those of 8192 settled slots are not known; 70 connections opened so far]
new: 16384 new slots
web: 5461 of 16384 slots get another owner
2 steps, digest aa to bb
"
        );
        let nothing = PlanReport {
            is_in_force: true,
            ..plan()
        };
        assert_eq!(text(&nothing), "nothing to do: digest aa\n");
    }

    #[test]
    fn what_is_touched_stands_in_the_step_itself() {
        let json = serde_json::to_value(plan()).expect("JSON");
        assert_eq!(json["steps"][1]["live_flows"], 3);
        assert!(json["steps"][0].get("live_flows").is_none());
        assert_eq!(json["services"][2]["moved"], 5461);
    }
}
