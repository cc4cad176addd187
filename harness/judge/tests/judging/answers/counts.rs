//! What is counted where: transports and refusals one by one, repeats by their kind.

use exai_judge::observation::Event;
use exai_judge::operation::{Planted, ProofKind, Repeat, StructuredSeen, Transport};
use exai_judge::{Call, Finding, hex, tracer};

use super::{PROFILE, good};
use crate::world::{Ask, S, World, all_built, key};

fn seen(finding: &Finding, id: &str) -> u64 {
    let floor = finding.floors.iter().find(|floor| floor.id == id);
    floor.unwrap_or_else(|| panic!("no floor {id}")).seen
}

#[test]
fn every_proven_answer_is_counted_once_and_refusals_are_none() {
    let criteria = all_built();
    let finding = good(&criteria).finding(&criteria, PROFILE, "V.1");
    // On each transport six chats and one version.
    let all = 7 * Transport::ALL.len();
    let begin = format!("{all} proven answers; ");
    assert!(finding.headline.starts_with(&begin), "{}", finding.headline);
    let each = 2 * u64::try_from(Transport::ALL.len()).unwrap();
    for provider in ["kimi", "glm", "minimax"] {
        assert_eq!(seen(&finding, &format!("provider.{provider}")), each);
    }
}

#[test]
fn a_refusal_counts_for_its_kind_on_its_transport_and_for_no_other() {
    let criteria = all_built();
    for (kind, tool) in [("unknown_tool", "no_such_tool"), ("bad_argument", "chat")] {
        let mut world = good(&criteria);
        world.out.retain(|seen| match &seen.event {
            Event::Call(call) => {
                call.transport != Transport::Stdio
                    || call.tool != tool
                    || !matches!(call.proof, ProofKind::Refusal { .. })
            }
            _ => true,
        });
        let finding = world.finding(&criteria, PROFILE, "V.1");
        for transport in Transport::ALL {
            for of in ["unknown_tool", "bad_argument"] {
                let is_gone = of == kind && transport == Transport::Stdio;
                let id = format!("{of}.{}", transport.name());
                assert_eq!(seen(&finding, &id), u64::from(!is_gone), "{id}, {kind}");
            }
        }
    }
}

#[test]
fn a_proven_repeat_counts_for_its_kind_alone() {
    let kinds = ["repeats_same", "repeats_other", "repeats_near"];
    for (exact, same_principal, wanted) in [
        (true, true, [1, 0, 0]),
        (true, false, [0, 1, 0]),
        (false, true, [0, 0, 1]),
        (false, false, [0, 0, 1]),
    ] {
        let criteria = all_built();
        let mut world = good(&criteria);
        let mut call = world.keyed(&Ask::new("V.1", 19 * S));
        call.repeat = Some(Repeat {
            of: world.ops("V.1")[0],
            same_principal,
            exact,
        });
        world.record(call);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(kinds.map(|kind| seen(&finding, kind)), wanted);
    }
}

/// How many proven answers the headline tells of.
fn proven(world: &World) -> usize {
    let finding = world.finding(&all_built(), PROFILE, "V.1");
    let count = finding.headline.split(' ').next();
    count.unwrap().parse().unwrap()
}

#[test]
fn neither_an_unproven_nor_a_stolen_nor_a_tainted_answer_counts() {
    let criteria = all_built();
    let all = proven(&good(&criteria));
    let added = |change: &dyn Fn(&mut World, Call)| {
        let mut world = good(&criteria);
        let call = world.keyed(&Ask::new("V.1", 19 * S));
        change(&mut world, call);
        proven(&world) - all
    };
    let record = |world: &mut World, call| {
        world.record(call);
    };
    assert_eq!(added(&record), 1);
    let unproven = |world: &mut World, call| {
        world.record(Call {
            proof: ProofKind::None,
            ..call
        });
    };
    assert_eq!(added(&unproven), 0);
    let stolen = |world: &mut World, call: Call| {
        world.record(call.clone());
        world.record(Call { op: 9_999, ..call });
    };
    assert_eq!(added(&stolen), 1);
    assert_eq!(added(&World::record_tainted), 0);
}

#[test]
fn a_refusal_counts_when_it_is_right_and_the_rig_was_well() {
    let counted = |category: &str, is_tainted: bool| {
        let criteria = all_built();
        let mut world = good(&criteria);
        let ask = Ask {
            tool: "no_such_tool".to_owned(),
            ..Ask::new("V.1", 19 * S)
        };
        let mut call = world.refused(&ask, category);
        call.proof = ProofKind::Refusal {
            category: "client_error".to_owned(),
        };
        if is_tainted {
            let rig = Event::Rig {
                what: "cpu".to_owned(),
                until: call.done_at,
                detail: String::new(),
            };
            world.push(call.sent_at, rig);
        }
        let id = format!("unknown_tool.{}", call.transport.name());
        world.record(call);
        seen(&world.finding(&criteria, PROFILE, "V.1"), &id)
    };
    assert_eq!(counted("client_error", false), 2);
    assert_eq!(counted("client_error", true), 1);
    assert_eq!(counted("server_error", false), 1);
    assert_eq!(counted("server_error", true), 1);
}

#[test]
fn late_slots_and_how_the_provider_gave_the_answer_are_counted_apart() {
    let criteria = all_built();
    let counted = |slots: &[&str], stream: bool| {
        let mut world = good(&criteria);
        let ask = Ask::new("V.1", 19 * S);
        let call = world.keyed(&ask);
        let op = world.record(call);
        world.entry(op).stream = stream;
        let more = slots.iter().map(|&slot| Planted {
            slot: slot.to_owned(),
            text: world.tracer(slot),
        });
        let more: Vec<Planted> = more.collect();
        let ProofKind::Keyed { tracers, .. } = &mut world.call(op).proof else {
            panic!("keyed")
        };
        tracers.extend(more);
        let tracers = tracers.clone();
        let texts = tracers.iter().map(|planted| planted.text.clone());
        let entry = world.entry(op);
        entry.tracers = texts.collect();
        let served = entry.clone();
        let text = tracer::answer_text(&key(), &served, "Prose.");
        let call = world.call(op);
        call.answers = tracer::read_answer(&text).into_iter().collect();
        for observation in &mut world.out {
            if let Event::Delivered(delivered) = &mut observation.event
                && delivered.seq == served.seq
            {
                delivered.answer_sha256 = Some(hex::sha256(text.as_bytes()));
            }
        }
        let finding = world.finding(&criteria, PROFILE, "V.1");
        ["slot_file", "slot_turn", "whole", "streamed"].map(|id| seen(&finding, id))
    };
    let chats = 6 * u64::try_from(Transport::ALL.len()).unwrap();
    assert_eq!(counted(&[], false), [0, 0, chats + 1, 0]);
    assert_eq!(counted(&[], true), [0, 0, chats, 1]);
    assert_eq!(counted(&["file.1"], false), [1, 0, chats + 1, 0]);
    assert_eq!(counted(&["turn.6"], true), [0, 1, chats, 1]);
    assert_eq!(counted(&["file.0", "turn.5"], true), [0, 0, chats, 1]);
}

#[test]
fn an_answer_proven_from_structured_content_counts_for_its_tool_and_fills_no_cell() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let all = proven(&world);
    for shown in [true, false] {
        let mut call = world.keyed(&Ask {
            phase: "structured".to_owned(),
            ..Ask::new("V.1", 19 * S)
        });
        call.structured = shown.then(|| StructuredSeen {
            answers: call.answers.clone(),
            ..StructuredSeen::default()
        });
        world.record(call);
    }
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(seen(&finding, "structured.chat"), 1);
    assert_eq!(seen(&finding, "structured.analyze"), 0);
    assert_eq!(proven(&world), all);
}

#[test]
fn a_cell_counts_its_own_tool_over_its_own_transport_through_its_own_provider() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let first = world.ops("V.1")[0];
    let call = world.call(first).clone();
    let (transport, tool) = (call.transport.name(), call.tool);
    let before = world.finding(&criteria, PROFILE, "V.1");
    world.chat(&Ask {
        transport: call.transport,
        ..Ask::new("V.1", 19 * S)
    });
    let after = world.finding(&criteria, PROFILE, "V.1");
    let more: Vec<&str> = before
        .floors
        .iter()
        .zip(&after.floors)
        .filter(|(old, new)| old.id.starts_with("cell.") && old.seen != new.seen)
        .map(|(_, new)| new.id.as_str())
        .collect();
    let cell = format!("cell.{tool}.{transport}");
    assert_eq!(more, [cell.clone(), format!("{cell}.kimi")]);
}
