//! V.3 on a machine whose processors others had.

use exai_judge::operation::FailureSeen;

use super::*;

/// Each second the server has a processor for 300 ms and waits for one for `waited_ms`, of two.
fn beside_others(waited_ms: u64) -> World {
    let mut world = good();
    for seen in &mut world.out {
        match &mut seen.event {
            Event::Sample(sample) => sample.wait_ms = sample.cpu_ms / 300 * waited_ms,
            Event::Load(load) => load.cores = Some(2),
            _ => {}
        }
    }
    world
}

type Spoil = Box<dyn Fn(&mut exai_judge::Call)>;

/// What fails and what stays open when every so many-th call is spoiled.
fn judged_with(
    waited_ms: u64,
    every: usize,
    spoil: impl Fn(&mut exai_judge::Call),
) -> (Vec<String>, Vec<String>) {
    let mut world = beside_others(waited_ms);
    let ops: Vec<u64> = world.ops("V.3").into_iter().take(CALLS as usize).collect();
    for op in ops.iter().skip(every / 2).step_by(every) {
        spoil(world.call(*op));
    }
    let finding = judged(&world);
    let open = finding.checks.iter().filter(|check| {
        check.reason == Some(Reason::RigLimit) && check.measured.contains("waited")
    });
    let open = open.map(|check| check.id.clone()).collect();
    let failed = failed(&finding).into_iter().map(str::to_owned).collect();
    (failed, open)
}

fn refused(category: &'static str) -> impl Fn(&mut exai_judge::Call) {
    move |call| {
        call.outcome = Outcome::Refused;
        call.answers.clear();
        call.failure = Some(FailureSeen {
            category: category.to_owned(),
            code: "over_capacity".to_owned(),
            retryable: true,
            retry_after_ms: None,
            correlation_id: None,
            message: String::new(),
        });
    }
}

#[test]
fn what_want_of_processors_explains_stays_open_only_where_others_had_them() {
    let cases: [(&str, usize, Spoil); 4] = [
        ("errors", 25, Box::new(refused("rate_limit_error"))),
        (
            "p95",
            10,
            Box::new(|call| call.done_at = call.intended_at + 6 * S),
        ),
        (
            "maximum",
            200,
            Box::new(|call| call.done_at = call.intended_at + 30 * S),
        ),
        (
            "unanswered",
            1_600,
            Box::new(|call| {
                call.outcome = Outcome::Unknown;
                call.replies = 0;
                call.belongs = None;
            }),
        ),
    ];
    for (check, every, spoil) in cases {
        let (failed, open) = judged_with(301, every, &spoil);
        assert_eq!((failed, open), (vec![], vec![check.to_owned()]), "{check}");
        let (failed, open) = judged_with(300, every, &spoil);
        assert!(
            failed.contains(&check.to_owned()) && open.is_empty(),
            "{check}: {failed:?}"
        );
    }
    assert_pass(&judged(&beside_others(1_500)));
}

#[test]
fn a_wrong_answer_or_an_untyped_refusal_is_explained_by_nobody() {
    let (failed, open) = judged_with(1_500, 25, refused("server_error"));
    assert_eq!((failed, open), (vec!["errors".to_owned()], vec![]));
    let (failed, _open) = judged_with(1_500, 25, |call| call.answers.clear());
    assert!(failed.contains(&"errors".to_owned()), "{failed:?}");
    // Beside as many refusals for want of room, too.
    let (failed, _open) = judged_with(1_500, 25, |call| match call.op % 2 {
        0 => refused("rate_limit_error")(call),
        _ => call.answers.clear(),
    });
    assert!(failed.contains(&"errors".to_owned()), "{failed:?}");
}
