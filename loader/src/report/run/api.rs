//! What the API tells, as JSON: the [`Snapshot`], or a part of it and its time.

use super::{Config, Event, Outcome, Service, Snapshot};
use serde::Serialize;
use std::io::{self, Write};

/// A part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The whole snapshot.
    State,
    /// All services.
    Services,
    /// The service of this name.
    Service(&'a str),
    /// What became of packets.
    Outcomes,
    /// The last changes of state.
    Events,
    /// The config in force.
    Config,
}

impl<'a> Part<'a> {
    /// The part that is asked for by the path of a URL, if there is one. Names of
    /// services need no escapes, so none are understood.
    #[must_use]
    pub fn of_path(path: &'a str) -> Option<Self> {
        Some(match path.strip_prefix("/api/v1/")? {
            "state" => Self::State,
            "services" => Self::Services,
            "outcomes" => Self::Outcomes,
            "events" => Self::Events,
            "config" => Self::Config,
            other => Self::Service(other.strip_prefix("services/")?),
        })
    }

    /// Writes it, on one line; nothing and `false` if there is no such service.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(self, out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<bool> {
        let time = snapshot.time;
        let named = |name| snapshot.services.iter().find(|s| s.name == name);
        match self {
            Self::State => line(out, snapshot),
            Self::Services => {
                let services = &snapshot.services;
                line(out, &Services { time, services })
            }
            Self::Service(name) => match named(name) {
                Some(service) => line(out, &One { time, service }),
                None => Ok(false),
            },
            Self::Outcomes => {
                let outcomes = &snapshot.outcomes;
                line(out, &Outcomes { time, outcomes })
            }
            Self::Events => {
                let events = &snapshot.events;
                line(out, &Events { time, events })
            }
            Self::Config => {
                let config = &snapshot.config;
                line(out, &InForce { time, config })
            }
        }
    }
}

fn line(mut out: &mut dyn Write, body: &impl Serialize) -> io::Result<bool> {
    serde_json::to_writer(&mut out, body)?;
    writeln!(out)?;
    Ok(true)
}

#[derive(Serialize)]
struct Services<'a> {
    time: f64,
    services: &'a [Service],
}

#[derive(Serialize)]
struct One<'a> {
    time: f64,
    service: &'a Service,
}

#[derive(Serialize)]
struct Outcomes<'a> {
    time: f64,
    outcomes: &'a [Outcome],
}

#[derive(Serialize)]
struct Events<'a> {
    time: f64,
    events: &'a [Event],
}

#[derive(Serialize)]
struct InForce<'a> {
    time: f64,
    config: &'a Config,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_part_or_nothing() {
        assert_eq!(Part::of_path("/api/v1/state"), Some(Part::State));
        assert_eq!(
            Part::of_path("/api/v1/services/web"),
            Some(Part::Service("web"))
        );
        for other in [
            "/api/v1/",
            "/api/v1/stat",
            "/api/v1/state/",
            "/api/v2/state",
        ] {
            assert_eq!(Part::of_path(other), None, "{other}");
        }
    }
}
