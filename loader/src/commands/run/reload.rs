//! Reading the file again.

use super::keeper::Keeper;
use crate::commands::plan::refuse;
use crate::commands::prepare::{Health, Why};
use crate::commands::{counted, file};
use crate::datapath::resolve::Silence;
use crate::fault;
use anyhow::Result;

impl Keeper {
    /// Puts the file in force: all of it, or nothing. While somebody else changes the
    /// tables it stays due.
    pub(super) fn reload(&mut self) {
        self.talk.manager().reloading();
        let refused = match self.try_to_reload() {
            Ok(None) => return,
            Ok(Some(line)) => {
                self.talk.info("reload", &line);
                None
            }
            Err(error) => {
                let reason = format!("{error:#}");
                let words = "the config is not reloaded, what was in force stays";
                self.talk.warn("reload", &format!("{words}: {reason}"));
                Some(reason)
            }
        };
        self.due.is_reload = false;
        self.survey.reloaded(refused);
        // The services may be others now.
        self.adopt();
        self.tell_ready();
    }

    /// Tells the service manager that all is up.
    pub(super) fn tell_ready(&self) {
        let config = &self.said.config;
        self.talk.manager().ready(&format!(
            "{}, {}",
            counted(config.services.len(), "service"),
            counted(config.backends(), "backend")
        ));
    }

    /// What was done; none if somebody else changes the tables now.
    fn try_to_reload(&mut self) -> Result<Option<String>> {
        let Some(path) = self.arguments.config.clone() else {
            return Err(fault!(Failed, "no file was given: `-c FILE` names one"));
        };
        let (wanted, _) = file::document(&path)?;
        let mut line = String::new();
        let is_done = self.change(|change, talk| {
            change.before.refuse_while_waiting()?;
            refuse(&change.balancer, &wanted)?;
            let health = Health {
                silence: Silence::IsToldOf,
                ..Health::default()
            };
            let prepared = change.prepare_with(&wanted, &health)?;
            if prepared.is_in_force() {
                line = format!("{}: nothing to do", path.display());
                return Ok(());
            }
            talk.with_output(|output| prepared.carry_out(change, Why::default(), output))?;
            let generation = change.balancer.tables.generation();
            let steps: Vec<String> = prepared
                .steps
                .iter()
                .map(|step| format!("{} {}: {}", step.kind.name(), step.target, step.what))
                .collect();
            line = format!(
                "{}: generation {generation}: {}",
                path.display(),
                steps.join("; ")
            );
            Ok(())
        })?;
        Ok(is_done.then_some(line))
    }
}
