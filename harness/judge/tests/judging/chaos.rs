//! The checker of chaos against good, bad and empty histories.

use exai_judge::criterion::Criteria;
use exai_judge::fault::{FaultKind, Step};
use exai_judge::{Event, Finding, Outcome, Reason, Verdict};

use crate::verdicts::{assert_inconclusive, assert_pass, failed};
use crate::world::{Ask, MS, S, World, proven};

const CHAOS: &str = include_str!("../../../../scenarios/chaos.toml");
const PROFILE: &str = "quick";
const HEALED: u64 = 10 * S;
const END: u64 = 30 * S;

fn ask(phase: &str, at: u64) -> Ask {
    Ask {
        phase: phase.to_owned(),
        takes: 20 * MS,
        ..Ask::new("chaos", at)
    }
}

fn judged(world: &World) -> Finding {
    let criteria = Criteria::parse(CHAOS).expect("the committed catalogue reads");
    world.finding(&criteria, PROFILE, "chaos")
}

/// A kill of the server, turns and probes beside it, steady before and after; the numbers of the
/// operations that append.
fn good() -> (World, Vec<u64>) {
    let mut world = World::new();
    world.identify(HEALED, "restart", "instance-2", 4_712);
    for phase in ["steady.before", "steady.after"] {
        let at = if phase == "steady.before" { 1 } else { 28 };
        world.chat(&ask(phase, at * S));
    }
    world.phase("chaos", "load", 2 * S, END);
    let id = "server.kill.1";
    world.fault(id, "server", FaultKind::Kill, &proven(8 * S, HEALED));
    let mut appends = Vec::new();
    for number in 0..5 {
        appends.push(world.append(&ask("load", 3 * S + number * 100 * MS), "thread"));
    }
    for step in 0..60 {
        let at = HEALED + step * 100 * MS;
        for provider in ["kimi", "glm", "minimax"] {
            let phase = format!("probe.{provider}");
            world.chat(&Ask {
                provider,
                ..ask(&phase, at)
            });
        }
        world.append(&ask("probe.server", at), &format!("probe {step}"));
    }
    world.read(&ask("settle", 27 * S), "thread");
    for step in 0..60 {
        let at = 27 * S + step * MS;
        world.read(&ask("settle", at), &format!("probe {step}"));
    }
    health(&mut world);
    (world, appends)
}

fn health(world: &mut World) {
    let seen = exai_judge::observation::HealthSeen {
        place: None,
        status: 200,
        ready: true,
        components: std::collections::BTreeMap::new(),
        instance: None,
    };
    world.push(20 * S, Event::Health(seen));
}

#[test]
fn a_server_that_keeps_everything_over_a_kill_passes() {
    assert_pass(&judged(&good().0));
}

#[test]
fn a_turn_stored_after_its_caller_was_cut_off_is_no_phantom() {
    let (mut world, appends) = good();
    let last = world.call(appends[4]);
    // The connection went before the server had asked the provider, which it then did.
    last.outcome = Outcome::Unknown;
    last.done_at = last.sent_at + MS / 2;
    last.answers.clear();
    last.meta = None;
    last.replies = 0;
    assert_pass(&judged(&world));
}

#[test]
fn a_turn_lost_over_a_kill_fails_by_name() {
    let (mut world, appends) = good();
    assert_eq!(appends.len(), 5);
    for one in &mut world.out {
        if let Event::Call(call) = &mut one.event
            && let Some(turns) = &mut call.turns
            && turns.len() == 5
        {
            turns.pop();
        }
    }
    let finding = judged(&world);
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(failed(&finding).contains(&"lost"), "{:?}", failed(&finding));
}

#[test]
fn a_component_that_stays_wrong_after_the_last_heal_fails_by_name() {
    let (mut world, _) = good();
    for one in &mut world.out {
        if let Event::Call(call) = &mut one.event
            && call.phase == "probe.glm"
        {
            call.answers.clear();
        }
    }
    let finding = judged(&world);
    assert!(failed(&finding).contains(&"recovered.glm"));
}

#[test]
fn an_exit_that_nobody_ordered_and_a_lasting_disturbance_fail_by_name() {
    let (mut world, _) = good();
    let critical = Event::Critical {
        what: "unordered_exit".to_owned(),
        detail: "server ended".to_owned(),
        control: false,
    };
    world.push(15 * S, critical);
    for one in &mut world.out {
        if let Event::Call(call) = &mut one.event
            && call.phase == "steady.after"
        {
            call.answers.clear();
        }
    }
    let finding = judged(&world);
    let failed = failed(&finding);
    assert!(failed.contains(&"critical"), "{failed:?}");
    assert!(failed.contains(&"steady_after"), "{failed:?}");
}

#[test]
fn chaos_without_a_landed_fault_is_never_a_pass() {
    let mut world = World::new();
    world.phase("chaos", "load", S, END);
    assert_eq!(judged(&world).verdict, Verdict::Inconclusive);
    let (mut world, _) = good();
    let is_cause = |event: &Event| {
        matches!(event, Event::Fault { step, .. }
            if matches!(step, Step::Cause { .. }))
    };
    world.out.retain(|one| !is_cause(&one.event));
    assert_eq!(judged(&world).verdict, Verdict::Inconclusive);
}

#[test]
fn a_fault_that_something_spoke_against_does_not_count() {
    let (mut world, _) = good();
    let why = "runs on".to_owned();
    let taken_back = [(9 * S, Step::NotLanded { why })];
    world.fault("server.kill.1", "server", FaultKind::Kill, &taken_back);
    let finding = judged(&world);
    assert_inconclusive(&finding, Reason::FaultNotLanded);
    let says = "server.kill.1: runs on".to_owned();
    assert!(finding.not_tested.contains(&says), "{finding:?}");
}

#[test]
fn a_catalogue_that_names_no_critical_errors_is_a_harness_error() {
    let text = CHAOS.replace("criticals = [", "crises = [");
    let criteria = Criteria::parse(&text).expect("a catalogue");
    let finding = good().0.finding(&criteria, PROFILE, "chaos");
    assert_eq!(finding.verdict, Verdict::HarnessError);
    assert!(finding.headline.contains("criticals"), "{finding:?}");
}

#[test]
fn a_probe_that_another_provider_answered_is_no_recovery_of_its_own() {
    let (mut world, _) = good();
    for op in world.ops("chaos") {
        if world.call(op).phase == "probe.glm" {
            world.call(op).phase = "probe.kimi".to_owned();
        }
    }
    let finding = judged(&world);
    assert_eq!(failed(&finding), ["recovered.kimi"]);
}

#[test]
fn a_call_planned_for_another_criterion_says_nothing_of_chaos() {
    for (criterion, wanted) in [("chaos", vec!["steady_before"]), ("V.1", Vec::new())] {
        let (mut world, _) = good();
        let mut call = world.plain(&Ask {
            phase: "steady.before".to_owned(),
            ..Ask::new(criterion, S)
        });
        call.outcome = Outcome::Unknown;
        world.record(call);
        assert_eq!(failed(&judged(&world)), wanted, "{criterion}");
    }
}

#[test]
fn an_answer_that_did_come_must_be_right_and_one_that_did_not_is_no_wrong_answer() {
    let spoiled = |spoil: &dyn Fn(&mut exai_judge::Call)| {
        let (mut world, _) = good();
        let mut call = world.keyed(&ask("load", 20 * S));
        spoil(&mut call);
        world.record(call);
        let finding = judged(&world);
        failed(&finding).join(" ")
    };
    assert_eq!(spoiled(&|_| {}), "");
    assert_eq!(spoiled(&|call| call.answers.clear()), "keyed");
    let cut = |call: &mut exai_judge::Call| {
        call.answers.clear();
        call.outcome = Outcome::Unknown;
    };
    assert_eq!(spoiled(&cut), "");
    assert_eq!(spoiled(&|call| call.replies = 2), "answered_twice");
}

#[test]
fn a_component_must_be_right_again_below_the_limit_and_not_at_it() {
    let limit = 30 * S;
    for (back, wanted) in [
        (HEALED + limit - 1, Vec::new()),
        (HEALED + limit, vec!["recovered.glm"]),
    ] {
        let (mut world, _) = good();
        for op in world.ops("chaos") {
            let call = world.call(op);
            if call.phase == "probe.glm" {
                call.answers.clear();
            }
        }
        for step in 0..30 {
            world.chat(&Ask {
                provider: "glm",
                ..ask("probe.glm", back + step * 100 * MS)
            });
        }
        let finding = judged(&world);
        let recovered: Vec<_> = failed(&finding)
            .into_iter()
            .filter(|id| id.starts_with("recovered"))
            .collect();
        assert_eq!(recovered, wanted, "{back}");
    }
}
