//! A run as it is written into a world: what its history tells, and what is said of it.

use exai_harness::report::Report;
use exai_judge::verdict::Reason;
use exai_judge::{Finding, Verdict};

use super::SAMPLE;

/// A run about to be written.
pub struct Run {
    /// Turns lost, as the history tells it.
    pub lost: f64,
    pub seconds: u64,
    pub criteria: &'static str,
    pub harness: &'static str,
    pub foreign: bool,
    /// Whether V.7 was too short to be decided.
    pub short: bool,
    pub spoiled: bool,
    /// Instances by the plan of save 1, and by the report.
    pub instances: (u32, u32),
    pub dropped: Vec<&'static str>,
    /// Taken out of the findings after save 1.
    pub hidden: Option<&'static str>,
    /// Whether the report says more than the findings.
    pub boasts: bool,
    /// What the findings say, whatever the history tells.
    pub claims_lost: f64,
}

impl Run {
    pub fn drop_criterion(&mut self, id: &'static str) {
        self.dropped.push(id);
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            lost: 0.0,
            seconds: 14_400,
            criteria: "criteria",
            harness: "bb",
            foreign: false,
            short: false,
            spoiled: false,
            instances: (1, 1),
            dropped: Vec::new(),
            hidden: None,
            boasts: false,
            claims_lost: 0.0,
        }
    }
}

/// V.4 and V.7 as the history gives them: this world's judge.
pub fn findings(lost: f64, run: &Run) -> Vec<Finding> {
    let sample: Report = serde_json::from_str(SAMPLE).unwrap();
    let template = sample.judged().next().unwrap().finding.clone();
    let of = |id: &str, verdict: Verdict, reasons: Vec<Reason>| Finding {
        criterion: id.to_owned(),
        verdict,
        reasons,
        floors: Vec::new(),
        checks: Vec::new(),
        violations: Vec::new(),
        ..template.clone()
    };
    let storage = if lost > 0.0 {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    let mut found = vec![
        of("V.4", storage, Vec::new()),
        of("V.7", Verdict::Pass, Vec::new()),
    ];
    if run.foreign {
        found[0] = of("V.4", Verdict::Inconclusive, vec![Reason::ForeignIdentity]);
    }
    if run.short {
        found[1] = of("V.7", Verdict::Inconclusive, vec![Reason::DurationShort]);
    }
    found.retain(|one| !run.dropped.contains(&one.criterion.as_str()));
    found
}
