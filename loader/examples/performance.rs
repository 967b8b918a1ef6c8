//! The results page: from what the bench has measured to `docs/PERFORMANCE.md` and
//! its plot. Runs on the machine that the bench ran on, since it names that.
//!
//! ```text
//! cargo run --release --example performance [FIGURES [DOCS]]
//! ```
//!
//! `FIGURES` is the folder with `bench.json` and `bench-control.json` (`target`),
//! `DOCS` the one with `PERFORMANCE.md` (`docs`). Only what stands between the
//! page's markers is replaced. If anything is wrong, nothing is written.

#[path = "performance/figures.rs"]
mod figures;
#[path = "performance/machine.rs"]
mod machine;
#[path = "performance/markers.rs"]
mod markers;
#[path = "performance/number.rs"]
mod number;
#[path = "performance/plot.rs"]
mod plot;
#[path = "performance/svg.rs"]
mod svg;
#[path = "performance/tables.rs"]
mod tables;
#[path = "performance/targets.rs"]
mod targets;

use figures::{Control, Figures, parse_control};
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// How the page shows the plot.
const PLOT: &str = "![Net cost of one packet against the number of flows: dsrload, seed and \
                    Katran-like. The tables below have the same numbers.](performance.svg)";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let (from, to) = match arguments.as_slice() {
        [] => (root().join("target"), root().join("docs")),
        [from] => (from.clone(), root().join("docs")),
        [from, to] => (from.clone(), to.clone()),
        _ => {
            eprintln!("usage: performance [FIGURES [DOCS]]");
            return ExitCode::from(2);
        }
    };
    let said = write_page(&from, &to).and_then(|said| {
        writeln!(io::stdout(), "{said}").map_err(|error| format!("standard output: {error}"))
    });
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("performance: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout.
fn root() -> PathBuf {
    let loader = Path::new(env!("CARGO_MANIFEST_DIR"));
    loader.parent().unwrap_or(loader).to_owned()
}

/// Writes plot and page; a line that says what came of the targets.
fn write_page(from: &Path, to: &Path) -> Result<String, String> {
    let bench = from.join("bench.json");
    let (figures, measured) = read_figures(&bench)?;
    let control = read_control(&from.join("bench-control.json"))?;
    let target_table = targets::table(&figures);
    let counts = target_table.lines().next().unwrap_or_default().to_owned();

    let page = to.join("PERFORMANCE.md");
    let old = fs::read_to_string(&page)
        .map_err(|error| format!("{}: {error}: it is written by hand", page.display()))?;
    let parts = [
        ("machine", machine::table(measured)),
        ("plot", PLOT.to_owned()),
        ("targets", target_table),
        ("cost", tables::cost(&figures)),
        ("throughput", tables::throughput(&figures)),
        ("control", tables::control(&control)),
    ];
    let new =
        markers::replace(&old, &parts).map_err(|error| format!("{}: {error}", page.display()))?;

    put(&to.join("performance.svg"), &plot::draw(&figures))?;
    put(&page, &new)?;
    Ok(format!("{}: {counts}", page.display()))
}

/// The figures and when they were written.
fn read_figures(path: &Path) -> Result<(Figures, SystemTime), String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: {error}: run the bench first", path.display()))?;
    let measured = fs::metadata(path)
        .and_then(|facts| facts.modified())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let figures = Figures::parse(&text)
        .map_err(|error| format!("{}: {error}: run the bench again", path.display()))?;
    Ok((figures, measured))
}

/// The control plane's figures: none if they were not measured.
fn read_control(path: &Path) -> Result<Vec<Control>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    parse_control(&text)
        .map_err(|error| format!("{}: {error}: run the bench again", path.display()))
}

/// Writes the file beside its place first, so that no half of it is ever there.
fn put(path: &Path, text: &str) -> Result<(), String> {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[path = "performance/tests.rs"]
mod tests;
