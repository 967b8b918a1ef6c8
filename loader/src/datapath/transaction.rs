//! A change of the tables, all of it or nothing.
//!
//! Text and tables are written where nobody reads, and one word makes them visible
//! together. Whatever fails before that is taken back.

use super::stored::NewText;
use super::tables::Tables;
use super::write::grace;
use crate::model::placement::{Loaded, Placement};
use anyhow::{Error, Result};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The config's text is written.
    Text,
    /// Packets that go by older tables are waited for.
    Grace,
    /// Everything else is written.
    Tables,
    /// Programs are attached, and the new tables are put in force.
    Switch,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Text, Self::Grace, Self::Tables, Self::Switch];
}

/// Who is told of each stage before it begins, and may make it fail: a test.
pub trait Observer {
    /// This stage comes next.
    ///
    /// # Errors
    ///
    /// The stage is to fail.
    fn before(&mut self, _stage: Stage) -> Result<()> {
        Ok(())
    }
}

/// Nobody.
pub struct Unobserved;

impl Observer for Unobserved {}

/// A change that has been decided.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The tables.
    pub tables: &'a Tables,
    /// Nobody reads them yet.
    pub is_new: bool,
    /// What they hold.
    pub loaded: &'a Loaded,
    /// What they are to hold.
    pub placement: &'a Placement,
    /// The config that says so.
    pub text: NewText<'a>,
}

/// What came of a change.
#[derive(Debug)]
pub struct Done<T> {
    /// What attaching gave.
    pub attached: T,
    /// The change is in force, but the kernel did not let something go that nobody
    /// needs any more.
    pub left: Option<Error>,
}

impl Transaction<'_> {
    /// Puts it in force, with programs that `attach` attaches right before.
    ///
    /// # Errors
    ///
    /// There is no room, or `attach` failed: then everything is as it was.
    pub fn carry_out<T>(
        &self,
        observer: &mut impl Observer,
        attach: impl FnOnce() -> Result<T>,
    ) -> Result<Done<T>> {
        self.try_to(observer, attach).inspect_err(|_| {
            self.tables
                .discard(self.placement, &self.loaded.destinations);
            self.tables.discard_text();
        })
    }

    fn try_to<T>(
        &self,
        observer: &mut impl Observer,
        attach: impl FnOnce() -> Result<T>,
    ) -> Result<Done<T>> {
        let Self {
            tables, placement, ..
        } = *self;
        observer.before(Stage::Text)?;
        tables.enter_text(self.text, placement.index.seed)?;
        observer.before(Stage::Grace)?;
        if !self.is_new {
            grace();
        }
        observer.before(Stage::Tables)?;
        tables.prepare(placement)?;
        observer.before(Stage::Switch)?;
        // New tables are filled before anything reads them.
        let early = self.is_new.then(|| tables.commit(placement));
        let attached = attach()?;
        let committed = early.unwrap_or_else(|| tables.commit(placement));
        Ok(Done {
            attached,
            left: committed.err(),
        })
    }
}
