//! `docs/CONFIG.md` is made of the key table.

use crate::file::{path, text};
use dsrload::config::keys::{Absent, Key, Kind, Place, all};
use std::fmt::Write;
use std::fs;

const PAGE: &str = "docs/CONFIG.md";

const HEAD: &str = "\
# The config file

A TOML file that says what a balancer is to do. [dsrload.toml](dsrload.toml) has every
key; `dsrload check FILE` says what is wrong with a file, and takes no privileges.

This page is made of the table that the checks use: `UPDATE=1 cargo test -p loader --test
config` writes it.

Names of services and backends have 1 to 63 letters `a` to `z`, digits, `_` or `-`;
`SERVICE/BACKEND` names one backend. The order of tables, keys and list entries means
nothing, but for the words of a program. Where a list is expected, a single value may
stand. Numbers may be text with a unit: `\"64k\"` (64,000), `\"1M\"` (1,000,000), `\"64Ki\"`
(65,536), `\"4Mi\"` (4,194,304). Times are text with a unit: `\"250ms\"`, `\"2s\"`, `\"10m\"`,
`\"1h\"`. In `send` and `expect`, `\\xNN` is one byte and `\\\\` a backslash; in double quotes TOML
itself wants each backslash twice. An unknown key is an error.
";

#[test]
fn the_page_says_what_the_key_table_says() {
    let wanted = page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(PAGE), &wanted).expect("the page is written");
    }
    assert!(
        text(PAGE) == wanted,
        "{PAGE} is out of date: UPDATE=1 cargo test -p loader --test config"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for place in Place::ALL {
        let title = match place {
            Place::File => "Tables",
            Place::Balancer => "`[balancer]`",
            Place::Service => "`[service.NAME]`",
            Place::Backend => "Backends: `[service.NAME.backends]`",
            Place::Check => "Checks: `[service.NAME.check]`",
            Place::Run => "`[run]`",
        };
        writeln!(page, "\n## {title}\n").expect("a string takes all");
        for key in place.keys() {
            section(&mut page, key).expect("a string takes all");
        }
    }
    page
}

fn section(page: &mut String, key: &Key) -> std::fmt::Result {
    let default = match key.absent {
        Absent::Required => "required".to_owned(),
        Absent::Value(value) => format!("default `{value}`"),
        Absent::Else(words) => format!("default: {words}"),
    };
    let takes = match key.kind {
        Kind::Table => "a table".to_owned(),
        Kind::Names => "a table of named entries".to_owned(),
        Kind::Count(_, _, unit) if !unit.is_empty() => {
            format!("{} ({unit})", key.kind.expected())
        }
        Kind::Word(_) => "one of the words below".to_owned(),
        _ => key.kind.expected(),
    };
    writeln!(
        page,
        "**`{}`**: {takes}; {default}; since {}.",
        key.name, key.since
    )?;
    writeln!(page, "{}", key.help)?;
    if let Kind::Word(words) = key.kind {
        writeln!(page)?;
        for (word, meaning) in words {
            writeln!(page, "* `\"{word}\"`: {meaning}.")?;
        }
    }
    if !matches!(key.kind, Kind::Table | Kind::Names) {
        writeln!(page, "\n```toml\n{} = {}\n```", key.name, key.example)?;
    }
    writeln!(page)
}

#[test]
fn every_key_is_explained() {
    for key in all() {
        assert!(key.help.ends_with('.'), "{}: {}", key.name, key.help);
        assert!(
            !key.since.is_empty() && !key.example.is_empty(),
            "{}",
            key.name
        );
    }
}
