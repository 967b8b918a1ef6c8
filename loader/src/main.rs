//! `dsrload`: see README.md.

use dsrload::cli::Cli;
use dsrload::commands::{self, Output};
use dsrload::fault::{exit_code, is_broken_pipe};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, mistakes to standard error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (mut answers, mut talk) = (io::stdout().lock(), io::stderr().lock());
    let mut output = Output {
        answers: &mut answers,
        talk: &mut talk,
    };
    let done = commands::run(&cli, &mut output).and_then(|()| Ok(answers.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match (is_broken_pipe(&error), cli.changes_nothing()) {
                // Who has read enough needs no sentence about it.
                (true, true) => {}
                (true, false) => {
                    let _ = writeln!(
                        talk,
                        "dsrload: nobody reads the answer, and what is in force may have changed: `dsrload status` shows it"
                    );
                }
                (false, _) => {
                    let _ = writeln!(talk, "dsrload: {error:#}");
                }
            }
            ExitCode::from(exit_code(&error))
        }
    }
}
