//! What V.4 counts, and which figures and calls are none of its own.

use super::*;
use crate::storage::hits;

fn seen(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap_or_else(|| panic!("no floor {id}")).seen
}

fn reconnect(seconds: f64, unit: &str) -> Event {
    Event::Figure {
        name: "reconnect after a fault of the store".to_owned(),
        value: seconds,
        unit: unit.to_owned(),
    }
}

#[test]
fn an_operation_counts_when_it_was_acknowledged_rightly_and_the_rig_was_well() {
    let all = seen(&judged(&good()), "operations");
    let with = |change: &dyn Fn(&mut World, u64)| {
        let mut world = good();
        let op = world.append(&ask("with_thread", 55 * S, 30 * MS), "another");
        change(&mut world, op);
        seen(&judged(&world), "operations") - all
    };
    assert_eq!(with(&|_, _| {}), 1);
    assert_eq!(with(&|world, op| world.call(op).answers.clear()), 0);
    let refused = |world: &mut World, op: u64| {
        let failure = world.refused(&ask("", 0, MS), "client_error").failure;
        let call = world.call(op);
        call.proof = exai_judge::operation::ProofKind::Refusal {
            category: "client_error".to_owned(),
        };
        (call.outcome, call.failure) = (Outcome::Refused, failure);
    };
    assert_eq!(with(&refused), 0, "refused as it should be");
    let tainted = |world: &mut World, op: u64| {
        let (from, until) = (world.call(op).sent_at, world.call(op).done_at);
        let rig = Event::Rig {
            what: "cpu".to_owned(),
            until,
            detail: String::new(),
        };
        world.push(from, rig);
    };
    assert_eq!(with(&tainted), 0);
}

#[test]
fn a_pair_is_timed_outside_fault_windows_alone() {
    let pairs = |at: Option<u64>| {
        let mut world = good();
        if let Some(at) = at {
            world.append(&ask("with_thread", at, 30 * MS), "another");
            world.chat(&ask("without_thread", at + MS, 20 * MS));
        }
        seen(&judged(&world), "store_samples")
    };
    let begin = good().out.iter().find_map(|one| match &one.event {
        Event::Fault {
            step: Step::Injected,
            ..
        } => Some(one.at),
        _ => None,
    });
    let all = pairs(None);
    let inside = begin.unwrap() + S;
    assert_eq!(pairs(Some(55 * S)), all + 1);
    assert_eq!(pairs(Some(inside)), all);
    // One of a pair inside a window and the other outside are none.
    for (with, without) in [(inside, 55 * S), (55 * S, inside)] {
        let mut world = good();
        world.append(&ask("with_thread", with, 30 * MS), "another");
        world.chat(&ask("without_thread", without, 20 * MS));
        assert_eq!(seen(&judged(&world), "store_samples"), all);
    }
}

#[test]
fn the_way_back_to_the_store_is_timed_in_seconds_within_the_phases_and_may_take_the_limit() {
    let with = |at: u64, figure: Event| {
        let mut world = good();
        world.push(at, figure);
        let finding = judged(&world);
        let row = check(&finding, "reconnect");
        (row.n, row.verdict)
    };
    let (n, _) = with(70 * S, reconnect(0.1, "s"));
    assert_eq!(n, 2, "outside every phase");
    assert_eq!(with(50 * S, reconnect(5.0, "s")), (3, Verdict::Pass));
    assert_eq!(with(50 * S, reconnect(5.01, "s")), (3, Verdict::Fail));
    assert_eq!(with(50 * S, reconnect(9.0, "ms")), (2, Verdict::Pass));
    let other = Event::Figure {
        name: "another".to_owned(),
        value: 9.0,
        unit: "s".to_owned(),
    };
    assert_eq!(with(50 * S, other), (2, Verdict::Pass));
}

#[test]
fn the_headline_counts_the_threads_and_their_turns() {
    let finding = judged(&good());
    let all = THREADS * TURNS;
    let told = format!("{all} acknowledged turns in {THREADS} threads, 0 anomalies; ");
    assert!(finding.headline.starts_with(&told), "{}", finding.headline);
}

#[test]
fn one_server_that_was_restarted_keeps_its_answers_or_fails_its_hit_rate() {
    let mut world = good();
    world.identify(0, "start", "instance-0", 1);
    let of_repeats = |at: u64| (40 * S - 1..49 * S).contains(&at);
    world.out.retain(|one| !of_repeats(one.at));
    hits::repeats(&mut world, |_, _| true);
    let mut asked = world.ops("V.4");
    asked.retain(|op| world.call(*op).phase == "repeats");
    for op in asked.into_iter().step_by(3) {
        world.call(op).instance = Some("instance-0".to_owned());
    }
    let finding = judged(&world);
    assert_eq!(check(&finding, "hit_rate").n, 36);
}

#[test]
fn only_an_exact_repeat_by_the_same_person_is_one() {
    let counted = |exact: bool, same: bool| {
        let mut world = good();
        for op in world.ops("V.4") {
            if let Some(repeat) = &mut world.call(op).repeat {
                (repeat.exact, repeat.same_principal) = (exact, same);
            }
        }
        seen(&judged(&world), "repeats")
    };
    assert_eq!(counted(true, true), 36);
    assert_eq!(counted(false, true), 0);
    assert_eq!(counted(true, false), 0);
}

#[test]
fn a_call_without_a_right_answer_may_be_counted_as_either_hit_or_miss() {
    let mut world = good();
    let mut ops = world.ops("V.4");
    ops.retain(|op| world.call(*op).repeat.is_some());
    world.call(ops[4]).outcome = Outcome::Unknown;
    assert!(!failed(&judged(&world)).contains(&"hits_counted"));
    world.call(ops[5]).answers.clear();
    assert!(!failed(&judged(&world)).contains(&"hits_counted"));
    // Nine of ten repeats are lost without a trace: the counters may say nothing of them.
    for op in &ops[6..] {
        world.call(*op).phase = "main".to_owned();
    }
    assert!(failed(&judged(&world)).contains(&"hits_counted"));
}

#[test]
fn the_first_scrape_before_counts_and_the_last_one_after() {
    let with = |mark: &str, at: u64| {
        let mut world = good();
        let series = |family: &str| format!("exai_cache_{family}_total{{cache=\"result\"}}");
        let values = [(series("hits"), 20.0), (series("misses"), 5.0)];
        let metrics = Event::Metrics {
            mark: mark.to_owned(),
            values: values.into(),
        };
        world.push(at, metrics);
        failed(&judged(&world)).contains(&"hits_counted")
    };
    assert!(!with("before V.4", 41 * S), "a later one before");
    assert!(with("before V.4", 39 * S));
    assert!(with("after V.4", 50 * S));
    assert!(!with("after V.4", 47 * S), "an earlier one after");
    assert!(!with("tick", 41 * S));
}

#[test]
fn the_repeats_are_bracketed_by_two_scrapes_and_a_refusal_among_them_is_neither_hit_nor_miss() {
    let mut world = good();
    assert_eq!(seen(&judged(&world), "scrapes"), 2);
    let mut refused = world.refused(&ask("repeats", 47 * S, MS), "client_error");
    refused.proof = exai_judge::operation::ProofKind::Refusal {
        category: "client_error".to_owned(),
    };
    world.record(refused);
    assert!(!failed(&judged(&world)).contains(&"hits_counted"));
    world
        .out
        .retain(|one| !matches!(&one.event, Event::Metrics { mark, .. } if mark == "after V.4"));
    let finding = judged(&world);
    let floor = finding.floors.iter().find(|floor| floor.id == "scrapes");
    assert_eq!(floor.map(|it| (it.needed, it.seen)), Some((2, 1)));
}
