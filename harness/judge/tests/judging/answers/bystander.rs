//! Innocent bystanders: what our own simulators get wrong is never the server's Fail.

use exai_judge::operation::{Planted, ProofKind};
use exai_judge::{RunKey, Verdict, tracer};

use super::{PROFILE, good};
use crate::verdicts::{check, failed};
use crate::world::{Ask, MS, S, World, all_built, key};

/// One chat answered with macs of `used`; `sent` is whether the simulator says it sent that text.
fn answered_by(world: &mut World, used: &RunKey, sent: bool) {
    answered_with(world, used, sent, str::to_owned);
}

/// As [`answered_by`], with something changed in the text.
fn answered_with(world: &mut World, used: &RunKey, sent: bool, spoil: impl Fn(&str) -> String) {
    let ask = Ask::new("V.1", 10 * S);
    let planted = Planted {
        slot: "prompt".to_owned(),
        text: world.tracer("prompt"),
    };
    let mut call = world.plain(&ask);
    let served = world.serve(&ask, ask.at + MS, std::slice::from_ref(&planted.text));
    let text = spoil(&tracer::answer_text(used, &served, "Prose."));
    let other = tracer::answer_text(&key(), &served, "Prose.");
    let told = if sent { &text } else { &other };
    world.deliver(ask.at + 2 * MS, &served.seq, "answered", Some(told));
    call.answers = tracer::read_answer(&text).into_iter().collect();
    call.proof = ProofKind::Keyed {
        tracers: vec![planted],
        sets: 1,
    };
    world.record(call);
}

#[test]
fn a_simulator_that_answers_with_the_wrong_key_is_our_own_fault() {
    let criteria = all_built();
    let mut world = good(&criteria);
    answered_by(&mut world, &RunKey::new([7; 32]), true);
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(check(&finding, "lost_input").verdict, Verdict::HarnessError);
    assert_eq!(failed(&finding), Vec::<&str>::new());
}

#[test]
fn a_server_that_makes_the_same_text_up_fails() {
    let criteria = all_built();
    let mut world = good(&criteria);
    answered_by(&mut world, &RunKey::new([7; 32]), false);
    let finding = world.finding(&criteria, PROFILE, "V.1");
    assert_eq!(finding.verdict, Verdict::Fail);
    assert!(failed(&finding).contains(&"lost_input"));
}

#[test]
fn a_simulator_that_seals_another_request_is_our_own_fault_too() {
    for (sent, wanted) in [(true, Verdict::HarnessError), (false, Verdict::Fail)] {
        let criteria = all_built();
        let mut world = good(&criteria);
        let resealed = |text: &str| text.replace("\nseal ", "\nseal of-another ");
        answered_with(&mut world, &key(), sent, resealed);
        let finding = world.finding(&criteria, PROFILE, "V.1");
        assert_eq!(check(&finding, "seal").verdict, wanted, "{sent}");
    }
}
