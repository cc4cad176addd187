//! What proves a reply, kind by kind, and which checks can say anything about it.

use std::collections::BTreeSet;

use exai_judge::journal::Journal;
use exai_judge::operation::{Planted, ProofKind, StructuredSeen};
use exai_judge::proof::{self, CHECKS, Proof, ProofTallies};
use exai_judge::tally::{Place, blank};
use exai_judge::{Call, Outcome};

use crate::world::{Ask, S, World, key};

fn refused() -> Call {
    World::new().refused(&Ask::new("V.1", S), "client_error")
}

fn plain() -> Call {
    World::new().plain(&Ask::new("V.1", S))
}

/// What is wrong with a call that should have been refused as `client_error`.
fn wrong(change: impl Fn(&mut Call)) -> Option<String> {
    let mut call = refused();
    call.proof = ProofKind::Refusal {
        category: "client_error".to_owned(),
    };
    change(&mut call);
    proof::prove(&key(), &Journal::default(), &call).wrong()
}

#[test]
fn a_refusal_is_right_with_its_category_and_never_beside_an_answer() {
    assert_eq!(wrong(|_| {}), None);
    let told = |came: &str| {
        let says = format!("operation 1 (chat) should be refused with client_error, came {came}");
        Some(says)
    };
    assert_eq!(wrong(|call| call.outcome = Outcome::Ok), told("an answer"));
    let bare = |call: &mut Call| (call.outcome, call.failure) = (Outcome::Ok, None);
    assert_eq!(wrong(bare), told("an answer"));
    let other = |call: &mut Call| {
        call.failure.as_mut().unwrap().category = "server_error".to_owned();
    };
    assert_eq!(wrong(other), told("server_error test: refused"));
    let silent = |call: &mut Call| (call.outcome, call.failure) = (Outcome::Unknown, None);
    assert_eq!(wrong(silent), told("status 200"));
    let doubled = wrong(|call| call.replies = 2);
    assert_eq!(
        doubled.unwrap(),
        "operation 1 (chat) got 2 terminal replies"
    );
}

#[test]
fn why_a_call_has_no_result_is_its_failure_or_its_trouble_or_its_status() {
    let mut call = refused();
    call.trouble = Some("cut".to_owned());
    assert_eq!(proof::why(&call), "client_error test: refused");
    call.failure = None;
    assert_eq!(proof::why(&call), "cut");
    call.trouble = None;
    assert_eq!(proof::why(&call), "status 200");
    call.status = None;
    assert_eq!(proof::why(&call), "no reply");
}

/// The checks that say something about a call of this kind.
fn applying(change: impl Fn(&mut Call)) -> BTreeSet<String> {
    let all: Vec<&str> = CHECKS.iter().map(|(id, _)| *id).collect();
    let mut tallies = ProofTallies::of(&all);
    let mut call = plain();
    change(&mut call);
    tallies.note(false, &call, &Proof::default());
    let mut finding = blank("V.1");
    tallies.conclude(&mut finding);
    finding.checks.into_iter().map(|check| check.id).collect()
}

#[test]
fn a_check_counts_the_calls_that_it_can_say_something_about_and_no_others() {
    let always = ["ok", "belongs", "doubled", "failure_inside"];
    let keyed = |call: &mut Call| {
        call.proof = ProofKind::Keyed {
            tracers: Vec::new(),
            sets: 1,
        };
    };
    let of = |more: &[&str], change: &dyn Fn(&mut Call)| {
        let wanted = always.iter().chain(more).map(|id| (*id).to_owned());
        assert_eq!(applying(change), wanted.collect::<BTreeSet<_>>());
    };
    of(&[], &|_| {});
    of(&["keyed", "lost_input", "leak", "seal", "text"], &keyed);
    of(&["site"], &|call| {
        call.proof = ProofKind::Site {
            needles: Vec::new(),
        };
    });
    of(&["memory"], &|call| {
        call.proof = ProofKind::Memory {
            tracers: Vec::new(),
        };
    });
    of(&["model"], &|call| call.asked = vec!["k2".to_owned()]);
    of(&["structured"], &|call| {
        call.structured = Some(StructuredSeen::default());
    });
}

#[test]
fn an_answer_by_needles_or_memory_needs_every_one_of_them_and_at_least_one() {
    let says = |proof: ProofKind, found: &[&str]| {
        let mut call = plain();
        call.proof = proof;
        call.found = found.iter().map(|&text| text.to_owned()).collect();
        let proof = proof::prove(&key(), &Journal::default(), &call);
        proof
            .flaws
            .first()
            .map(|(check, says)| format!("{check}: {says}"))
    };
    let site = |needles: &[&str]| ProofKind::Site {
        needles: needles.iter().map(|&text| text.to_owned()).collect(),
    };
    let memory = |slots: &[&str]| ProofKind::Memory {
        tracers: slots
            .iter()
            .map(|&slot| Planted {
                slot: slot.to_owned(),
                text: format!("words of {slot}"),
            })
            .collect(),
    };
    let told = |text: &str| Some(text.to_owned());
    assert_eq!(says(site(&["a", "b"]), &["b", "a", "c"]), None);
    let lacks = "site: operation 1 (chat) lacks b";
    assert_eq!(says(site(&["a", "b"]), &["a"]), told(lacks));
    assert_eq!(
        says(site(&[]), &["a"]),
        told("site: operation 1 (chat) lacks ")
    );
    assert_eq!(says(memory(&["turn.1"]), &["words of turn.1"]), None);
    let forgot = "memory: operation 1 (chat) does not remember turn.2";
    let half = says(memory(&["turn.1", "turn.2"]), &["words of turn.1"]);
    assert_eq!(half, told(forgot));
    assert!(says(memory(&[]), &[]).is_some());
}

#[test]
fn a_place_says_who_saw_it_when_and_at_which_operation() {
    let call = plain();
    for (place, actor, op, at) in [
        (
            Place::Call(&call),
            "client ann over http-2026-07-28",
            Some(call.op),
            call.done_at,
        ),
        (Place::Operation(7, 9, "a witness"), "a witness", Some(7), 9),
        (Place::Moment(9, "a witness"), "a witness", None, 9),
    ] {
        let violation = place.violation("a check", "it was wrong".to_owned());
        assert_eq!(place.actor(), actor);
        assert_eq!((violation.op, violation.at), (op, at));
        assert_eq!(violation.check, "a check");
        let [witness] = &violation.witnesses[..] else {
            panic!("{violation:?}")
        };
        assert_eq!((witness.actor.as_str(), witness.at), (actor, at));
        assert_eq!([&witness.what, &violation.says], ["it was wrong"; 2]);
    }
}
