//! `dsrload import`: what another balancer was told, as a config file.

use super::Output;
use super::counted;
use crate::cli::ImportArgs;
use crate::config::{self, Severity, write};
use crate::fault;
use crate::import::{Fate, Import, Refusal, ipvsadm, keepalived};
use anyhow::Result;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Far more than it takes to say what a balancer holds.
const BYTES_MAX: u64 = 4 << 20;

/// One of the two readers.
type Reader = fn(&str) -> Result<Import, Refusal>;

/// Runs the command.
///
/// # Errors
///
/// `Failed` if something is left out, or the file cannot be read; `Invalid` if
/// nothing can be made of it.
pub fn run(arguments: &ImportArgs, output: &mut Output<'_>) -> Result<()> {
    let (path, import): (_, Reader) = match (&arguments.ipvsadm, &arguments.keepalived) {
        (Some(path), _) => (path, ipvsadm::import),
        (None, Some(path)) => (path, keepalived::import),
        (None, None) => return Err(fault!(Usage, "--ipvsadm or --keepalived is needed")),
    };
    let name = match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.display().to_string(),
    };
    let bytes = read(path).map_err(|error| fault!(Failed, "{name}: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let import = import(&text)
        .map_err(|refusal| fault!(Invalid, "{name}:{}: {}", refusal.line, refusal.text))?;
    for remark in &import.remarks {
        let (line, fate) = (remark.line, remark.fate.name());
        writeln!(output.talk, "{name}:{line}: {fate}: {}", remark.text)?;
    }
    let services = &import.document.services;
    if services.is_empty() {
        return Err(fault!(Invalid, "{name}: no service carries over"));
    }
    let text = write::write(&import.document);
    // What nobody could load is not printed.
    let (_, findings) = config::examine(&text);
    if let Some(error) = findings.iter().find(|f| f.severity == Severity::Error) {
        return Err(fault!(
            Invalid,
            "{name}: {}: {}",
            error.message,
            error.remedy
        ));
    }
    output.answers.write_all(text.as_bytes())?;
    summary(&name, &import, output)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(path)?),
    };
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
        return Err(io::Error::other(format!(
            "longer than {} MiB",
            BYTES_MAX >> 20
        )));
    }
    Ok(bytes)
}

fn summary(name: &str, import: &Import, output: &mut Output<'_>) -> Result<()> {
    let services = &import.document.services;
    let backends = services.iter().map(|service| service.backends.len()).sum();
    let left_out = import.remarks.iter().filter(|r| r.fate == Fate::LeftOut);
    let left_out = left_out.count();
    let carried = format!(
        "{}, {}",
        counted(services.len(), "service"),
        counted(backends, "backend")
    );
    if left_out > 0 {
        return Err(fault!(
            Failed,
            "{name}: {carried}; {left_out} left out, as listed"
        ));
    }
    writeln!(output.talk, "dsrload: {name}: {carried}")?;
    Ok(())
}
