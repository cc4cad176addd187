//! The life of a breaker as arrivals at a simulator show it: never from the server's own metrics.

/// One request at the guarded provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it was received, ns.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// What came of it.
    pub result: Arrived,
}

/// What a breaker may learn from an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// A whole answer.
    Good,
    /// No answer, a server error or silence: counts toward opening.
    Bad,
    /// A business error or a fault inside an answer: trips nothing and heals nothing.
    Neither,
}

/// The judge's own idea of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it.
    pub failures: u64,
    /// Requests in flight that may still fail after it should have opened.
    pub excess: u64,
    /// Shortest silence that shows it open, ns.
    pub open: u64,
    /// Longest silence in spite of demand, ns.
    pub stuck: u64,
}

/// What the arrivals show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BreakerLife {
    /// Closed, open, one probe, closed again: how often.
    pub cycles: u64,
    /// When failures went on without it opening, and how many in a row.
    pub never_opened: Option<(u64, u64)>,
    /// When it stayed away in spite of demand, and for how long.
    pub stuck: Option<(u64, u64)>,
}

/// Reads the life from arrivals in order of time and from calls that wanted this provider.
#[must_use]
pub fn live(arrivals: &[Arrival], wanted: &[u64], rules: BreakerRules) -> BreakerLife {
    let mut life = BreakerLife::default();
    let mut failures = 0;
    let mut row = 0;
    let mut last_end = 0;
    let mut is_probing = false;
    for arrival in arrivals {
        let silence = arrival.began.saturating_sub(last_end);
        let is_open = failures >= rules.failures && silence >= rules.open;
        let demand = wanted
            .iter()
            .filter(|at| last_end < **at && **at < arrival.began)
            .count();
        if is_open && demand > 0 {
            is_probing = true;
            row = 0;
        }
        if failures >= rules.failures {
            note_stuck(&mut life, wanted, (last_end, arrival.began), rules);
        }
        match arrival.result {
            Arrived::Good => {
                life.cycles += u64::from(is_probing);
                (is_probing, failures, row) = (false, 0, 0);
            }
            Arrived::Bad => {
                failures += 1;
                row += 1;
                if row > rules.failures + rules.excess && life.never_opened.is_none() {
                    life.never_opened = Some((arrival.began, row));
                }
            }
            Arrived::Neither => {}
        }
        last_end = last_end.max(arrival.ended);
    }
    if failures >= rules.failures {
        note_stuck(&mut life, wanted, (last_end, u64::MAX), rules);
    }
    life
}

/// Demand that lasted beyond the longest lawful silence.
fn note_stuck(life: &mut BreakerLife, wanted: &[u64], silence: (u64, u64), rules: BreakerRules) {
    let (from, until) = silence;
    let last = wanted.iter().filter(|at| **at < until).max();
    let waited = last.map_or(0, |last| last.saturating_sub(from));
    if waited > rules.stuck && life.stuck.is_none() {
        life.stuck = Some((from, waited));
    }
}

/// A call that wanted one provider before any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// When it was sent, ns.
    pub sent: u64,
    /// When its caller knew what came of it.
    pub done: u64,
    /// Whether the provider was asked.
    pub came: bool,
}

/// When calls began to stay away from a provider that was well, and for how long they did, where
/// that is longer than `most`: its breaker is stuck. `ill` are the times in which it, or the way
/// to it, was broken; each begins the waiting anew. What nobody wanted stays away from nothing, so
/// that the time is that from one such call to another.
#[must_use]
pub fn kept_away(wants: &[Want], ill: &[(u64, u64)], most: u64) -> Option<(u64, u64)> {
    let mut since = None;
    for want in wants {
        let is_ill = |from: u64| ill.iter().any(|ill| ill.0 <= want.done && from <= ill.1);
        if want.came || is_ill(want.sent) {
            since = None;
            continue;
        }
        let mut from = *since.get_or_insert(want.sent);
        if is_ill(from) {
            from = want.sent;
            since = Some(from);
        }
        let waited = want.sent.saturating_sub(from);
        if waited > most {
            return Some((from, waited));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(seconds: impl Iterator<Item = u64>, came: impl Fn(u64) -> bool) -> Vec<Want> {
        let want = |sent| Want {
            sent,
            done: sent + 1,
            came: came(sent),
        };
        seconds.map(want).collect()
    }

    #[test]
    fn a_healthy_provider_that_nobody_reaches_for_twice_the_window_has_a_stuck_breaker() {
        let stuck = wants((0..200).step_by(3), |at| at < 100);
        assert_eq!(kept_away(&stuck, &[], 40), Some((102, 42)));
        let lawful = wants((0..200).step_by(3), |at| !(100..142).contains(&at));
        assert_eq!(kept_away(&lawful, &[], 40), None);
        assert_eq!(kept_away(&[], &[], 40), None);
    }

    #[test]
    fn an_outage_and_a_time_in_which_nobody_asked_are_no_waiting() {
        let away = wants((0..200).step_by(3), |at| !(100..170).contains(&at));
        assert!(kept_away(&away, &[], 40).is_some());
        assert_eq!(kept_away(&away, &[(98, 140)], 40), None);
        assert_eq!(kept_away(&away, &[(130, 131)], 40), None, "in between");
        let rested = wants((0..9).chain(90..99), |at| !(5..=92).contains(&at));
        assert!(kept_away(&rested, &[], 40).is_some(), "unmet on both sides");
        let met = wants((0..9).chain(90..99), |at| !(9..=92).contains(&at));
        assert_eq!(kept_away(&met, &[], 40), None);
    }

    const RULES: BreakerRules = BreakerRules {
        failures: 5,
        excess: 2,
        open: 40,
        stuck: 400,
    };

    fn arrivals(of: &[(u64, Arrived)]) -> Vec<Arrival> {
        of.iter()
            .map(|(at, result)| Arrival {
                began: *at,
                ended: at + 1,
                result: *result,
            })
            .collect()
    }

    fn failing(count: u64) -> Vec<(u64, Arrived)> {
        (0..count).map(|index| (index * 2, Arrived::Bad)).collect()
    }

    #[test]
    fn a_whole_cycle_needs_failures_a_silence_in_spite_of_demand_and_a_good_probe() {
        let mut seen = failing(5);
        seen.extend([(70, Arrived::Good), (72, Arrived::Good)]);
        let demand: Vec<u64> = (0..80).collect();
        assert_eq!(live(&arrivals(&seen), &demand, RULES).cycles, 1);
        assert_eq!(
            live(&arrivals(&seen), &[], RULES).cycles,
            0,
            "nobody asked meanwhile"
        );
        let mut early = failing(5);
        early.push((30, Arrived::Good));
        assert_eq!(
            live(&arrivals(&early), &demand, RULES).cycles,
            0,
            "too short a silence"
        );
        let mut failed_probe = failing(5);
        failed_probe.extend([(70, Arrived::Bad), (150, Arrived::Good)]);
        let life = live(
            &arrivals(&failed_probe),
            &(0..160).collect::<Vec<_>>(),
            RULES,
        );
        assert_eq!((life.cycles, life.never_opened), (1, None));
    }

    #[test]
    fn a_breaker_that_never_opens_shows_by_failures_in_a_row() {
        assert_eq!(live(&arrivals(&failing(7)), &[], RULES).never_opened, None);
        assert_eq!(
            live(&arrivals(&failing(8)), &[], RULES).never_opened,
            Some((14, 8))
        );
        let business: Vec<_> = (0..40).map(|at| (at, Arrived::Neither)).collect();
        assert_eq!(live(&arrivals(&business), &[], RULES).never_opened, None);
    }

    #[test]
    fn a_breaker_stuck_open_shows_by_demand_alone() {
        let demand: Vec<u64> = (0..600).collect();
        let stuck = live(&arrivals(&failing(5)), &demand, RULES).stuck;
        assert!(stuck.is_some());
        assert_eq!(
            live(&arrivals(&failing(5)), &demand[..380], RULES).stuck,
            None
        );
        assert_eq!(
            live(&arrivals(&failing(4)), &demand, RULES).stuck,
            None,
            "it never opened"
        );
    }
}
