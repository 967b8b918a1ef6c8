//! The few shapes that the plot is drawn with.

use std::fmt::Write;

/// Colours for light and dark pages, and what does not change. Whole rules
/// instead of CSS variables, which some viewers do not know.
pub const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
.title { font-size: 16px; font-weight: 600; }
.name { font-weight: 600; }
.page { fill: #ffffff; }
.ink { fill: #1f2328; }
.faint { fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.axis { stroke: #59636e; stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.mark { stroke-width: 2; fill: #ffffff; }
.leader { stroke-width: 1; fill: none; }
.s0 { stroke: #0550ae; } .t0 { fill: #0550ae; } .mark.s0 { fill: #0550ae; }
.s1 { stroke: #116329; } .t1 { fill: #116329; }
.s2 { stroke: #8250df; } .t2 { fill: #8250df; }
.s3 { stroke: #bc4c00; } .t3 { fill: #bc4c00; }
.s4 { stroke: #57606a; } .t4 { fill: #57606a; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; }
.ink { fill: #f0f6fc; }
.faint { fill: #9198a1; }
.grid { stroke: #30363d; }
.axis { stroke: #9198a1; }
.mark { fill: #0d1117; }
.s0 { stroke: #58a6ff; } .t0 { fill: #58a6ff; } .mark.s0 { fill: #58a6ff; }
.s1 { stroke: #56d364; } .t1 { fill: #56d364; }
.s2 { stroke: #d2a8ff; } .t2 { fill: #d2a8ff; }
.s3 { stroke: #ffa657; } .t3 { fill: #ffa657; }
.s4 { stroke: #c9d1d9; } .t4 { fill: #c9d1d9; }
}
";

/// Where the text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

/// The shape of a series' points, so that colour is not all that tells them apart.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Filled, for the series that the plot is about.
    Disc,
    /// Standing on its side.
    Square,
    /// Pointing up.
    Triangle,
    /// Standing on its corner.
    Diamond,
    /// Two strokes.
    Cross,
}

/// A picture that grows.
#[derive(Debug)]
pub struct Picture {
    out: String,
}

impl Picture {
    /// An empty one, with words for those who do not see it.
    pub fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut picture = Self { out: String::new() };
        picture.push(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"t d\">"
        ));
        picture.push(&format!("<title id=\"t\">{}</title>", escaped(title)));
        picture.push(&format!("<desc id=\"d\">{}</desc>", escaped(description)));
        picture.push(&format!("<style>\n{STYLE}</style>"));
        picture.push(&format!(
            "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"
        ));
        picture
    }

    /// The whole file.
    pub fn finish(mut self) -> String {
        self.push("</svg>");
        self.out
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, "", &[from, to]);
    }

    /// Straight lines through all points; `dash` is empty for whole ones.
    pub fn path(&mut self, class: &str, dash: &str, points: &[(f64, f64)]) {
        let mut list = String::new();
        for (x, y) in points {
            let separator = if list.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(list, "{separator}{x:.1},{y:.1}");
        }
        let dash = match dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        self.push(&format!(
            "<polyline class=\"{class}\" fill=\"none\"{dash} points=\"{list}\"/>"
        ));
    }

    /// Words; the point is on their base line.
    pub fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(&format!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escaped(text)
        ));
    }

    /// Words that are read from below to above, around the point.
    pub fn upright(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.push(&format!(
            "<text class=\"{class}\" text-anchor=\"middle\" \
             transform=\"translate({x:.1},{y:.1}) rotate(-90)\">{}</text>",
            escaped(text)
        ));
    }

    /// A point of a series.
    pub fn mark(&mut self, class: &str, shape: Shape, (x, y): (f64, f64)) {
        let outline = match shape {
            Shape::Disc => {
                self.push(&format!(
                    "<circle class=\"mark {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
                ));
                return;
            }
            Shape::Square => "-4.5,-4.5 4.5,-4.5 4.5,4.5 -4.5,4.5",
            Shape::Triangle => "0,-6.5 6.5,5 -6.5,5",
            Shape::Diamond => "0,-6.5 6.5,0 0,6.5 -6.5,0",
            // To and fro: one outline of two strokes.
            Shape::Cross => "-5,-5 0,0 5,-5 0,0 5,5 0,0 -5,5 0,0",
        };
        self.push(&format!(
            "<polygon class=\"mark {class}\" transform=\"translate({x:.1},{y:.1})\" \
             points=\"{outline}\"/>"
        ));
    }

    fn push(&mut self, line: &str) {
        self.out += line;
        self.out.push('\n');
    }
}

/// Text as it may stand in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
