//! How trials become rows and rows a verdict: every rung of the order, and what taint does to it.

use exai_judge::finding::VIOLATIONS_KEPT;
use exai_judge::rate::Rate;
use exai_judge::tally::{self, Latency, Place, Tally, blank};
use exai_judge::{Finding, Reason, Verdict};

use crate::verdicts::check;
use crate::world::{MS, S};

const HERE: Place<'static> = Place::Moment(S, "test");

fn says() -> String {
    "missed".to_owned()
}

fn concluded(write: impl FnOnce(&mut Finding)) -> Finding {
    let mut finding = blank("V.x");
    write(&mut finding);
    finding.conclude();
    finding
}

/// Verdicts of checks, floors met or not, and what they make together.
type Case = (
    &'static [Verdict],
    &'static [bool],
    Verdict,
    &'static [Reason],
);

/// A finding of checks with these verdicts, and of floors met or unmet.
fn folded(verdicts: &[Verdict], met: &[bool]) -> Finding {
    concluded(|finding| {
        for (index, verdict) in verdicts.iter().enumerate() {
            Tally::new(&format!("check.{index}"), "").conclude(finding);
            finding.checks[index].verdict = *verdict;
            finding.checks[index].reason = Some(Reason::RigLimit);
        }
        for (index, is_met) in met.iter().enumerate() {
            let count = (2, 1 + u64::from(*is_met));
            let id = format!("floor.{index}");
            tally::floor(finding, &id, "", count, Reason::BelowFloor);
        }
    })
}

#[test]
fn a_finding_is_the_worst_of_its_rows_and_an_unmet_floor_is_inconclusive() {
    use Verdict::{Fail, HarnessError, Inconclusive, Pass};
    let cases: [Case; 9] = [
        (&[], &[], Inconclusive, &[Reason::ZeroSamples]),
        (&[], &[true], Inconclusive, &[]),
        (&[Pass], &[], Pass, &[]),
        (&[Pass], &[true, true], Pass, &[]),
        (&[Pass], &[true, false], Inconclusive, &[Reason::BelowFloor]),
        (
            &[Inconclusive, Pass],
            &[true],
            Inconclusive,
            &[Reason::RigLimit],
        ),
        (
            &[Inconclusive, Inconclusive],
            &[false, false],
            Inconclusive,
            &[Reason::BelowFloor, Reason::RigLimit],
        ),
        (&[HarnessError, Inconclusive], &[false], HarnessError, &[]),
        (&[Fail, HarnessError, Pass], &[false], Fail, &[]),
    ];
    for (verdicts, met, wanted, reasons) in cases {
        let finding = folded(verdicts, met);
        assert_eq!(finding.verdict, wanted, "{verdicts:?} {met:?}");
        assert_eq!(finding.reasons, reasons, "{verdicts:?} {met:?}");
    }
}

/// A tally of trials: right, wrong, right under a fault of the rig, wrong under one.
fn tallied(right: u64, wrong: u64, tainted_right: u64, tainted_wrong: u64) -> Finding {
    let mut tally = Tally::new("met", "trials that went wrong");
    (0..right).for_each(|_| tally.trial(false, HERE, None));
    (0..wrong).for_each(|_| tally.trial(false, HERE, Some(says())));
    (0..tainted_right).for_each(|_| tally.trial(true, HERE, None));
    (0..tainted_wrong).for_each(|_| tally.trial(true, HERE, Some(says())));
    assert_eq!((tally.count(), tally.trials()), (wrong, right + wrong));
    concluded(|finding| tally.conclude(finding))
}

#[test]
fn what_went_wrong_under_a_fault_of_the_rig_is_never_the_servers_fail_and_never_a_pass() {
    use Verdict::{Fail, HarnessError, Inconclusive, Pass};
    let cases = [
        ((1, 0, 0, 0), Pass),
        ((1, 0, 5, 0), Pass),
        ((0, 0, 5, 0), Inconclusive),
        ((9, 0, 0, 1), HarnessError),
        ((0, 0, 0, 1), HarnessError),
        ((9, 1, 0, 1), Fail),
        ((0, 1, 0, 0), Fail),
    ];
    for ((right, wrong, tainted, harmed), wanted) in cases {
        let finding = tallied(right, wrong, tainted, harmed);
        assert_eq!(
            finding.verdict, wanted,
            "{right} {wrong} {tainted} {harmed}"
        );
        let row = check(&finding, "met");
        assert_eq!(row.n, right + wrong);
        assert_eq!(row.reason.is_some(), wanted == Inconclusive);
    }
}

#[test]
fn so_many_violations_of_a_check_are_kept_and_all_are_counted() {
    let most = u64::try_from(VIOLATIONS_KEPT).unwrap();
    for wrong in [most - 1, most, most + 1] {
        let finding = tallied(0, wrong, 0, 0);
        let kept = wrong.min(most);
        assert_eq!(finding.violations.len() as u64, kept);
        assert!(
            check(&finding, "met")
                .measured
                .starts_with(&format!("{wrong} of"))
        );
        let mut rate = Rate::new("rate", "", 0.5);
        (0..wrong).for_each(|_| rate.trial(false, HERE, Some(says())));
        assert_eq!((rate.count(), rate.trials()), (wrong, wrong));
        let finding = concluded(|finding| rate.conclude(finding));
        assert_eq!(finding.violations.len() as u64, kept);
    }
}

#[test]
fn a_check_that_nothing_tried_may_be_left_out_and_one_tried_under_a_fault_may_not() {
    let rows = |tried: &[(bool, bool)]| {
        let mut tally = Tally::new("met", "");
        for (is_tainted, is_wrong) in tried {
            tally.trial(*is_tainted, HERE, is_wrong.then(says));
        }
        let mut finding = blank("V.x");
        tally.conclude_if_tried(&mut finding);
        finding
            .checks
            .iter()
            .map(|row| row.verdict)
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&[]), []);
    assert_eq!(rows(&[(false, false)]), [Verdict::Pass]);
    assert_eq!(rows(&[(true, true)]), [Verdict::HarnessError]);
    assert_eq!(rows(&[(false, true)]), [Verdict::Fail]);
}

#[test]
fn an_open_rate_says_whether_samples_or_the_rig_are_to_blame() {
    let rate = |wrong: u64, right: u64, tainted: u64| {
        let mut rate = Rate::new("errors", "", 0.01);
        (0..wrong).for_each(|_| rate.trial(false, HERE, Some(says())));
        (0..right).for_each(|_| rate.trial(false, HERE, None));
        (0..tainted).for_each(|_| rate.trial(true, HERE, Some(says())));
        let finding = concluded(|finding| rate.conclude(finding));
        let row = check(&finding, "errors").clone();
        assert_eq!(row.limit, "< 1 %");
        (row.reason, row.measured, row.verdict)
    };
    assert_eq!(rate(0, 0, 0).0, Some(Reason::ZeroSamples));
    assert_eq!(rate(0, 0, 1).0, Some(Reason::RigLimit));
    assert_eq!(rate(0, 298, 0).0, Some(Reason::BelowFloor));
    assert_eq!(rate(0, 298, 1).0, Some(Reason::RigLimit));
    assert_eq!(
        rate(0, 299, 9),
        (None, "0 of 299: < 1 %".into(), Verdict::Pass)
    );
    let failed = rate(60, 2_940, 0);
    assert_eq!(failed, (None, "60 of 3 000: < 2.5 %".into(), Verdict::Fail));
}

#[test]
fn a_latency_takes_the_wider_of_both_bounds() {
    let row = |samples: &[(u64, u64)]| {
        let latency = Latency {
            id: "p95".to_owned(),
            name: String::new(),
            quantile: 0.95,
            line: 100 * MS,
            least: 200,
        };
        let finding = concluded(|finding| {
            latency.conclude(samples, finding);
        });
        check(&finding, "p95").clone()
    };
    // Four in a hundred are slow, apart from one another or in one block of seconds.
    let slow = |is_slow: &dyn Fn(u64) -> bool| -> Vec<(u64, u64)> {
        let took = |index| if is_slow(index) { 400 * MS } else { 10 * MS };
        (0..20_000).map(|index| (index * MS, took(index))).collect()
    };
    let spread = row(&slow(&|index| index % 25 == 0));
    assert_eq!(spread.verdict, Verdict::Pass);
    assert_eq!(spread.measured, "10 ms (10 ms to 10 ms)");
    let clustered = row(&slow(&|index| index < 800));
    assert_eq!(clustered.verdict, Verdict::Inconclusive);
    assert_eq!(clustered.measured, "10 ms (10 ms to 400 ms)");
    assert_eq!(clustered.reason, Some(Reason::BelowFloor));
    // Six in a hundred: the order statistics alone would call it slow.
    let mostly = row(&slow(&|index| index < 1_200));
    assert_eq!(mostly.verdict, Verdict::Inconclusive);
    assert_eq!(mostly.measured, "400 ms (10 ms to 400 ms)");
    let none = row(&[]);
    assert_eq!((none.reason, none.n), (Some(Reason::ZeroSamples), 0));
    // Too few for an upper rank: 58 samples hold no bound of p95.
    let few: Vec<_> = (0..58).map(|index| (index * S, 10 * MS)).collect();
    assert_eq!(row(&few).measured, "10 ms (10 ms to ?)");
}

#[test]
fn times_are_told_in_tenths_below_ten_milliseconds_and_whole_from_there() {
    let cases = [
        (0, "0.0 ms"),
        (99_999, "0.0 ms"),
        (100_000, "0.1 ms"),
        (1_250_000, "1.2 ms"),
        (9_999_999, "9.9 ms"),
        (10_000_000, "10 ms"),
        (1_234_567_890, "1 234 ms"),
    ];
    for (nanos, wanted) in cases {
        assert_eq!(tally::millis(nanos), wanted, "{nanos}");
    }
}

#[test]
fn a_figure_at_its_limit_is_told_without_needless_digits() {
    let row = |seen| {
        let write = |finding: &mut Finding| {
            tally::at_most(finding, ("t", "a time"), (seen, "s"), 30.0);
        };
        let row = check(&concluded(write), "t").clone();
        (row.measured, row.limit, row.n, row.reason)
    };
    let limit = || "≤ 30 s".to_owned();
    assert_eq!(row(Some(2.5)), ("2.5 s".to_owned(), limit(), 1, None));
    assert_eq!(row(Some(30.0)), ("30 s".to_owned(), limit(), 1, None));
    let unseen = Some(Reason::ZeroSamples);
    assert_eq!(row(None), ("not seen".to_owned(), limit(), 0, unseen));
}
