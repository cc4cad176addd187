//! Laws of conservation beside that of the call counter.

use exai_judge::operation::ProofKind;

use super::*;

#[test]
fn a_call_that_was_sent_and_is_not_told_contradicts_the_account_and_so_does_one_too_many() {
    let peaks = |world: &World| {
        let is_peak = |event: &Event| matches!(event, Event::Call(call) if call.phase == "peak");
        world
            .out
            .iter()
            .position(|seen| is_peak(&seen.event))
            .unwrap()
    };
    let row = check(&judged(&good()), "arrivals").clone();
    assert_eq!((row.verdict, row.n), (Verdict::Pass, CALLS));
    let mut lost = good();
    let at = peaks(&lost);
    lost.out.remove(at);
    assert_inconclusive(&judged(&lost), Reason::Contradictory);
    let mut twice = good();
    let again = twice.plain(&Ask {
        phase: "peak".to_owned(),
        ..Ask::new("V.3", 5 * S)
    });
    twice.record(again);
    let finding = judged(&twice);
    let row = check(&finding, "arrivals");
    assert_eq!(
        (row.verdict, row.reason),
        (Verdict::Inconclusive, Some(Reason::Contradictory))
    );
}

#[test]
fn a_provider_request_that_no_call_asked_for_fails_and_a_retry_does_not() {
    for (is_of_a_call, wanted) in [(true, Verdict::Pass), (false, Verdict::Fail)] {
        let mut world = good();
        let op = world.ops("V.3")[7];
        let tracer = match &world.call(op).proof {
            ProofKind::Keyed { tracers, .. } if is_of_a_call => tracers[0].text.clone(),
            _ => "words of nobody".to_owned(),
        };
        // Long after its call: whose outcome nobody knows a server may go on with.
        let ask = Ask::new("V.3", 9 * S);
        let served = world.serve(&ask, 9 * S, &[tracer]);
        world.deliver(9 * S + MS, &served.seq, "client_closed", None);
        let finding = judged(&world);
        let row = check(&finding, "unasked");
        assert_eq!((row.verdict, row.n), (wanted, CALLS + 11));
    }
    let mut silent = good();
    silent.serve(&Ask::new("V.3", 9 * S), 9 * S, &[]);
    assert_eq!(failed(&judged(&silent)), ["unasked"]);
    // What comes outside the criterion's phases is another's affair.
    let mut later = good();
    later.serve(&Ask::new("V.4", 13 * S), 13 * S, &[]);
    assert_pass(&judged(&later));
}

/// With this many calls in flight at the last scrape, and so many whose outcome nobody knows.
fn held(calls: f64, open: usize) -> Verdict {
    let mut world = good();
    for op in world.ops("V.3").into_iter().take(open) {
        world.call(op).outcome = Outcome::Unknown;
    }
    for seen in &mut world.out {
        if let Event::Metrics { mark, values } = &mut seen.event {
            let of_before = if mark == "before V.3" { 50.0 } else { calls };
            values.insert("exai_in_flight".to_owned(), of_before);
        }
    }
    check(&judged(&world), "permits").verdict
}

#[test]
fn a_place_that_is_held_when_every_call_is_over_has_leaked() {
    let pipes = 4;
    assert_eq!(held(0.0, 0), Verdict::Pass);
    assert_eq!(held(1.0, 0), Verdict::Fail);
    // Every fourth call goes over a pipe, to a process of its own.
    assert_eq!(held(3.0, pipes), Verdict::Pass);
    assert_eq!(held(4.0, pipes), Verdict::Fail);
}
