//! What a soak knows of itself while it lasts, folded from the history as it is written. Sizes are
//! fixed: a minute is one point, and a process one row.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use exai_harness::history::Recorder;
use exai_judge::fault::Step;
use exai_judge::operation::{Outcome, ThreadAction};
use exai_judge::{Call, Event, Observation};

/// A second, ns.
const SECOND: u64 = 1_000_000_000;
/// Latencies kept for the figures of now.
const RECENT: usize = 1_024;
/// Minutes kept for the charts: a day.
const MINUTES: usize = 24 * 60;
/// Processes told apart; a name that comes later is not shown.
const PROCESSES: usize = 16;

/// Resident memory of one process, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// When the stream began.
    pub first: u64,
    /// Now.
    pub last: u64,
    /// At most.
    pub most: u64,
}

/// One minute of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Which, from the run's beginning.
    pub number: u64,
    /// Operations that ended in it.
    pub operations: u64,
    /// Those of them that were not right at first sight.
    pub wrong: u64,
    /// The slowest, ns.
    pub slowest: u64,
    /// Resident memory of the server's tree at its end, bytes.
    pub resident: u64,
}

/// The fold.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Operations of the stream that ended.
    pub operations: u64,
    /// Those of them that were not right at first sight; the verdict comes from the record.
    pub wrong: u64,
    /// Critical errors of the server.
    pub criticals: u64,
    /// The last of them.
    pub last_critical: Option<String>,
    /// Signs of the second, deliberately broken instance.
    pub control: u64,
    /// Faults healed, by component.
    pub faults: BTreeMap<String, u64>,
    /// Seconds in which the server was sampled.
    pub sampled: u64,
    /// The widest step between two samples of the server, ns.
    pub widest: u64,
    /// Memory by process.
    pub resident: BTreeMap<String, Resident>,
    /// The minutes so far.
    pub minutes: VecDeque<Minute>,
    recent: VecDeque<u64>,
    last_sample: Option<u64>,
}

impl Live {
    /// A fold that hears everything `recorder` writes from now on.
    #[must_use]
    pub fn listening(recorder: &Recorder) -> Shared {
        let shared = Shared::default();
        let own = shared.clone();
        recorder.show_to(Box::new(move |seen| own.with(|live| live.hear(seen))));
        shared
    }

    fn hear(&mut self, seen: &Observation) {
        match &seen.event {
            Event::Call(call) if call.criterion == "V.7" => self.call(seen.at, call),
            Event::Critical { control: true, .. } => self.control += 1,
            Event::Critical { what, detail, .. } => {
                self.criticals += 1;
                self.last_critical = Some(format!("{what}: {detail}"));
            }
            Event::Fault {
                fault,
                step: Step::Healed,
            } => *self.faults.entry(fault.component.clone()).or_default() += 1,
            Event::Sample(sample) => self.sample(seen.at, &sample.process, sample.resident_bytes),
            _ => {}
        }
    }

    fn call(&mut self, at: u64, call: &Call) {
        // A thread that is gone when its time is over was asked for to see that it is.
        let is_read = |call: &Call| {
            let part = call.thread.as_ref();
            part.is_some_and(|part| part.action == ThreadAction::Read)
        };
        let is_right = call.outcome == Outcome::Ok || (call.phase == "expired" && is_read(call));
        self.operations += 1;
        self.wrong += u64::from(!is_right);
        let latency = call.latency();
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(latency);
        let minute = self.minute(at);
        minute.operations += 1;
        minute.wrong += u64::from(!is_right);
        minute.slowest = minute.slowest.max(latency);
    }

    fn minute(&mut self, at: u64) -> &mut Minute {
        let number = at / SECOND / 60;
        if self.minutes.back().is_none_or(|last| last.number < number) {
            if self.minutes.len() == MINUTES {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Minute {
                number,
                ..Minute::default()
            });
        }
        let last = self.minutes.len() - 1;
        &mut self.minutes[last]
    }

    fn sample(&mut self, at: u64, process: &str, resident: u64) {
        if process == "server" {
            let step = self
                .last_sample
                .replace(at)
                .map_or(0, |last| at - last.min(at));
            self.widest = self.widest.max(step);
            self.sampled += 1;
            self.minute(at).resident = resident;
        }
        let is_known = self.resident.contains_key(process);
        if !is_known && self.resident.len() == PROCESSES {
            return;
        }
        let row = self.resident.entry(process.to_owned()).or_insert(Resident {
            first: resident,
            last: resident,
            most: resident,
        });
        row.last = resident;
        row.most = row.most.max(resident);
    }

    /// The 95th percentile of the last operations, ns; 0 before any.
    #[must_use]
    pub fn p95(&self) -> u64 {
        let mut recent: Vec<u64> = self.recent.iter().copied().collect();
        recent.sort_unstable();
        let rank = (recent.len() * 95).div_ceil(100);
        rank.checked_sub(1).map_or(0, |index| recent[index])
    }
}

/// The fold, shared by the recorder and those who look.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Live>>);

impl Shared {
    /// Does something with it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Live) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use exai_judge::observation::Sample;

    use super::*;

    #[test]
    fn a_day_of_samples_and_minutes_stays_within_its_bounds() {
        let mut live = Live::default();
        for second in 0..100_000 {
            let sample = |process: String| Observation {
                at: second * SECOND,
                event: Event::Sample(Sample {
                    process,
                    pid: 1,
                    resident_bytes: second,
                    descriptors: 0,
                    threads: 0,
                    cpu_ms: 0,
                    wait_ms: 0,
                    connections: None,
                }),
            };
            live.hear(&sample("server".to_owned()));
            live.hear(&sample(format!("process {second}")));
        }
        assert_eq!(live.minutes.len(), MINUTES);
        assert_eq!(live.resident.len(), PROCESSES);
        let server = live.resident["server"];
        assert_eq!((server.first, server.last), (0, 99_999));
        assert_eq!((live.sampled, live.widest), (100_000, SECOND));
    }
}
