//! The numbers, each with a history that stands at it.

mod of_load;
mod of_safety;
mod of_time;

use crate::world::World;

/// A number, and the value at which it moves a row of a history's finding.
#[derive(Clone, Copy)]
pub struct Edge {
    pub criterion: &'static str,
    /// The profile whose numbers the history fits.
    pub profile: &'static str,
    /// `floors.operations`, `limits.p95_ms`.
    pub number: &'static str,
    pub world: fn() -> World,
    /// The floor or check that moves.
    pub row: &'static str,
    pub at: f64,
    pub step: f64,
    /// Whether the row is good one step under, at and one step over.
    pub good: [bool; 3],
}

impl Edge {
    /// The criterion whose finding is looked at; the ground has none of its own.
    pub fn owner(&self) -> &'static str {
        match self.criterion {
            "ground" => "V.3",
            other => other,
        }
    }
}

/// What a history has shown so often is enough, and one more is not: floors, and least counts.
const ENOUGH: [bool; 3] = [true, true, false];
/// What a history has measured is allowed from there on: limits that bound from above.
const ALLOWED: [bool; 3] = [false, true, true];
/// The one value that fits.
const EXACT: [bool; 3] = [false, true, false];

/// The edge of a limit that bounds from above.
const fn limit(edge: Edge) -> Edge {
    Edge {
        good: ALLOWED,
        ..edge
    }
}

/// The edges of the numbers that one criterion's checker reads.
pub fn edges(criterion: &str) -> Vec<Edge> {
    let all = of_safety::ROWS
        .iter()
        .chain(of_load::ROWS)
        .chain(of_time::ROWS);
    let mine = all.filter(|edge| edge.criterion == criterion);
    mine.copied().collect()
}

/// Numbers without an edge here, and why. An edge for one of them must take it off this list.
pub const REMAINDER: &[(&str, &str, &str)] = &[
    (
        "ground",
        "limits.settle_s",
        "one call judged too early is one error of many, which moves no row by itself",
    ),
    (
        "ground",
        "limits.retention_s",
        "one call judged without its journal is one error of many, which moves no row by itself",
    ),
    (
        "ground",
        "limits.window_tail_s",
        "moves calls between windows and not a row by itself; ground.rs holds its end",
    ),
    (
        "V.5",
        "floors.exposure",
        "a count within a kill, judged by its rows; failover/edges.rs holds it",
    ),
    (
        "V.5",
        "floors.probes",
        "a count within a window, judged by its rows; failover/edges.rs holds it",
    ),
    (
        "V.6",
        "limits.advisories_days",
        "the workload reads it and writes a case; no checker does",
    ),
    (
        "V.6",
        "limits.body_bytes",
        "the workload reads it and writes a case; no checker does",
    ),
    (
        "V.6",
        "limits.rate_global",
        "the arithmetic of rate_address, which needs thousands of calls to be seen",
    ),
    (
        "V.6",
        "limits.burst_global",
        "the arithmetic of burst_address, which needs thousands of calls to be seen",
    ),
    (
        "V.7m",
        "limits.memory_quiet",
        "a switch: which of two rules judges memory, each held in soak/memory.rs",
    ),
    (
        "V.7m",
        "limits.descriptors_judged",
        "a switch: whether a row is there at all, held in soak/drawn.rs",
    ),
    (
        "V.7m",
        "limits.minute_s",
        "read where memory is judged by its slope, over hours; slope.rs holds it",
    ),
    (
        "V.7m",
        "limits.block_s",
        "read where memory is judged by its slope, over hours; slope.rs holds it",
    ),
    (
        "V.7m",
        "limits.blocks",
        "read where memory is judged by its slope, over hours; slope.rs holds it",
    ),
    (
        "V.7m",
        "limits.slope_share",
        "read where memory is judged by its slope; soak/memory.rs holds it",
    ),
    (
        "V.7m",
        "limits.extrapolate_h",
        "read where memory is judged by its slope, over hours; held by no exact case yet",
    ),
    (
        "V.7m",
        "limits.memory_mib",
        "read where memory is judged by its slope, over hours; held by no exact case yet",
    ),
    (
        "V.7m",
        "limits.memory_share",
        "read where memory is judged by its slope, over hours; held by no exact case yet",
    ),
    (
        "V.8g",
        "limits.bare_s",
        "the workload reads it, for a figure that nothing judges",
    ),
    (
        "V.8g",
        "limits.indicative",
        "a switch: one word of the headline, held in benchmark.rs",
    ),
];
