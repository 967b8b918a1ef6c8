//! `dsrload completions SHELL`: what a shell needs to complete the command line.

use super::Output;
use crate::cli::{Cli, CompletionsArgs, Shell};
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

/// Runs the command.
///
/// # Errors
///
/// The writer's.
pub fn run(arguments: &CompletionsArgs, output: &mut Output<'_>) -> Result<()> {
    let mut command = Cli::command();
    // It panics if it cannot write, and memory always can be written to.
    let mut script = Vec::new();
    match arguments.shell {
        Shell::Bash => generate(Bash, &mut command, "dsrload", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "dsrload", &mut script),
        Shell::Fish => generate(Fish, &mut command, "dsrload", &mut script),
    }
    Ok(output.answers.write_all(&script)?)
}
