//! What `dsrload bench` has found.

use super::table::{self, Align};
use serde::Serialize;
use std::io::{self, Write};

/// Nanoseconds for a packet.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// What 2 of a hundred measurements are below, above the same of the floor.
    pub net_ns_min: f64,
    /// Median of the differences to the floor, round by round.
    pub net_ns_median: f64,
    /// What one of ten of these differences is above.
    pub net_ns_p90: f64,
    /// What 2 of a hundred measurements are below.
    pub ns_min: f64,
    /// Median of the measurements.
    pub ns_median: f64,
}

/// One program in one case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The case: IP version, packets, how many.
    pub case: String,
    /// The program.
    pub program: String,
    /// What a packet costs.
    #[serde(flatten)]
    pub cost: Cost,
    /// Millions of frames each second, there and back over a veth pair with the
    /// program in driver mode; nothing if that was not measured.
    pub mpps: Option<f64>,
    /// The same in skb mode.
    pub mpps_skb: Option<f64>,
}

/// Writes rows as a table.
///
/// # Errors
///
/// The writer's.
pub fn write(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    let lines: Vec<[String; 8]> = rows
        .iter()
        .map(|row| {
            let rate = |rate: Option<f64>| rate.map_or("-".to_owned(), |r| format!("{r:.2}"));
            [
                row.case.clone(),
                row.program.clone(),
                format!("{:.1}", row.cost.net_ns_min),
                format!("{:.1}", row.cost.net_ns_median),
                format!("{:.1}", row.cost.net_ns_p90),
                format!("{:.1}", row.cost.ns_median),
                rate(row.mpps),
                rate(row.mpps_skb),
            ]
        })
        .collect();
    let head = [
        ("CASE", Align::Left),
        ("PROGRAM", Align::Left),
        ("NET MIN", Align::Right),
        ("MEDIAN", Align::Right),
        ("P90", Align::Right),
        ("WHOLE", Align::Right),
        ("DRV MPPS", Align::Right),
        ("SKB MPPS", Align::Right),
    ];
    table::write(out, head, &lines)
}
