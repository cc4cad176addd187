//! Each spoiler's effect on calls, and that it leaves every other call as it was.

mod cap;
mod known;
mod subtle;

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, ORIGIN};
use serde_json::json;

use super::*;
use crate::impostor::journal::Line;
use crate::impostor::registry;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Rig {
    stage: Arc<Stage>,
    page: Page,
}

fn rig(name: &str, every: u64, params: Params) -> Rig {
    let page = Page::default();
    let name = registry::find(name).unwrap().name;
    let stage = Stage::new(
        name,
        Trigger::new(every, 0),
        Journal::new(page.clone()),
        params,
    );
    Rig {
        stage: Arc::new(stage),
        page,
    }
}

impl Rig {
    fn spoiled(&self) -> Vec<Value> {
        let text = String::from_utf8(self.page.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| match serde_json::from_str(line).unwrap() {
                Line::Spoiled { request_id, .. } => request_id,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    async fn before(&self, call: &Call) -> Option<Value> {
        match self.stage.before(call).await {
            Before::Answer(reply) => Some(reply),
            Before::Forward(_) => None,
        }
    }

    async fn after(&self, call: &Call, reply: &Value) -> Value {
        let mut changed = reply.clone();
        let says_changed = self.stage.after(call, &mut changed).await;
        assert_eq!(says_changed, changed != *reply);
        changed
    }
}

fn call(id: i64, tool: &str, prompt: &str) -> Call {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": {"prompt": prompt}}});
    Call::read(message, "session a").unwrap()
}

fn read(id: i64, thread: &str) -> Call {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "resources/read",
        "params": {"uri": format!("exai://thread/{thread}")}});
    Call::read(message, "session a").unwrap()
}

fn good(id: i64, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id,
        "result": {"content": [{"type": "text", "text": text}]}})
}

fn failed(id: i64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"isError": true,
        "content": [{"type": "text", "text": "provider refused"}],
        "structuredContent": {"error": {"category": "provider_error"}}}})
}

fn text(reply: &Value) -> &str {
    reply["result"]["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn none_changes_nothing_and_reads_nothing() {
    let rig = rig("none", 1, Params::default());
    assert!(!rig.stage.reads_messages());
    assert_eq!(rig.before(&call(1, "chat", "x")).await, None);
    assert_eq!(
        rig.after(&call(1, "chat", "x"), &good(1, "answer")).await,
        good(1, "answer")
    );
    assert!(rig.spoiled().is_empty());
}

#[tokio::test]
async fn canned_answers_every_kth_call_of_a_tool_it_remembers() {
    let rig = rig("canned", 2, Params::default());
    assert_eq!(rig.before(&call(1, "chat", "x")).await, None);
    rig.after(&call(1, "chat", "x"), &good(1, "answer kimi.1.1 aa"))
        .await;
    let canned = rig.before(&call(2, "chat", "y")).await.unwrap();
    assert_eq!(
        (canned["id"].as_i64(), text(&canned)),
        (Some(2), "answer kimi.1.1 aa")
    );
    assert_eq!(rig.before(&call(3, "chat", "z")).await, None);
    assert_eq!(rig.before(&call(4, "analyze", "z")).await, None);
    assert_eq!(rig.spoiled(), [json!(2)]);
}

#[tokio::test]
async fn replies_are_echoed_emptied_turned_and_given_away() {
    let echo = rig("echo", 1, Params::default());
    assert_eq!(
        text(
            &echo
                .after(&call(1, "chat", "mine"), &good(1, "answer"))
                .await
        ),
        "mine"
    );
    assert_eq!(
        echo.after(&call(2, "chat", "mine"), &failed(2)).await,
        failed(2)
    );

    let empty = rig("empty-success", 1, Params::default());
    assert_eq!(
        text(&empty.after(&call(1, "chat", "x"), &good(1, "answer")).await),
        ""
    );

    let turned = rig("failure-as-text", 1, Params::default());
    let reply = turned.after(&call(1, "chat", "x"), &failed(1)).await;
    assert_eq!(
        (reply["result"]["isError"].as_bool(), text(&reply)),
        (Some(false), "provider refused")
    );
    assert_eq!(
        turned.after(&call(2, "chat", "x"), &good(2, "a")).await,
        good(2, "a")
    );

    let canary = Params {
        canary: "sk-canary".into(),
        ..Params::default()
    };
    let secret = rig("secret-in-error", 1, canary);
    let reply = secret.after(&call(1, "chat", "x"), &failed(1)).await;
    assert!(text(&reply).contains("sk-canary"));
    assert_eq!(
        secret.after(&call(2, "chat", "x"), &good(2, "a")).await,
        good(2, "a")
    );
    for rig in [echo, empty, turned, secret] {
        assert_eq!(rig.spoiled(), [json!(1)], "{}", rig.stage.name());
    }
}

#[tokio::test]
async fn two_calls_under_way_are_crossed_and_a_lone_one_is_not() {
    let rig = rig("crossed", 1, Params::default());
    let (one, two) = (call(1, "chat", "x"), call(2, "chat", "y"));
    let (first, second) = (good(1, "answer one"), good(2, "answer two"));
    let (first, second) = tokio::join!(rig.after(&one, &first), rig.after(&two, &second));
    assert_eq!(
        (first["id"].as_i64(), text(&first)),
        (Some(1), "answer two")
    );
    assert_eq!(
        (second["id"].as_i64(), text(&second)),
        (Some(2), "answer one")
    );
    let mut spoiled = rig.spoiled();
    spoiled.sort_by_key(Value::as_i64);
    assert_eq!(spoiled, [json!(1), json!(2)]);
    assert_eq!(
        rig.after(&one, &good(1, "answer one")).await,
        good(1, "answer one")
    );
    assert_eq!(rig.spoiled().len(), 2);
}

#[tokio::test]
async fn a_session_dies_after_its_first_failure_and_no_other_does() {
    let rig = rig("dies-after-failure", 1, Params::default());
    let other = |id| Call {
        caller: "session b".into(),
        ..call(id, "chat", "x")
    };
    assert_eq!(rig.before(&call(1, "chat", "x")).await, None);
    rig.after(&call(1, "chat", "x"), &failed(1)).await;
    assert!(rig.before(&call(2, "chat", "x")).await.unwrap()["error"].is_object());
    assert_eq!(rig.before(&other(3)).await, None);
    assert_eq!(rig.spoiled(), [json!(2)]);
}

#[tokio::test]
async fn one_lock_lets_the_second_call_wait_for_the_first() {
    let rig = rig("one-lock", 1, Params::default());
    let first = rig.stage.before(&call(1, "chat", "x")).await;
    assert!(matches!(first, Before::Forward(Some(_))));
    let (stage, next) = (Arc::clone(&rig.stage), call(2, "chat", "x"));
    let mut second = tokio::spawn(async move { stage.before(&next).await });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
    assert!(early.is_err(), "the lock was free");
    drop(first);
    assert!(second.await.is_ok());
    assert_eq!(rig.spoiled(), [json!(2)]);
}

#[tokio::test]
async fn every_kth_call_is_slow_or_stalls() {
    let params = Params {
        delay_ms: 6,
        rare_ms: 40,
        ..Params::default()
    };
    for (name, wait) in [("slow-tail", 6), ("rare-stall", 40)] {
        let rig = rig(name, 3, params.clone());
        for number in 0..6 {
            let start = std::time::Instant::now();
            rig.before(&call(number, "chat", "x")).await;
            let waited = start.elapsed() >= Duration::from_millis(wait);
            assert!(number % 3 != 0 || waited, "{name} {number}");
        }
        assert_eq!(rig.spoiled(), [json!(0), json!(3)], "{name}");
    }
}

fn acknowledged(id: i64, turn: u64) -> Value {
    let mut reply = good(id, "answer");
    reply["result"]["_meta"] = json!({"dev.exai/reply": {"continuation_id": "t1", "turn": turn}});
    reply
}

fn thread(id: i64, turns: &[u64]) -> Value {
    let turns: Vec<Value> = turns.iter().map(|turn| json!({"turn": turn})).collect();
    let body = json!({"id": "t1", "turns": turns}).to_string();
    json!({"jsonrpc": "2.0", "id": id,
        "result": {"contents": [{"uri": "exai://thread/t1", "text": body}]}})
}

fn turns(reply: &Value) -> Vec<u64> {
    let body = reply["result"]["contents"][0]["text"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    body["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| turn["turn"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn threads_lose_double_or_lag_the_turns_chosen() {
    for (name, wanted) in [
        ("lost-turn", vec![2]),
        ("doubled-turn", vec![1, 1, 2]),
        ("stale-read", vec![1]),
        ("stale-first-read", vec![1]),
    ] {
        let rig = rig(name, 2, Params::default());
        for turn in [1, 2] {
            let id = i64::try_from(turn).unwrap();
            rig.after(&call(id, "chat", "x"), &acknowledged(id, turn))
                .await;
        }
        let reply = rig.after(&read(3, "t1"), &thread(3, &[1, 2])).await;
        assert_eq!(turns(&reply), wanted, "{name}");
        let other = rig.after(&read(4, "other"), &thread(4, &[1, 2])).await;
        assert_eq!(turns(&other), [1, 2], "{name}");
        assert_eq!(rig.spoiled(), [json!(3)], "{name}");
    }
}

#[tokio::test]
async fn a_reply_comes_under_the_id_of_the_call_before() {
    let rig = rig("wrong-id", 1, Params::default());
    assert_eq!(
        rig.after(&call(1, "chat", "x"), &good(1, "a")).await["id"],
        1
    );
    assert_eq!(
        rig.after(&call(2, "chat", "x"), &good(2, "a")).await["id"],
        1
    );
    assert_eq!(rig.spoiled(), [json!(2)]);
}

#[tokio::test]
async fn memory_is_kept_for_every_kth_request() {
    let rig = rig(
        "leak",
        3,
        Params {
            leak_bytes: 1_000,
            ..Params::default()
        },
    );
    for id in 0..7 {
        rig.before(&call(id, "chat", "x")).await;
    }
    assert_eq!(rig.spoiled(), [json!(0), json!(3), json!(6)]);
}

fn token(header: &Value, claims: &Value) -> String {
    use base64::Engine as _;
    let part =
        |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("Bearer {}.{}.c2ln", part(header), part(claims))
}

fn parts(token: &str) -> Parts {
    let request = Request::post("/mcp")
        .header(AUTHORIZATION, token)
        .header(ORIGIN, "http://evil");
    request.body(()).unwrap().into_parts().0
}

#[test]
fn tokens_and_origins_are_made_acceptable() {
    let (hs, later) = (json!({"alg": "HS256"}), json!({"exp": 9_999_999_999_u64}));
    let honest = token(&hs, &later);
    let params = Params {
        token: "good".into(),
        admin_token: "admin".into(),
        tool: "chat".into(),
        ..Params::default()
    };
    let bearer = |rig: &Rig, sent: &str, call: Option<&Call>| {
        let mut parts = parts(sent);
        rig.stage.head(&mut parts, call);
        (
            parts.headers[AUTHORIZATION].to_str().unwrap().to_owned(),
            parts,
        )
    };
    let none = rig("alg-none", 1, params.clone());
    let forged = token(&json!({"alg": "nOnE"}), &later);
    assert_eq!(bearer(&none, &forged, None).0, "Bearer good");
    assert_eq!(bearer(&none, &honest, None).0, honest);
    let expired = rig("expired-accepted", 1, params.clone());
    assert_eq!(
        bearer(&expired, &token(&hs, &json!({"exp": 5})), None).0,
        "Bearer good"
    );
    assert_eq!(bearer(&expired, &honest, None).0, honest);
    let rbac = rig("rbac-skipped", 1, params.clone());
    assert_eq!(
        bearer(&rbac, &honest, Some(&call(1, "chat", "x"))).0,
        "Bearer admin"
    );
    assert_eq!(
        bearer(&rbac, &honest, Some(&call(2, "status", "x"))).0,
        honest
    );
    let origin = rig("origin-unchecked", 1, params);
    assert!(
        bearer(&origin, &honest, None)
            .1
            .headers
            .get(ORIGIN)
            .is_none()
    );
    for rig in [none, expired, rbac, origin] {
        assert_eq!(rig.spoiled().len(), 1, "{}", rig.stage.name());
    }
}
