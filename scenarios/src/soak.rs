//! A soak as asked for, and what of it is known while it lasts: bounded, whatever its length.

pub mod checkpoint;
pub mod live;
pub mod page;

use serde::Serialize;

use crate::cli::arguments::{Profile, RunArguments};
use crate::workload::power;

/// Points at which nothing but one light call a second is sent lie this far apart, s.
const QUIET_EVERY: u64 = 1_800;
/// The first of them in a soak that is long enough, s: where V.7m's warm-up ends.
const FIRST_QUIET: u64 = 300;
/// How long each lasts in a soak that is long enough, s: longer than the server keeps an idle
/// connection to a provider (30 s), so that what is open at its end is what is in use.
const QUIET: u64 = 40;
/// A share of the soak that neither may take more than.
const SHARE: u64 = 6;

/// Just long enough for the shortest proof of the detector; in the self-test it stands alone.
const PROOF: SoakPlan = SoakPlan {
    seconds: 10,
    users: 0,
    resumes: None,
};

/// The soak that a run was asked for; for the self-test of V.7 the proof of its detector.
#[must_use]
pub fn asked(arguments: &RunArguments) -> Option<&SoakPlan> {
    let is_proof = arguments.profile == Profile::Selftest && is_selected(arguments, "V.7");
    arguments.soak.as_ref().or(is_proof.then_some(&PROOF))
}

/// Whether a run of these arguments tries a criterion; its tiers stand for it, and the row beside
/// V.5, which has a workload of its own, does not.
#[must_use]
pub fn is_selected(arguments: &RunArguments, id: &str) -> bool {
    let named = &arguments.criteria;
    let stands_for = |name: &String| name.starts_with(id) && name != power::CRITERION;
    named.is_empty() || named.iter().any(stands_for)
}

/// What one run of a soak is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SoakPlan {
    /// How long this run lasts, s.
    pub seconds: u64,
    /// Goose users beside the stream.
    pub users: u32,
    /// What an earlier run left over.
    pub resumes: Option<Resumed>,
}

/// The earlier run that this one goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Its folder's name.
    pub run: String,
    /// What it measured by its last checkpoint, runs before it included, s.
    pub seconds: u64,
    /// From that checkpoint to now, s by the wall clock.
    pub gap_s: u64,
    /// The binary it judged, SHA-256 (hex).
    pub server_sha256: String,
}

/// A stretch of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Whether it is quiet.
    pub is_quiet: bool,
    /// How long, s.
    pub seconds: u64,
}

impl SoakPlan {
    /// Seconds measured before this run.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.resumes.as_ref().map_or(0, |earlier| earlier.seconds)
    }

    /// The stream, with quiet points after the warm-up, every half hour, and at the end.
    #[must_use]
    pub fn stretches(&self) -> Vec<Stretch> {
        let quiet = QUIET.min(self.seconds / SHARE).max(1);
        let first = FIRST_QUIET.min(self.seconds / SHARE).max(1);
        let halves = (1..).map(|half| half * QUIET_EVERY);
        let points = std::iter::once(first)
            .chain(halves)
            .take_while(|point| point + 2 * quiet < self.seconds)
            .chain([self.seconds - quiet]);
        let mut stretches = Vec::new();
        let mut at = 0;
        for point in points {
            stretches.push(Stretch {
                is_quiet: false,
                seconds: point - at,
            });
            stretches.push(Stretch {
                is_quiet: true,
                seconds: quiet,
            });
            at = point + quiet;
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet_points(seconds: u64) -> Vec<(u64, u64)> {
        let plan = SoakPlan {
            seconds,
            users: 0,
            resumes: None,
        };
        let mut at = 0;
        let mut found = Vec::new();
        for stretch in plan.stretches() {
            if stretch.is_quiet {
                found.push((at, stretch.seconds));
            }
            at += stretch.seconds;
        }
        assert_eq!(at, seconds, "the stretches are the whole of it");
        found
    }

    #[test]
    fn quiet_points_come_after_the_warm_up_every_half_hour_and_at_the_end() {
        assert_eq!(quiet_points(1_800), [(300, 40), (1_760, 40)]);
        assert_eq!(quiet_points(14_400).len(), 9);
        assert_eq!(quiet_points(14_400)[8], (14_360, 40));
        assert_eq!(quiet_points(60), [(10, 10), (50, 10)]);
        assert_eq!(quiet_points(6), [(1, 1), (5, 1)]);
    }

    #[test]
    fn a_tier_stands_for_its_criterion_and_power_loss_for_itself_alone() {
        let with = |names: &[&str]| RunArguments {
            criteria: names.iter().map(|name| (*name).to_owned()).collect(),
            ..RunArguments::default()
        };
        for (names, id, wanted) in [
            (&[][..], "V.5", true),
            (&["V.8g"], "V.8", true),
            (&["V.5p"], "V.5", false),
            (&["V.5", "V.5p"], "V.5", true),
            (&["V.5p"], "V.4", false),
        ] {
            assert_eq!(is_selected(&with(names), id), wanted, "{names:?} {id}");
        }
    }
}
