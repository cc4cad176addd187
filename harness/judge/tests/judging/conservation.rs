//! The law of the counters at its edges: a counter moves by no less than the calls wholly between
//! the scrapes, and by no more than the calls that touch the time between them.

use std::collections::BTreeMap;

use exai_judge::conservation::Conservation;
use exai_judge::operation::{Outcome, Transport};
use exai_judge::tally::blank;
use exai_judge::{Call, Finding, Reason, Verdict};

use crate::verdicts::check;
use crate::world::{Ask, S, World};

const BEFORE: u64 = 10 * S;
const AFTER: u64 = 20 * S;

fn counted(tool: &str, count: f64) -> BTreeMap<String, f64> {
    let series = format!(r#"exai_requests_total{{tool="{tool}",status="ok"}}"#);
    BTreeMap::from([(series, count)])
}

fn call(from: u64, until: u64) -> Call {
    let ask = Ask {
        takes: until - from,
        ..Ask::new("V.3", from)
    };
    World::new().plain(&ask)
}

/// The verdict where the counter of chat moved by so many from 5.
fn moved(calls: &[Call], by: f64) -> Option<Verdict> {
    let mut law = Conservation::default();
    law.scrape(BEFORE, "before", &counted("chat", 5.0));
    calls.iter().for_each(|call| law.call(call));
    law.scrape(AFTER, "after", &counted("chat", 5.0 + by));
    let finding = concluded(law);
    let row = finding.checks.iter().find(|row| row.id == "conservation");
    row.map(|row| row.verdict)
}

fn concluded(law: Conservation) -> Finding {
    let mut finding = blank("V.3");
    law.conclude(&mut finding);
    finding.conclude();
    finding
}

/// By how much the counter may move: each number from 0 to 9 that passes.
fn lawful(calls: &[Call]) -> Vec<u32> {
    let passes = |by: &u32| moved(calls, f64::from(*by)) == Some(Verdict::Pass);
    (0..10).filter(passes).collect()
}

#[test]
fn calls_between_the_scrapes_must_be_counted_and_calls_that_touch_them_may_be() {
    let inside = [call(BEFORE, AFTER), call(BEFORE + 1, AFTER - 1)];
    assert_eq!(lawful(&inside), [2]);
    let with = |other: Call| [inside[0].clone(), inside[1].clone(), other];
    assert_eq!(lawful(&with(call(BEFORE - 1, AFTER))), [2, 3]);
    assert_eq!(lawful(&with(call(BEFORE, AFTER + 1))), [2, 3]);
    assert_eq!(lawful(&with(call(BEFORE - 2, BEFORE))), [2, 3]);
    assert_eq!(lawful(&with(call(BEFORE - 2, BEFORE - 1))), [2]);
    assert_eq!(lawful(&with(call(AFTER, AFTER + 2))), [2, 3]);
    assert_eq!(lawful(&with(call(AFTER + 1, AFTER + 2))), [2]);
}

#[test]
fn a_call_without_an_answer_may_be_counted_and_one_on_a_pipe_is_not() {
    let inside = call(BEFORE, AFTER);
    let unknown = Call {
        outcome: Outcome::Unknown,
        ..inside.clone()
    };
    assert_eq!(lawful(&[inside.clone(), unknown.clone()]), [1, 2]);
    let mut refused = World::new().refused(&Ask::new("V.3", BEFORE), "validation_error");
    refused.outcome = Outcome::Ok;
    assert_eq!(
        lawful(&[inside.clone(), refused]),
        [1, 2],
        "a failure inside"
    );
    let late = Call {
        sent_at: AFTER + 1,
        done_at: AFTER + 2,
        ..unknown
    };
    assert_eq!(lawful(&[inside.clone(), late]), [1]);
    let piped = Call {
        transport: Transport::Stdio,
        ..inside.clone()
    };
    assert_eq!(lawful(&[inside, piped.clone()]), [1]);
    assert_eq!(
        moved(&[piped], 7.0),
        Some(Verdict::Inconclusive),
        "no trial"
    );
}

#[test]
fn the_first_scrape_before_and_the_last_after_count_and_both_are_needed() {
    let mut law = Conservation::default();
    law.scrape(BEFORE, "before", &counted("chat", 5.0));
    law.scrape(BEFORE + 1, "before", &counted("chat", 6.0));
    law.scrape(BEFORE + 2, "tick", &counted("chat", 6.0));
    law.call(&call(BEFORE, AFTER));
    law.scrape(AFTER - 1, "after", &counted("chat", 5.0));
    law.scrape(AFTER, "after", &counted("chat", 6.0));
    let finding = concluded(law);
    assert_eq!(finding.verdict, Verdict::Pass);
    assert_eq!(check(&finding, "conservation").n, 1);
    let mut half = Conservation::default();
    half.scrape(AFTER, "after", &counted("chat", 6.0));
    half.call(&call(BEFORE, AFTER));
    let finding = concluded(half);
    let floor = &finding.floors[0];
    assert_eq!((floor.needed, floor.seen), (2, 1));
    assert_eq!(finding.reasons, [Reason::EventNotSeen]);
    assert!(finding.checks.is_empty());
}
