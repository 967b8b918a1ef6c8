//! Cost against the number of flows, as a picture with a table below it: the lines
//! show the shape, the table has the numbers.

use crate::figures::Figures;
use crate::number::{cell, grouped};
use crate::svg::{Anchor, Picture, Shape};

/// The picture, in pixels.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 620.0;
/// Where the figures stand in it.
const LEFT: f64 = 276.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 416.0;
/// Between two decades of flows.
const DECADE: f64 = 76.0;
/// Where the column of new flows stands, and what is right of it.
const NEW: f64 = LEFT + 6.0 * DECADE + 90.0;
const LABELS: f64 = NEW + 48.0;
const RIGHT: f64 = NEW + 28.0;
/// Between the base lines of two rows of text.
const ROW: f64 = 20.0;
/// Between two labels beside the lines.
pub const LABEL: f64 = 17.0;
/// What costs less is drawn as if it cost this: there is no logarithm of nothing.
const LEAST: f64 = 1.0;

const TITLE: &str = "Cost of one packet over a program that only returns XDP_TX, IPv4";
const HINT: &str = "Less is better. Both axes are logarithmic.";

/// A line of the plot.
struct Series {
    program: &'static str,
    /// In the table.
    name: &'static str,
    /// Beside the line.
    label: &'static str,
    shape: Shape,
    dash: &'static str,
}

const SERIES: [Series; 5] = [
    Series {
        program: "dsrload",
        name: "dsrload",
        label: "dsrload",
        shape: Shape::Disc,
        dash: "",
    },
    Series {
        program: "dsrload-10pct",
        name: "dsrload, 10 % unsettled",
        label: "10 % unsettled",
        shape: Shape::Square,
        dash: "7 3",
    },
    Series {
        program: "dsrload-all",
        name: "dsrload, all tracked",
        label: "all tracked",
        shape: Shape::Triangle,
        dash: "2 3",
    },
    Series {
        program: "seed",
        name: "seed's algorithm",
        label: "seed",
        shape: Shape::Diamond,
        dash: "12 3 2 3",
    },
    Series {
        program: "katran-like",
        name: "Katran-like",
        label: "Katran-like",
        shape: Shape::Cross,
        dash: "14 5",
    },
];

/// A column: case, what stands above it, and where it is.
struct Column {
    case: &'static str,
    name: &'static str,
    x: f64,
}

/// The numbers of flows, and new flows as the last.
const COLUMNS: [Column; 5] = [
    column("v4-tcp-est-1", "1 flow", 0.0),
    column("v4-tcp-est-1k", "1k flows", 3.0),
    column("v4-tcp-est-100k", "100k flows", 5.0),
    column("v4-tcp-est-1M", "1M flows", 6.0),
    Column {
        case: "v4-syn-new",
        name: "new flows",
        x: NEW,
    },
];

const fn column(case: &'static str, name: &'static str, decades: f64) -> Column {
    Column {
        case,
        name,
        x: LEFT + decades * DECADE,
    }
}

/// The cost axis: logarithmic, from `low` to `high` nanoseconds.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Wide enough for all of them, with ends that have a tick.
    fn around(values: &[f64]) -> Self {
        let lowest = values.iter().copied().fold(10.0, f64::min).max(LEAST);
        let highest = values.iter().copied().fold(10.0, f64::max);
        let ticks: Vec<f64> = ticks().collect();
        let below = ticks.iter().rev().find(|tick| **tick <= lowest);
        let above = ticks.iter().find(|tick| **tick > highest * 1.05);
        Self {
            low: below.copied().unwrap_or(LEAST),
            high: above.copied().unwrap_or(highest * 1.05),
        }
    }

    fn y(&self, value: f64) -> f64 {
        let value = value.max(self.low);
        let part = (value / self.low).ln() / (self.high / self.low).ln();
        BOTTOM - part * (BOTTOM - TOP)
    }
}

/// 1, 2, 5, 10 and so on, up to a millisecond.
fn ticks() -> impl Iterator<Item = f64> {
    let decades = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5];
    let steps = [1.0, 2.0, 5.0];
    decades
        .into_iter()
        .flat_map(move |decade| steps.map(|step| decade * step))
        .chain([1e6])
}

/// Draws the plot. What was not measured is not drawn, and a dash in the table.
pub fn draw(figures: &Figures) -> String {
    let mut picture = Picture::new(WIDTH, HEIGHT, TITLE, &description(figures));
    let all: Vec<f64> = SERIES
        .iter()
        .flat_map(|series| points(figures, series))
        .map(|(_, value)| value)
        .collect();
    let scale = Scale::around(&all);
    axes(&mut picture, &scale);
    // Ours last, and so on top.
    for (index, series) in SERIES.iter().enumerate().rev() {
        line(&mut picture, &scale, index, series, figures);
    }
    labels(&mut picture, &scale, figures);
    if all.is_empty() {
        let middle = (LEFT + 3.0 * DECADE, (TOP + BOTTOM) / 2.0);
        picture.text("ink", Anchor::Middle, middle, "Not measured.");
    }
    numbers(&mut picture, figures);
    picture.finish()
}

/// Column and cost of what was measured.
fn points(figures: &Figures, series: &Series) -> Vec<(usize, f64)> {
    let point = |(at, column): (usize, &Column)| {
        let value = figures.net(column.case, series.program)?;
        Some((at, value))
    };
    COLUMNS.iter().enumerate().filter_map(point).collect()
}

fn description(figures: &Figures) -> String {
    let mut text = "Nanoseconds against the number of flows, both logarithmic, and for new \
                    flows in a column of its own."
        .to_owned();
    for series in &SERIES {
        let costs: Vec<String> = points(figures, series)
            .into_iter()
            .map(|(at, value)| format!("{} {}", COLUMNS[at].name, grouped(value, 1)))
            .collect();
        if !costs.is_empty() {
            text += &format!(" {}: {}.", series.name, costs.join(", "));
        }
    }
    text
}

fn axes(picture: &mut Picture, scale: &Scale) {
    picture.text("title ink", Anchor::Start, (16.0, 28.0), TITLE);
    picture.text("faint", Anchor::Start, (16.0, 50.0), HINT);
    let middle = (TOP + BOTTOM) / 2.0;
    picture.upright(
        "faint",
        (LEFT - 88.0, middle),
        "nanoseconds per packet, net",
    );
    for tick in ticks().filter(|tick| (scale.low..=scale.high).contains(tick)) {
        let y = scale.y(tick);
        picture.line("grid", (LEFT - 14.0, y), (RIGHT, y));
        let label = grouped(tick, 0);
        picture.text("faint", Anchor::End, (LEFT - 20.0, y + 4.5), &label);
    }
    let decades = ["1", "10", "100", "1k", "10k", "100k", "1M"];
    let mut x = LEFT;
    for name in decades {
        picture.line("axis", (x, BOTTOM), (x, BOTTOM + 6.0));
        picture.text("faint", Anchor::Middle, (x, BOTTOM + 22.0), name);
        x += DECADE;
    }
    let end = LEFT + 6.0 * DECADE;
    picture.line("axis", (LEFT - 14.0, BOTTOM), (end + 14.0, BOTTOM));
    picture.line("axis", (NEW - 28.0, BOTTOM), (RIGHT, BOTTOM));
    picture.text("faint", Anchor::Middle, (NEW, BOTTOM + 22.0), "SYNs of new");
    picture.text("faint", Anchor::Middle, (NEW, BOTTOM + 40.0), "flows only");
    let below = ((LEFT + end) / 2.0, BOTTOM + 40.0);
    picture.text(
        "faint",
        Anchor::Middle,
        below,
        "number of established flows",
    );
}

/// The line through the established flows, and all points.
fn line(picture: &mut Picture, scale: &Scale, index: usize, series: &Series, figures: &Figures) {
    let at = |(column, value): (usize, f64)| (COLUMNS[column].x, scale.y(value));
    let points = points(figures, series);
    let last = COLUMNS.len() - 1;
    let joined: Vec<(f64, f64)> = points
        .iter()
        .filter(|(column, _)| *column != last)
        .map(|point| at(*point))
        .collect();
    if joined.len() > 1 {
        picture.path(&format!("line s{index}"), series.dash, &joined);
    }
    for point in points {
        picture.mark(&format!("s{index}"), series.shape, at(point));
    }
}

/// Names beside the last point of each line.
fn labels(picture: &mut Picture, scale: &Scale, figures: &Figures) {
    let ends: Vec<(usize, (f64, f64))> = SERIES
        .iter()
        .enumerate()
        .filter_map(|(index, series)| {
            let (column, value) = points(figures, series).pop()?;
            Some((index, (COLUMNS[column].x, scale.y(value))))
        })
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
    for ((index, (x, y)), label) in ends.iter().zip(apart(&wanted, TOP, BOTTOM)) {
        let class = format!("leader s{index}");
        picture.line(&class, (x + 9.0, *y), (LABELS - 4.0, label));
        let class = format!("name t{index}");
        let place = (LABELS, label + 4.5);
        picture.text(&class, Anchor::Start, place, SERIES[*index].label);
    }
}

/// Heights near the wanted ones, in their order, no two nearer than a label is
/// high, and all between `top` and `bottom` as far as there is room.
pub fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut places = wanted.to_vec();
    // Down first, then back up from the bottom.
    let mut free = top;
    for at in &order {
        places[*at] = places[*at].max(free);
        free = places[*at] + LABEL;
    }
    let mut free = bottom;
    for at in order.iter().rev() {
        places[*at] = places[*at].min(free);
        free = places[*at] - LABEL;
    }
    places
}

/// The table below the plot: its columns stand below the points.
fn numbers(picture: &mut Picture, figures: &Figures) {
    let top = BOTTOM + 76.0;
    picture.text(
        "faint",
        Anchor::Start,
        (16.0, top),
        "net ns, 2nd percentile",
    );
    for column in &COLUMNS {
        picture.text("faint", Anchor::Middle, (column.x, top), column.name);
    }
    picture.line("axis", (16.0, top + 7.0), (RIGHT, top + 7.0));
    let mut y = top + 7.0;
    for (index, series) in SERIES.iter().enumerate() {
        y += ROW;
        let sample = [(16.0, y - 4.5), (48.0, y - 4.5)];
        picture.path(&format!("line s{index}"), series.dash, &sample);
        picture.mark(&format!("s{index}"), series.shape, (32.0, y - 4.5));
        picture.text(
            &format!("name t{index}"),
            Anchor::Start,
            (58.0, y),
            series.name,
        );
        for column in &COLUMNS {
            let cost = cell(figures.net(column.case, series.program), 1);
            picture.text("ink", Anchor::Middle, (column.x, y), &cost);
        }
    }
}
