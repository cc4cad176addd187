//! Text and structured content must each be the whole answer by themselves.

use exai_judge::operation::{Call, ProofKind, StructuredSeen};
use exai_judge::{hex, tracer};

use super::{PROFILE, good};
use crate::verdicts::failed;
use crate::world::{World, all_built};

/// The failed checks after the structured content of one call of `tool` became this.
fn shown(tool: &str, structured: impl Fn(&Call) -> StructuredSeen) -> Vec<String> {
    let criteria = all_built();
    let mut world = good(&criteria);
    let op = op_of(&mut world, tool);
    let shown = structured(world.call(op));
    world.call(op).structured = Some(shown);
    let finding = world.finding(&criteria, PROFILE, "V.1");
    failed(&finding).into_iter().map(str::to_owned).collect()
}

fn op_of(world: &mut World, tool: &str) -> u64 {
    let ops = world.ops("V.1");
    let found = ops.into_iter().find(|op| world.call(*op).tool == tool);
    found.expect("the tool was called")
}

#[test]
fn a_structured_answer_is_proven_without_its_text() {
    let whole = |call: &Call| StructuredSeen {
        answers: call.answers.clone(),
        ..StructuredSeen::default()
    };
    assert!(shown("chat", whole).is_empty());
    let nothing = |_: &Call| StructuredSeen::default();
    assert_eq!(shown("chat", nothing), ["structured"]);
    let another = |_: &Call| StructuredSeen {
        answers: tracer::read_answer("see\nthe\ntext").into_iter().collect(),
        ..StructuredSeen::default()
    };
    assert_eq!(shown("chat", another), ["structured"]);
    let cut = |call: &Call| {
        let mut shown = whole(call);
        shown.answers[0].above_sha256 = hex::sha256(b"cut");
        shown
    };
    assert_eq!(shown("chat", cut), ["structured"]);
}

#[test]
fn a_structured_site_proof_holds_every_needle_itself() {
    let whole = |call: &Call| StructuredSeen {
        found: call.found.clone(),
        ..StructuredSeen::default()
    };
    assert!(shown("version", whole).is_empty());
    assert_eq!(
        shown("version", |_| StructuredSeen::default()),
        ["structured"]
    );
}

#[test]
fn what_is_wrong_in_the_text_is_told_once() {
    let criteria = all_built();
    let mut world = good(&criteria);
    let op = op_of(&mut world, "chat");
    let call = world.call(op);
    call.answers.clear();
    call.structured = Some(StructuredSeen::default());
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(failed(&finding), ["keyed"]);
    assert!(matches!(world.call(op).proof, ProofKind::Keyed { .. }));
}
