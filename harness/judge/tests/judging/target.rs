//! The families of `verify target` against good, bad and empty histories.

use exai_judge::criterion::Criteria;
use exai_judge::observation::{Case, Event, LoadAccount};
use exai_judge::{Finding, Reason, Verdict};

use crate::verdicts::{assert_inconclusive, assert_pass, failed};
use crate::world::{Ask, MS, S, World};

const TARGET: &str = include_str!("../../../../scenarios/target.toml");

fn judged(world: &World, criterion: &str) -> Finding {
    let criteria = Criteria::parse(TARGET).expect("the committed catalogue reads");
    world.finding(&criteria, "quick", criterion)
}

fn case(id: &str, expected: &str, seen: &str) -> Event {
    Event::Case(Case {
        id: id.to_owned(),
        edge: "stdio".to_owned(),
        good: false,
        expected: expected.to_owned(),
        seen: seen.to_owned(),
        audited: false,
        correlation_id: None,
        code: None,
        claimed: None,
    })
}

/// One right trial of every check of the family panic.
fn good() -> World {
    let mut world = World::new();
    world.phase("panic", "target", S, 2 * S);
    for check in ["frame", "twice", "refusal", "edge", "alive"] {
        let id = format!("panic.{check}.something");
        world.push(S, case(&id, "answered|refused", "answered"));
    }
    world
}

#[test]
fn a_family_passes_when_every_check_was_tried_and_each_trial_is_one_of_its_answers() {
    let finding = judged(&good(), "panic");
    assert_pass(&finding);
    assert_eq!(finding.headline, "5 of 5 trials as they should be");
}

#[test]
fn one_trial_that_is_none_of_its_answers_fails_its_check_and_says_what_came() {
    let mut world = good();
    world.push(S, case("panic.alive.tool x", "answered", "closed"));
    let finding = judged(&world, "panic");
    assert_eq!(failed(&finding), ["alive"]);
    let says = &finding.violations[0].says;
    assert_eq!(says, "tool x over stdio: closed instead of answered");
    // Another family's trial is no concern of this one.
    assert_eq!(judged(&world, "wire").verdict, Verdict::Inconclusive);
}

#[test]
fn a_check_that_nothing_tried_is_open_unless_it_has_no_subject() {
    let mut world = good();
    world.out.retain(|seen| match &seen.event {
        Event::Case(case) => !case.id.starts_with("panic.edge"),
        _ => true,
    });
    assert_inconclusive(&judged(&world, "panic"), Reason::ZeroSamples);
    world.push(
        S,
        Event::NotApplicable {
            criterion: "panic".to_owned(),
            check: "edge".to_owned(),
            why: "no tool takes an argument".to_owned(),
        },
    );
    assert_pass(&judged(&world, "panic"));
    // What has no subject and went wrong all the same still counts.
    world.push(S, case("panic.edge.tool", "answered", "closed"));
    assert_eq!(failed(&judged(&world, "panic")), ["edge"]);
}

#[test]
fn nothing_at_all_is_no_pass_and_an_unknown_check_is_not_passed_over() {
    for criterion in ["wire", "security", "panic", "load", "clients"] {
        let finding = judged(&World::new(), criterion);
        assert_eq!(finding.verdict, Verdict::Inconclusive, "{criterion}");
    }
    let mut world = good();
    world.push(S, case("panic.unheard.of", "a", "a"));
    world.push(S, case("panic.unheard.too", "a", "a"));
    let finding = judged(&world, "panic");
    assert_inconclusive(&finding, Reason::SchemaInvalid);
    let mut floors = finding.floors.iter();
    let floor = floors.find(|floor| floor.id == "unknown.unheard");
    assert_eq!(floor.map(|floor| floor.seen), Some(2));
}

/// Two hundred pings, each answered within 20 ms.
fn load() -> World {
    let mut world = World::new();
    world.phase("load", "target", S, 11 * S);
    for number in 0..200 {
        let ask = Ask {
            phase: "smoke".to_owned(),
            takes: 10 * MS + number % 10 * MS,
            ..Ask::new("load", S + number * 50 * MS)
        };
        let call = world.plain(&ask);
        world.record(call);
    }
    world.push(11 * S, Event::Load(account(200)));
    world
}

fn account(sent: u64) -> LoadAccount {
    LoadAccount {
        criterion: "load".to_owned(),
        phase: "smoke".to_owned(),
        repetition: 1,
        planned: 200,
        sent,
        dropped: 200 - sent,
        lag_p99: MS,
        rate: 20.0,
        ceiling: None,
        from: S,
        until: 11 * S,
        cores: None,
    }
}

#[test]
fn a_load_passes_and_one_reply_too_many_a_foreign_one_and_a_lost_one_each_fail_it() {
    assert_pass(&judged(&load(), "load"));
    for spoil in ["twice", "foreign", "lost"] {
        let mut world = load();
        let op = world.ops("load")[7];
        let call = world.call(op);
        match spoil {
            "twice" => call.replies = 2,
            "foreign" => call.belongs = Some(false),
            _ => {
                call.replies = 0;
                call.outcome = exai_judge::Outcome::Unknown;
                call.trouble = Some("deadline".to_owned());
            }
        }
        assert_eq!(failed(&judged(&world, "load")), ["answers"], "{spoil}");
    }
}

#[test]
fn arrivals_that_the_generator_dropped_and_too_few_requests_leave_the_load_open() {
    let mut world = load();
    world.push(12 * S, Event::Load(account(150)));
    assert_inconclusive(&judged(&world, "load"), Reason::DroppedArrivals);
    let mut few = World::new();
    few.phase("load", "target", S, 2 * S);
    let call = few.plain(&Ask::new("load", S));
    few.record(call);
    assert_inconclusive(&judged(&few, "load"), Reason::BelowFloor);
}

#[test]
fn a_client_s_limit_is_judged_by_its_own_cases_and_a_tainted_reply_is_timed_nowhere() {
    let mut world = World::new();
    world.phase("clients", "target", S, 2 * S);
    world.push(S, case("clients.one", "within", "within"));
    world.push(S, case("panic.alive.x", "answered", "closed"));
    assert_pass(&judged(&world, "clients"));
    world.push(S, case("clients.two", "within", "beyond"));
    let finding = judged(&world, "clients");
    assert_eq!(failed(&finding), ["limits"]);
    assert_eq!(finding.headline, "1 of 2 clients find nothing amiss");
    let mut world = load();
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: 3 * S,
        detail: String::new(),
    };
    world.push(2 * S, rig);
    let op = world.ops("load")[180];
    world.call(op).outcome = exai_judge::Outcome::Unknown;
    let finding = judged(&world, "load");
    let p95 = finding.checks.iter().find(|row| row.id == "p95").unwrap();
    // Twenty and one begin in that second or touch it; one more was not answered.
    assert_eq!(p95.n, 178);
}

#[test]
fn a_family_counts_its_own_subjects_and_a_load_its_own_calls_and_accounts() {
    let mut world = good();
    world.out.retain(|seen| match &seen.event {
        Event::Case(case) => !case.id.starts_with("panic.edge"),
        _ => true,
    });
    world.push(
        S,
        Event::NotApplicable {
            criterion: "wire".to_owned(),
            check: "edge".to_owned(),
            why: "another family".to_owned(),
        },
    );
    assert_inconclusive(&judged(&world, "panic"), Reason::ZeroSamples);
    world.push(S, case("panic.alive.x", "answered", "closed"));
    world.push(S, case("panic.alive.y", "answered", "closed"));
    let finding = judged(&world, "panic");
    assert_eq!(finding.headline, "4 of 6 trials as they should be");
    let mut world = load();
    let mut call = world.plain(&Ask::new("wire", S));
    call.outcome = exai_judge::Outcome::Unknown;
    world.record(call);
    let mut foreign = account(100);
    foreign.criterion = "wire".to_owned();
    world.push(11 * S, Event::Load(foreign));
    let finding = judged(&world, "load");
    assert_pass(&finding);
    let headline = "200 requests, 95th percentile 19 ms ";
    assert!(
        finding.headline.starts_with(headline),
        "{}",
        finding.headline
    );
}
