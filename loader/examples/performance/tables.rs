//! The figures as tables of Markdown.

use crate::figures::{Control, Figures, Mode, in_order};
use crate::number::{NONE, cell, grouped, readable};

/// Said where there is nothing.
const NOTHING: &str = "Not measured.\n";

/// What one packet costs, for each version of IP: first what dsrload is compared
/// with, then dsrload itself while it has to look at its flow table.
pub fn cost(figures: &Figures) -> String {
    let programs = figures.programs();
    let (own, others): (Vec<&str>, Vec<&str>) = programs
        .iter()
        .partition(|name| name.starts_with("dsrload"));
    let mut beside = vec!["dsrload"];
    beside.extend(others);
    let mut out = String::new();
    for (version, prefix) in [("IPv4", "v4-"), ("IPv6", "v6-")] {
        let cases = of_version(figures, prefix);
        out += &costs(
            figures,
            &cases,
            &beside,
            &format!("{version}, all programs"),
        );
        let title = format!("{version}, dsrload while flows are looked up");
        out += &costs(figures, &cases, &own, &title);
    }
    or_nothing(out)
}

fn of_version<'a>(figures: &'a Figures, prefix: &str) -> Vec<&'a str> {
    let mut cases = figures.cases();
    cases.retain(|case| case.starts_with(prefix));
    cases
}

/// One table; cases and programs without any figure are left out.
fn costs(figures: &Figures, cases: &[&str], programs: &[&str], title: &str) -> String {
    let programs: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| {
            let measured = |case: &&str| cost_cell(figures, case, program) != NONE;
            cases.iter().any(measured)
        })
        .collect();
    // `dsrload` alone would only repeat the other table.
    if programs.len() < 2 {
        return String::new();
    }
    let header: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
    let rows = cases.iter().map(|case| {
        let cells = programs.iter().map(|name| cost_cell(figures, case, name));
        (format!("`{case}`"), cells.collect::<Vec<_>>())
    });
    table(title, &header, rows)
}

/// `net min / net median (ratio)`; of the floor, which all others are net of, the
/// whole time.
fn cost_cell(figures: &Figures, case: &str, program: &str) -> String {
    let Some(row) = figures.row(case, program) else {
        return NONE.to_owned();
    };
    if program == "floor" {
        return row
            .ns_min
            .map_or_else(|| NONE.to_owned(), |ns| format!("({})", grouped(ns, 1)));
    }
    let Some(min) = row.net_ns_min else {
        return NONE.to_owned();
    };
    let cost = format!("{} / {}", grouped(min, 1), cell(row.net_ns_median, 1));
    match figures.times(case, program, "dsrload") {
        Some(times) if program != "dsrload" => format!("{cost} ({} ×)", grouped(times, 1)),
        _ => cost,
    }
}

/// Packets per second end to end, in both modes.
pub fn throughput(figures: &Figures) -> String {
    let drv = rates(figures, Mode::Drv, "Native (`drv`), Mpps on one core");
    let skb = rates(figures, Mode::Skb, "Generic (`skb`), Mpps on one core");
    or_nothing(drv + &skb)
}

fn rates(figures: &Figures, mode: Mode, title: &str) -> String {
    let measured = |case: &str, program: &str| figures.rate(case, program, mode).is_some();
    let mut cases = figures.cases();
    let mut programs = figures.programs();
    programs.retain(|program| cases.iter().any(|case| measured(case, program)));
    cases.retain(|case| programs.iter().any(|program| measured(case, program)));
    if programs.is_empty() {
        return String::new();
    }
    let header: Vec<String> = programs.iter().map(|name| format!("`{name}`")).collect();
    let rows = cases.iter().map(|case| {
        let cells = programs.iter().map(|program| {
            let rate = cell(figures.rate(case, program, mode), 2);
            match figures.share(case, program, mode) {
                Some(share) if *program != "floor" => format!("{rate} ({})", grouped(share, 2)),
                _ => rate,
            }
        });
        (format!("`{case}`"), cells.collect::<Vec<_>>())
    });
    table(title, &header, rows)
}

/// The control plane, one table for each group.
pub fn control(rows: &[Control]) -> String {
    let header = ["program", "unit", "min", "median", "p90", "ratio"].map(str::to_owned);
    let groups = in_order(rows.iter().map(|row| row.group.as_str()));
    let tables = groups.into_iter().map(|group| {
        let rows = rows.iter().filter(|row| row.group == group).map(|row| {
            let number = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), readable);
            let cells = vec![
                escaped(&row.program),
                escaped(&row.unit),
                number(row.min),
                number(row.median),
                number(row.p90),
                number(row.ratio),
            ];
            (escaped(&row.name), cells)
        });
        table(&escaped(group), &header, rows)
    });
    or_nothing(tables.collect())
}

/// A title and a table, with an empty line behind them.
fn table(
    title: &str,
    header: &[String],
    rows: impl Iterator<Item = (String, Vec<String>)>,
) -> String {
    let mut out = format!(
        "**{title}**\n\n| | {} |\n| --- |{}\n",
        header.join(" | "),
        " ---: |".repeat(header.len())
    );
    for (name, cells) in rows {
        out += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    out + "\n"
}

/// Text of the bench that would otherwise end a cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn or_nothing(tables: String) -> String {
    if tables.is_empty() {
        NOTHING.to_owned()
    } else {
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::parse_control;

    fn figures(rows: &str) -> Figures {
        Figures::parse(&format!("[{rows}]")).unwrap()
    }

    #[test]
    fn costs_stand_beside_their_ratio_to_ours() {
        let figures = figures(
            r#"{"case":"v4-a","program":"floor","ns_min":27.34,"net_ns_min":0},
               {"case":"v4-a","program":"dsrload","net_ns_min":8,"net_ns_median":9},
               {"case":"v4-a","program":"seed","net_ns_min":20,"net_ns_median":null},
               {"case":"v4-b","program":"dsrload","net_ns_min":null},
               {"case":"v4-b","program":"seed","net_ns_min":1234.5,"net_ns_median":2000}"#,
        );
        assert_eq!(
            cost(&figures),
            "**IPv4, all programs**\n\n\
             | | `dsrload` | `floor` | `seed` |\n\
             | --- | ---: | ---: | ---: |\n\
             | `v4-a` | 8.0 / 9.0 | (27.3) | 20.0 / – (2.5 ×) |\n\
             | `v4-b` | – | – | 1,234.5 / 2,000.0 |\n\n"
        );
    }

    #[test]
    fn rates_stand_beside_their_share_of_the_floors() {
        let figures = figures(
            r#"{"case":"v4-a","program":"floor","mpps":5},
               {"case":"v4-a","program":"dsrload","mpps":4.7},
               {"case":"v4-b","program":"dsrload","mpps":null}"#,
        );
        assert_eq!(
            throughput(&figures),
            "**Native (`drv`), Mpps on one core**\n\n\
             | | `floor` | `dsrload` |\n\
             | --- | ---: | ---: |\n\
             | `v4-a` | 5.00 | 4.70 (0.94) |\n\n"
        );
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let figures = figures(r#"{"case":"v4-a","program":"dsrload"}"#);
        assert_eq!(cost(&figures), NOTHING);
        assert_eq!(throughput(&figures), NOTHING);
        assert_eq!(control(&[]), NOTHING);
    }

    #[test]
    fn the_control_plane_is_grouped() {
        let rows = parse_control(
            r#"[{"group":"load","name":"1 | 2","program":"dsrload","unit":"ms",
                 "min":1.5,"median":12.25,"p90":null,"ratio":null},
                {"group":"size","name":"x","program":"p","unit":"KiB","min":2048}]"#,
        )
        .unwrap();
        let page = control(&rows);
        assert!(page.contains("**load**\n\n| | program | unit |"), "{page}");
        assert!(page.contains("| 1 \\| 2 | dsrload | ms | 1.50 | 12.2 | – | – |\n"));
        assert!(page.contains("**size**") && page.contains("| 2,048 |"));
    }
}
