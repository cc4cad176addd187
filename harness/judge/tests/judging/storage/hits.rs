//! The hit rate of repeated questions, by the journal, and the server's own counters beside it.

use exai_judge::observation::Event;
use exai_judge::operation::{ProofKind, Repeat};
use exai_judge::{Call, Verdict, tracer};

use super::{ask, good, judged};
use crate::verdicts::{check, failed};
use crate::world::{Ask, MS, S, World, key};

/// When questions are repeated.
const REPEATED: u64 = 40 * S;

/// Four questions, each asked ten times by one person, between two scrapes of what the server
/// counts; `asks` says which repeat goes to a provider all the same.
pub(super) fn repeats(world: &mut World, asks: impl Fn(u64, u64) -> bool) {
    scrape(world, "before V.4", REPEATED - 1, (7, 3));
    let mut asked = 0;
    for question in 0..4 {
        let at = REPEATED + question * 2 * S;
        let first = world.keyed(&ask("repeats", at, 20 * MS));
        world.record(first.clone());
        for number in 1..10 {
            let again = ask("repeats", at + number * 100 * MS, 20 * MS);
            let mut call = world.plain(&again);
            call.proof = first.proof.clone();
            call.answers = first.answers.clone();
            call.meta = first.meta.clone();
            call.repeat = Some(Repeat {
                of: first.op,
                same_principal: true,
                exact: true,
            });
            if asks(question, number) {
                asked += 1;
                reask(world, &again, &mut call);
            }
            world.record(call);
        }
    }
    scrape(
        world,
        "after V.4",
        REPEATED + 8 * S,
        (7 + 36 - asked, 3 + 4 + asked),
    );
}

/// A provider answers this call anew.
fn reask(world: &mut World, again: &Ask, call: &mut Call) {
    let ProofKind::Keyed { tracers, .. } = &call.proof else {
        panic!("a repeat of a keyed call");
    };
    let served = world.serve(again, again.at + MS, &[tracers[0].text.clone()]);
    let text = tracer::answer_text(&key(), &served, "Prose.");
    world.deliver(again.at + 2 * MS, &served.seq, "answered", Some(&text));
    call.answers = tracer::read_answer(&text).into_iter().collect();
}

fn scrape(world: &mut World, mark: &str, at: u64, (hits, misses): (u64, u64)) {
    let series = |family: &str| format!("exai_cache_{family}_total{{cache=\"result\"}}");
    let metrics = Event::Metrics {
        mark: mark.to_owned(),
        values: [
            (series("hits"), hits as f64),
            (series("misses"), misses as f64),
            (
                "exai_cache_hits_total{cache=\"model_list\"}".to_owned(),
                at as f64,
            ),
        ]
        .into(),
    };
    world.push(at, metrics);
}

/// The history of [`good`] with other repeats.
fn repeated(asks: impl Fn(u64, u64) -> bool) -> World {
    let mut world = good();
    let of_repeats = |at: u64| (REPEATED - 1..REPEATED + 9 * S).contains(&at);
    world.out.retain(|observation| !of_repeats(observation.at));
    repeats(&mut world, asks);
    world
}

#[test]
fn repeats_that_reach_a_provider_lower_the_hit_rate_whatever_the_server_counts() {
    let finding = judged(&good());
    let row = check(&finding, "hit_rate");
    assert_eq!(
        (row.measured.as_str(), row.limit.as_str()),
        ("36 of 36: > 92 %", "> 85 %")
    );
    let honest = judged(&repeated(|_, _| true));
    assert_eq!(failed(&honest), ["hit_rate"]);
    assert_eq!(check(&honest, "hit_rate").measured, "0 of 36: > 0 %");
    // One in nine: less than what 36 can show.
    let some = judged(&repeated(|_, number| number == 5));
    assert_eq!(check(&some, "hit_rate").verdict, Verdict::Inconclusive);
}

#[test]
fn a_server_that_counts_other_hits_than_there_were_fails() {
    for (hits, misses) in [(7 + 35, 7), (7 + 37, 7), (7 + 36, 6), (7, 3)] {
        let mut world = good();
        scrape(
            &mut world,
            "after V.4",
            REPEATED + 8 * S + 1,
            (hits, misses),
        );
        assert_eq!(failed(&judged(&world)), ["hits_counted"], "{hits} {misses}");
    }
}

#[test]
fn a_run_in_which_nothing_was_asked_again_says_nothing_of_the_hit_rate() {
    let mut world = good();
    for op in world.ops("V.4") {
        world.call(op).repeat = None;
    }
    let finding = judged(&world);
    assert_eq!(check(&finding, "hit_rate").verdict, Verdict::Inconclusive);
    let floor = finding.floors.iter().find(|floor| floor.id == "repeats");
    assert_eq!(floor.map(|floor| floor.seen), Some(0));
}
