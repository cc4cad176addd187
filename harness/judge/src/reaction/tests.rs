use serde_json::json;

use super::*;
use crate::observation::Delivered;

fn whole() -> Observed {
    Observed {
        at_provider: 1,
        unchanged: 1,
        is_whole: true,
        ..Observed::default()
    }
}

fn failed() -> Observed {
    Observed {
        is_whole: false,
        is_failed: true,
        failure: "provider_error/content_filtered".to_owned(),
        ..whole()
    }
}

fn retried(waited: u64) -> Observed {
    Observed {
        at_provider: 2,
        unchanged: 2,
        waited: Some(waited * MILLISECOND),
        ..whole()
    }
}

fn moved() -> Observed {
    Observed {
        elsewhere: 1,
        ..whole()
    }
}

fn check(codes: &str, right: &[Observed], wrong: &[Observed]) {
    let alternatives = parse(codes);
    for seen in right {
        let is_right = seen.is_one_of(&alternatives);
        assert!(is_right, "{codes} accepts {}", seen.says());
    }
    for seen in wrong {
        let is_right = seen.is_one_of(&alternatives);
        assert!(!is_right, "{codes} refuses {}", seen.says());
    }
}

#[test]
fn each_code_accepts_its_own_reaction_and_refuses_its_neighbours() {
    let retried = || retried(5);
    let repaired = || Observed {
        at_provider: 2,
        unchanged: 1,
        ..whole()
    };
    let flagged = || Observed {
        is_whole: false,
        is_flagged: true,
        ..whole()
    };
    let silent = || Observed {
        is_whole: false,
        ..whole()
    };
    check("R", &[retried()], &[whole(), moved(), failed(), silent()]);
    check("F", &[moved()], &[whole(), retried(), failed()]);
    let (either, none) = (
        [retried(), moved(), whole()],
        [failed(), silent(), flagged()],
    );
    check("R F", &either, &none);
    let (final_, again) = ([failed(), repaired()], [retried(), moved(), silent()]);
    check("X", &final_, &again);
    check("X B F", &[moved()], &[failed(), retried()]);
    check("P", &[whole(), flagged(), failed()], &[silent()]);
    check("N", &[whole()], &[retried(), moved(), failed(), flagged()]);
    check("C", &[failed()], &[whole(), moved(), retried()]);
    check("B", &[whole(), moved(), failed(), silent()], &[retried()]);
    check("X | N", &[failed(), whole()], &[retried()]);
    check("", &[], &[whole()]);
}

#[test]
fn a_wait_that_the_provider_named_is_a_least_gap() {
    check("R after 1000", &[retried(1000)], &[retried(999)]);
    check("R after 1000 | F", &[retried(1200), moved()], &[retried(3)]);
}

#[test]
fn a_failure_is_the_one_that_its_row_names_and_final_where_it_must_be() {
    let other = Observed {
        failure: "provider_error/provider_failed".to_owned(),
        ..failed()
    };
    let retryable = Observed {
        is_retryable: true,
        ..failed()
    };
    let named = "X : provider_error/content_filtered";
    let (right, wrong) = ([failed(), retryable.clone(), whole()], [other.clone()]);
    check(named, &right, &wrong);
    check(&format!("{named} final"), &[failed()], &[other, retryable]);
}

#[test]
fn a_wait_begins_when_the_reply_left_and_not_when_the_simulator_was_done_with_it() {
    let served = json!({"seq": "kimi.1.1", "provider": "kimi", "model": "m", "key": "k",
        "stream": false, "request_sha256": "", "body_sha256": "", "system_sha256": "",
        "tracers": [], "messages": [], "fault": null});
    let attempt = |began: u64, reply: Option<(Option<u64>, u64)>| {
        let delivered = |first_byte_at| Delivered {
            seq: "kimi.1.1".to_owned(),
            first_byte_at,
            status: 429,
            outcome: "refused".to_owned(),
            answer_sha256: None,
        };
        Attempt {
            began: began * MILLISECOND,
            served: serde_json::from_value(served.clone()).unwrap(),
            ended: reply.map(|(first, end)| {
                let first = first.map(|at| at * MILLISECOND);
                (end * MILLISECOND, delivered(first))
            }),
        }
    };
    let next = attempt(1_001, None);
    let of = |reply| waited(&attempt(0, reply), &next).map(|ns| ns / MILLISECOND);
    assert_eq!(of(Some((Some(1), 3))), Some(1_000));
    assert_eq!(of(Some((None, 3))), Some(998));
    assert_eq!(of(None), None);
}

#[test]
fn where_another_request_is_demanded_the_same_one_and_none_are_refused() {
    let changed = || Observed {
        unchanged: 1,
        ..retried(0)
    };
    let larger = || Observed {
        is_larger: true,
        ..changed()
    };
    let in_vain = Observed {
        is_whole: false,
        is_failed: true,
        ..larger()
    };
    let (right, wrong) = (
        [changed(), larger()],
        [retried(0), failed(), whole(), in_vain.clone()],
    );
    check("X changed", &right, &wrong);
    check(
        "R larger",
        &[larger()],
        &[changed(), retried(0), whole(), in_vain],
    );
}

#[test]
fn what_was_seen_is_told_in_one_sentence() {
    let flagged = Observed {
        is_whole: false,
        is_flagged: true,
        ..whole()
    };
    let retryable = Observed {
        is_retryable: true,
        ..failed()
    };
    let nothing = Observed {
        is_whole: false,
        ..moved()
    };
    let larger = Observed {
        is_larger: true,
        unchanged: 1,
        ..retried(5)
    };
    let once = "tried the provider 1 times (1 unchanged), others";
    for (seen, wanted) in [
        (whole(), format!("{once} 0 times and gave a proven answer")),
        (
            flagged,
            format!("{once} 0 times and gave a partial answer and said so"),
        ),
        (
            failed(),
            format!("{once} 0 times and gave the final failure provider_error/content_filtered"),
        ),
        (
            retryable,
            format!(
                "{once} 0 times and gave the retryable failure provider_error/content_filtered"
            ),
        ),
        (nothing, format!("{once} 1 times and gave no proven answer")),
        (
            larger,
            "tried the provider 2 times after 5.0 ms (1 unchanged, then with a larger bound), \
             others 0 times and gave a proven answer"
                .to_owned(),
        ),
    ] {
        assert_eq!(seen.says(), wanted);
    }
}
