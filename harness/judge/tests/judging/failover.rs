//! V.5 against good, bad and empty histories.

mod counts;
mod edges;
mod retried;

use exai_judge::fault::{FaultKind, Step};
use exai_judge::observation::{Event, HealthSeen};
use exai_judge::{Finding, Outcome, Reason, Verdict};

use crate::catalogue;
use crate::verdicts::{assert_inconclusive, assert_pass, check, failed};
use crate::world::{Ask, INSTANCE, MS, PID, S, World, proven};

const PROFILE: &str = "selftest";
const NEXT: &str = "instance-2";
const KILL_SERVER: u64 = 5 * S;
const KILL_KIMI: u64 = 20 * S;
const OUTAGE: u64 = 3 * S;
const END: u64 = 40 * S;

fn ask(phase: &str, at: u64) -> Ask {
    Ask {
        phase: phase.to_owned(),
        takes: 20 * MS,
        ..Ask::new("V.5", at)
    }
}

fn health(world: &mut World, at: u64, status: u16, kimi: &str) {
    let components = [("kimi", kimi), ("glm", "healthy"), ("store", "healthy")];
    let components = components.map(|(name, word)| (name.to_owned(), word.to_owned()));
    let seen = HealthSeen {
        place: None,
        status,
        ready: status == 200,
        components: components.into(),
        instance: None,
    };
    world.push(at, Event::Health(seen));
}

const fn is_down(kill: u64, at: u64) -> bool {
    kill <= at && at < kill + OUTAGE
}

/// Probes of server and kimi, appends beside them, a kill of each with an outage of three seconds.
pub fn good() -> World {
    let mut world = World::new();
    world.phase("V.5", "main", S, END);
    for (id, component, at) in [
        ("server.kill.1", "server", KILL_SERVER),
        ("kimi.kill.1", "kimi", KILL_KIMI),
    ] {
        world.fault(id, component, FaultKind::Kill, &proven(at, at + 4 * S));
    }
    world.identify(KILL_SERVER + OUTAGE, "restart", NEXT, PID + 1);
    let mut at = 2 * S;
    let mut count = 0;
    while at < END - S {
        if is_down(KILL_SERVER, at) {
            refuse(&mut world, at);
        } else {
            answer(&mut world, at, &format!("thread {}", count / 10));
            count += 1;
        }
        at += 100 * MS;
    }
    retried(&mut world, at - S);
    for thread in 0..=count / 10 {
        let op = world.read(
            &ask("settle", at + thread * 2 * MS),
            &format!("thread {thread}"),
        );
        world.call(op).instance = Some(NEXT.to_owned());
    }
    world
}

/// A turn open when the server was killed, sent again with its key and read back.
fn retried(world: &mut World, read: u64) {
    let op = world.append(&ask("traffic", KILL_SERVER + OUTAGE + S), "retried");
    let mut first = world.call(op).clone();
    first.op += 100_000;
    (first.sent_at, first.done_at) = (KILL_SERVER - MS, KILL_SERVER + MS);
    first.intended_at = first.sent_at;
    (first.outcome, first.replies) = (Outcome::Unknown, 0);
    (first.answers, first.meta) = (Vec::new(), None);
    world.record(first);
    let read = world.read(&ask("settle", read), "retried");
    for op in [op, read] {
        world.call(op).instance = Some(NEXT.to_owned());
    }
}

/// The server is dead: probes fail and health does not answer.
fn refuse(world: &mut World, at: u64) {
    for phase in ["probe.server", "probe.kimi"] {
        let mut call = world.plain(&ask(phase, at));
        call.outcome = Outcome::Unknown;
        call.replies = 0;
        call.instance = None;
        world.record(call);
    }
    health(world, at, 0, "healthy");
}

/// Probes and an append that are answered, by another provider while kimi is dead.
fn answer(world: &mut World, at: u64, thread: &str) {
    let instance = if at < KILL_SERVER { INSTANCE } else { NEXT };
    let kimi_down = is_down(KILL_KIMI, at);
    let provider = if kimi_down { "glm" } else { "kimi" };
    for (phase, provider) in [("probe.server", "glm"), ("probe.kimi", provider)] {
        let op = world.chat(&Ask {
            provider,
            ..ask(phase, at)
        });
        world.call(op).instance = Some(instance.to_owned());
    }
    let turn = Ask {
        provider: "glm",
        ..ask("traffic", at + MS)
    };
    let op = world.append(&turn, thread);
    world.call(op).instance = Some(instance.to_owned());
    health(
        world,
        at,
        200,
        if kimi_down { "unhealthy" } else { "healthy" },
    );
}

fn judged(world: &World) -> Finding {
    world.finding(&catalogue::criteria(), PROFILE, "V.5")
}

#[test]
fn a_server_that_comes_back_with_every_turn_passes() {
    let finding = judged(&good());
    assert_pass(&finding);
    let ttsr = check(&finding, "ttsr.server");
    assert!(
        ttsr.measured.contains("max 2 999 ms") || ttsr.measured.contains("max 3"),
        "{ttsr:?}"
    );
}

#[test]
fn nothing_killed_leaves_the_floors_unmet() {
    let mut idle = World::new();
    idle.phase("V.5", "main", S, 2 * S);
    assert_inconclusive(&judged(&idle), Reason::FaultNotLanded);
}

#[test]
fn a_kill_without_proof_of_cause_does_not_count() {
    let mut world = good();
    world.out.retain(|observation| {
        !matches!(&observation.event, Event::Fault { fault, step: Step::Cause { .. } }
            if fault.component == "server")
    });
    let finding = judged(&world);
    assert_inconclusive(&finding, Reason::FaultNotLanded);
    let floor = finding
        .floors
        .iter()
        .find(|floor| floor.id == "kill.server")
        .unwrap();
    assert_eq!(floor.seen, 0);
}

#[test]
fn a_component_that_never_comes_back_fails() {
    let mut world = good();
    for op in world.ops("V.5") {
        let call = world.call(op);
        if call.phase == "probe.kimi" && call.sent_at > KILL_KIMI {
            call.outcome = Outcome::Unknown;
        }
    }
    let finding = judged(&world);
    assert_eq!(failed(&finding), ["ttsr.kimi"]);
    assert!(check(&finding, "ttsr.kimi").measured.contains("never"));
}

#[test]
fn an_answer_from_another_provider_or_the_old_instance_is_no_recovery() {
    let mut world = good();
    for op in world.ops("V.5") {
        let call = world.call(op);
        if call.phase == "probe.server" && call.sent_at > KILL_SERVER {
            call.instance = Some(INSTANCE.to_owned());
        }
    }
    assert_eq!(failed(&judged(&world)), ["ttsr.server"]);
}

#[test]
fn an_answer_that_names_no_instance_is_no_recovery() {
    let mut world = good();
    for op in world.ops("V.5") {
        let call = world.call(op);
        if call.phase == "probe.server" {
            // Over the network it would void the run.
            call.transport = exai_judge::Transport::Stdio;
            call.instance = None;
        }
    }
    let finding = judged(&world);
    assert_eq!(failed(&finding), ["ttsr.server"]);
    assert!(check(&finding, "ttsr.server").measured.contains("never"));
}

#[test]
fn an_acknowledged_turn_that_is_gone_after_the_restart_fails() {
    let mut world = good();
    let reads: Vec<u64> = world.ops("V.5").into_iter().rev().take(3).collect();
    // The thread of the third read from the end is full and old.
    world.call(reads[2]).turns.as_mut().unwrap().pop();
    assert_eq!(failed(&judged(&world)), ["lost"]);
}

#[test]
fn a_constant_health_and_one_that_blames_the_wrong_component_fail() {
    for (kimi, glm) in [("healthy", "healthy"), ("unhealthy", "unhealthy")] {
        let mut world = good();
        for observation in &mut world.out {
            let at = observation.at;
            let Event::Health(health) = &mut observation.event else {
                continue;
            };
            if (KILL_KIMI..KILL_KIMI + OUTAGE).contains(&at) {
                health.components.insert("kimi".to_owned(), kimi.to_owned());
                health.components.insert("glm".to_owned(), glm.to_owned());
            }
        }
        assert_eq!(failed(&judged(&world)), ["health.kimi"], "{kimi} {glm}");
    }
}

/// A breaker that still waits after its provider's own death is not blamed for the next one; a
/// component that was never killed is, even when it has been red all along.
#[test]
fn another_component_may_only_be_red_for_its_own_death() {
    let always_red = |name: &str| {
        let mut world = good();
        for observation in &mut world.out {
            if let Event::Health(health) = &mut observation.event {
                health
                    .components
                    .insert(name.to_owned(), "unhealthy".to_owned());
            }
        }
        world
    };
    assert_eq!(failed(&judged(&always_red("glm"))), ["health.kimi"]);
    let mut world = always_red("glm");
    let killed = KILL_KIMI - 2 * OUTAGE;
    world.fault(
        "glm.kill.1",
        "glm",
        FaultKind::Kill,
        &proven(killed, killed + S),
    );
    assert!(failed(&judged(&world)).is_empty());
}

#[test]
fn a_probe_broken_by_our_own_rig_never_makes_a_recovery_slow() {
    let mut world = good();
    let at = KILL_KIMI + 10 * S;
    for op in world.ops("V.5") {
        let call = world.call(op);
        if call.sent_at > at && call.sent_at < at + S {
            call.outcome = Outcome::Unknown;
        }
    }
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: at + S,
        detail: String::new(),
    };
    world.push(at, rig);
    assert_ne!(judged(&world).verdict, Verdict::Fail);
}

/// The rig broke its word long after the time was up, as it may when a run ends without its server.
#[test]
fn a_server_that_never_comes_back_fails_whatever_befalls_the_rig_afterwards() {
    let mut world = World::new();
    world.phase("V.5", "main", S, END);
    let mut steps = proven(KILL_SERVER, END);
    steps.retain(|(_, step)| !matches!(step, Step::Healed));
    world.fault("server.kill.1", "server", FaultKind::Kill, &steps);
    for tenth in 20..END / (100 * MS) {
        let at = tenth * 100 * MS;
        if at < KILL_SERVER {
            answer(&mut world, at, "thread 0");
        } else {
            refuse(&mut world, at);
        }
    }
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: END,
        detail: String::new(),
    };
    world.push(KILL_SERVER + 32 * S, rig);
    let finding = judged(&world);
    assert_eq!(check(&finding, "ttsr.server").verdict, Verdict::Fail);
    assert!(check(&finding, "ttsr.server").measured.contains("never"));
}
