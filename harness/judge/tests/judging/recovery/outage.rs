//! What callers get while a provider is away, as its simulator's journal shows the time.

use exai_judge::Call;

use super::*;

/// When MiniMax refused its first request, and when it answered again.
const AWAY: (u64, u64) = (10 * S + MS, 18 * S + MS);

/// The calls for the provider from its first failure to its first answer, in order.
fn in_the_outage(world: &mut World) -> Vec<u64> {
    let mut ops = world.ops("V.2");
    ops.retain(|op| world.call(*op).phase == "breaker.minimax");
    ops.truncate(20);
    ops
}

/// The calls judged, and those of the floor.
fn counted(finding: &Finding) -> (u64, u64) {
    let mut floors = finding.floors.iter();
    let floor = floors.find(|floor| floor.id == "outage_calls").unwrap();
    (check(finding, "outage").n, floor.seen)
}

/// What fails when one call while the breaker was open, which met no fault, is spoiled.
fn spoiled(spoil: impl Fn(&mut Call)) -> Vec<String> {
    let mut world = good();
    let op = in_the_outage(&mut world)[12];
    spoil(world.call(op));
    let finding = judged(&world);
    failed(&finding).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_outage_is_told_with_its_calls_and_its_time() {
    let finding = judged(&good());
    let told = &check(&finding, "outage").measured;
    assert_eq!(told, "0 of 21: < 14 %, outage 8 000 ms");
    assert_eq!(counted(&finding), (21, 21), "four calls came afterwards");
    assert_eq!(finding.series["outage.minimax"], &[(10.001, 18.001)]);
}

#[test]
fn a_call_without_a_right_answer_during_a_providers_outage_fails() {
    assert_eq!(spoiled(|call| call.outcome = Outcome::Unknown), ["outage"]);
    assert_eq!(spoiled(|call| call.belongs = Some(false)), ["outage"]);
    let cut = |call: &mut Call| call.answers[0].text_sha256 = "cut".to_owned();
    assert_eq!(spoiled(cut), ["outage", "truncated"]);
    let mut world = good();
    let ops = in_the_outage(&mut world);
    let theirs = world.call(ops[13]).answers.clone();
    world.call(ops[12]).answers = theirs;
    assert_eq!(failed(&judged(&world)), ["outage"], "another's answer");
}

#[test]
fn a_reply_must_name_the_provider_that_answered_it() {
    let named = |name: Option<&str>| {
        spoiled(|call| call.meta.as_mut().unwrap().provider = name.map(str::to_owned))
    };
    assert_eq!(named(Some("minimax")), ["outage"], "the one that is out");
    assert_eq!(named(Some("")), ["outage"]);
    assert_eq!(named(None), ["outage"], "it names none");
    assert_eq!(spoiled(|call| call.meta = None), ["outage"]);
    assert!(named(Some("glm")).is_empty());
}

#[test]
fn an_answer_that_no_single_request_gave_names_nobody() {
    assert_eq!(spoiled(|call| call.proof = ProofKind::None), ["outage"]);
}

/// One more call for MiniMax, answered by GLM, whose reply names no provider.
fn unnamed(sent_at: u64) -> (Vec<String>, u64) {
    let mut world = good();
    let mut call = world.keyed(&Ask {
        phase: "breaker.minimax".to_owned(),
        identity: "bob".to_owned(),
        ..ask("glm", sent_at)
    });
    call.meta = None;
    world.record(call);
    let finding = judged(&world);
    let failed = failed(&finding).into_iter().map(str::to_owned).collect();
    (failed, counted(&finding).0)
}

#[test]
fn a_call_counts_when_it_was_begun_while_the_provider_was_away() {
    let (from, until) = AWAY;
    let outage = vec!["outage".to_owned()];
    assert_eq!(unnamed(from - 1), (vec![], 21), "it was there still");
    assert_eq!(unnamed(from), (outage.clone(), 22));
    assert_eq!(unnamed(until - 1), (outage, 22));
    assert_eq!(unnamed(until), (vec![], 21), "it was there again");
}

#[test]
fn a_call_that_met_the_trouble_first_counts_though_nobody_knew_of_it() {
    let mut world = good();
    let op = in_the_outage(&mut world)[0];
    let call = world.call(op);
    assert!(call.sent_at < AWAY.0);
    call.meta = None;
    assert_eq!(failed(&judged(&world)), ["outage"]);
}

#[test]
fn an_outage_lasts_until_the_provider_answers_and_not_until_the_plan_heals_it() {
    let mut world = good();
    // Nobody saw it answer again: it is away to the end.
    let is_back = |seen: &exai_judge::Observation| {
        seen.at >= AWAY.1
            && match &seen.event {
                Event::Served(served) => served.provider == "minimax",
                Event::Delivered(delivered) => delivered.seq.starts_with("minimax."),
                _ => false,
            }
    };
    world.out.retain(|seen| !is_back(seen));
    assert_eq!(counted(&judged(&world)), (25, 25));
}

#[test]
fn a_wrong_answer_that_overlaps_a_fault_of_our_own_is_the_rigs() {
    let mut world = good();
    let op = in_the_outage(&mut world)[12];
    world.call(op).meta = None;
    let (sent_at, done_at) = (world.call(op).sent_at, world.call(op).done_at);
    let rig = Event::Rig {
        what: "cpu".to_owned(),
        until: done_at,
        detail: String::new(),
    };
    world.push(sent_at, rig);
    let finding = judged(&world);
    let row = check(&finding, "outage");
    assert_eq!(row.verdict, exai_judge::Verdict::HarnessError);
    assert_eq!(counted(&finding), (20, 20));
}

#[test]
fn an_outage_that_the_journal_does_not_show_is_none() {
    let mut world = good();
    for observation in &mut world.out {
        if let Event::Delivered(delivered) = &mut observation.event
            && delivered.seq.starts_with("minimax.")
        {
            delivered.status = 429;
        }
    }
    let finding = judged(&world);
    let mut floors = finding.floors.iter();
    let floor = floors.find(|floor| floor.id == "outage_calls");
    assert_eq!(floor.map(|floor| floor.seen), Some(0));
    assert!(finding.checks.iter().all(|check| check.id != "outage"));
    assert_inconclusive(&finding, Reason::EventNotSeen);
}
