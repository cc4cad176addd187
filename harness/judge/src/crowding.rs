//! Whether a slow server had processors to be fast on: others on its machine may have had them.

use crate::finding::Finding;
use crate::observation::{LoadAccount, Sample};
use crate::operation::{Call, Outcome};
use crate::verdict::{Reason, Verdict};

/// The judged process among the samples.
const JUDGED: &str = "server";

/// What a server says that could not take or finish a call in time.
const SHORT_OF_TIME: [&str; 2] = ["rate_limit_error", "timeout_error"];

/// Whether want of processors explains that a call was not answered: it was refused for want of
/// room or time, or nobody saw its end. A wrong answer is explained by nothing.
#[must_use]
pub fn explains(call: &Call) -> bool {
    let says = call.failure.as_ref().map(|failure| &failure.category);
    match call.outcome {
        Outcome::Ok => false,
        Outcome::Refused => says.is_some_and(|says| SHORT_OF_TIME.contains(&says.as_str())),
        Outcome::Unknown => true,
    }
}

/// Leaves open the failed ones of these checks: others kept the server from running.
pub fn doubt(finding: &mut Finding, checks: &[&str], crowded: &str) {
    let failed = finding
        .checks
        .iter_mut()
        .filter(|check| check.verdict == Verdict::Fail && checks.contains(&check.id.as_str()));
    for check in failed {
        check.verdict = Verdict::Inconclusive;
        check.reason = Some(Reason::RigLimit);
        check.measured = format!("{}; {crowded}", check.measured);
    }
}

/// How long the server had a processor, and how long it waited for one.
#[derive(Debug, Clone, Default)]
pub struct Crowding {
    /// When it was sampled, ns; the processor time it had had by then, and had waited for, ms.
    seen: Vec<(u64, u64, u64)>,
}

impl Crowding {
    /// Notes a sample that was taken at `at`.
    pub fn sample(&mut self, at: u64, sample: &Sample) {
        if sample.process == JUDGED {
            self.seen.push((at, sample.cpu_ms, sample.wait_ms));
        }
    }

    /// In words, how a step was crowded: the server waited for a processor longer than it had one,
    /// and had less than half of what the machine has. A server that takes the processors from
    /// itself, by many threads, has more than half. None where it was not so, or nobody measured.
    #[must_use]
    pub fn of(&self, load: &LoadAccount) -> Option<String> {
        let within = |seen: &&(u64, u64, u64)| (load.from..=load.until).contains(&seen.0);
        let first = self.seen.iter().find(within)?;
        let last = self.seen.iter().rev().find(within)?;
        let seconds = last.0.checked_sub(first.0).filter(|span| *span > 0)? as f64 / 1e9;
        let had = last.1.saturating_sub(first.1) as f64 / 1e3 / seconds;
        let waited = last.2.saturating_sub(first.2) as f64 / 1e3 / seconds;
        let half = f64::from(load.cores?) / 2.0;
        (waited > had && had < half).then(|| {
            format!("each second it waited {waited:.2} s for a processor and had one {had:.2} s")
        })
    }
}
