//! What the bench has measured, as its JSON tells it.

use serde::Deserialize;

/// One program in one case. What was not measured is `None`.
#[derive(Clone, Debug, Deserialize)]
pub struct Figure {
    /// Which packets, as in `v4-tcp-est-1k`.
    pub case: String,
    /// Which program.
    pub program: String,
    /// Nanoseconds for one packet, with the driver program: 2nd percentile.
    pub ns_min: Option<f64>,
    /// Nanoseconds over the floor: 2nd percentile.
    pub net_ns_min: Option<f64>,
    /// Nanoseconds over the floor: median of the differences, round by round.
    pub net_ns_median: Option<f64>,
    /// Million packets per second on one core, end to end, native mode.
    pub mpps: Option<f64>,
    /// The same in generic mode.
    pub mpps_skb: Option<f64>,
}

/// One row of the control plane's figures.
#[derive(Clone, Debug, Deserialize)]
pub struct Control {
    /// What belongs together.
    pub group: String,
    /// What was done.
    pub name: String,
    /// Who did it.
    pub program: String,
    /// Of `min`, `median` and `p90`.
    pub unit: String,
    /// Best run.
    pub min: Option<f64>,
    /// Half of the runs were no worse.
    pub median: Option<f64>,
    /// Nine of ten runs were no worse.
    pub p90: Option<f64>,
    /// As the bench has computed it.
    pub ratio: Option<f64>,
}

/// How packets get to the program, end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Drv,
    /// In the kernel's generic path.
    Skb,
}

/// All figures of the data path.
#[derive(Clone, Debug)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Reads the bench's list. Refuses what is no such list, an empty one, and
    /// two rows for the same program and case.
    pub fn parse(json: &str) -> Result<Self, String> {
        let rows: Vec<Figure> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if rows.is_empty() {
            return Err("there are no figures in it".to_owned());
        }
        for (at, row) in rows.iter().enumerate() {
            if rows
                .iter()
                .take(at)
                .any(|r| r.case == row.case && r.program == row.program)
            {
                return Err(format!("{} stands twice in case {}", row.program, row.case));
            }
        }
        Ok(Self(rows))
    }

    /// The row of a program in a case.
    pub fn row(&self, case: &str, program: &str) -> Option<&Figure> {
        self.0
            .iter()
            .find(|row| row.case == case && row.program == program)
    }

    /// Nanoseconds over the floor, 2nd percentile.
    pub fn net(&self, case: &str, program: &str) -> Option<f64> {
        self.row(case, program)?.net_ns_min
    }

    /// Net cost as a multiple of another program's in the same case. There is
    /// none if that has no cost that could be told from the floor's.
    pub fn times(&self, case: &str, program: &str, other: &str) -> Option<f64> {
        quotient(self.net(case, program)?, self.net(case, other)?)
    }

    /// Million packets per second.
    pub fn rate(&self, case: &str, program: &str, mode: Mode) -> Option<f64> {
        let row = self.row(case, program)?;
        match mode {
            Mode::Drv => row.mpps,
            Mode::Skb => row.mpps_skb,
        }
    }

    /// Rate as a share of the floor's.
    pub fn share(&self, case: &str, program: &str, mode: Mode) -> Option<f64> {
        quotient(
            self.rate(case, program, mode)?,
            self.rate(case, "floor", mode)?,
        )
    }

    /// The cases, in the bench's order.
    pub fn cases(&self) -> Vec<&str> {
        in_order(self.0.iter().map(|row| row.case.as_str()))
    }

    /// The programs, in the bench's order.
    pub fn programs(&self) -> Vec<&str> {
        in_order(self.0.iter().map(|row| row.program.as_str()))
    }
}

/// Reads the list of the control plane's figures.
pub fn parse_control(json: &str) -> Result<Vec<Control>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// Each value once, where it came first.
pub fn in_order<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn quotient(of: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| of / by)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bench's tables of the prototype, to try the page with.
    pub const FIXTURE: &str = include_str!("fixture.json");

    #[test]
    fn what_was_not_measured_may_be_null_or_absent_and_new_keys_do_not_matter() {
        let figures = Figures::parse(
            r#"[{"case":"a","program":"floor","net_ns_min":0,"mpps":null,"of_tomorrow":[1]},
                {"case":"a","program":"dsrload"}]"#,
        )
        .unwrap();
        assert_eq!(figures.net("a", "floor"), Some(0.0));
        assert_eq!(figures.net("a", "dsrload"), None);
        assert_eq!(figures.net("b", "dsrload"), None);
        assert_eq!(figures.rate("a", "floor", Mode::Drv), None);
        assert_eq!(figures.cases(), ["a"]);
        assert_eq!(figures.programs(), ["floor", "dsrload"]);
    }

    #[test]
    fn a_list_that_cannot_be_is_refused() {
        let twice = r#"[{"case":"a","program":"x"},{"case":"a","program":"x"}]"#;
        assert_eq!(
            Figures::parse(twice).unwrap_err(),
            "x stands twice in case a"
        );
        for bad in ["", "{}", "[]", "[{}]", r#"[{"case":"a","program":1}]"#] {
            assert!(!Figures::parse(bad).unwrap_err().is_empty(), "{bad}");
        }
        assert!(parse_control("[{}]").is_err());
    }

    #[test]
    fn nothing_is_divided_by_a_cost_of_nothing() {
        let figures = Figures::parse(
            r#"[{"case":"a","program":"x","net_ns_min":8},
                {"case":"a","program":"y","net_ns_min":2},
                {"case":"a","program":"z","net_ns_min":-0.1}]"#,
        )
        .unwrap();
        assert_eq!(figures.times("a", "x", "y"), Some(4.0));
        assert_eq!(figures.times("a", "x", "z"), None);
    }

    #[test]
    fn the_fixture_can_be_read() {
        let figures = Figures::parse(FIXTURE).unwrap();
        assert_eq!(figures.net("v4-tcp-est-1", "dsrload"), Some(7.0));
        let share = figures.share("v4-tcp-est-1", "dsrload", Mode::Drv).unwrap();
        assert!((share - 5.41 / 5.70).abs() < 1e-9);
    }
}
