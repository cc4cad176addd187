//! What V.6 counts: audit lines, searches, what a rate let through, and how many calls compare.

use exai_judge::Verdict;
use exai_judge::operation::Outcome;

use super::*;

#[test]
fn a_denial_that_a_refusing_reply_named_is_not_invented() {
    let invented = |named: &str| {
        let mut world = good();
        let mut call = world.refused(&Ask::new("V.6", 9 * S), "forbidden");
        call.failure.as_mut().unwrap().correlation_id = Some(named.to_owned());
        world.record(call);
        let ghost = Case {
            correlation_id: Some("seen".to_owned()),
            ..case("J1", EDGES[0], false)
        };
        world.push(9 * S, Event::Audit(line(&ghost)));
        failed(&judged(&world)).contains(&"invented")
    };
    assert!(!invented("seen"));
    assert!(invented("another"));
}

#[test]
fn a_denial_that_only_an_answer_named_is_invented() {
    let mut world = good();
    let mut answered = world.keyed(&Ask::new("V.1", 9 * S));
    answered.meta.as_mut().unwrap().correlation_id = Some("seen".to_owned());
    world.record(answered);
    let ghost = Case {
        correlation_id: Some("seen".to_owned()),
        ..case("J1", EDGES[0], false)
    };
    world.push(9 * S, Event::Audit(line(&ghost)));
    assert_eq!(failed(&judged(&world)), ["invented"]);
}

#[test]
fn every_audit_line_is_a_link_of_the_chain() {
    let mut world = good();
    let lines = world.out.iter();
    let lines = lines.filter(|seen| matches!(seen.event, Event::Audit(_)));
    let count = u64::try_from(lines.count()).unwrap();
    assert_eq!(check(&judged(&world), "chain").n, count);
    let broken = world
        .out
        .iter_mut()
        .filter_map(|seen| match &mut seen.event {
            Event::Audit(line) => Some(line),
            _ => None,
        });
    broken.take(2).for_each(|line| line.chained = false);
    let finding = judged(&world);
    let row = check(&finding, "chain");
    assert_eq!((row.n, row.verdict), (count, Verdict::Fail));
    assert!(row.measured.starts_with("2 of "), "{row:?}");
}

#[test]
fn only_a_search_for_canaries_is_one() {
    let mut world = good();
    let figure = Event::Figure {
        name: "another figure".to_owned(),
        value: 1.0,
        unit: "texts".to_owned(),
    };
    world.push(9 * S, figure);
    assert_eq!(floor(&judged(&world), "canaries").0, 1);
}

#[test]
fn as_many_healthy_calls_as_asked_for_are_compared_and_one_less_says_nothing() {
    let row = catalogue::criteria().find("V.6", PROFILE).unwrap().unwrap();
    let least = usize::try_from(row.count("ratio_least").unwrap()).unwrap();
    let kept = |phase: &str, kept: usize| {
        let mut world = good();
        let mut count = 0;
        world.out.retain(|seen| match &seen.event {
            Event::Call(call) if call.phase == phase => {
                count += 1;
                count <= kept
            }
            _ => true,
        });
        let finding = judged(&world);
        let row = check(&finding, "p99_ratio");
        (row.verdict, row.reason)
    };
    for phase in ["calm", "hostile"] {
        assert_eq!(kept(phase, least), (Verdict::Pass, None), "{phase}");
        let open = (Verdict::Inconclusive, Some(Reason::BelowFloor));
        assert_eq!(kept(phase, least - 1), open, "{phase}");
    }
}

/// With a principal's rate that refills by so many calls.
fn refilled(refill: u64) -> Finding {
    let mut world = good();
    unpressed(&mut world);
    rate(&mut world, 10 * S, refill);
    judged(&world)
}

#[test]
fn a_rate_lets_through_the_share_it_promises() {
    let limited = |refill| {
        let finding = refilled(refill);
        let row = check(&finding, "refill.principal");
        (row.verdict, row.n)
    };
    assert_eq!(limited(50), (Verdict::Pass, 600));
    for low in [30, 40, 45] {
        assert_eq!(limited(low), (Verdict::Fail, 600), "{low}");
    }
}

/// The verdict on the fullest window of so many calls at once, by who makes them.
fn at_once(scope: &str, who: impl Fn(u64) -> &'static str, calls: u64) -> Verdict {
    let mut world = good();
    unpressed(&mut world);
    for index in 0..calls {
        let ask = Ask {
            phase: format!("rate.{scope}"),
            identity: who(index).to_owned(),
            takes: 1,
            ..Ask::new("V.6", 10 * S)
        };
        let call = world.plain(&ask);
        world.record(call);
    }
    // A refusal, or another trouble, is nothing let through.
    for outcome in [Outcome::Refused, Outcome::Unknown] {
        let ask = Ask {
            phase: format!("rate.{scope}"),
            identity: who(0).to_owned(),
            takes: 1,
            ..Ask::new("V.6", 10 * S)
        };
        let mut call = world.plain(&ask);
        call.outcome = outcome;
        world.record(call);
    }
    let finding = world.finding(&catalogue::criteria(), "quick", "V.6");
    check(&finding, &format!("rate.{scope}")).verdict
}

#[test]
fn a_burst_may_be_its_size_and_one_more_for_each_principal_and_for_all_of_an_address() {
    let one = |_| "hot";
    assert_eq!(at_once("principal", one, 51), Verdict::Pass);
    assert_eq!(at_once("principal", one, 52), Verdict::Fail);
    let two = |index: u64| ["hot", "cold"][(index % 2) as usize];
    assert_eq!(at_once("principal", two, 102), Verdict::Pass);
    assert_eq!(at_once("principal", two, 104), Verdict::Fail);
    assert_eq!(at_once("address", two, 101), Verdict::Pass);
    assert_eq!(at_once("address", two, 102), Verdict::Fail);
}

#[test]
fn another_critical_error_is_no_secret_that_was_seen() {
    let mut world = good();
    let critical = Event::Critical {
        what: "panic".to_owned(),
        detail: "somewhere".to_owned(),
        control: false,
    };
    world.push(9 * S, critical);
    assert_pass(&judged(&world));
}

#[test]
fn a_rate_that_was_not_kept_is_a_violation_and_a_kept_one_is_none() {
    for (refill, wanted) in [(50, None), (5, Some("refill.principal"))] {
        let finding = refilled(refill);
        let told: Vec<&str> = finding
            .violations
            .iter()
            .map(|it| it.check.as_str())
            .collect();
        assert_eq!(told, Vec::from_iter(wanted));
    }
}
