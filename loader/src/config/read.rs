//! Text becomes a document, and a list of what is wrong with it.

use super::document::{At, BackendTable, BalancerTable, Document, ServiceTable, Span};
use super::finding::{Finding, Severity};
use super::keys::Place;
use super::position::Lines;
use super::section::{Section, type_name};
use super::values::Values;
use crate::model::ServiceAddress;
use crate::model::service::parse_address;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest name of a service or backend.
const NAME_MAX: usize = 63;

/// Of what is no TOML at all, so many mistakes are kept: each takes memory.
const SYNTAX_MAX: usize = 10_000;

/// What became of a text.
#[derive(Debug, Default)]
pub struct Reading {
    /// What could be read.
    pub document: Document,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The text is TOML, whatever it says. If not, the document has gaps.
    pub is_toml: bool,
}

/// Reads a config file.
#[must_use]
pub fn read(text: &str) -> Reading {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let (syntax, end) = syntax(&errors, &lines);
    let mut reader = Reader {
        findings: Vec::new(),
        is_toml: syntax.is_empty(),
    };
    let document = reader.document(table.get_ref());
    if reader.is_toml {
        return Reading {
            document,
            findings: reader.findings,
            is_toml: true,
        };
    }
    // Where the parser has stumbled, what it made of the line means nothing.
    let bad: BTreeSet<usize> = syntax.iter().map(|f| lines.line(f.span.start)).collect();
    let mut findings = reader.findings;
    findings.retain(|f| f.span.start < end && !bad.contains(&lines.line(f.span.start)));
    findings.extend(syntax);
    Reading {
        document,
        findings,
        is_toml: false,
    }
}

/// What the parser says of each line, once; and where the part of the text
/// ends that can be trusted otherwise.
fn syntax(errors: &[toml::de::Error], lines: &Lines<'_>) -> (Vec<Finding>, usize) {
    let mut end = usize::MAX;
    let mut findings: Vec<Finding> = errors.iter().take(SYNTAX_MAX).map(finding).collect();
    // A list without its end takes all of the rest for entries. That is one
    // mistake, and the first line that does not fit shows it best.
    let is_open = findings.iter().any(|f| f.message == "unclosed array");
    let first = findings.iter().position(|f| f.message.contains("array"));
    if let Some(first) = first.filter(|_| is_open) {
        findings.truncate(first + 1);
        end = findings[first].span.start;
        "a list before this place lacks its `]`".clone_into(&mut findings[first].message);
        "close the list".clone_into(&mut findings[first].remedy);
    }
    findings.sort_by_key(|f| f.span.start);
    findings.dedup_by_key(|f| lines.line(f.span.start));
    (findings, end)
}

fn finding(error: &toml::de::Error) -> Finding {
    let (message, expected) = match error.message().split_once(", expected ") {
        Some((message, expected)) => (message, Some(expected)),
        None => (error.message(), None),
    };
    let remedy = match (message, expected) {
        ("duplicate key", _) => "remove one of the two, or give it another name".to_owned(),
        ("string values must be quoted" | "invalid float" | "invalid integer number", _) => {
            "text, such as an address, stands in double quotes".to_owned()
        }
        (_, Some("nothing")) => "remove it".to_owned(),
        (_, Some(expected)) => format!("expected: {expected}"),
        _ => "TOML consists of [tables] and of lines as in key = \"text\"".to_owned(),
    };
    let span = error.span().unwrap_or_default();
    Finding::error(&span, "", message, remedy)
}

/// A VIP with port and protocol.
fn address(text: &str) -> Result<ServiceAddress, String> {
    match text.contains('/') {
        true => text.parse(),
        false => Err(format!("'{text}' names no protocol")),
    }
}

struct Reader {
    findings: Vec<Finding>,
    is_toml: bool,
}

impl Reader {
    fn section<'t, 'd>(
        &self,
        place: Place,
        path: String,
        span: &Span,
        table: &'t DeTable<'d>,
    ) -> Section<'t, 'd> {
        Section::new(place, path, span, table, self.is_toml)
    }

    fn document(&mut self, table: &DeTable<'_>) -> Document {
        let mut section = self.section(Place::File, String::new(), &(0..0), table);
        let balancer = section.table("balancer");
        let services = section.table("service");
        let run = section.table("run");
        self.findings.append(&mut section.findings);
        Document {
            balancer: balancer.map_or_else(BalancerTable::default, |at| self.balancer(&at)),
            run: run.map_or_else(Values::default, |at| {
                self.values(Place::Run, "run".to_owned(), &at)
            }),
            services: services.map_or_else(Vec::new, |at| self.services(&at)),
        }
    }

    fn balancer(&mut self, at: &At<&DeTable<'_>>) -> BalancerTable {
        let path = "balancer".to_owned();
        let mut section = self.section(Place::Balancer, path, &at.span, at.value);
        let balancer = BalancerTable {
            seed: section.text("seed"),
            flows: section.count("flows"),
            slots: section.count("slots"),
            mode: section.word("mode"),
            echo: section.flag("echo"),
        };
        self.findings.append(&mut section.findings);
        balancer
    }

    fn values(&mut self, place: Place, path: String, at: &At<&DeTable<'_>>) -> Values {
        let mut section = self.section(place, path, &at.span, at.value);
        let values = section.values();
        self.findings.append(&mut section.findings);
        values
    }

    fn services(&mut self, at: &At<&DeTable<'_>>) -> Vec<ServiceTable> {
        if at.value.is_empty() && self.is_toml {
            self.findings.push(Finding::error(
                &at.span,
                "service",
                "the file has no service",
                "add one, as in [service.web]",
            ));
        }
        let entries = at.value.iter();
        entries
            .filter_map(|(name, value)| self.service(name, value))
            .collect()
    }

    fn service(
        &mut self,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<ServiceTable> {
        let name = At::new(name.get_ref().as_ref().to_owned(), name.span());
        let path = format!("service.{}", name.value);
        self.name("service", &name, &path);
        let DeValue::Table(table) = value.get_ref() else {
            self.findings.push(Finding::error(
                &value.span(),
                &path,
                format!(
                    "service {} is {}, and a table is expected",
                    name.value,
                    type_name(value.get_ref())
                ),
                format!("write [{path}] in a line of its own, and its keys below"),
            ));
            return None;
        };
        let before = self.findings.len();
        let mut section = self.section(Place::Service, path, &name.span, table);
        let mut service = ServiceTable {
            is_partial: false,
            vip: section.list("vip", parse_address),
            ports: section.list("ports", str::parse),
            also: section.list("also", address),
            policy: section.word("policy"),
            tracking: section.word("tracking"),
            affinity: section.form("affinity"),
            on_dead: section.word("on_dead"),
            forward: section.form("forward"),
            source: section.list("source", parse_address),
            allow: section.list("allow", str::parse),
            deny: section.list("deny", str::parse),
            check: None,
            quorum: section.count("quorum"),
            sorry: section.form_by("sorry", parse_address),
            announce: section.flag("announce"),
            backends: Vec::new(),
            name,
        };
        let backends = section.table("backends");
        let check = section.table("check");
        self.findings.append(&mut section.findings);
        if let Some(at) = check {
            let values = self.values(Place::Check, section.path_of("check"), &at);
            service.check = Some(At::new(values, at.span));
        }
        if let Some(at) = backends {
            service.backends = self.backends(&section.path_of("backends"), &at);
        }
        let new = &self.findings[before..];
        service.is_partial = new.iter().any(|f| f.severity == Severity::Error);
        Some(service)
    }

    fn backends(&mut self, path: &str, at: &At<&DeTable<'_>>) -> Vec<BackendTable> {
        if at.value.is_empty() && self.is_toml {
            self.findings.push(Finding::error(
                &at.span,
                path,
                format!("[{path}] has no backend"),
                "add one, as in b1 = \"10.0.0.3\"",
            ));
        }
        let entries = at.value.iter();
        entries
            .filter_map(|(name, value)| self.backend(path, name, value))
            .collect()
    }

    fn backend(
        &mut self,
        path: &str,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<BackendTable> {
        let name = At::new(name.get_ref().as_ref().to_owned(), name.span());
        let path = format!("{path}.{}", name.value);
        self.name("backend", &name, &path);
        match value.get_ref() {
            DeValue::String(text) => match parse_address(text) {
                Ok(ip) => Some(BackendTable {
                    name,
                    ip: At::new(ip, value.span()),
                    weight: None,
                    forward: None,
                    mac: None,
                    state: None,
                }),
                Err(message) => {
                    let remedy =
                        format!("write its own address, as in {} = \"10.0.0.3\"", name.value);
                    self.findings
                        .push(Finding::error(&value.span(), path, message, remedy));
                    None
                }
            },
            DeValue::Table(table) => {
                let mut section = self.section(Place::Backend, path, &name.span, table);
                let ip = section.form_by("ip", parse_address);
                let weight = section.count("weight");
                let forward = section.form("forward");
                let mac = section.form("mac");
                let state = section.word("state");
                self.findings.append(&mut section.findings);
                Some(BackendTable {
                    name,
                    ip: ip?,
                    weight,
                    forward,
                    mac,
                    state,
                })
            }
            other => {
                self.findings.push(Finding::error(
                    &value.span(),
                    path,
                    format!(
                        "backend {} is {}, and an address or a table is expected",
                        name.value,
                        type_name(other)
                    ),
                    format!(
                        "write {0} = \"10.0.0.3\" or {0} = {{ ip = \"10.0.0.3\", weight = 2 }}",
                        name.value
                    ),
                ));
                None
            }
        }
    }

    /// Whether a service or backend can be called so.
    fn name(&mut self, what: &str, name: &At<String>, path: &str) {
        let is_good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let text = &name.value;
        if (1..=NAME_MAX).contains(&text.len()) && text.chars().all(is_good) {
            return;
        }
        let mut better: String = text
            .to_ascii_lowercase()
            .chars()
            .map(|c| if is_good(c) { c } else { '-' })
            .take(NAME_MAX)
            .collect();
        if better.is_empty() {
            "a".clone_into(&mut better);
        }
        self.findings.push(Finding::error(
            &name.span,
            path,
            format!(
                "'{text}' cannot be the name of a {what}: names have 1 to {NAME_MAX} letters a to z, digits, _ or -"
            ),
            format!("call it {better}"),
        ));
    }
}
