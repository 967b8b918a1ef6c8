//! One file for one verb. Each takes what was typed and a writer for answers;
//! talk goes to standard error.

mod agree;
mod backend;
mod bench;
mod change;
mod check;
mod completions;
mod decap;
mod drain;
mod file;
mod guard;
mod import;
mod in_force;
mod load;
mod man;
mod members;
mod modes;
mod object;
mod plan;
mod prepare;
mod privilege;
mod refresh;
mod run;
pub mod settle;
mod show;
mod source;
mod state;
mod stats;
mod status;
mod trace_pipe;
mod unload;
mod upkeep;

use crate::cli::{Cli, Command};
use crate::datapath::Attached;
use crate::model::State;
use anyhow::Result;
use std::io::Write;

/// What a command writes to.
pub struct Output<'a> {
    /// Answers: standard output.
    pub answers: &'a mut dyn Write,
    /// Talk: standard error.
    pub talk: &'a mut dyn Write,
}

/// Does what the command line says.
///
/// # Errors
///
/// A [`Fault`](crate::fault::Fault) with its exit code, or a plain failure.
pub fn run(cli: &Cli, output: &mut Output<'_>) -> Result<()> {
    match &cli.command {
        Some(Command::Status(arguments)) => status::run(arguments, output),
        Some(Command::Stats(arguments)) => stats::run(arguments, output),
        Some(Command::Show(show)) => show::run(show, output),
        Some(Command::Drain(arguments)) => drain::run(arguments, output),
        Some(Command::Ready(arguments)) => state::run(arguments, State::Ready, output).map(drop),
        Some(Command::Maint(arguments)) => state::run(arguments, State::Maint, output).map(drop),
        Some(Command::Down(arguments)) => state::run(arguments, State::Down, output).map(drop),
        Some(Command::Add(arguments)) => members::add(arguments, output),
        Some(Command::Del(arguments)) => members::del(arguments, output),
        Some(Command::Set(arguments)) => members::set(arguments, output),
        Some(Command::Plan(arguments)) => plan::plan(arguments, output),
        Some(Command::Apply(arguments)) => plan::apply(arguments, output),
        Some(Command::Confirm(arguments)) => plan::confirm(arguments, output),
        Some(Command::Rollback(arguments)) => plan::rollback(arguments, output),
        Some(Command::Export(arguments)) => agree::export(arguments, output),
        Some(Command::Agree(arguments)) => agree::agree(arguments, output),
        Some(Command::Settle(arguments)) => settle::run(arguments, output),
        Some(Command::Refresh(arguments)) => refresh::run(arguments, output),
        Some(Command::Run(arguments)) => run::run(arguments, output),
        Some(Command::TracePipe(arguments)) => trace_pipe::run(arguments, output),
        Some(Command::Decap(arguments)) => decap::run(arguments, output),
        Some(Command::Bench(arguments)) => bench::run(arguments, output),
        Some(Command::Check(arguments)) => check::run(arguments, output),
        Some(Command::Import(arguments)) => import::run(arguments, output),
        Some(Command::Completions(arguments)) => completions::run(arguments, output),
        Some(Command::Man(arguments)) => man::run(arguments, output),
        Some(Command::Backend(verb)) => backend::run(verb, output),
        None if cli.load.unload => unload::run(&cli.load, output),
        None => load::run(&cli.load, output),
    }
}

/// `1 service`, `2 services`.
fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// One line for each program whose tables this binary cannot read.
fn mention_others(others: &[Attached], output: &mut Output<'_>) -> Result<()> {
    for other in others {
        writeln!(
            output.talk,
            "dsrload: {}: program {} is dsrload's, but of another version (tables {}, this binary knows {}); `dsrload {}` replaces it",
            other.link.name,
            other.info.id,
            other.abi,
            xdp_prog::abi::ABI_VERSION,
            other.link.name
        )?;
    }
    Ok(())
}
