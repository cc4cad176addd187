//! The ground under our own feet (judging.md §3.4): CPU of the rig, CPU stolen by the host,
//! steps of
//! the wall clock, descriptors. Trouble becomes an interval that taints.

use exai_judge::Event;
use nix::sys::resource::{Resource, getrlimit};

use crate::clock::RunClock;

/// The rig's share of all cores above which it may be the bottleneck.
const RIG_SHARE: f64 = 0.85;
/// The share of CPU taken by the host above which nothing timed can be believed.
const STEAL_SHARE: f64 = 0.10;
/// Wall time may drift this far from the monotonic clock between two looks, ns.
const DRIFT: u64 = 200_000_000;
/// The share of descriptors in use above which the next connection may fail for our own sake.
const DESCRIPTOR_SHARE: f64 = 0.90;

/// An interval of trouble that began before now.
pub(super) struct Trouble {
    pub(super) from: u64,
    pub(super) event: Event,
}

/// What was seen at the last look.
pub(super) struct Rig {
    clock: RunClock,
    last: Option<Look>,
    cores: f64,
}

#[derive(Clone, Copy)]
struct Look {
    at: u64,
    cpu_ms: u64,
    steal: u64,
    total: u64,
    drift: i64,
}

impl Rig {
    pub(super) fn new(clock: RunClock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            clock,
            last: None,
            cores: f64::from(u32::try_from(cores).unwrap_or(u32::MAX)),
        }
    }

    /// Looks, given the CPU time all rig processes have used so far.
    pub(super) fn look(&mut self, cpu_ms: u64) -> Vec<Trouble> {
        let (steal, total) = host_ticks();
        let now = Look {
            at: self.clock.now(),
            cpu_ms,
            steal,
            total,
            drift: self.clock.wall_drift(),
        };
        let found = self
            .last
            .map(|last| self.compare(last, now))
            .unwrap_or_default();
        self.last = Some(now);
        found
    }

    fn compare(&self, last: Look, now: Look) -> Vec<Trouble> {
        let mut found = Vec::new();
        let mut say = |what: &str, detail: String| {
            found.push(Trouble {
                from: last.at,
                event: Event::Rig {
                    what: what.to_owned(),
                    until: now.at,
                    detail,
                },
            });
        };
        // A process that restarted counts from zero again; that look is not comparable.
        let used = share(
            now.cpu_ms.checked_sub(last.cpu_ms),
            (now.at - last.at) / 1_000_000,
        );
        let used = used / self.cores;
        if used > RIG_SHARE {
            say("cpu", format!("the rig used {used:.2} of all cores"));
        }
        let stolen = share(
            now.steal.checked_sub(last.steal),
            now.total.saturating_sub(last.total),
        );
        if stolen > STEAL_SHARE {
            say("steal", format!("the host took {stolen:.2} of the CPU"));
        }
        let step = now.drift.abs_diff(last.drift);
        if step > DRIFT {
            let milliseconds = step / 1_000_000;
            say(
                "clock_step",
                format!("the wall clock moved by {milliseconds} ms"),
            );
        }
        let open = descriptors_share();
        if open > DESCRIPTOR_SHARE {
            say(
                "descriptors",
                format!("{open:.2} of the descriptors are in use"),
            );
        }
        found
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "tick and millisecond counts are far below 2^52"
)]
fn share(part: Option<u64>, whole: u64) -> f64 {
    match (part, whole) {
        (Some(part), 1..) => part as f64 / whole as f64,
        _ => 0.0,
    }
}

/// Ticks stolen and ticks in all, over all cores, since boot.
fn host_ticks() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}

fn descriptors_share() -> f64 {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    share(u64::try_from(open).ok(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at_ms: u64, cpu_ms: u64, steal: u64, drift: i64) -> Look {
        Look {
            at: at_ms * 1_000_000,
            cpu_ms,
            steal,
            total: at_ms,
            drift,
        }
    }

    #[test]
    fn a_busy_rig_a_thieving_host_and_a_stepped_clock_taint_the_interval_between_two_looks() {
        let mut rig = Rig::new(RunClock::start());
        rig.cores = 2.0;
        let cases = [
            (look(1_000, 1_600, 0, 0), None),
            (look(1_000, 1_800, 0, 0), Some("cpu")),
            (look(1_000, 0, 99, 0), None),
            (look(1_000, 0, 101, 0), Some("steal")),
            (look(1_000, 0, 0, -30_000_000_000), Some("clock_step")),
        ];
        for (now, wanted) in cases {
            let found = rig.compare(look(0, 0, 0, 0), now);
            let what: Vec<String> = found
                .iter()
                .map(|trouble| match &trouble.event {
                    Event::Rig { what, until, .. } => {
                        assert_eq!((trouble.from, *until), (0, now.at));
                        what.clone()
                    }
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(what, wanted.into_iter().collect::<Vec<_>>());
        }
    }
}
