//! Tools that ask no provider: what they remember, and what they show beforehand.

use exai_judge::operation::{Planted, ProofKind, StructuredSeen};
use exai_judge::{hex, tracer};

use super::{PROFILE, good};
use crate::verdicts::failed;
use crate::world::{Ask, MS, S, World, all_built};

/// A laid out workflow's later step, which brought `held` of the two earlier tracers back.
fn remembered(world: &mut World, held: usize) {
    let ask = Ask {
        tool: "planner".to_owned(),
        ..Ask::new("V.1", 10 * S)
    };
    let tracers = ["step.1", "findings.1"].map(|slot| Planted {
        slot: slot.to_owned(),
        text: world.tracer(slot),
    });
    let mut call = world.plain(&ask);
    let texts = tracers.iter().map(|planted| planted.text.clone());
    call.found = texts.take(held).collect();
    call.proof = ProofKind::Memory {
        tracers: tracers.to_vec(),
    };
    world.record(call);
}

#[test]
fn a_laid_out_workflow_shows_every_earlier_step_again() {
    let criteria = all_built();
    for (held, wanted) in [(2, vec![]), (1, vec!["memory"]), (0, vec!["memory"])] {
        let mut world = good(&criteria);
        remembered(&mut world, held);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(failed(&finding), wanted, "{held} found");
    }
    let mut world = good(&criteria);
    remembered(&mut world, 2);
    let op = *world.ops("V.1").last().unwrap();
    world.call(op).proof = ProofKind::Memory {
        tracers: Vec::new(),
    };
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(failed(&finding), ["memory"], "nothing was asked of it");
}

/// What a preview showed of the body of the chat that followed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Same,
    Other,
    Nothing,
    /// The text shows the body, the structured content another.
    OtherBeside,
}

/// A preview and its chat; `asks` when the preview itself asked the provider.
fn previewed(world: &mut World, shown: Shown, asks: bool, provider: &'static str) {
    let ask = |tool: &str, at| Ask {
        tool: tool.to_owned(),
        provider,
        ..Ask::new("V.1", at)
    };
    let mut preview = world.plain(&ask("glm_payload_preview", 10 * S));
    let after = preview.done_at + MS;
    let chat = world.keyed(&ask("chat", after));
    let seq = tracer::read_line(&chat.answers[0].first).unwrap().seq;
    let ProofKind::Keyed { tracers, .. } = chat.proof.clone() else {
        unreachable!()
    };
    if asks {
        let texts: Vec<String> = tracers.iter().map(|one| one.text.clone()).collect();
        world.serve(&ask("chat", 10 * S), 10 * S + MS, &texts);
    }
    preview.proof = ProofKind::Twin { tracers };
    preview.body_sha256 = match shown {
        Shown::Same | Shown::OtherBeside => {
            Some(hex::sha256(format!("what {seq} says").as_bytes()))
        }
        Shown::Other => Some(hex::sha256(b"another body")),
        Shown::Nothing => None,
    };
    preview.structured = (shown == Shown::OtherBeside).then(|| StructuredSeen {
        body_sha256: Some(hex::sha256(b"another body")),
        ..StructuredSeen::default()
    });
    world.record(preview);
    world.record(chat);
}

#[test]
fn a_preview_shows_the_body_that_its_chat_sends_and_asks_nobody() {
    let criteria = all_built();
    let cases = [
        (Shown::Same, false, vec![]),
        (Shown::Other, false, vec!["twin"]),
        (Shown::Nothing, false, vec!["twin"]),
        (Shown::OtherBeside, false, vec!["twin"]),
        (Shown::Same, true, vec!["twin"]),
    ];
    for (shown, asks, wanted) in cases {
        let mut world = good(&criteria);
        previewed(&mut world, shown, asks, "glm");
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(failed(&finding), wanted, "{shown:?}, asks: {asks}");
    }
}

#[test]
fn a_preview_counts_once_its_chat_has_reached_the_provider_previewed() {
    let criteria = all_built();
    for (provider, wanted) in [("glm", 1), ("kimi", 0)] {
        let mut world = good(&criteria);
        previewed(&mut world, Shown::Same, false, provider);
        let finding = world.finding(&criteria, "quick", "V.1");
        let cells = finding
            .floors
            .iter()
            .filter(|floor| floor.id == "cell.glm_payload_preview.http-2026-07-28.glm");
        let seen: u64 = cells.map(|floor| floor.seen).sum();
        assert_eq!(seen, wanted, "{provider}");
    }
}

#[test]
fn a_preview_under_a_fault_of_the_rig_is_not_judged_nor_is_one_whose_chat_was() {
    let criteria = all_built();
    for (from, until) in [(10 * S, 10 * S + MS), (10 * S + 60 * MS, 11 * S)] {
        let mut world = good(&criteria);
        previewed(&mut world, Shown::Other, false, "glm");
        let rig = exai_judge::Event::Rig {
            what: "cpu".to_owned(),
            until,
            detail: String::new(),
        };
        world.push(from, rig);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert!(finding.checks.iter().all(|row| row.id != "twin"), "{from}");
    }
}
