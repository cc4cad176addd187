//! A run of several instances of the server.

use super::samples;
use crate::report::{Evidence, Report};

#[test]
fn several_instances_carry_no_claim_whatever_they_met() {
    let heading = |mut evidence: Evidence| {
        evidence.run.instances = 2;
        Report::build(evidence).opening.heading
    };
    assert_eq!(heading(samples::go()), "Go: 2 instances meet merge-ready");
    assert_eq!(
        heading(samples::inconclusive()),
        "No-go: 2 instances do not meet merge-ready"
    );
}
