//! `dsrload man`: manual pages, of the same definitions as `--help`.

use super::Output;
use crate::cli::{Cli, ManArgs};
use crate::fault;
use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::fs;
use std::path::Path;

/// Runs the command.
///
/// # Errors
///
/// `Usage` if there is no such verb; `Failed` if a page cannot be written.
pub fn run(arguments: &ManArgs, output: &mut Output<'_>) -> Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives the verbs their full names.
    command.build();
    if let Some(folder) = &arguments.dir {
        return write_all(&command, folder, output);
    }
    let mut about = &command;
    for verb in &arguments.verb {
        about = about.find_subcommand(verb).ok_or_else(|| {
            let verbs: Vec<&str> = about.get_subcommands().map(Command::get_name).collect();
            let name = arguments.verb.join(" ");
            match verbs.as_slice() {
                [] => fault!(Usage, "there is no verb '{name}'"),
                verbs => fault!(
                    Usage,
                    "there is no verb '{name}': there are {}",
                    verbs.join(", ")
                ),
            }
        })?;
    }
    Ok(output.answers.write_all(&page(about)?)?)
}

/// The pages of a command and of its verbs, one file for each.
fn write_all(command: &Command, folder: &Path, output: &mut Output<'_>) -> Result<()> {
    for verb in command.get_subcommands() {
        write_all(verb, folder, output)?;
    }
    let path = folder.join(format!("{}.1", name(command)));
    fs::write(&path, page(command)?)
        .map_err(|error| fault!(Failed, "{}: {error}", path.display()))?;
    Ok(writeln!(output.answers, "{}", path.display())?)
}

/// `dsrload-VERB`, once the command is built.
fn name(command: &Command) -> &str {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let man = Man::new(command.clone())
        // An empty date would be no argument, and the next would be taken for it.
        .date(" ")
        .source(concat!("dsrload ", env!("CARGO_PKG_VERSION")))
        .manual("dsrload");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let text = command.get_after_help().map(ToString::to_string);
    examples(&text.unwrap_or_default()).to_writer(&mut page)?;
    Ok(page)
}

/// What stands behind the flags: examples, and perhaps exit codes. Line by line, since
/// a command that is broken or hyphenated is no example.
fn examples(text: &str) -> Roff {
    let mut roff = Roff::new();
    for line in text.lines() {
        let (section, line) = match line.split_once(':') {
            Some(("Example" | "Examples", rest)) => (Some("EXAMPLES"), rest),
            Some(("Exit codes", rest)) => (Some("EXIT STATUS"), rest),
            _ => (None, line),
        };
        if let Some(section) = section {
            roff.control("fi", []).control("SH", [section]);
            roff.control("nf", []);
        }
        if !line.trim().is_empty() {
            roff.text([roman(line.trim())]);
        }
    }
    roff.control("fi", []);
    roff
}
