//! Times of V.5 at their limits: service back in time, exposure, and what was at risk at a kill.

use exai_judge::Verdict;

use super::*;

/// When the death of kimi is proven.
const DEAD: u64 = 10 * S + MS;
const STEP: u64 = 500 * MS;

/// A kill of kimi whose probes, every half second, are right before and from a moment on.
fn killed(back: u64, until: u64) -> World {
    let mut world = World::new();
    world.phase("V.5", "main", S, until + S);
    let steps = proven(10 * S, back);
    world.fault("kimi.kill.1", "kimi", FaultKind::Kill, &steps);
    let before = (4..20).map(|half| half * STEP);
    let down = (0..).map(|half| DEAD + half * STEP);
    let down = down.take_while(|at| *at < back);
    let up = (0..).map(|half| back + half * STEP);
    let up = up.take_while(|at| *at < until);
    for at in before.chain(down).chain(up) {
        let op = world.chat(&ask("probe.kimi", at));
        if (DEAD..back).contains(&at) {
            world.call(op).outcome = Outcome::Unknown;
        }
    }
    world
}

fn ttsr(world: &World) -> Verdict {
    check(&judged(world), "ttsr.kimi").verdict
}

fn floor(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap().seen
}

#[test]
fn service_is_back_in_time_below_the_limit_and_not_at_it() {
    for (took, wanted) in [(30 * S - 1, Verdict::Pass), (30 * S, Verdict::Fail)] {
        let back = DEAD + took;
        let world = killed(back, back + 6 * S);
        assert_eq!(ttsr(&world), wanted, "{took}");
        let finding = judged(&world);
        let violations = finding.violations.iter();
        let told = violations.filter(|one| one.check == "ttsr.kimi").count();
        assert_eq!(told, usize::from(wanted == Verdict::Fail));
    }
}

#[test]
fn the_next_kill_ends_the_time_in_which_service_may_come_back() {
    let back = DEAD + 3 * S;
    // Two seconds of right probes are needed; the second kill comes after one and a half.
    for (next, wanted) in [
        (back + 1_500 * MS, Verdict::Fail),
        (back + 4 * S, Verdict::Pass),
    ] {
        let mut world = killed(back, back + 20 * S);
        let again = proven(next, next + MS);
        world.fault("kimi.kill.2", "kimi", FaultKind::Kill, &again);
        // A window needs ten probes: denser ones after the first kill.
        for at in 0..90 {
            world.chat(&ask("probe.kimi", back + at * 100 * MS + 1));
        }
        let finding = judged(&world);
        assert_eq!(check(&finding, "ttsr.kimi").verdict, wanted, "{next}");
        assert_eq!(check(&finding, "ttsr.kimi").n, 2);
    }
}

#[test]
fn a_kill_counts_with_as_many_probes_after_it_as_asked_and_with_an_effect() {
    let exposed = |probes: u64| {
        let mut world = killed(DEAD, DEAD);
        for index in 0..probes {
            world.chat(&ask("probe.kimi", DEAD + index * S));
        }
        let finding = judged(&world);
        (floor(&finding, "kill.kimi"), check(&finding, "ttsr.kimi").n)
    };
    assert_eq!(exposed(4), (0, 0));
    assert_eq!(exposed(5), (1, 1));
    let mut world = killed(DEAD + S, DEAD + 6 * S);
    world.out.retain(|seen| {
        !matches!(
            &seen.event,
            Event::Fault {
                step: Step::Effect { .. },
                ..
            }
        )
    });
    let finding = judged(&world);
    assert_eq!(floor(&finding, "kill.kimi"), 0, "no effect was seen");
    assert_eq!(check(&finding, "ttsr.kimi").n, 1, "its time counts");
}

/// The floors of what was at risk when the server was killed at 10 s.
fn at_risk(sent: u64, takes: u64, outcome: Outcome) -> (u64, u64) {
    let mut world = World::new();
    world.phase("V.5", "main", S, 40 * S);
    let steps = proven(10 * S, 14 * S);
    world.fault("server.kill.1", "server", FaultKind::Kill, &steps);
    let turn = Ask {
        takes,
        ..ask("traffic", sent)
    };
    let op = world.append(&turn, "one");
    world.call(op).outcome = outcome;
    // Read by its owner, which is at no risk.
    world.read(&turn, "one");
    let finding = judged(&world);
    (floor(&finding, "at_risk"), floor(&finding, "in_flight"))
}

#[test]
fn turns_are_at_risk_that_were_acknowledged_just_before_a_kill_or_open_at_it() {
    let kill = 10 * S;
    let ok = |sent: u64, done: u64| at_risk(sent, done - sent, Outcome::Ok);
    assert_eq!(ok(kill - S, kill - 200 * MS), (1, 0));
    assert_eq!(ok(kill - S, kill - 200 * MS - 1), (0, 0));
    assert_eq!(ok(kill - S, kill), (1, 0), "done at the kill");
    assert_eq!(ok(kill - S, kill + 1), (0, 1));
    assert_eq!(ok(kill, kill + 9 * MS), (0, 1), "sent at the kill");
    assert_eq!(ok(kill + 1, kill + 9 * MS), (0, 0));
    assert_eq!(at_risk(kill - S, S, Outcome::Unknown), (0, 0));
    assert_eq!(at_risk(kill - S, 2 * S, Outcome::Unknown), (0, 1));
}

/// What health said at a moment of kimi and of glm.
type Reading = (u64, &'static str, &'static str);

/// What those readings around the kill of kimi are worth.
fn health_of(readings: &[Reading]) -> Verdict {
    let mut world = killed(DEAD + 3 * S, DEAD + 9 * S);
    for (at, kimi, glm) in readings {
        let words = [("providers.kimi", *kimi), ("glm", *glm)];
        let words = words.map(|(name, word)| (name.to_owned(), word.to_owned()));
        let seen = HealthSeen {
            place: None,
            status: 200,
            ready: true,
            components: words.into(),
            instance: None,
        };
        world.push(*at, Event::Health(seen));
    }
    check(&judged(&world), "health.kimi").verdict
}

#[test]
fn health_shows_a_kill_in_time_blames_nobody_else_and_sees_the_component_return() {
    use Verdict::{Fail, Inconclusive, Pass};
    let (end, soon) = (DEAD + 3 * S, DEAD + 2 * S);
    let red = "unhealthy";
    let cases: [(&[Reading], Verdict); 13] = [
        (&[], Inconclusive),
        (&[(DEAD - 1, red, "ok"), (end + 1, red, "ok")], Inconclusive),
        (&[(DEAD, red, "ok")], Pass),
        (&[(soon, red, "ok")], Pass),
        (&[(soon + 1, red, "ok")], Fail),
        (&[(soon, red, red)], Fail),
        (&[(DEAD, red, red)], Fail),
        (&[(DEAD - 1, "ok", red), (DEAD, red, red)], Fail),
        (&[(DEAD - 1, "ok", red), (DEAD, red, "ok")], Pass),
        (&[(soon, red, "ok"), (end, red, red)], Fail),
        (&[(soon, red, "ok"), (end, red, "ok")], Pass),
        (&[(soon, red, "ok"), (end + 1, "ready", red)], Pass),
        (&[(soon, red, "ok"), (end + 1, red, "ok")], Fail),
    ];
    for (readings, wanted) in cases {
        assert_eq!(health_of(readings), wanted, "{readings:?}");
    }
}
