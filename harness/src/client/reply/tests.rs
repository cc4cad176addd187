//! Raw replies and what they must be read as.

use exai_judge::operation::{Planted, ThreadUse};
use serde_json::json;

use super::*;
use crate::operation::Ask;

fn plan(proof: ProofKind) -> OperationPlan {
    let ask = Ask::Tool {
        name: "chat".to_owned(),
        arguments: json!({}),
    };
    OperationPlan::new(4, ask, proof, 1_000).within("V.1", "all")
}

fn read(reply: Value, status: Option<u16>, proof: ProofKind) -> Call {
    let mut exchange = Exchange::begun(20);
    exchange.status = status;
    exchange.take(&json!(1), 30, reply);
    let sender = Sender {
        transport: Transport::Http2026,
        identity: "ada",
    };
    call(&plan(proof), sender, 10, exchange)
}

fn typed_error(category: &str, code: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": {
        "isError": true,
        "content": [{"type": "text", "text": "It did not work."}],
        "structuredContent": {"error": {
            "category": category, "code": code, "message": "It did not work.",
            "retryable": true, "retry_after_ms": 250, "correlation_id": "c-1"}}}})
}

#[test]
fn only_a_closed_list_of_failures_proves_that_nothing_was_done() {
    let error = |code: i64, data: Value| json!({"id": 1, "error": {"code": code, "data": data}});
    let typed = |category: &str| json!({"category": category, "code": "x"});
    let cases = [
        (
            typed_error("validation_error", "too_long"),
            Outcome::Refused,
        ),
        (typed_error("auth_error", "expired"), Outcome::Refused),
        (
            typed_error("rate_limit_error", "principal"),
            Outcome::Refused,
        ),
        (typed_error("client_error", "x"), Outcome::Refused),
        (typed_error("server_error", "thread_full"), Outcome::Refused),
        (typed_error("provider_error", "not_found"), Outcome::Refused),
        (
            typed_error("provider_error", "all_failed"),
            Outcome::Unknown,
        ),
        (typed_error("timeout_error", "tool"), Outcome::Unknown),
        (typed_error("server_error", "store"), Outcome::Unknown),
        (typed_error("", ""), Outcome::Unknown),
        (error(-32602, typed("validation_error")), Outcome::Refused),
        (
            error(-32602, json!({"uri": "exai://thread/1"})),
            Outcome::Refused,
        ),
        (error(-32602, Value::Null), Outcome::Unknown),
        (error(-32603, Value::Null), Outcome::Unknown),
        (json!({"id": 1, "result": {"content": []}}), Outcome::Ok),
        (
            json!({"id": 1, "result": {"isError": true, "content": []}}),
            Outcome::Unknown,
        ),
    ];
    for (reply, outcome) in cases {
        assert_eq!(
            read(reply.clone(), None, ProofKind::None).outcome,
            outcome,
            "{reply}"
        );
    }
}

#[test]
fn no_reply_is_unknown_and_belongs_to_nobody() {
    let mut exchange = Exchange::begun(20);
    exchange.fail(1_010, "deadline");
    let sender = Sender {
        transport: Transport::Stdio,
        identity: "ada",
    };
    let call = call(&plan(ProofKind::None), sender, 10, exchange);
    assert_eq!(
        (call.outcome, call.belongs, call.replies),
        (Outcome::Unknown, None, 0)
    );
    assert_eq!(
        (call.trouble.as_deref(), call.latency()),
        (Some("deadline"), 1_000)
    );
}

#[test]
fn a_failure_is_read_with_everything_it_says() {
    let call = read(
        typed_error("rate_limit_error", "principal"),
        Some(200),
        ProofKind::None,
    );
    let failure = call.failure.unwrap();
    assert_eq!(failure.retry_after_ms, Some(250));
    assert_eq!(failure.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(failure.message, "It did not work.");
    assert!(failure.retryable);
    assert!(call.answers.is_empty());
}

#[test]
fn a_failure_told_as_a_success_is_an_answer_without_proof() {
    let text = "Error: provider_error, please try again";
    let reply = json!({"id": 1, "result": {"content": [{"type": "text", "text": text}]}});
    let call = read(reply, Some(200), ProofKind::None);
    assert_eq!((call.outcome, call.failure), (Outcome::Ok, None));
    assert_eq!(call.answers[0].seal, text);
}

#[test]
fn the_reply_meta_and_the_answer_are_taken_from_their_places() {
    let reply = json!({"id": 1, "result": {
        "content": [
            {"type": "text", "text": "answer k.1.1 aa\np\nanswer k.1.1 aa\nseal b c"},
            {"type": "text", "text": "kimi, 12 tokens"}],
        "_meta": {"dev.exai/reply": {
            "continuation_id": "t-1", "turn": 3, "model_used": "m", "provider": "kimi",
            "failover": true, "replayed": true, "instance": "i-1", "correlation_id": "c"}}}});
    let call = read(reply, Some(200), ProofKind::None);
    let meta = call.meta.unwrap();
    assert_eq!(
        (meta.continuation_id.as_deref(), meta.turn),
        (Some("t-1"), Some(3))
    );
    assert!(meta.failover && meta.replayed);
    assert_eq!(call.instance.as_deref(), Some("i-1"));
    assert_eq!(
        (call.answers.len(), call.answers[0].seal.as_str()),
        (1, "seal b c")
    );
    assert_eq!((call.intended_at, call.sent_at, call.done_at), (10, 20, 30));
}

#[test]
fn needles_are_looked_for_in_text_and_structured_content_apart() {
    let needles = || ProofKind::Site {
        needles: vec!["blue-7".to_owned(), "red-9".to_owned()],
    };
    let reply = |text: &str, structured: Value| {
        json!({"id": 1, "result": {
            "content": [{"type": "text", "text": text}], "structuredContent": structured}})
    };
    let both = reply("blue-7 and red-9", json!({"a": "blue-7", "b": ["red-9"]}));
    let call = read(both, None, needles());
    assert_eq!(call.found, ["blue-7", "red-9"]);
    assert_eq!(call.structured.unwrap().found, ["blue-7", "red-9"]);
    let metadata_only = reply("blue-7 and red-9", json!({"red-9": 1}));
    let call = read(metadata_only, None, needles());
    assert_eq!(call.found, ["blue-7", "red-9"]);
    assert_eq!(call.structured.unwrap().found, ["red-9"]);
    let text_alone = json!({"id": 1, "result": {"content": [{"type": "text", "text": "blue-7"}]}});
    let call = read(text_alone, None, needles());
    assert_eq!(
        (call.found, call.structured),
        (vec!["blue-7".to_owned()], None)
    );
}

#[test]
fn a_keyed_answer_is_found_wherever_the_structured_content_holds_it() {
    let keyed = "answer k.1.1 aa\np\nanswer k.1.1 aa\nseal b c";
    let reply = |structured: Value| {
        let reply = json!({"id": 1, "result": {
            "content": [{"type": "text", "text": keyed}], "structuredContent": structured}});
        let call = read(reply, None, ProofKind::None);
        assert_eq!(call.answers.len(), 1);
        call.structured.unwrap().answers
    };
    let whole = reply(json!({"reply": {"turn": 1}, "text": keyed}));
    assert_eq!((whole.len(), whole[0].seal.as_str()), (1, "seal b c"));
    assert!(reply(json!({"text": "see the text"})).is_empty());
}

#[test]
fn the_structure_of_a_failure_is_no_answer() {
    let reply = typed_error("provider_error", "overloaded");
    assert_eq!(read(reply, None, ProofKind::None).structured, None);
}

#[test]
fn a_tracer_that_the_request_carried_itself_is_no_memory() {
    let tracers = ["old words", "other words"].map(|text| Planted {
        slot: "step.1".to_owned(),
        text: text.to_owned(),
    });
    let mut plan = plan(ProofKind::Memory {
        tracers: tracers.to_vec(),
    });
    let mut exchange = Exchange::begun(20);
    let text = json!([{"type": "text", "text": "# Plan: old words, other words"}]);
    exchange.take(&json!(1), 30, json!({"id": 1, "result": {"content": text}}));
    let sender = Sender {
        transport: Transport::Http2026,
        identity: "ada",
    };
    let found = call(&plan, sender, 10, exchange.clone()).found;
    assert_eq!(found, ["old words", "other words"]);
    plan.ask = Ask::Tool {
        name: "planner".to_owned(),
        arguments: json!({"step": "new", "notes": ["I said old words before"]}),
    };
    assert_eq!(call(&plan, sender, 10, exchange).found, ["other words"]);
}

#[test]
fn a_body_is_read_from_text_and_structured_content_apart() {
    let twin = || ProofKind::Twin {
        tracers: Vec::new(),
    };
    let reply = |text: &str, structured: Value| {
        json!({"id": 1, "result": {
            "content": [{"type": "text", "text": text}], "structuredContent": structured}})
    };
    let shown = json!({"payload": {"model": "m", "request_id": "x"}});
    let other = json!({"payload": {"model": "n"}});
    let body = json!({"model": "m"});
    let digest = body_sha256(body.as_object().unwrap());
    let text = shown.to_string();
    let read = |text: &str, structured: &Value| {
        let call = read(reply(text, structured.clone()), None, twin());
        (call.body_sha256, call.structured.unwrap().body_sha256)
    };
    let whole = Some(digest);
    assert_eq!(read(&text, &shown), (whole.clone(), whole.clone()));
    assert_ne!(read(&text, &other).1, whole);
    assert_eq!(read("no JSON", &shown), (None, whole));
}

#[test]
fn a_thread_read_gives_its_turns_by_digest() {
    let thread = json!({"id": "t-1", "turns": [
        {"turn": 1, "user": "hello", "assistant": "hi", "model": "m"},
        {"turn": 2, "user": "more", "assistant": null}]});
    let reply = json!({"id": 1, "result": {"contents": [
        {"uri": "exai://thread/t-1", "text": thread.to_string()}]}});
    let turns = read(reply, None, ProofKind::Read).turns.unwrap();
    assert_eq!(turns[0].user_sha256, sha256(b"hello"));
    assert_eq!(turns[0].answer_sha256, Some(sha256(b"hi")));
    assert_eq!((turns[1].turn, &turns[1].answer_sha256), (2, &None));
}

#[test]
fn the_plan_is_carried_over_whole() {
    let mut plan = plan(ProofKind::Read);
    plan.fault = Some("K02".to_owned());
    plan.thread = Some(ThreadUse {
        thread: "t".to_owned(),
        action: exai_judge::operation::ThreadAction::Read,
        key: None,
        user_sha256: None,
    });
    let sender = Sender {
        transport: Transport::Stdio,
        identity: "ada",
    };
    let call = call(&plan, sender, 10, Exchange::begun(1));
    assert_eq!(
        (call.op, call.criterion.as_str(), call.phase.as_str()),
        (4, "V.1", "all")
    );
    assert_eq!((call.fault, call.thread), (plan.fault, plan.thread));
}
