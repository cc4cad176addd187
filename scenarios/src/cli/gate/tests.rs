//! The tamper matrix (Z1-Z24): whatever is done to evidence, the gate says what and ends with 5.

mod world;

use exai_judge::Reason;
use exai_judge::claim::Role;
use exai_judge::gate::Course;
use serde_json::json;
use world::{World, flip};

use super::*;

#[test]
fn a_signed_run_on_the_ledger_carries_its_claim() {
    let world = World::new();
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
    assert!(says.starts_with("Go: merge-ready is carried"), "{says}");
}

/// A manipulation and the word that the refusal must hold.
type Row = (&'static str, fn(&mut World), &'static str);

const MATRIX: [Row; 34] = [
    (
        "Z1 payload flipped",
        |world| world.edit_envelope(|one| flip(&mut one.payload)),
        "signature",
    ),
    (
        "Z2 another binary",
        |world| world.server = Some("another binary"),
        "foreign identity",
    ),
    (
        "Z2 subject swapped",
        |world| {
            world.resign(|statement| statement["subject"][0]["digest"]["sha256"] = "00".into());
        },
        "subject mismatch",
    ),
    (
        "Z3 resigned by a stranger",
        |world| world.resign_as_stranger(),
        "untrusted key",
    ),
    (
        "Z4 criterion taken out by the signer",
        |world| {
            world.resign(|statement| statement["predicate"]["passedTests"] = json!(["V.4"]));
        },
        "missing criterion",
    ),
    (
        "Z4 criterion never judged",
        |world| world.rewrite(|run| run.drop_criterion("V.7")),
        "missing criterion",
    ),
    (
        "Z5 replayed after its time",
        |world| world.pass_days(8),
        "expired",
    ),
    (
        "Z6 another policy",
        |world| world.instance("aa", "other policy"),
        "another policy",
    ),
    (
        "Z6 another build behind the port",
        |world| world.instance("00", "policy"),
        "foreign identity",
    ),
    (
        "Z7 sample edited",
        |world| world.edit_record("history-000.ndjson", "0.5", "0.4"),
        "changed",
    ),
    (
        "Z7 record rewritten whole",
        |world| world.rewrite_behind_the_ledger(),
        "ledger",
    ),
    (
        "Z7 finding improved",
        |world| world.rewrite(|run| run.lost = 1.0),
        "judged again",
    ),
    (
        "Z7 finding taken out",
        |world| world.rewrite(|run| run.hidden = Some("V.7")),
        "judged again",
    ),
    (
        "Z7 report improved",
        |world| world.rewrite(|run| run.boasts = true),
        "judged again",
    ),
    (
        "Z8 criterion text",
        |world| world.text = "another text",
        "criterion text",
    ),
    (
        "Z9 short soak",
        |world| world.rewrite(|run| run.seconds = 600),
        "too short",
    ),
    (
        "Z10 two statements differ",
        |world| world.contradict(),
        "contradiction",
    ),
    (
        "Z11 no signature",
        |world| world.edit_envelope(|one| one.signatures.clear()),
        "signature",
    ),
    (
        "Z11 one key twice",
        |world| {
            world.claim.keys = 2;
            world.edit_envelope(|one| one.signatures.push(one.signatures[0].clone()));
        },
        "untrusted key",
    ),
    (
        "Z12 another predicate",
        |world| {
            world.resign(|statement| statement["predicateType"] = "https://x/v1".into());
        },
        "statement type",
    ),
    ("Z14 from the future", |world| world.pass_days(-2), "clock"),
    (
        "Z15 tail cut",
        |world| world.forget_entry("outcome"),
        "checkpoint",
    ),
    ("Z16 rolled back", |world| world.roll_back(), "checkpoint"),
    (
        "Z17 failing fork deleted",
        |world| world.delete_failing_fork(),
        "checkpoint",
    ),
    (
        "Z18 criteria and their hash",
        |world| {
            world.criteria = "other criteria";
            world.rewrite(|run| run.criteria = "other criteria");
        },
        "criterion text",
    ),
    (
        "Z19 harness signs itself",
        |world| world.rewrite(|run| run.harness = "cc"),
        "harness",
    ),
    (
        "Z20 aborted intent removed",
        |world| world.remove_aborted(),
        "checkpoint",
    ),
    (
        "Z20 intent removed",
        |world| world.forget_entry("intent"),
        "ledger",
    ),
    (
        "Z21 binary swapped",
        |world| world.rewrite(|run| run.foreign = true),
        "foreign identity",
    ),
    (
        "Z22 spoiled launch",
        |world| world.rewrite(|run| run.spoiled = true),
        "foreign identity",
    ),
    (
        "two instances behind a proxy",
        |world| world.rewrite(|run| run.instances = (2, 2)),
        "subject mismatch",
    ),
    (
        "two instances that the report keeps quiet about",
        |world| world.rewrite(|run| run.instances = (2, 1)),
        "instances than the plan",
    ),
    ("Z23 dev key", |world| world.role = "dev", "untrusted key"),
    (
        "Z24 record missing",
        |world| world.remove_record(),
        "record missing",
    ),
];

#[test]
fn whatever_was_done_to_the_evidence_is_refused_with_the_reason() {
    let mut misses = Vec::new();
    for (name, manipulate, word) in MATRIX {
        let mut world = World::new();
        assert_eq!(world.ask().0, Exit::Pass, "{name}: before");
        manipulate(&mut world);
        let (exit, says) = world.ask();
        if exit != Exit::Refused || !says.contains(word) {
            misses.push(format!("{name}: {exit:?} without {word:?}: {says}"));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n\n"));
}

#[test]
fn what_a_claim_tolerates_can_be_signed_and_the_gate_takes_it() {
    let mut world = World::new();
    world.claim.tolerates = vec![Reason::DurationShort];
    world.rewrite(|run| (run.short, run.seconds) = (true, 60));
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
    assert!(says.contains("tolerated"), "{says}");
    world.resign(|statement| {
        statement["predicate"]["dev.exai/binding"]["tolerated"] = json!(["V.4", "V.7"]);
        statement["predicate"]["passedTests"] = json!([]);
    });
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Refused, "{says}");
    assert!(says.contains("contradiction"), "{says}");
}

#[test]
fn an_unsigned_record_carries_no_claim_that_asks_for_a_signature() {
    let mut world = World::new();
    world.remove_statements();
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Refused, "{says}");
    assert!(says.contains("merge-ready at most"), "{says}");
    world.claim.signed_by = None;
    assert_eq!(world.ask().0, Exit::Pass);
}

#[test]
fn a_later_failure_revokes_and_an_aborted_run_is_a_harness_error() {
    let mut world = World::new();
    world.add_failure();
    assert_eq!(world.ask().0, Exit::Fail);
    let mut world = World::new();
    world.add_aborted();
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::HarnessError, "{says}");
    assert!(says.contains("began at"), "{says}");
}

#[test]
fn a_decision_counts_where_its_key_is_trusted_and_is_never_a_pass() {
    let mut world = World::new();
    world.add_failure();
    world.decide(Course::Go, 5);
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Overridden, "{says}");
    assert!(says.contains("overridden by ann"), "{says}");
    world.pass_days(6);
    assert_eq!(world.ask().0, Exit::Fail, "after its date");
    let mut stranger = World::new();
    stranger.add_failure();
    stranger.decide_as_stranger();
    let (exit, says) = stranger.ask();
    assert_eq!(exit, Exit::Fail);
    assert!(says.contains("a decision does not count"), "{says}");
    let mut no_go = World::new();
    no_go.decide(Course::NoGo, 5);
    assert_eq!(no_go.ask().0, Exit::Fail);
}

#[test]
fn a_running_server_is_named_with_the_keys_that_differ() {
    let mut world = World::new();
    world.instance("aa", "other policy");
    let (_, says) = world.ask();
    assert!(
        says.contains("limits.in_flight: judged 512, running 64"),
        "{says}"
    );
    let mut same = World::new();
    same.instance("aa", "policy");
    let (exit, says) = same.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
    assert!(says.contains("claimed identity"), "{says}");
    same.claim.identity = IdentityLevel::Observed;
    assert_eq!(same.ask().0, Exit::Inconclusive);
}

#[test]
fn the_end_of_the_evidence_is_announced_two_days_before() {
    let mut world = World::new();
    assert!(!world.ask().1.contains("repeat the run"));
    world.pass_days(6);
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
    assert!(says.contains("repeat the run"), "{says}");
}

#[test]
fn a_record_counts_above_merge_ready_only_beside_a_fresh_self_test_of_its_judge() {
    let mut world = World::new();
    world.claim.selftest = true;
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Refused, "{says}");
    assert!(says.contains("whose self-test is not on record"), "{says}");
    world.test("another harness", 1);
    world.test("bb", 24 * 7 + 1);
    assert_eq!(world.ask().0, Exit::Refused);
    world.test("bb", 1);
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
}

#[test]
fn a_release_claim_needs_two_people() {
    let mut world = World::new();
    world.claim.keys = 2;
    world.claim.signed_by = Some(Role::Ci);
    assert_eq!(world.ask().0, Exit::Refused);
    world.cosign();
    let (exit, says) = world.ask();
    assert_eq!(exit, Exit::Pass, "{says}");
}
