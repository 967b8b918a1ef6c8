//! `dsrload check FILE`: all that is wrong with a config file.

use super::Output;
use super::{counted, file};
use crate::cli::FileArgs;
use crate::config::check::has_errors;
use crate::config::host::{self, Facts, Own};
use crate::config::{self, Document, Finding, Lines, Severity};
use crate::fault;
use crate::netlink::{Netlink, NetlinkError, RouteKind};
use crate::report::check::FindingReport;
use anyhow::Result;

/// Of a file with more mistakes than anybody reads, so many are shown.
const SHOWN_MAX: usize = 1000;

/// Runs the command.
///
/// # Errors
///
/// `Invalid` if anything is wrong; `Failed` if the file cannot be read.
pub fn run(arguments: &FileArgs, output: &mut Output<'_>) -> Result<()> {
    let name = arguments.file.display().to_string();
    let bytes = file::bytes(&arguments.file)?;
    let (text, broken) = config::text(&bytes);
    let (document, mut findings) = match broken {
        None => config::examine(text),
        Some(finding) => (Document::default(), vec![finding]),
    };
    match facts(&document) {
        Ok(facts) => findings.extend(host::warnings(&document, &facts)),
        Err(error) => writeln!(
            output.talk,
            "dsrload: this host could not be asked, so there are no warnings about it: {error}"
        )?,
    }
    findings.sort_by_key(|finding| finding.span.start);

    let lines = Lines::new(text);
    let shown = findings.iter().take(SHOWN_MAX);
    let reports: Vec<FindingReport> = shown.map(|f| report(&name, &lines, f)).collect();
    if findings.len() > SHOWN_MAX {
        writeln!(
            output.talk,
            "dsrload: the first {SHOWN_MAX} of {} mistakes and warnings are shown",
            findings.len()
        )?;
    }
    let (services, backends) = counts(&document);
    let is_bad = has_errors(&findings);
    if arguments.json {
        crate::report::json(output.answers, &reports)?;
    } else {
        for report in &reports {
            report.write(output.answers)?;
        }
        if !is_bad {
            let (services, backends) = (counted(services, "service"), counted(backends, "backend"));
            let found = summary(&findings);
            writeln!(output.answers, "{name}: {services}, {backends}, {found}")?;
        }
    }
    if is_bad {
        return Err(fault!(Invalid, "{name}: {}", summary(&findings)));
    }
    Ok(())
}

fn report(file: &str, lines: &Lines<'_>, finding: &Finding) -> FindingReport {
    let position = lines.position(finding.span.start);
    let excerpt = lines.excerpt(&finding.span);
    FindingReport {
        file: file.to_owned(),
        line: position.line,
        column: position.column,
        severity: finding.severity.name(),
        key: finding.key.clone(),
        message: finding.message.clone(),
        remedy: finding.remedy.clone(),
        text: excerpt.text,
        indent: excerpt.indent,
        width: excerpt.width,
    }
}

fn counts(document: &Document) -> (usize, usize) {
    let services = &document.services;
    (
        services.len(),
        services.iter().map(|s| s.backends.len()).sum(),
    )
}

fn summary(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|f| f.severity == Severity::Error);
    let errors = errors.count();
    let warnings = findings.len() - errors;
    match (errors, warnings) {
        (0, 0) => "no error".to_owned(),
        (0, _) => format!("no error, {}", counted(warnings, "warning")),
        (_, 0) => counted(errors, "error"),
        _ => format!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
    }
}

/// What this host is like, as far as the document is about it.
fn facts(document: &Document) -> Result<Facts, NetlinkError> {
    let mut facts = Facts::default();
    if document.services.is_empty() {
        return Ok(facts);
    }
    let mut netlink = Netlink::open()?;
    for link in netlink.links()? {
        for own in netlink.addresses(link.index)? {
            facts.own.push(Own {
                interface: link.name.clone(),
                address: own.address,
                prefix_len: own.prefix_len,
            });
        }
    }
    for address in host::to_ask_for(document) {
        let words = match netlink.route(address, None) {
            Ok(route) if route.kind == RouteKind::Other => {
                "it is a broadcast's, or leads nowhere".to_owned()
            }
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        facts.unrouted.push((address, words));
    }
    Ok(facts)
}
