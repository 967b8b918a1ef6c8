//! How fast the control plane is: `dsrload` itself, as a process from its start to
//! its end, against `ip` and `xdp-loader` with an equal program.
//!
//! ```text
//! control BINARY [FILE]     as root: everything; the rows as JSON into FILE
//! control tables            the tables of slots alone, without any right
//! ```
//!
//! Everything that is compared is done in turn, round by round; a ratio is that of
//! the medians, against the program that has 1. All of it happens in a network
//! namespace and on mounts of the process's own.

#[path = "control/attach.rs"]
mod attach;
#[path = "control/equal.rs"]
mod equal;
#[path = "control/many.rs"]
mod many;
#[path = "control/process.rs"]
mod process;
#[path = "control/report.rs"]
mod report;
#[path = "control/rounds.rs"]
mod rounds;
#[path = "control/size.rs"]
mod size;
#[path = "control/stand.rs"]
mod stand;
#[path = "control/statistics.rs"]
mod statistics;
#[path = "control/tables.rs"]
mod tables;

use report::Row;
use stand::Stand;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let rows = match arguments.as_slice() {
        [word] if word == Path::new("tables") => tables::measure(),
        [binary] => all(binary, None),
        [binary, file] => all(binary, Some(file)),
        _ => {
            eprintln!("usage: control PATH-OF-DSRLOAD [JSON-FILE] | control tables");
            return ExitCode::from(2);
        }
    };
    match rows.and_then(|rows| report::write(&mut io::stdout().lock(), &rows)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything, and writes it to the file.
fn all(binary: &Path, file: Option<&PathBuf>) -> io::Result<Vec<Row>> {
    let binary = &binary
        .canonicalize()
        .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
    // Made before hours are spent, and before /run is another directory.
    let file = file
        .map(|path| {
            File::create(path)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
        })
        .transpose()?;
    let mut rows = size::sizes(binary)?;
    let stand = Stand::raise(binary)?;
    if stand.xdp_loader.is_none() {
        eprintln!("control: xdp-loader (Debian: xdp-tools) is not there: not compared with");
    }
    rows.extend(attach::contests(&stand)?);
    rows.extend(many::contests(&stand)?);
    rows.extend(tables::measure()?);
    if let Some(mut file) = file {
        serde_json::to_writer_pretty(&mut file, &rows)?;
        file.write_all(b"\n")?;
    }
    Ok(rows)
}
