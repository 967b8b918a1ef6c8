//! `dsrload show drops`

use super::unit::{count, rate};
use super::{Part, Report, compare_parts, per_second, table, write_parts};
use crate::report::table::Align;
use serde::Serialize;
use std::io::{self, Write};

/// Packets that were dropped.
#[derive(Clone, Debug, Serialize)]
pub struct Drops {
    /// By balancers.
    pub balancers: Vec<DropsOf>,
    /// Where tunnels end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decaps: Vec<DropsOf>,
}

/// Those of one balancer, or of one interface where tunnels end.
#[derive(Clone, Debug, Serialize)]
pub struct DropsOf {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// By outcome.
    pub drops: Vec<Dropped>,
}

/// Packets that were dropped for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct Dropped {
    /// The outcome's name.
    pub name: &'static str,
    /// Packets.
    pub packets: u64,
    /// How fast that grows; only where two looks are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_per_second: Option<f64>,
    /// What it means.
    pub help: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Report for Drops {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.balancers.is_empty() && self.decaps.is_empty() {
            return writeln!(out, "not loaded");
        }
        write_parts(out, &self.balancers)?;
        for decap in &self.decaps {
            if !self.balancers.is_empty() {
                writeln!(out)?;
            }
            writeln!(out, "{}: decap", decap.interfaces.join(", "))?;
            decap.write(out)?;
        }
        Ok(())
    }

    fn compare(&mut self, before: &Self, millis: u64) {
        compare_parts(&mut self.balancers, &before.balancers, millis);
        compare_parts(&mut self.decaps, &before.decaps, millis);
    }
}

impl Part for DropsOf {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    /// The reasons that there were, most packets first, each with its remedy.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut drops: Vec<&Dropped> = self.drops.iter().filter(|d| d.packets > 0).collect();
        if drops.is_empty() {
            return writeln!(out, "nothing was dropped");
        }
        drops.sort_unstable_by_key(|dropped| std::cmp::Reverse(dropped.packets));
        let rows: Vec<[String; 4]> = drops.iter().map(|dropped| dropped.row()).collect();
        let head = [
            ("DROPPED", Align::Left),
            ("PACKETS", Align::Right),
            ("PER SECOND", Align::Right),
            ("MEANING", Align::Left),
        ];
        table::write(out, head, &rows)?;
        for dropped in drops {
            writeln!(out, "{}: {}", dropped.name, dropped.remedy)?;
        }
        Ok(())
    }

    fn compare(&mut self, before: &Self, millis: u64) {
        for dropped in &mut self.drops {
            let mut before = before.drops.iter();
            if let Some(before) = before.find(|before| before.name == dropped.name) {
                let rate = per_second(before.packets, dropped.packets, millis);
                dropped.packets_per_second = Some(rate);
            }
        }
    }
}

impl Dropped {
    fn row(&self) -> [String; 4] {
        [
            self.name.to_owned(),
            count(self.packets),
            self.packets_per_second
                .map_or_else(|| "-".to_owned(), |per_second| rate(per_second, "")),
            self.help.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops(no_service: u64) -> Drops {
        let dropped = |name, packets| Dropped {
            name,
            packets,
            packets_per_second: None,
            help: "Why.",
            remedy: "Do this.",
        };
        Drops {
            balancers: vec![DropsOf {
                interfaces: vec!["eth0".into()],
                drops: vec![
                    dropped("truncated", 0),
                    dropped("no_backend", 2),
                    dropped("no_service", no_service),
                ],
            }],
            decaps: vec![],
        }
    }

    fn text(report: &Drops) -> String {
        let mut out = Vec::new();
        report.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn reasons_that_there_were_come_with_their_remedies() {
        let expected = "\
DROPPED     PACKETS  PER SECOND  MEANING
no_service        9           -  Why.
no_backend        2           -  Why.
no_service: Do this.
no_backend: Do this.
";
        assert_eq!(text(&drops(9)), expected);
    }

    #[test]
    fn two_looks_tell_how_fast_it_grows() {
        let mut now = drops(9);
        now.compare(&drops(4), 1_000);
        let text = text(&now);
        assert!(text.contains("no_service        9         5.0"), "{text}");
        assert!(text.contains("no_backend        2           0"), "{text}");
    }

    #[test]
    fn nothing_is_said_as_well() {
        let mut none = drops(0);
        none.balancers[0].drops.truncate(1);
        assert_eq!(text(&none), "nothing was dropped\n");
        none.balancers.clear();
        assert_eq!(text(&none), "not loaded\n");
    }
}
