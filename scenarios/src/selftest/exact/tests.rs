//! Accounts and findings that fit, and those of judges that miss or invent something.

use exai_judge::finding::{Check, Violation};
use exai_judge::tally::blank;
use exai_judge::{Event, Observation, Transport, Verdict};
use serde_json::{Value, json};

use super::*;
use crate::account::Spoiled;

const CODE: &str = "mzxw6ytbojtg633";

fn code(op: u64) -> String {
    format!(
        "{CODE}{}",
        char::from(b'a' + u8::try_from(op % 26).unwrap())
    )
}

/// An operation of a V.1 workload, from `op` to `op` and 10 ns.
fn call(op: u64, transport: Transport, change: Value) -> Observation {
    let mut call = json!({
        "event": "call", "at": op + 10, "op": op, "criterion": "V.1", "phase": "main",
        "tool": "chat", "transport": transport, "identity": "anna", "intended_at": op,
        "sent_at": op, "first_byte_at": null, "done_at": op + 10, "deadline": 100,
        "planned_provider": 0, "thread": null, "repeat": null, "fault": null, "reaction": null,
        "outcome": "ok", "belongs": true, "replies": 1, "status": 200, "failure": null,
        "answers": [], "found": [], "meta": null, "turns": null, "instance": null,
        "trouble": null, "proof": {"kind": "keyed", "sets": 1,
            "tracers": [{"slot": "prompt", "text": format!("ba den {}", code(op))}]},
    });
    for (member, value) in change.as_object().unwrap() {
        call[member] = value.clone();
    }
    serde_json::from_value(call).unwrap()
}

fn chats(count: u64) -> Vec<Observation> {
    (0..count)
        .map(|op| call(op, Transport::Http2025, json!({})))
        .collect()
}

fn account(details: impl Iterator<Item = (u64, Value)>) -> Account {
    let spoiled: Vec<Spoiled> = details.map(|(at, detail)| Spoiled { at, detail }).collect();
    Account {
        count: u64::try_from(spoiled.len()).unwrap(),
        spoiled,
    }
}

/// What a spoiler of chats says of these operations.
fn spoiled(ops: impl Iterator<Item = u64>) -> Account {
    account(ops.map(|op| (op + 1, json!({"tool": "chat", "codes": [code(op)]}))))
}

/// What a judge finds that names these operations, twenty of them in full.
fn findings(check: &str, ops: &[Option<u64>]) -> [Finding; 1] {
    let mut finding = blank("V.1");
    finding.checks.push(Check {
        id: check.to_owned(),
        name: String::new(),
        measured: bounds::share_text(u64::try_from(ops.len()).unwrap(), 3_000),
        limit: "0".to_owned(),
        verdict: Verdict::Fail,
        reason: None,
        n: 3_000,
    });
    let violation = |op: &Option<u64>| Violation {
        check: check.to_owned(),
        op: *op,
        at: 0,
        says: String::new(),
        witnesses: Vec::new(),
    };
    finding
        .violations
        .extend(ops.iter().take(20).map(violation));
    [finding]
}

fn row(edge: &str, check: &str, held: &str) -> Saboteur {
    let text = format!(
        "id = '6'\nname = 'a spoiler'\nspoil = 'x'\nedge = '{edge}'\n\
         fail = {{ 'V.1' = ['{check}'] }}\naccount = '{held}'"
    );
    toml::from_str(&text).unwrap()
}

fn misses(
    row: &Saboteur,
    account: &Account,
    history: &[Observation],
    ops: &[Option<u64>],
) -> usize {
    let check = &row.fail["V.1"][0];
    let told = Told::by(history.iter().cloned());
    compare(row, account, &told, &findings(check, ops))
        .misses
        .len()
}

#[test]
fn a_judge_that_finds_one_of_fifty_or_names_an_innocent_is_refused() {
    let history = chats(100);
    let account = spoiled((0..100).step_by(2));
    let right: Vec<Option<u64>> = (0..100).step_by(2).map(Some).collect();
    let mut named = right.clone();
    named[3] = Some(7);
    let mut nobody = right.clone();
    nobody[3] = None;
    let invented: Vec<Option<u64>> = (0..100).map(Some).collect();
    let each = row("client", "keyed", "each");
    let only = row("client", "keyed", "only");
    for (ops, of_each, of_only, what) in [
        (&right[..], 0, 0, "every one of them and nobody else"),
        (&right[..1], 1, 0, "one of fifty"),
        (&right[..49], 1, 0, "all but one, which is not kept in full"),
        (&named[..], 1, 1, "an innocent operation among them"),
        (&nobody[..], 1, 1, "one that names no operation"),
        (&invented[..], 2, 2, "everyone there is"),
        (&[], 1, 1, "nobody"),
    ] {
        assert_eq!(misses(&each, &account, &history, ops), of_each, "{what}");
        assert_eq!(misses(&only, &account, &history, ops), of_only, "{what}");
    }
}

#[test]
fn an_account_that_fits_no_operation_or_is_cut_compares_nothing() {
    let history = chats(10);
    let row = row("client", "keyed", "each");
    let other = account([(1, json!({"tool": "analyze", "codes": []}))].into_iter());
    assert_eq!(misses(&row, &other, &history, &[Some(1)]), 2);
    let mut cut = spoiled(0..2);
    cut.count = 3;
    assert_eq!(misses(&row, &cut, &history, &[Some(0), Some(1)]), 1);
}

#[test]
fn an_operation_is_known_by_wire_time_and_tracers() {
    let mut history = chats(3);
    history.push(call(3, Transport::WebSocket, json!({})));
    let refusal = json!({"kind": "refusal", "category": "validation_error"});
    let stdio = call(4, Transport::Stdio, json!({"proof": refusal}));
    let refused = call(5, Transport::Http2026, json!({"proof": refusal}));
    history.extend([stdio, refused]);
    let told = Told::by(history.into_iter());
    let of = |edge: &str, at: u64, codes: &[String]| {
        let detail = json!({"tool": "chat", "codes": codes});
        let found = told.spoiled(edge, &Spoiled { at, detail }).concat();
        found.iter().map(|call| call.op).collect::<Vec<_>>()
    };
    assert_eq!(of("client", 9, &[code(1)]), [1]);
    assert!(of("client", 0, &[code(1)]).is_empty(), "before it was sent");
    assert_eq!(of("client", 12, &[code(1)]), [5], "after its reply");
    assert_eq!(
        of("client", 9, &[code(3)]),
        [5],
        "its proof tells no tracers"
    );
    assert_eq!(of("websocket", 9, &[code(3)]), [3]);
    assert_eq!(of("client", 15, &[]), [5], "what carries no tracer");
}

#[test]
fn a_check_answers_for_what_it_judges_and_not_for_our_own_faults() {
    let site = json!({"proof": {"kind": "site", "needles": ["x"]}});
    let mut history = chats(3);
    history[2] = call(2, Transport::Http2025, site);
    let told = account((0..3).map(|op| (op + 1, json!({"tool": "chat", "codes": [code(op)]}))));
    let each = row("client", "keyed", "each");
    assert_eq!(misses(&each, &told, &history, &[Some(0), Some(1)]), 0);
    assert_eq!(misses(&each, &told, &history, &[Some(0)]), 1);
    history.push(Observation {
        at: 11,
        event: Event::Rig {
            what: "cpu".to_owned(),
            until: 12,
            detail: String::new(),
        },
    });
    assert_eq!(misses(&each, &told, &history, &[Some(0)]), 0);
}

/// An exchange of a thread answered by one provider request, a bystander, and a read of it.
fn thread() -> Vec<Observation> {
    let served = json!({"event": "served", "at": 1, "seq": "kimi.1.7", "provider": "kimi",
        "model": "", "key": "", "stream": false, "request_sha256": "cafe", "system_sha256": "",
        "tracers": [], "messages": [], "fault": null});
    let line = json!([{"first": "answer kimi.1.7 ab", "last": "", "seal": "",
        "above_sha256": "", "text_sha256": "", "chars": 1}]);
    let part = |action: &str, key: Value| {
        json!({"thread": "t1", "action": action, "key": key,
        "user_sha256": null})
    };
    let meta = json!({"continuation_id": "abc", "turn": 2, "model_used": null, "provider": null,
        "failover": false, "replayed": false, "incomplete": null, "correlation_id": null});
    let append = json!({"answers": line, "thread": part("append", json!("k")), "meta": meta});
    let read = json!({"tool": "resources/read", "thread": part("read", Value::Null),
        "proof": {"kind": "read"}});
    vec![
        serde_json::from_value(served).unwrap(),
        call(0, Transport::Stdio, json!({})),
        call(1, Transport::Stdio, append),
        call(20, Transport::Http2026, read),
    ]
}

#[test]
fn a_request_to_a_provider_is_known_by_its_digest() {
    let row = row("kimi", "lost_input", "each");
    let by_digest = |digest: &str| {
        let detail = json!({"request_sha256": "beef", "sent_sha256": digest});
        account([(3, detail)].into_iter())
    };
    let found = |digest: &str| misses(&row, &by_digest(digest), &thread(), &[Some(1)]);
    assert_eq!((found("cafe"), found("beef")), (0, 2));
}

#[test]
fn an_exchange_without_a_tracer_is_the_operation_that_planted_none() {
    let refusal = json!({"proof": {"kind": "refusal", "category": "validation_error"}});
    let history = [
        call(0, Transport::Http2025, json!({})),
        call(1, Transport::Http2025, refusal),
        call(2, Transport::Http2025, json!({})),
    ];
    let each = row("client", "belongs", "each");
    let bare = json!({"tool": "chat", "codes": []});
    let own = json!({"tool": "chat", "codes": [code(0)]});
    let told = account([(5, bare.clone()), (5, own)].into_iter());
    assert_eq!(misses(&each, &told, &history, &[Some(0)]), 0);
    let alone = account([(5, bare)].into_iter());
    assert_eq!(misses(&each, &alone, &history[..1], &[Some(0)]), 0);
}

#[test]
fn of_equal_requests_the_one_that_came_then_was_spoiled() {
    let answered = |op: u64, seq: &str| {
        let line = json!([{"first": format!("answer {seq} ab"), "last": "", "seal": "",
            "above_sha256": "", "text_sha256": "", "chars": 1}]);
        call(op, Transport::Stdio, json!({"answers": line}))
    };
    let served = |at: u64, seq: &str| {
        let mut again = thread().swap_remove(0);
        again.at = at;
        if let Event::Served(entry) = &mut again.event {
            entry.seq = seq.to_owned();
        }
        again
    };
    let history = [
        served(101, "kimi.1.1"),
        answered(100, "kimi.1.1"),
        served(201, "kimi.1.2"),
        answered(200, "kimi.1.2"),
    ];
    let detail = || json!({"request_sha256": "beef", "sent_sha256": "cafe"});
    let row = row("kimi", "lost_input", "each");
    let first = account([(103, detail())].into_iter());
    assert_eq!(misses(&row, &first, &history, &[Some(100)]), 0);
    assert_eq!(misses(&row, &first, &history, &[Some(200)]), 1);
    let both = account([(103, detail()), (199, detail())].into_iter());
    assert_eq!(misses(&row, &both, &history, &[Some(100), Some(200)]), 0);
}

#[test]
fn a_turn_is_known_by_its_thread_and_spoiled_once_however_often_it_is_read() {
    let row = row("client", "lost", "each");
    let detail = || {
        json!({"tool": null, "method": "resources/read", "codes": [], "thread": "abc",
        "turns": [2]})
    };
    let once = account([(21, detail())].into_iter());
    for op in [1, 20] {
        assert_eq!(misses(&row, &once, &thread(), &[Some(op)]), 0, "{op}");
    }
    assert_eq!(misses(&row, &once, &thread(), &[Some(0)]), 1);
    let twice = account([(21, detail()), (22, detail())].into_iter());
    assert_eq!(misses(&row, &twice, &thread(), &[Some(1)]), 0);
}

#[test]
fn equal_operations_under_way_at_once_count_as_often_as_they_were_spoiled() {
    let twin = |op: u64| {
        let tracers = json!([{"slot": "prompt", "text": format!("ba den {}", code(0))}]);
        let proof = json!({"kind": "keyed", "sets": 1, "tracers": tracers});
        call(op, Transport::Http2025, json!({"proof": proof}))
    };
    let history = [twin(0), twin(1), twin(2)];
    let detail = || json!({"tool": "chat", "codes": [code(0)]});
    let each = row("client", "keyed", "each");
    let twice = account([(5, detail()), (6, detail())].into_iter());
    assert_eq!(misses(&each, &twice, &history, &[Some(0), Some(2)]), 0);
    assert_eq!(misses(&each, &twice, &history, &[Some(0)]), 1);
    assert_eq!(
        misses(&each, &twice, &history, &[Some(0), Some(1), Some(2)]),
        1
    );
}
