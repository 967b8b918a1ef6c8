//! `dsrload completions SHELL`: what a shell needs to complete the command line.
//!
//! `clap_complete` takes the first word for a verb or for an interface, and for zsh
//! and fish it takes the wrong one: with verbs *and* interfaces in one place, zsh
//! offers no verb, and fish no flag behind an interface. So zsh gets two functions,
//! one for the verbs and one for loading, and fish the list of verbs.

use super::Output;
use crate::cli::{Cli, CompletionsArgs, Shell};
use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_complete::Generator;
use clap_complete::shells::{Bash, Fish, Zsh};
use std::collections::BTreeSet;

/// Runs the command.
///
/// # Errors
///
/// The writer's.
pub fn run(arguments: &CompletionsArgs, output: &mut Output<'_>) -> Result<()> {
    let script = match arguments.shell {
        Shell::Bash => script(Bash, Cli::command(), "dsrload"),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    };
    Ok(output.answers.write_all(script.as_bytes())?)
}

fn script(shell: impl Generator, mut command: Command, name: &str) -> String {
    // It panics if it cannot write, and memory always can be written to.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn verbs() -> String {
    let command = Cli::command();
    let verbs = command.get_subcommands().map(Command::get_name);
    [&verbs.collect::<Vec<_>>().join(" "), "help"].join(" ")
}

/// `dsrload` with verbs and without interfaces, or the other way about.
fn half(has_verbs: bool) -> Command {
    let whole = Cli::command();
    let arguments = whole.get_arguments();
    let arguments = arguments.filter(|a| !has_verbs || !a.is_positional());
    let half = Command::new("dsrload")
        .version(env!("CARGO_PKG_VERSION"))
        .args(arguments.cloned());
    match has_verbs {
        true => half.subcommands(whole.get_subcommands().cloned()),
        false => half,
    }
}

fn zsh() -> String {
    let loading = script(Zsh, half(false), "dsrload_interfaces");
    // Its head and its end are those of a file of its own.
    let from = loading.find("_dsrload_interfaces()").unwrap_or(0);
    let to = loading
        .find("\nif [ \"$funcstack[1]\"")
        .unwrap_or(loading.len());
    let choice = format!(
        "_dsrload() {{\n    local verbs=({})\n    \
         if (( CURRENT > 2 )) && (( ! ${{verbs[(Ie)$words[2]]}} )); then\n        \
         _dsrload_interfaces \"$@\"\n        return\n    fi\n",
        verbs()
    );
    let both = loading[from..to].to_owned() + "\n" + &choice;
    let whole = script(Zsh, half(true), "dsrload").replacen("_dsrload() {\n", &both, 1);
    let mut names = BTreeSet::new();
    values(&Cli::command(), &mut names);
    let name = |script: String, name: &String| {
        let escaped = name.replace(':', "\\:");
        script.replace(&format!("]:{name}:"), &format!("]:{escaped}:"))
    };
    // With two colons, nothing but these words is completed behind the first.
    names.iter().fold(whole, name).replace("\n'*::", "\n'*:")
}

/// The names of values in which there is a colon: to zsh the end of the name.
fn values(command: &Command, names: &mut BTreeSet<String>) {
    let arguments = command.get_arguments();
    let all = arguments.flat_map(|a| a.get_value_names().unwrap_or_default());
    names.extend(
        all.map(ToString::to_string)
            .filter(|name| name.contains(':')),
    );
    for verb in command.get_subcommands() {
        values(verb, names);
    }
}

fn fish() -> String {
    let is_verb = format!("if contains -- \"$argv[1]\" {}\n", verbs());
    script(Fish, Cli::command(), "dsrload")
        // A flag that waits for its value is no mistake of anybody's.
        .replacen("    or return\n", "    or return 0\n", 1)
        .replacen("if set -q argv[1]\n", &is_verb, 1)
}
