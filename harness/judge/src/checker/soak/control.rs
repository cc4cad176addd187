//! The detector's proof: a second instance of the same binary is really broken in the same run, and
//! each way of breaking it must have shown through the collectors that watch the first.

use super::memory::{self, Point};
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::ground::Ground;
use crate::tally;
use crate::verdict::{Reason, Verdict};

/// The phases in which the second instance is broken stand under this name.
const CONTROL: &str = "control";
/// The one way that shows in samples; the others are critical errors.
const LEAK: &str = "leak";

/// What was seen of the second instance.
#[derive(Default)]
pub(super) struct Control {
    points: Vec<Point>,
    criticals: Vec<u64>,
}

impl Control {
    pub(super) fn sample(&mut self, point: Point) {
        self.points.push(point);
    }

    pub(super) fn critical(&mut self, at: u64) {
        self.criticals.push(at);
    }

    /// A floor for each way the catalogue names.
    pub(super) fn conclude(
        &self,
        rows: &Criterion,
        ground: &Ground,
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        for way in rows.list("controls")? {
            let mut seen = 0;
            for span in ground.spans(CONTROL, way) {
                let during = span.from..=span.until.unwrap_or(u64::MAX);
                let is_shown = if way == LEAK {
                    let mut points = self.points.clone();
                    points.retain(|point| during.contains(&point.at));
                    memory::growth(rows, "control_", &points)? == Some(Verdict::Fail)
                } else {
                    self.criticals.iter().any(|at| during.contains(at))
                };
                seen += u64::from(is_shown);
            }
            let event = format!("second instance broken ({way}) and found by the same collectors");
            let id = format!("detector.{way}");
            tally::floor(finding, &id, &event, (1, seen), Reason::ControlNotFired);
        }
        Ok(())
    }
}
