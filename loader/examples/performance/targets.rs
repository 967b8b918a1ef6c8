//! What was aimed at, and whether it was reached.

use crate::figures::{Figures, Mode};
use crate::number::grouped;

/// What is compared with the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// Net nanoseconds.
    Net,
    /// Net nanoseconds more than the same program takes in this case.
    AboveCase(&'static str),
    /// Net nanoseconds more than this program takes in the same case.
    AboveProgram(&'static str),
    /// Net cost as a multiple of dsrload's.
    TimesDsrload,
    /// Packets per second as a share of the floor's, in the worst of all cases.
    ShareOfFloor(Mode),
}

/// One aim: at most `bound` where less is better, else at least.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The case, or `every case`.
    pub case: &'static str,
    /// Whose figures.
    pub program: &'static str,
    /// Which of them.
    pub measure: Measure,
    /// In nanoseconds, or a plain number.
    pub bound: f64,
}

const fn target(case: &'static str, program: &'static str, measure: Measure, bound: f64) -> Target {
    Target {
        case,
        program,
        measure,
        bound,
    }
}

/// One known flow: what other cases are compared with.
const V4: Measure = Measure::AboveCase("v4-tcp-est-1");
const V6: Measure = Measure::AboveCase("v6-tcp-est-1");

/// All aims, in the order of the page.
pub const TARGETS: &[Target] = &[
    target("v4-tcp-est-1", "dsrload", Measure::Net, 12.0),
    target("v6-tcp-est-1", "dsrload", Measure::Net, 15.0),
    target("v4-tcp-est-1M", "dsrload", V4, 3.0),
    target("v4-syn-new", "dsrload", V4, 3.0),
    target("v4-services-1k", "dsrload", V4, 3.0),
    target("v4-backends-4k", "dsrload", V4, 3.0),
    target("v6-tcp-est-1M", "dsrload", V6, 3.0),
    target("v6-syn-new", "dsrload", V6, 3.0),
    target("v6-services-1k", "dsrload", V6, 3.0),
    target("v6-backends-4k", "dsrload", V6, 3.0),
    target("v4-tcp-est-1", "dsrload-1pct", Measure::Net, 13.0),
    target("v4-tcp-est-1k", "dsrload-1pct", Measure::Net, 13.0),
    target("v4-tcp-est-100k", "dsrload-1pct", Measure::Net, 13.0),
    target("v4-tcp-est-1M", "dsrload-1pct", Measure::Net, 13.0),
    target("v4-syn-new", "dsrload-1pct", Measure::Net, 13.0),
    target("v4-tcp-est-1", "dsrload-10pct", Measure::Net, 20.0),
    target("v4-tcp-est-1k", "dsrload-10pct", Measure::Net, 20.0),
    target("v4-tcp-est-100k", "dsrload-10pct", Measure::Net, 20.0),
    target("v4-tcp-est-1M", "dsrload-10pct", Measure::Net, 20.0),
    target("v4-syn-new", "dsrload-10pct", Measure::Net, 20.0),
    target("v4-tcp-est-1k", "dsrload-all", Measure::Net, 16.0),
    target("v4-tcp-est-100k", "dsrload-all", Measure::Net, 16.0),
    target("v4-pass", "dsrload", Measure::Net, 6.0),
    target(
        "v4-ipip4",
        "dsrload",
        Measure::AboveProgram("floor_adjust"),
        15.0,
    ),
    target(
        "every case",
        "dsrload",
        Measure::ShareOfFloor(Mode::Drv),
        0.92,
    ),
    target(
        "every case",
        "dsrload",
        Measure::ShareOfFloor(Mode::Skb),
        0.92,
    ),
    target("v4-tcp-est-1", "katran-like", Measure::TimesDsrload, 7.0),
    target(
        "v4-tcp-est-100k",
        "katran-like",
        Measure::TimesDsrload,
        20.0,
    ),
    target("v4-syn-new", "katran-like", Measure::TimesDsrload, 40.0),
    target(
        "v4-syn-new",
        "katran-like-nolimit",
        Measure::TimesDsrload,
        40.0,
    ),
];

/// What came of a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Reached, with so much to spare.
    Met(f64),
    /// Not reached; so much is lacking.
    Missed(f64),
    /// There is no figure.
    NotMeasured,
}

/// A figure that a target asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The figure.
    pub value: f64,
    /// Of several cases: which it is of, and how many there are.
    pub worst: Option<(String, usize)>,
}

impl Measure {
    fn less_is_better(self) -> bool {
        matches!(self, Self::Net | Self::AboveCase(_) | Self::AboveProgram(_))
    }

    /// A value with its unit.
    fn value(self, value: f64) -> String {
        match self {
            Self::Net => format!("{} ns", grouped(value, 1)),
            // Fewer nanoseconds than what it is compared with.
            Self::AboveCase(_) | Self::AboveProgram(_) if value < 0.0 => {
                format!("{} ns below", grouped(-value, 1))
            }
            Self::AboveCase(_) | Self::AboveProgram(_) => {
                format!("{} ns above", grouped(value, 1))
            }
            Self::TimesDsrload => format!("{} ×", grouped(value, 1)),
            Self::ShareOfFloor(_) => grouped(value, 3),
        }
    }

    /// A difference with its unit.
    fn margin(self, margin: f64) -> String {
        match self {
            Self::TimesDsrload => grouped(margin, 1),
            Self::ShareOfFloor(_) => grouped(margin, 3),
            _ => format!("{} ns", grouped(margin, 1)),
        }
    }
}

impl Target {
    /// The figure, if there is one.
    pub fn find(&self, figures: &Figures) -> Option<Found> {
        let net = figures.net(self.case, self.program);
        let value = match self.measure {
            Measure::Net => net?,
            Measure::AboveCase(case) => net? - figures.net(case, self.program)?,
            Measure::AboveProgram(program) => net? - figures.net(self.case, program)?,
            Measure::TimesDsrload => figures.times(self.case, self.program, "dsrload")?,
            Measure::ShareOfFloor(mode) => return self.worst(figures, mode),
        };
        Some(Found { value, worst: None })
    }

    fn worst(&self, figures: &Figures, mode: Mode) -> Option<Found> {
        let cases = figures.cases();
        let shares: Vec<(&str, f64)> = cases
            .into_iter()
            .filter_map(|case| Some((case, figures.share(case, self.program, mode)?)))
            .collect();
        let (case, value) = shares.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Found {
            value: *value,
            worst: Some(((*case).to_owned(), shares.len())),
        })
    }

    /// Whether a figure is as good as was aimed at.
    pub fn judge(&self, value: f64) -> Verdict {
        let spare = if self.measure.less_is_better() {
            self.bound - value
        } else {
            value - self.bound
        };
        if spare >= 0.0 {
            Verdict::Met(spare)
        } else {
            Verdict::Missed(-spare)
        }
    }

    /// The case, as it stands in the table.
    fn place(&self) -> String {
        match self.measure {
            Measure::ShareOfFloor(_) => self.case.to_owned(),
            _ => format!("`{}`", self.case),
        }
    }

    /// The aim in words.
    pub fn aim(&self) -> String {
        let bound = self.bound;
        match self.measure {
            Measure::Net => format!("at most {bound} ns"),
            Measure::AboveCase(case) => format!("at most {bound} ns above `{case}`"),
            Measure::AboveProgram(program) => format!("at most {bound} ns above `{program}`"),
            Measure::TimesDsrload => format!("at least {bound} × `dsrload`"),
            Measure::ShareOfFloor(Mode::Drv) => {
                format!("drv: at least {bound} of the floor's packets per second")
            }
            Measure::ShareOfFloor(Mode::Skb) => {
                format!("skb: at least {bound} of the floor's packets per second")
            }
        }
    }
}

/// Aims and what came of them, as a table of Markdown with a line before it that
/// counts.
pub fn table(figures: &Figures) -> String {
    let (mut met, mut missed, mut unknown) = (0, 0, 0);
    let mut rows = String::new();
    for target in TARGETS {
        let found = target.find(figures);
        let verdict = found
            .as_ref()
            .map_or(Verdict::NotMeasured, |found| target.judge(found.value));
        let verdict = match verdict {
            Verdict::Met(by) => {
                met += 1;
                format!("met by {}", target.measure.margin(by))
            }
            Verdict::Missed(by) => {
                missed += 1;
                format!("**missed** by {}", target.measure.margin(by))
            }
            Verdict::NotMeasured => {
                unknown += 1;
                "not measured".to_owned()
            }
        };
        rows += &format!(
            "| {} | `{}` | {} | {} | {verdict} |\n",
            target.place(),
            target.program,
            target.aim(),
            measured(target, found.as_ref()),
        );
    }
    format!(
        "{met} of {} targets are met, {missed} missed, {unknown} not measured.\n\n\
         | case | program | target | measured | result |\n| --- | --- | --- | --- | --- |\n{rows}",
        TARGETS.len()
    )
}

fn measured(target: &Target, found: Option<&Found>) -> String {
    match found {
        None => crate::number::NONE.to_owned(),
        Some(Found { value, worst: None }) => target.measure.value(*value),
        Some(Found {
            value,
            worst: Some((case, cases)),
        }) => format!(
            "{} in `{case}`, the worst of {cases}",
            target.measure.value(*value)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rows: &str) -> Figures {
        Figures::parse(&format!("[{rows}]")).unwrap()
    }

    #[test]
    fn a_bound_is_met_when_it_is_just_reached() {
        let most = target("c", "p", Measure::Net, 12.0);
        assert_eq!(most.judge(12.0), Verdict::Met(0.0));
        assert_eq!(most.judge(7.0), Verdict::Met(5.0));
        assert_eq!(most.judge(14.5), Verdict::Missed(2.5));
        let least = target("c", "p", Measure::TimesDsrload, 7.0);
        assert_eq!(least.judge(7.0), Verdict::Met(0.0));
        assert_eq!(least.judge(10.0), Verdict::Met(3.0));
        assert_eq!(least.judge(6.5), Verdict::Missed(0.5));
        let share = target("c", "p", Measure::ShareOfFloor(Mode::Drv), 0.5);
        assert_eq!(share.judge(0.75), Verdict::Met(0.25));
        assert_eq!(share.judge(0.25), Verdict::Missed(0.25));
    }

    #[test]
    fn each_measure_takes_the_figures_that_it_names() {
        let figures = figures(
            r#"{"case":"one","program":"dsrload","net_ns_min":8,"net_ns_median":80},
               {"case":"two","program":"dsrload","net_ns_min":10.5},
               {"case":"two","program":"floor_adjust","net_ns_min":2},
               {"case":"two","program":"katran-like","net_ns_min":105}"#,
        );
        let find = |case, program, measure| {
            let found = target(case, program, measure, 0.0).find(&figures)?;
            Some(found.value)
        };
        assert_eq!(find("one", "dsrload", Measure::Net), Some(8.0));
        assert_eq!(find("two", "dsrload", Measure::AboveCase("one")), Some(2.5));
        assert_eq!(
            find("two", "dsrload", Measure::AboveProgram("floor_adjust")),
            Some(8.5)
        );
        assert_eq!(
            find("two", "katran-like", Measure::TimesDsrload),
            Some(10.0)
        );
        assert_eq!(find("three", "dsrload", Measure::Net), None);
        assert_eq!(find("two", "dsrload", Measure::AboveCase("three")), None);
    }

    #[test]
    fn the_worst_case_decides_about_the_rate() {
        let figures = figures(
            r#"{"case":"a","program":"floor","mpps":5,"mpps_skb":2},
               {"case":"a","program":"dsrload","mpps":4.5,"mpps_skb":null},
               {"case":"b","program":"floor","mpps":4},
               {"case":"b","program":"dsrload","mpps":3},
               {"case":"c","program":"floor"},
               {"case":"c","program":"dsrload","mpps":0.1}"#,
        );
        let drv = target(
            "every case",
            "dsrload",
            Measure::ShareOfFloor(Mode::Drv),
            0.92,
        );
        assert_eq!(
            drv.find(&figures),
            Some(Found {
                value: 0.75,
                worst: Some(("b".to_owned(), 2))
            })
        );
        let skb = target(
            "every case",
            "dsrload",
            Measure::ShareOfFloor(Mode::Skb),
            0.92,
        );
        assert_eq!(skb.find(&figures), None);
    }

    #[test]
    fn the_table_says_by_how_much_and_counts() {
        let figures = figures(
            r#"{"case":"v4-tcp-est-1","program":"dsrload","net_ns_min":14.04},
               {"case":"v4-syn-new","program":"dsrload","net_ns_min":13},
               {"case":"v4-tcp-est-1","program":"katran-like","net_ns_min":140.4}"#,
        );
        let table = table(&figures);
        let counts = format!(
            "2 of {} targets are met, 1 missed, {} not measured.\n",
            TARGETS.len(),
            TARGETS.len() - 3
        );
        for line in [
            counts.as_str(),
            "| `v4-tcp-est-1` | `dsrload` | at most 12 ns | 14.0 ns | **missed** by 2.0 ns |\n",
            "| at most 3 ns above `v4-tcp-est-1` | 1.0 ns below | met by 4.0 ns |\n",
            "| at least 7 × `dsrload` | 10.0 × | met by 3.0 |\n",
            "| `v6-tcp-est-1` | `dsrload` | at most 15 ns | – | not measured |\n",
        ] {
            assert!(table.contains(line), "{line}\n{table}");
        }
    }
}
