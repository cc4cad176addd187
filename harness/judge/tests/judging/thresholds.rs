//! Thresholds are exact: no share is rounded to the other side of its line, a miss of three is a
//! miss, and fewer samples than asked for decide nothing.

use exai_judge::criterion::Criteria;
use exai_judge::observation::{Case, Event};
use exai_judge::rate::Rate;
use exai_judge::tally::{Latency, Place, Tally, at_most, blank, floor};
use exai_judge::{Finding, Reason, Verdict};

use crate::verdicts::check;
use crate::world::{MS, S, World};

const HERE: Place<'static> = Place::Moment(S, "test");

/// A finding of one check, concluded.
fn concluded(write: impl FnOnce(&mut Finding)) -> Finding {
    let mut finding = blank("V.x");
    write(&mut finding);
    finding.conclude();
    finding
}

fn tally(right: u64, wrong: u64) -> Finding {
    let mut tally = Tally::new("met", "trials that went wrong");
    (0..right).for_each(|_| tally.good(false));
    (0..wrong).for_each(|_| tally.bad(false, HERE, "missed".to_owned()));
    concluded(|finding| tally.conclude(finding))
}

#[test]
fn two_of_three_are_no_67_per_cent_and_three_of_four_are_not_above_75() {
    // "> 67 %" of three is three of three, "> 75 %" of four is four of four.
    for (right, of) in [(2, 3), (3, 4), (66, 100), (199, 200)] {
        let finding = tally(right, of - right);
        assert_eq!(finding.verdict, Verdict::Fail, "{right} of {of}");
        let measured = &check(&finding, "met").measured;
        let wrong = format!("{} of {of}", of - right);
        assert!(measured.starts_with(&wrong), "{measured}");
    }
    assert_eq!(tally(3, 0).verdict, Verdict::Pass);
    assert_eq!(tally(0, 0).verdict, Verdict::Inconclusive);
}

#[test]
fn a_security_battery_of_which_two_thirds_hold_fails() {
    let criteria = Criteria::parse(crate::catalogue::CRITERIA).unwrap();
    let mut world = World::new();
    world.phase("V.6", "main", S, 2 * S);
    for (number, seen) in ["401", "401", "accepted"].into_iter().enumerate() {
        world.push(
            S,
            Event::Case(Case {
                id: format!("J{}", number + 1),
                edge: "http-2025-11-25".to_owned(),
                good: false,
                expected: "401".to_owned(),
                seen: seen.to_owned(),
                audited: false,
                correlation_id: None,
                code: None,
                claimed: None,
            }),
        );
    }
    let finding = world.finding(&criteria, "selftest", "V.6");
    assert_eq!(finding.verdict, Verdict::Fail);
    let denied = check(&finding, "denied");
    assert_eq!(denied.verdict, Verdict::Fail);
    assert!(denied.measured.starts_with("1 of 3"), "{}", denied.measured);
}

fn rate(wrong: u64, of: u64, line: f64) -> Verdict {
    let mut rate = Rate::new("errors", "calls not right", line);
    for number in 0..of {
        let says = (number < wrong).then(|| "wrong".to_owned());
        rate.trial(false, HERE, says);
    }
    concluded(|finding| rate.conclude(finding)).verdict
}

#[test]
fn a_rate_passes_when_its_upper_bound_is_below_the_line_and_never_by_its_point_alone() {
    // 0 of 298 has an upper bound just over 1 %, 0 of 299 just under.
    assert_eq!(rate(0, 298, 0.01), Verdict::Inconclusive);
    assert_eq!(rate(0, 299, 0.01), Verdict::Pass);
    assert_eq!(rate(0, 0, 0.01), Verdict::Inconclusive);
    assert_eq!(rate(200, 600, 0.33), Verdict::Inconclusive);
    assert_eq!(rate(20_000, 60_000, 0.32), Verdict::Fail);
}

#[test]
fn a_latency_at_its_line_is_not_below_it_and_fewer_samples_than_asked_for_decide_nothing() {
    let verdict = |each: u64, count: u64, least: u64| {
        let latency = Latency {
            id: "p95".to_owned(),
            name: "p95".to_owned(),
            quantile: 0.95,
            line: 100 * MS,
            least,
        };
        let samples: Vec<(u64, u64)> = (0..count).map(|at| (at * S, each)).collect();
        let write = |finding: &mut Finding| {
            latency.conclude(&samples, finding);
        };
        concluded(write).verdict
    };
    assert_eq!(verdict(100 * MS - 1, 200, 200), Verdict::Pass);
    assert_eq!(verdict(100 * MS, 200, 200), Verdict::Fail);
    assert_eq!(verdict(1, 199, 200), Verdict::Inconclusive);
    assert_eq!(verdict(1, 0, 0), Verdict::Inconclusive);
}

#[test]
fn an_inclusive_limit_is_met_at_its_line_and_a_floor_one_short_is_not() {
    let figure = |seen: Option<f64>| {
        let figure = (seen, "s");
        concluded(|finding| at_most(finding, ("t", "a time"), figure, 30.0)).verdict
    };
    assert_eq!(figure(Some(30.0)), Verdict::Pass);
    assert_eq!(figure(Some(30.000_000_1)), Verdict::Fail);
    assert_eq!(figure(None), Verdict::Inconclusive);
    let short = concluded(|finding| {
        floor(finding, "kills", "kills", (20, 19), Reason::BelowFloor);
    });
    assert_eq!(
        (short.verdict, short.reasons),
        (Verdict::Inconclusive, vec![Reason::BelowFloor])
    );
}

#[test]
fn there_are_four_verdicts_and_several_are_the_worst_of_them() {
    use Verdict::{Fail, HarnessError, Inconclusive, Pass};
    let order = [Pass, Inconclusive, HarnessError, Fail];
    assert!(order.is_sorted());
    for (index, worst) in order.iter().enumerate() {
        let some = order[..=index].iter().rev().copied();
        assert_eq!(Verdict::worst(some), *worst);
    }
    assert_eq!(Verdict::worst([]), Inconclusive);
    let exits = order.map(|verdict| verdict.exit() as u8);
    assert_eq!(exits, [0, 2, 3, 1]);
}
