//! Who sat where: each seat of a panel, and the one seat of any other answer.

use exai_judge::operation::{Planted, ProofKind, ReplyMeta};
use exai_judge::tracer;

use super::{PROFILE, good};
use crate::verdicts::failed;
use crate::world::{Ask, MS, S, World, all_built, key};

/// A consensus of two seats and its synthesis, where each request received the slots named.
fn consensus(world: &mut World, received: &[&[&str]]) -> u64 {
    let ask = Ask {
        tool: "consensus".to_owned(),
        ..Ask::new("V.1", 10 * S)
    };
    let slots = ["prompt", "stance.0", "stance.1"].map(|slot| Planted {
        slot: slot.to_owned(),
        text: world.tracer(slot),
    });
    let mut call = world.plain(&ask);
    for (seat, received) in received.iter().enumerate() {
        let ask = Ask {
            provider: ["kimi", "glm", "minimax"][seat],
            ..ask.clone()
        };
        let arrived = slots.iter().filter(|one| received.contains(&&*one.slot));
        let tracers: Vec<String> = arrived.map(|one| one.text.clone()).collect();
        let served = world.serve(&ask, ask.at + MS, &tracers);
        let text = tracer::answer_text(&key(), &served, &format!("Seat {seat}."));
        world.deliver(ask.at + 2 * MS, &served.seq, "answered", Some(&text));
        call.answers.extend(tracer::read_answer(&text));
    }
    call.proof = ProofKind::Keyed {
        tracers: slots.to_vec(),
        sets: 3,
    };
    world.record(call)
}

#[test]
fn a_consensus_carries_one_set_a_seat_in_order_and_one_of_the_question_for_its_synthesis() {
    let [first, second]: [&[&str]; 2] = [&["prompt", "stance.0"], &["prompt", "stance.1"]];
    let chair: &[&str] = &["prompt"];
    let crossed = vec!["leak", "lost_input"];
    let cases = [
        ("whole", vec![first, second, chair], vec![]),
        ("no synthesis", vec![first, second], vec!["keyed"]),
        ("crossed", vec![second, first, chair], crossed.clone()),
        ("one stance twice", vec![first, first, chair], crossed),
        ("no stance", vec![first, chair, chair], vec!["lost_input"]),
        (
            "a stance at the chair",
            vec![first, second, first],
            vec!["leak"],
        ),
    ];
    for (name, received, wanted) in cases {
        let criteria = all_built();
        let mut world = good(&criteria);
        consensus(&mut world, &received);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(failed(&finding), wanted, "{name}");
    }
}

/// Two seats as they should be, answered by Kimi and GLM, and the synthesis by MiniMax.
pub fn panel(world: &mut World) -> u64 {
    consensus(
        world,
        &[
            &["prompt", "stance.0"],
            &["prompt", "stance.1"],
            &["prompt"],
        ],
    )
}

#[test]
fn each_seat_of_a_panel_is_answered_by_the_model_that_was_given_it() {
    let names = "kimi-model, glm-model, minimax-model";
    let cases = [
        ("as asked", ["kimi-model", "glm-model"], names, vec![]),
        ("crossed", ["glm-model", "kimi-model"], names, vec!["model"]),
        (
            "one model twice",
            ["kimi-model", "kimi-model"],
            names,
            vec!["model"],
        ),
        (
            "another is named",
            ["kimi-model", "glm-model"],
            "kimi-model, kimi-model, minimax-model",
            vec!["model"],
        ),
    ];
    for (name, asked, named, wanted) in cases {
        let criteria = all_built();
        let mut world = good(&criteria);
        let op = panel(&mut world);
        let call = world.call(op);
        call.asked = asked.map(str::to_owned).to_vec();
        call.meta = Some(ReplyMeta {
            model_used: Some(named.to_owned()),
            ..ReplyMeta::default()
        });
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(failed(&finding), wanted, "{name}");
    }
}

#[test]
fn without_a_call_that_asks_for_a_model_the_check_says_nothing() {
    let criteria = all_built();
    let finding = good(&criteria).finding(&criteria, PROFILE, "V.1");
    assert!(finding.checks.iter().all(|check| check.id != "model"));
    let mut world = good(&criteria);
    let op = world.ops("V.1")[0];
    world.call(op).asked = vec!["kimi-model".to_owned()];
    let finding = world.finding(&criteria, PROFILE, "V.1");
    let check = finding.checks.iter().find(|check| check.id == "model");
    assert_eq!(check.map(|check| check.n), Some(1));
}

#[test]
fn a_failover_is_lawful_where_it_is_told_and_the_model_asked_was_tried() {
    let cases = [
        ("told and tried", true, true, vec![]),
        ("told and never tried", true, false, vec!["model"]),
        ("tried and not told", false, true, vec!["model"]),
    ];
    for (name, is_told, is_tried, wanted) in cases {
        let criteria = all_built();
        let mut world = good(&criteria);
        let ask = |provider| Ask {
            provider,
            ..Ask::new("V.1", 10 * S)
        };
        let mut call = world.keyed(&ask("glm"));
        call.asked = vec!["kimi-model".to_owned()];
        if let Some(meta) = &mut call.meta {
            meta.failover = is_told;
        }
        if is_tried {
            let ProofKind::Keyed { tracers, .. } = &call.proof else {
                unreachable!()
            };
            let texts: Vec<String> = tracers.iter().map(|one| one.text.clone()).collect();
            let served = world.serve(&ask("kimi"), 10 * S + MS, &texts);
            world.deliver(10 * S + 2 * MS, &served.seq, "faulted", None);
        }
        world.record(call);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(failed(&finding), wanted, "{name}");
    }
}
