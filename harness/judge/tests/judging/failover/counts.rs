//! What V.5 tells of its kills, and which moments belong to which of them.

use exai_judge::Verdict;

use super::*;

#[test]
fn each_kill_is_numbered_and_its_time_told_or_that_it_was_never_survived() {
    let mut world = good();
    let again = KILL_KIMI + 10 * S;
    let steps = proven(again, again + S);
    world.fault("kimi.kill.2", "kimi", FaultKind::Kill, &steps);
    for op in world.ops("V.5") {
        let call = world.call(op);
        if call.phase == "probe.kimi" && call.sent_at > again {
            call.outcome = Outcome::Unknown;
        }
    }
    let finding = judged(&world);
    let numbers: Vec<f64> = finding.series["ttsr.kimi"]
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(numbers, [1.0], "the second has no time");
    let told: Vec<&str> = finding
        .violations
        .iter()
        .filter(|one| one.check == "ttsr.kimi")
        .map(|one| one.says.as_str())
        .collect();
    assert_eq!(told, ["kill 2 of kimi was survived after: never"]);
    assert_eq!(check(&finding, "ttsr.kimi").reason, None);
}

#[test]
fn without_a_kill_there_is_no_time_and_that_is_why() {
    let mut idle = World::new();
    idle.phase("V.5", "main", S, 2 * S);
    let finding = judged(&idle);
    let row = check(&finding, "ttsr.kimi");
    assert_eq!(row.reason, Some(Reason::ZeroSamples));
    assert_eq!((row.n, row.measured.as_str()), (0, "no kill"));
    assert_eq!(finding.headline, "0 kills, 0 of 0 acknowledged turns lost");
}

#[test]
fn the_headline_counts_kills_and_the_turns_that_were_lost() {
    let headline = |world: &World| judged(world).headline;
    let whole = headline(&good());
    assert!(whole.starts_with("2 kills, 0 of "), "{whole}");
    let mut one = good();
    one.out.retain(
        |seen| !matches!(&seen.event, Event::Fault { fault, .. } if fault.component == "kimi"),
    );
    let one = headline(&one);
    assert!(one.starts_with("1 kill, 0 of "), "{one}");
    let mut world = good();
    let reads: Vec<u64> = world.ops("V.5").into_iter().rev().take(3).collect();
    world.call(reads[2]).turns.as_mut().unwrap().pop();
    let lost = headline(&world);
    assert!(lost.starts_with("2 kills, 1 of "), "{lost}");
}

#[test]
fn the_instance_that_answers_must_be_born_after_the_kill_and_not_at_it() {
    let back = |born: u64| {
        let mut world = good();
        world.out.retain(|seen| {
            !matches!(&seen.event, Event::Identity(one) if one.instance.as_deref() == Some(NEXT))
        });
        world.identify(born, "restart", NEXT, PID + 1);
        check(&judged(&world), "ttsr.server").verdict
    };
    assert_eq!(back(KILL_SERVER), Verdict::Fail);
    assert_eq!(back(KILL_SERVER + 1), Verdict::Pass);
}

#[test]
fn health_outside_the_phases_says_nothing_of_a_kill() {
    // The phases end before the kill of kimi is over, as far as health is concerned.
    let blamed = |end: u64| {
        let mut world = good();
        world.out.retain(|seen| match &seen.event {
            Event::Phase(mark) => mark.criterion != "V.5",
            _ => true,
        });
        world.phase("V.5", "main", S, KILL_KIMI + S);
        world.phase("V.5", "late", end, END);
        for observation in &mut world.out {
            let at = observation.at;
            if let Event::Health(health) = &mut observation.event
                && (KILL_KIMI + 2 * S..KILL_KIMI + 2 * S + 50 * MS).contains(&at)
            {
                health.components.insert("glm".to_owned(), "red".to_owned());
            }
        }
        failed(&judged(&world)).contains(&"health.kimi")
    };
    assert!(blamed(KILL_KIMI + S));
    assert!(!blamed(KILL_KIMI + 3 * S));
}

#[test]
fn another_that_was_broken_meanwhile_or_is_no_component_of_health_is_not_blamed() {
    let blamed = |name: &str, broken: Option<u64>| {
        let mut world = good();
        for observation in &mut world.out {
            let at = observation.at;
            if let Event::Health(health) = &mut observation.event
                && is_down(KILL_KIMI, at)
            {
                health.components.insert(name.to_owned(), "red".to_owned());
            }
        }
        if let Some(at) = broken {
            let steps = proven(at, at + S);
            world.fault("other.slow.1", name, FaultKind::Slow, &steps);
        }
        failed(&judged(&world)).contains(&"health.kimi")
    };
    assert!(blamed("glm", None));
    assert!(!blamed("glm", Some(KILL_KIMI + S)));
    assert!(blamed("glm", Some(KILL_KIMI - 10 * S)));
    assert!(blamed("store", None));
    assert!(!blamed("tea", None));
}

#[test]
fn a_server_that_answers_and_is_not_ready_is_shown_as_down() {
    for (ready, wanted) in [(false, Verdict::Pass), (true, Verdict::Fail)] {
        let mut world = good();
        for observation in &mut world.out {
            let at = observation.at;
            if let Event::Health(health) = &mut observation.event
                && is_down(KILL_SERVER, at)
            {
                (health.status, health.ready) = (503, ready);
            }
        }
        assert_eq!(check(&judged(&world), "health.server").verdict, wanted);
    }
}

/// What health said of kimi and of glm at a moment after the death of kimi.
fn read(world: &mut World, at: u64, kimi: &str, glm: &str) {
    let components = [("kimi", kimi), ("glm", glm)];
    let components = components.map(|(name, word)| (name.to_owned(), word.to_owned()));
    let seen = HealthSeen {
        place: None,
        status: 200,
        ready: true,
        components: components.into(),
        instance: None,
    };
    world.push(at, Event::Health(seen));
}

/// The history of [`good`] without what health said.
fn unread() -> World {
    let mut world = good();
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Health(_)));
    world
}

#[test]
fn a_reading_as_the_next_kill_is_made_is_no_return_and_no_lack_of_one() {
    let verdict = |last: u64| {
        let mut world = unread();
        let next = KILL_KIMI + 10 * S;
        let steps = proven(next, next + S);
        world.fault("kimi.kill.2", "kimi", FaultKind::Kill, &steps);
        read(&mut world, KILL_KIMI + S, "red", "ok");
        read(&mut world, last, "red", "ok");
        check(&judged(&world), "health.kimi").verdict
    };
    assert_eq!(verdict(KILL_KIMI + 10 * S), Verdict::Pass);
    assert_eq!(verdict(KILL_KIMI + 10 * S - 1), Verdict::Fail);
}

#[test]
fn who_was_green_again_is_not_excused_by_an_earlier_death() {
    let verdict = |between: &str| {
        let mut world = unread();
        let killed = KILL_KIMI - 8 * S;
        let steps = proven(killed, killed + S);
        world.fault("glm.kill.1", "glm", FaultKind::Kill, &steps);
        read(&mut world, KILL_KIMI - S, "ok", "red");
        read(&mut world, KILL_KIMI + S, "red", between);
        read(&mut world, KILL_KIMI + 2 * S, "red", "red");
        check(&judged(&world), "health.kimi").verdict
    };
    assert_eq!(verdict("red"), Verdict::Pass);
    assert_eq!(verdict("ok"), Verdict::Fail);
}

#[test]
fn a_probe_as_the_next_kill_is_made_does_not_expose_the_one_before() {
    let exposed = |last: u64| {
        let mut world = World::new();
        world.phase("V.5", "main", S, END);
        let (first, next) = (5 * S, 20 * S);
        for (id, at) in [("kimi.kill.1", first), ("kimi.kill.2", next)] {
            world.fault(id, "kimi", FaultKind::Kill, &proven(at, at + S));
        }
        for probe in 1..5 {
            world.chat(&ask("probe.kimi", first + probe * S));
        }
        world.chat(&ask("probe.kimi", last));
        check(&judged(&world), "ttsr.kimi").n
    };
    assert_eq!(exposed(20 * S - 1), 1);
    assert_eq!(exposed(20 * S), 0);
}
