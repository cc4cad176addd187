//! Whether a slow server had processors to be fast on: others on its machine may have had them.

use crate::observation::{LoadAccount, Sample};

/// The judged process among the samples.
const JUDGED: &str = "server";

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
