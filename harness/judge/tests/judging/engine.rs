//! The engine: identity, taint, panics, disabled checkers, and the same bits every time.

use exai_judge::ground::RIG;
use exai_judge::judge::{Handicap, judge, judge_with};
use exai_judge::observation::Event;
use exai_judge::{Criteria, Judgement, Observation, Outcome, Reason, Transport, Verdict};

use crate::catalogue;
use crate::verdicts::assert_inconclusive;
use crate::world::{Ask, MS, S, World, all_built, idle, key};

/// Good answers of three tools, enough to have something to judge.
fn run() -> World {
    let mut world = World::new();
    world.phase("V.1", "main", S, 10 * S);
    for index in 0..12 {
        let tool = ["chat", "analyze"][index as usize % 2].to_owned();
        world.chat(&Ask {
            tool,
            ..Ask::new("V.1", 2 * S + index * 100 * MS)
        });
    }
    world
}

fn with(handicap: &Handicap, world: &World) -> Judgement {
    let criteria = all_built();
    judge_with(&criteria, "smoke", &key(), handicap, || {
        world.out.iter().cloned()
    })
    .unwrap()
}

fn finding<'a>(judgement: &'a Judgement, id: &str) -> &'a exai_judge::Finding {
    judgement
        .findings
        .iter()
        .find(|finding| finding.criterion == id)
        .unwrap()
}

#[test]
fn one_finding_a_criterion_in_the_catalogues_order() {
    let criteria = catalogue::criteria();
    let judgement = run().judge(&criteria, "smoke");
    let seen: Vec<_> = judgement
        .findings
        .iter()
        .map(|finding| finding.criterion.as_str())
        .collect();
    assert_eq!(seen, criteria.ids().collect::<Vec<_>>());
}

#[test]
fn the_same_history_gives_the_same_bits() {
    let criteria = all_built();
    let text = |judgement: Judgement| serde_json::to_string(&judgement).unwrap();
    let world = run();
    assert_eq!(
        text(world.judge(&criteria, "quick")),
        text(world.judge(&criteria, "quick"))
    );
    let lines: Vec<String> = world
        .out
        .iter()
        .map(|seen| serde_json::to_string(seen).unwrap())
        .collect();
    let stored = || {
        lines
            .iter()
            .map(|line| serde_json::from_str::<Observation>(line).unwrap())
    };
    let live = judge(&criteria, "quick", &key(), || world.out.iter().cloned()).unwrap();
    let again = judge(&criteria, "quick", &key(), stored).unwrap();
    assert_eq!(text(live), text(again));
}

#[test]
fn a_checker_that_panics_is_a_harness_error_and_the_others_are_judged() {
    let handicap = Handicap {
        panicking: ["V.3".to_owned()].into(),
        ..Handicap::default()
    };
    let (honest, broken) = (with(&Handicap::default(), &run()), with(&handicap, &run()));
    assert_eq!(finding(&broken, "V.3").verdict, Verdict::HarnessError);
    assert!(finding(&broken, "V.3").headline.contains("panicked"));
    for (one, other) in honest.findings.iter().zip(&broken.findings) {
        assert!(
            one == other || one.criterion == "V.3",
            "{} changed",
            one.criterion
        );
    }
}

#[test]
fn a_disabled_checker_is_skipped_and_turns_no_other_row() {
    let mut world = run();
    let op = world.ops("V.1")[0];
    world.call(op).answers.clear();
    let handicap = Handicap {
        disabled: ["V.1".to_owned()].into(),
        ..Handicap::default()
    };
    let (honest, blind) = (with(&Handicap::default(), &world), with(&handicap, &world));
    assert_eq!(finding(&honest, "V.1").verdict, Verdict::Fail);
    assert_inconclusive(finding(&blind, "V.1"), Reason::SkippedCheck);
    for (one, other) in honest.findings.iter().zip(&blind.findings) {
        assert!(
            one == other || one.criterion == "V.1",
            "{} changed",
            one.criterion
        );
    }
}

#[test]
fn a_catalogue_without_a_number_is_a_harness_error_of_its_criterion() {
    let text = catalogue::CRITERIA.replace("replay_ttl_s = 10800", "replay_ttl_ms = 10800");
    let criteria = Criteria::parse(&text).unwrap();
    let judgement = run().judge(&criteria, "smoke");
    assert_eq!(finding(&judgement, "V.1").verdict, Verdict::HarnessError);
    assert_ne!(finding(&judgement, "V.3").verdict, Verdict::HarnessError);
    assert!(judge(&criteria, "brisk", &key(), || run().out.into_iter()).is_err());
}

#[test]
fn a_list_that_a_checker_needs_late_is_missed_at_once() {
    for (list, criterion) in [("known_categories", "V.2"), ("good_words", "V.4")] {
        let text = catalogue::CRITERIA.replace(&format!("{list} = ["), "another_list = [");
        let judgement = run().judge(&Criteria::parse(&text).unwrap(), "smoke");
        let finding = finding(&judgement, criterion);
        assert_eq!(finding.verdict, Verdict::HarnessError, "{list}");
        assert!(finding.headline.contains(list), "{}", finding.headline);
    }
}

#[test]
fn another_binary_another_word_or_an_unknown_instance_voids_the_whole_run() {
    let foreign = |change: &dyn Fn(&mut World)| {
        let mut world = run();
        let op = world.ops("V.1")[0];
        // Even a run with a failure is void, not failed.
        world.call(op).answers.clear();
        change(&mut world);
        for finding in world.judge(&all_built(), "smoke").findings {
            assert_inconclusive(&finding, Reason::ForeignIdentity);
        }
    };
    let identity =
        |world: &mut World, change: &dyn Fn(&mut exai_judge::observation::IdentitySeen)| {
            for observation in &mut world.out {
                if let Event::Identity(seen) = &mut observation.event {
                    change(seen);
                }
            }
        };
    foreign(&|world| identity(world, &|seen| seen.running_sha256 = "another".to_owned()));
    foreign(&|world| {
        identity(world, &|seen| {
            seen.reported_sha256 = Some("another".to_owned())
        })
    });
    foreign(&|world| identity(world, &|seen| seen.owns_listeners = false));
    foreign(&|world| {
        let op = world.ops("V.1")[3];
        world.call(op).instance = Some("nobody knows me".to_owned());
    });
    for wire in [
        Transport::Http2025,
        Transport::Http2026,
        Transport::WebSocket,
    ] {
        foreign(&|world| {
            let op = world.ops("V.1")[3];
            let call = world.call(op);
            (call.instance, call.transport) = (None, wire);
        });
    }
}

#[test]
fn only_an_answer_of_the_network_must_name_its_instance() {
    let foreign = |transport, outcome| {
        let mut world = run();
        let op = world.ops("V.1")[3];
        let call = world.call(op);
        (call.instance, call.transport, call.outcome) = (None, transport, outcome);
        world.judge(&all_built(), "smoke").ground.foreign
    };
    let told = foreign(Transport::WebSocket, Outcome::Ok);
    let says = "operation 4 was answered over websocket without the id of an instance";
    assert_eq!(told, [says]);
    for (transport, outcome) in [
        (Transport::Stdio, Outcome::Ok),
        (Transport::Http2026, Outcome::Refused),
        (Transport::Http2026, Outcome::Unknown),
    ] {
        assert!(
            foreign(transport, outcome).is_empty(),
            "{transport:?} {outcome:?}"
        );
    }
}

#[test]
fn a_run_whose_rig_nobody_watched_does_not_pass() {
    let criteria = all_built();
    let watched = |history: &World| {
        let judged = judge(&criteria, "smoke", &key(), || history.out.iter().cloned());
        let judged = judged.unwrap();
        // V.8 stands on its tiers.
        let rows = judged.findings.into_iter();
        let rows = rows.filter(|finding| finding.criterion != "V.8");
        let floors = rows.map(|finding| {
            let floor = finding
                .floors
                .iter()
                .find(|floor| floor.id == "rig_samples");
            let floor = floor.unwrap().clone();
            assert!(floor.is_met() || finding.verdict != Verdict::Pass);
            assert!(floor.is_met() || finding.reasons.contains(&Reason::EventNotSeen));
            (floor.needed, floor.seen)
        });
        let mut floors: Vec<_> = floors.collect();
        floors.dedup();
        floors
    };
    let mut world = run();
    assert_eq!(watched(&world), [(1, 0)]);
    world.push(S, idle("server"));
    assert_eq!(watched(&world), [(1, 0)]);
    world.push(S, idle(RIG));
    assert_eq!(watched(&world), [(1, 1)]);
}

#[test]
fn a_run_that_was_never_identified_does_not_pass() {
    let mut world = run();
    world
        .out
        .retain(|seen| !matches!(seen.event, Event::Identity(_)));
    let criteria = all_built();
    let judgement = judge(&criteria, "smoke", &key(), || world.out.iter().cloned()).unwrap();
    for finding in &judgement.findings {
        assert_ne!(finding.verdict, Verdict::Pass, "{}", finding.criterion);
    }
    assert_inconclusive(finding(&judgement, "V.1"), Reason::EventNotSeen);
}

#[test]
fn what_the_harness_could_not_try_is_told() {
    let mut world = run();
    let what = "the second page of a tool list".to_owned();
    world.push(
        S,
        Event::NotTested {
            criterion: "V.1".to_owned(),
            what: what.clone(),
        },
    );
    assert!(
        finding(&world.judge(&all_built(), "smoke"), "V.1")
            .not_tested
            .contains(&what)
    );
}

/// A call of V.1 from 5 s to 8 s whose answer is missing, beside a fault of the rig.
fn beside(from: u64, until: u64) -> Verdict {
    let mut world = run();
    let op = world.chat(&Ask {
        takes: 3 * S,
        ..Ask::new("V.1", 5 * S)
    });
    world.call(op).answers.clear();
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until,
        detail: String::new(),
    };
    world.push(from, rig);
    finding(&with(&Handicap::default(), &world), "V.1").verdict
}

#[test]
fn a_fault_of_the_rig_anywhere_in_a_call_keeps_it_from_carrying_a_fail() {
    assert_eq!(beside(4 * S, 5 * S - 1), Verdict::Fail, "before it");
    assert_eq!(beside(4 * S, 5 * S), Verdict::HarnessError);
    assert_eq!(beside(6 * S, 7 * S), Verdict::HarnessError, "in its midst");
    assert_eq!(beside(8 * S, 9 * S), Verdict::HarnessError);
    assert_eq!(beside(8 * S + 1, 9 * S), Verdict::Fail, "after it");
}
