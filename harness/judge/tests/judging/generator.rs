//! The generator's limits at their edges: what it could not send is never the server's fault.

use exai_judge::generator::Generator;
use exai_judge::observation::LoadAccount;
use exai_judge::tally::blank;
use exai_judge::{Criterion, Finding, Reason, Verdict};

use crate::catalogue;
use crate::verdicts::check;
use crate::world::{MS, S};

fn row() -> Criterion {
    let row = catalogue::criteria().find("V.3", "full").unwrap();
    row.unwrap()
}

/// A step that went as planned, far below every limit.
fn calm() -> LoadAccount {
    LoadAccount {
        criterion: "V.3".to_owned(),
        phase: "peak".to_owned(),
        repetition: 1,
        planned: 1_000,
        sent: 1_000,
        dropped: 0,
        lag_p99: MS,
        rate: 100.0,
        ceiling: Some(100_000.0),
        from: S,
        until: 11 * S,
        cores: None,
    }
}

fn concluded(loads: &[LoadAccount]) -> Finding {
    let mut finding = blank("V.3");
    let generator = Generator::start(&row()).unwrap();
    generator.conclude(loads, &mut finding);
    finding.conclude();
    finding
}

/// What the row says of a calm step followed by a changed one.
fn reason(id: &str, change: impl Fn(&mut LoadAccount)) -> Option<Reason> {
    let mut changed = calm();
    change(&mut changed);
    for loads in [[calm(), changed.clone()], [changed, calm()]] {
        let finding = concluded(&loads);
        let check = check(&finding, id);
        let wanted = if check.reason.is_some() {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        };
        assert_eq!(check.verdict, wanted);
        assert_eq!(check.n, loads[0].planned + loads[1].planned);
    }
    let mut changed = calm();
    change(&mut changed);
    check(&concluded(&[calm(), changed]), id).reason
}

#[test]
fn one_arrival_of_any_step_that_was_not_sent_is_told_however_it_shows() {
    let dropped = Some(Reason::DroppedArrivals);
    assert_eq!(reason("dropped", |_| {}), None);
    assert_eq!(reason("dropped", |load| load.dropped = 1), dropped);
    assert_eq!(reason("dropped", |load| load.sent = 999), dropped);
    assert_eq!(reason("dropped", |load| load.sent = 1_001), None);
    let mut both = calm();
    both.dropped = 30;
    both.sent = 980;
    let finding = concluded(&[both, calm()]);
    assert_eq!(check(&finding, "dropped").measured, "30 of 2 000");
}

#[test]
fn the_worst_lag_and_the_fullest_step_count_and_their_limits_are_inclusive() {
    let row = row();
    let most = row.nanos("lag_p99_ms").unwrap();
    let rig = Some(Reason::RigLimit);
    assert_eq!(reason("lag", |load| load.lag_p99 = most), None);
    assert_eq!(reason("lag", |load| load.lag_p99 = most + 1), rig);
    let share = row.limit("ceiling_share").unwrap();
    let used = |rate: f64| {
        reason("ceiling", |load| {
            load.rate = rate;
            load.ceiling = Some(1.0);
        })
    };
    assert_eq!(used(share), None);
    assert_eq!(used(share + 0.001), rig);
}

/// The rows that are open because nobody measured them, and how many there are.
fn unmeasured(loads: &[LoadAccount]) -> (Vec<String>, usize) {
    let finding = concluded(loads);
    let open = finding.checks.iter().filter(|check| {
        check.reason == Some(Reason::EventNotSeen) && check.verdict == Verdict::Inconclusive
    });
    let open = open.map(|check| check.id.clone()).collect();
    (open, finding.checks.len())
}

#[test]
fn without_a_step_all_is_open_and_without_a_ceiling_its_share() {
    let (open, _) = unmeasured(&[]);
    assert_eq!(open, ["dropped", "lag", "ceiling"]);
    let mut unknown = calm();
    unknown.ceiling = None;
    assert_eq!(
        unmeasured(&[unknown.clone()]),
        (vec!["ceiling".to_owned()], 3)
    );
    assert_eq!(unmeasured(&[unknown, calm()]), (vec![], 3));
}

#[test]
fn a_row_whose_share_is_nought_asks_for_no_ceiling() {
    let mut row = row();
    let share = row.numbers.limits.get_mut("ceiling_share").unwrap();
    *share = 0.0;
    let mut finding = blank("load");
    let mut unknown = calm();
    unknown.ceiling = None;
    Generator::start(&row)
        .unwrap()
        .conclude(&[unknown], &mut finding);
    let ids: Vec<_> = finding.checks.iter().map(|check| &check.id).collect();
    assert_eq!(ids, ["dropped", "lag"]);
}
