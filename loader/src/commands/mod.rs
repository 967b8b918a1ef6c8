//! One file for one verb. Each takes what was typed and a writer for answers;
//! talk goes to standard error.

mod backend;
mod bench;
mod change;
mod decap;
mod load;
mod members;
mod modes;
mod privilege;
mod refresh;
pub mod settle;
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
        Some(Command::Drain(arguments)) => state::run(arguments, State::Drain, output),
        Some(Command::Ready(arguments)) => state::run(arguments, State::Ready, output),
        Some(Command::Maint(arguments)) => state::run(arguments, State::Maint, output),
        Some(Command::Down(arguments)) => state::run(arguments, State::Down, output),
        Some(Command::Add(arguments)) => members::add(arguments, output),
        Some(Command::Del(arguments)) => members::del(arguments, output),
        Some(Command::Settle(arguments)) => settle::run(arguments, output),
        Some(Command::Refresh(arguments)) => refresh::run(arguments, output),
        Some(Command::TracePipe(arguments)) => trace_pipe::run(arguments, output),
        Some(Command::Decap(arguments)) => decap::run(arguments, output),
        Some(Command::Bench(arguments)) => bench::run(arguments, output),
        Some(Command::Backend(verb)) => backend::run(verb, output),
        None if cli.load.unload => unload::run(&cli.load, output),
        None => load::run(&cli.load, output),
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
