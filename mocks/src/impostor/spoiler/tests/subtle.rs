//! The subtle twins: each acts on its own calls and on no other.

use http::{Response, StatusCode};

use super::*;

fn from(caller: &str, call: Call) -> Call {
    Call {
        caller: caller.to_owned(),
        ..call
    }
}

fn last_step(id: i64, tool: &str, is_last: bool) -> Call {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool, "arguments": {"step": "s", "next_step_required": !is_last}}});
    Call::read(message, "session a").unwrap()
}

#[tokio::test]
async fn only_the_last_step_of_one_tool_is_answered_from_memory() {
    let rig = rig("canned-review", 1, Params::default());
    assert_eq!(
        rig.before(&last_step(1, "debug", true)).await,
        None,
        "nothing known yet"
    );
    let answer = good(2, "answer kimi.1.1 aa");
    rig.after(&last_step(2, "analyze", true), &answer).await;
    for other in [last_step(3, "analyze", true), last_step(4, "debug", false)] {
        assert_eq!(rig.before(&other).await, None);
    }
    let canned = rig.before(&last_step(5, "debug", true)).await.unwrap();
    assert_eq!(text(&canned), "answer kimi.1.1 aa");
    assert_eq!(rig.spoiled(), [json!(5)]);
}

#[tokio::test]
async fn an_equal_call_of_another_caller_gets_the_first_answer() {
    let rig = rig("shared-answers", 1, Params::default());
    assert_eq!(rig.before(&call(1, "chat", "x")).await, None);
    rig.after(&call(1, "chat", "x"), &good(1, "answer kimi.1.1 aa"))
        .await;
    assert_eq!(
        rig.before(&call(2, "chat", "x")).await,
        None,
        "the caller's own repeat"
    );
    let near = from("session b", call(3, "chat", "x."));
    assert_eq!(rig.before(&near).await, None);
    let other = from("session b", call(4, "chat", "x"));
    assert_eq!(
        text(&rig.before(&other).await.unwrap()),
        "answer kimi.1.1 aa"
    );
    assert_eq!(rig.spoiled(), [json!(4)]);
}

#[tokio::test]
async fn two_calls_are_crossed_only_among_many() {
    let rig = rig("crossed-under-load", 1, Params::default());
    let (one, two) = (call(1, "chat", "x"), call(2, "chat", "y"));
    let (first, second) = (good(1, "answer one"), good(2, "answer two"));
    for id in 1..=2 {
        rig.before(&call(id, "chat", "x")).await;
    }
    let alone = tokio::join!(rig.after(&one, &first), rig.after(&two, &second));
    assert_eq!(
        (text(&alone.0), text(&alone.1)),
        ("answer one", "answer two")
    );
    for id in 1..=30 {
        rig.before(&call(id, "chat", "x")).await;
    }
    let among = tokio::join!(rig.after(&one, &first), rig.after(&two, &second));
    assert_eq!(
        (text(&among.0), text(&among.1)),
        ("answer two", "answer one")
    );
    assert_eq!(rig.spoiled().len(), 2);
}

fn of_class(id: i64, category: &str) -> Value {
    let mut reply = failed(id);
    reply["result"]["structuredContent"]["error"]["category"] = category.into();
    reply
}

#[tokio::test]
async fn a_session_dies_of_the_third_failure_of_one_class() {
    let rig = rig("dies-after-third", 1, Params::default());
    let failures = ["tool_error", "provider_error", "tool_error"];
    for (id, category) in (1..).zip(failures) {
        let failing = call(id, "chat", "x");
        assert_eq!(rig.before(&failing).await, None);
        rig.after(&failing, &of_class(id, category)).await;
    }
    assert_eq!(
        rig.before(&call(4, "chat", "x")).await,
        None,
        "two of one class"
    );
    rig.after(&call(4, "chat", "x"), &of_class(4, "tool_error"))
        .await;
    assert!(rig.before(&call(5, "chat", "x")).await.is_some());
    let other = from("session b", call(6, "chat", "x"));
    assert_eq!(rig.before(&other).await, None);
    assert_eq!(rig.spoiled(), [json!(5)]);
}

#[tokio::test]
async fn the_tail_of_a_long_answer_goes_and_its_closing_lines_stay() {
    let rig = rig("lost-tail", 1, Params::default());
    let (prose, closing) = ("é".repeat(1_200), "answer k.1.1 aa\nseal b c");
    let long = good(1, &format!("answer k.1.1 aa\n{prose}\n{closing}"));
    let cut = rig.after(&call(1, "chat", "x"), &long).await;
    let kept = text(&cut).strip_prefix("answer k.1.1 aa\n").unwrap();
    let kept = kept.strip_suffix(&format!("\n{closing}")).unwrap();
    let lost = 1_200 - kept.chars().count();
    assert!((10..20).contains(&lost), "{lost}");
    let short = good(2, &format!("answer k.1.1 aa\nprose\n{closing}"));
    assert_eq!(rig.after(&call(2, "chat", "x"), &short).await, short);
    assert_eq!(rig.spoiled(), [json!(1)]);
}

#[tokio::test]
async fn failures_structures_cursors_and_ids_are_spoiled_one_by_one() {
    let foreign = rig("foreign-failure-as-text", 1, Params::default());
    let reply = foreign.after(&call(1, "chat", "x"), &failed(1)).await;
    assert_eq!(reply["result"]["isError"], false);
    let own = of_class(2, "validation_error");
    assert_eq!(foreign.after(&call(2, "chat", "x"), &own).await, own);

    let mut both = good(1, "answer");
    both["result"]["structuredContent"] = json!({"content": "answer"});
    let hollow = rig("hollow-structure", 1, Params::default());
    let reply = hollow.after(&call(1, "status", "x"), &both).await;
    assert!(
        !reply["result"]["structuredContent"]
            .to_string()
            .contains("content")
    );
    for same in [good(2, "answer"), failed(2)] {
        assert_eq!(hollow.after(&call(2, "status", "x"), &same).await, same);
    }

    let id = rig("spelled-id", 1, Params::default());
    let reply = id.after(&call(1, "chat", "x"), &good(1, "answer")).await;
    assert_eq!(reply["id"], "1");

    let list = |id: i64, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": params});
        Call::read(message, "session a").unwrap()
    };
    let cursor = rig("cursor-accepted", 1, Params::default());
    let refused = |id: i64| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602}});
    let reply = cursor
        .after(&list(1, json!({"cursor": "made up"})), &refused(1))
        .await;
    assert_eq!(reply["result"]["tools"], json!([]));
    assert_eq!(
        cursor.after(&list(2, json!({})), &refused(2)).await,
        refused(2)
    );
    for rig in [foreign, hollow, id, cursor] {
        assert_eq!(rig.spoiled(), [json!(1)], "{}", rig.stage.name());
    }
}

#[test]
fn every_second_denial_goes_under_an_id_of_its_own() {
    let rig = rig("unaudited", 2, Params::default());
    let reply = |status: StatusCode| {
        let reply = Response::builder()
            .status(status)
            .header("exai-correlation-id", "own");
        let mut parts = reply.body(()).unwrap().into_parts().0;
        rig.stage.reply_head(&mut parts);
        parts.headers["exai-correlation-id"].clone()
    };
    assert_eq!(reply(StatusCode::OK), "own");
    assert_eq!(reply(StatusCode::UNAUTHORIZED), "unaudited-0");
    assert_eq!(reply(StatusCode::FORBIDDEN), "own");
    assert_eq!(reply(StatusCode::FORBIDDEN), "unaudited-1");
}

#[tokio::test]
async fn every_second_answer_names_its_instance_nowhere() {
    let rig = rig("nameless", 2, Params::default());
    let named = |status: StatusCode| {
        let reply = Response::builder().status(status).header("etag", "own");
        let reply = reply.header("exai-instance", "one").body(()).unwrap();
        let mut parts = reply.into_parts().0;
        rig.stage.answer_head(&mut parts);
        assert_eq!(parts.headers["etag"], "own");
        parts.headers.contains_key("exai-instance")
    };
    assert!(named(StatusCode::UNAUTHORIZED), "no answer");
    assert!(!named(StatusCode::OK));
    let mut own = good(1, "answer glm.1.1 aa");
    own["result"]["_meta"]["dev.exai/reply"] = json!({"model_used": "m", "instance": "one"});
    let mut nowhere = own.clone();
    nowhere["result"]["_meta"]["dev.exai/reply"] = json!({"model_used": "m"});
    for (id, wanted) in [(1, &nowhere), (2, &own), (3, &nowhere), (4, &own)] {
        assert_eq!(
            rig.after(&call(id, "chat", "x"), &own).await,
            *wanted,
            "{id}"
        );
    }
    let bare = good(5, "answer glm.1.2 aa");
    assert_eq!(rig.after(&call(5, "chat", "x"), &bare).await, bare);
    assert_eq!(rig.spoiled(), [json!(1), json!(3)]);
}

#[tokio::test]
async fn an_answer_in_the_place_of_another_names_nobody_and_any_other_is_left() {
    let rig = rig("unnamed-failover", 1, Params::default());
    let about = |is_failover: bool| {
        let mut reply = good(1, "answer glm.1.1 aa");
        reply["result"]["_meta"]["dev.exai/reply"] =
            json!({"model_used": "m", "provider": "glm", "failover": is_failover});
        reply
    };
    let own = rig.after(&call(1, "chat", "x"), &about(false)).await;
    assert_eq!(own, about(false));
    let other = rig.after(&call(2, "chat", "x"), &about(true)).await;
    let meta = &other["result"]["_meta"]["dev.exai/reply"];
    assert_eq!(*meta, json!({"model_used": "m", "failover": true}));
    let bare = good(3, "answer glm.1.2 aa");
    assert_eq!(rig.after(&call(3, "chat", "x"), &bare).await, bare);
    assert_eq!(rig.spoiled(), [json!(2)]);
}

#[tokio::test]
async fn only_the_first_read_after_a_turn_is_stale() {
    let rig = rig("stale-first-read", 1, Params::default());
    rig.after(&call(1, "chat", "x"), &acknowledged(1, 1)).await;
    rig.after(&call(2, "chat", "x"), &acknowledged(2, 2)).await;
    let first = rig.after(&read(3, "t1"), &thread(3, &[1, 2])).await;
    assert_eq!(turns(&first), [1]);
    let second = rig.after(&read(4, "t1"), &thread(4, &[1, 2])).await;
    assert_eq!(turns(&second), [1, 2]);
    assert_eq!(rig.spoiled(), [json!(3)]);
}

#[tokio::test]
async fn a_secret_is_printed_in_base64_and_not_plainly() {
    use base64::Engine as _;
    let params = Params {
        canary: "sk-canary-0123456789".into(),
        ..Params::default()
    };
    let rig = rig("encoded-secret", 1, params);
    let reply = rig.after(&call(1, "chat", "x"), &failed(1)).await;
    let dumped = base64::engine::general_purpose::STANDARD.encode("k=sk-canary-0123456789");
    assert!(text(&reply).contains(&dumped) && !text(&reply).contains("canary"));
    assert_eq!(rig.spoiled(), [json!(1)]);
}

/// What a request's head looks like behind the impostor: its token and its origin.
fn behind(rig: &Rig, request: http::request::Builder) -> (String, bool) {
    let mut parts = request.body(()).unwrap().into_parts().0;
    rig.stage.head(&mut parts, None);
    let bearer = parts.headers[AUTHORIZATION].to_str().unwrap().to_owned();
    (bearer, parts.headers.contains_key(ORIGIN))
}

#[test]
fn tokens_are_made_acceptable_in_one_place_alone() {
    let params = Params {
        token: "good".into(),
        admin_token: "admin".into(),
        ..Params::default()
    };
    let (hs, later) = (json!({"alg": "HS256"}), json!({"exp": 9_999_999_999_u64}));
    let unsigned = token(&json!({"alg": "none"}), &later);
    let expired = token(&hs, &json!({"exp": 5}));
    let role = |role: &str| token(&hs, &json!({"exp": 9_999_999_999_u64, "roles": [role]}));
    let (old, new) = ("2025-11-25", "2026-07-28");
    let rows = [
        ("alg-none-upgrade", "/ws", new, unsigned.clone(), true),
        ("alg-none-upgrade", "/mcp", new, unsigned.clone(), false),
        ("alg-none-upgrade", "/ws", new, expired.clone(), false),
        ("expired-stateless", "/mcp", new, expired.clone(), true),
        ("expired-stateless", "/mcp", old, expired, false),
        ("expired-stateless", "/mcp", new, unsigned, false),
        ("role-case", "/mcp", new, role("Admin"), true),
        ("role-case", "/mcp", new, role("admin"), false),
        ("role-case", "/mcp", new, role("user"), false),
    ];
    for (name, path, revision, sent, is_spoiled) in rows {
        let rig = rig(name, 1, params.clone());
        let request = Request::post(path)
            .header("MCP-Protocol-Version", revision)
            .header(AUTHORIZATION, &sent);
        let seen = behind(&rig, request).0;
        let good = ["Bearer good", "Bearer admin"].contains(&seen.as_str());
        assert_eq!(
            (good, seen == sent),
            (is_spoiled, !is_spoiled),
            "{name} {path}"
        );
        assert_eq!(
            rig.spoiled().len(),
            usize::from(is_spoiled),
            "{name} {path}"
        );
    }
}

#[test]
fn only_the_origin_of_a_page_without_one_is_taken_away() {
    let rig = rig("origin-null", 1, Params::default());
    let from = |origin: &str| {
        let request = Request::post("/mcp").header(AUTHORIZATION, "Bearer x");
        behind(&rig, request.header(ORIGIN, origin)).1
    };
    assert!(from("http://evil") && !from("null"));
    assert_eq!(rig.spoiled().len(), 1);
}
