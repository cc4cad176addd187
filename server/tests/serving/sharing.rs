//! Equal calls of one principal: asked once while they run, answered from memory for a while, and
//! never across principals, tools or threads.

use std::thread;

use serde_json::{Value, json};

use super::dialect::{ask, chat, greeted, until_outcome};
use super::process::{JWT, SECRET, Server, call, call_headers, token, wait_for};
use super::provider::{answer, serve_asking, serve_asking_with};

fn about(result: &Value) -> &Value {
    &result["_meta"]["dev.exai/reply"]
}

fn post(server: &Server, tool: &str, arguments: Value, more: &[(&str, &str)]) -> Value {
    let mut headers = call_headers(tool);
    headers.extend(more);
    let reply = server.post(&call(tool, arguments), &headers);
    reply.json()["result"].clone()
}

fn one_step(step: &str) -> Value {
    json!({"step": step, "step_number": 1, "total_steps": 1, "next_step_required": false,
        "findings": "none"})
}

fn metric(server: &Server, line: &str) -> bool {
    let token = ("authorization", "Bearer 0a9b8c7d6e5f40312233445566778899");
    server.admin("/metrics", &[token]).body.contains(line)
}

#[test]
fn equal_calls_at_the_same_time_are_one_question_and_both_are_answered() {
    let (server, provider) = serve_asking(&[]);
    let (mut first, mut second) = (greeted(&server, json!({})), greeted(&server, json!({})));
    first.say(&chat("a", "slow one"));
    provider.wait_for_questions(1);
    second.say(&chat("b", "slow one"));
    let mut other = greeted(&server, json!({}));
    // Another tool with the same words is another question.
    let mut review = json!({"op": "call_tool", "request_id": "c", "name": "debug"});
    review["arguments"] = one_step("slow one");
    other.say(&review);
    provider.wait_for_questions(2);
    wait_for("all three calls in flight", || {
        metric(&server, "\nexai_in_flight 3\n").then_some(())
    });
    provider.open();
    let left = until_outcome(&mut first, &json!("a")).pop().unwrap();
    let right = until_outcome(&mut second, &json!("b")).pop().unwrap();
    for said in [&left, &right] {
        assert_eq!(said["outputs"][0]["text"], answer("slow one"), "{said}");
    }
    assert_eq!(left.get("from_inflight"), None, "{left}");
    assert_eq!(right["from_inflight"], true, "{right}");
    assert_eq!(about(&right)["from_inflight"], true, "{right}");
    let id = |said: &Value| about(said)["continuation_id"].clone();
    assert_eq!(id(&left), id(&right));
    let review = until_outcome(&mut other, &json!("c")).pop().unwrap();
    assert_eq!(review["op"], "call_tool_res", "{review}");
    assert_eq!(review.get("from_inflight"), None, "{review}");
    assert_eq!(provider.asked(), 2);
    assert!(metric(
        &server,
        "exai_cache_hits_total{cache=\"inflight\"} 1"
    ));
}

#[test]
fn equal_calls_of_two_principals_at_the_same_time_are_two_questions() {
    let settings: Vec<&str> = JWT.into_iter().collect();
    let (server, provider) = serve_asking_with(&settings, &[("EXAI_JWT_SECRET", SECRET)]);
    let greet = |name: &str| greeted(&server, json!({"jwt": token(name, &["user"])}));
    let (mut ada, mut eve) = (greet("ada"), greet("eve"));
    ada.say(&chat("a", "slow one"));
    eve.say(&chat("a", "slow one"));
    provider.wait_for_questions(2);
    provider.open();
    let outcomes = [&mut ada, &mut eve].map(|socket| {
        let said = until_outcome(socket, &json!("a")).pop().unwrap();
        assert_eq!(said["outputs"][0]["text"], answer("slow one"), "{said}");
        assert_eq!(said.get("from_inflight"), None, "{said}");
        about(&said)["continuation_id"].clone()
    });
    assert_ne!(outcomes[0], outcomes[1]);
    assert_eq!(provider.asked(), 2);
}

#[test]
fn a_question_whose_asker_leaves_is_asked_again_for_the_one_who_waits() {
    let (server, provider) = serve_asking(&[]);
    let (mut first, mut second) = (greeted(&server, json!({})), greeted(&server, json!({})));
    first.say(&chat("a", "slow one"));
    provider.wait_for_questions(1);
    second.say(&chat("b", "slow one"));
    wait_for("both calls in flight", || {
        metric(&server, "\nexai_in_flight 2\n").then_some(())
    });
    let cancelled = ask(&mut first, &json!({"op": "cancel", "request_id": "a"}));
    assert_eq!(cancelled["op"], "cancelled", "{cancelled}");
    provider.wait_for_questions(2);
    provider.open();
    let said = until_outcome(&mut second, &json!("b")).pop().unwrap();
    assert_eq!(said["outputs"][0]["text"], answer("slow one"), "{said}");
    assert_eq!(said.get("from_inflight"), None, "{said}");
}

#[test]
fn an_answer_is_given_again_for_a_while_and_then_made_anew() {
    let (server, provider) = serve_asking(&["tools.result_ttl=1500ms"]);
    let asked = |arguments: Value| post(&server, "chat", arguments, &[]);
    let first = asked(json!({"prompt": "one", "temperature": 0.1}));
    assert!(about(&first)["from_cache"].is_null(), "{first}");
    let again = asked(json!({"temperature": 0.1, "prompt": "one"}));
    assert_eq!(again["content"][0], first["content"][0]);
    assert_eq!(about(&again)["from_cache"], true, "{again}");
    assert_eq!(
        about(&again)["continuation_id"],
        about(&first)["continuation_id"]
    );
    assert_eq!(provider.asked(), 1);
    assert!(metric(&server, "exai_cache_hits_total{cache=\"result\"} 1"));
    let warmer = asked(json!({"prompt": "one", "temperature": 0.2}));
    assert!(about(&warmer)["from_cache"].is_null(), "{warmer}");
    assert_eq!(provider.asked(), 2);
    wait_for("a new answer", || {
        let later = asked(json!({"prompt": "one", "temperature": 0.1}));
        (about(&later)["from_cache"] != true).then_some(())
    });
    assert_eq!(provider.asked(), 3);
}

#[test]
fn a_kept_answer_stays_with_its_principal_its_tool_and_its_thread() {
    let settings: Vec<&str> = JWT.into_iter().collect();
    let env = [
        ("EXAI_JWT_SECRET", SECRET),
        ("EXAI_METRICS_TOKEN", "0a9b8c7d6e5f40312233445566778899"),
    ];
    let (server, provider) = serve_asking_with(&settings, &env);
    let bearer = |name: &str| format!("Bearer {}", token(name, &["user"]));
    let (ada, eve) = (bearer("ada"), bearer("eve"));
    let said = |who: &str, tool: &str, arguments: Value| {
        post(&server, tool, arguments, &[("authorization", who)])
    };
    let prompt = json!({"prompt": "one"});
    let first = said(&ada, "chat", prompt.clone());
    let crossed = said(&eve, "chat", prompt.clone());
    assert_ne!(about(&crossed)["from_cache"], true, "{crossed}");
    let id = &about(&first)["continuation_id"];
    assert_ne!(&about(&crossed)["continuation_id"], id);
    assert_eq!(provider.asked(), 2);
    for tool in ["debug", "analyze"] {
        let review = said(&ada, tool, one_step("one"));
        assert_ne!(about(&review)["from_cache"], true, "{review}");
    }
    assert_eq!(provider.asked(), 4);
    assert_eq!(
        about(&said(&ada, "chat", prompt.clone()))["from_cache"],
        true
    );
    // A continuation is never kept, and the thread it moved on no longer ends with the answer.
    for turn in [2, 3] {
        let on = json!({"prompt": "one", "continuation_id": id});
        let next = said(&ada, "chat", on);
        assert_eq!(about(&next)["turn"], turn, "{next}");
    }
    let anew = said(&ada, "chat", prompt);
    assert_ne!(&about(&anew)["continuation_id"], id, "{anew}");
    assert_ne!(about(&anew)["from_cache"], true, "{anew}");
    assert_eq!(provider.asked(), 7);
}

#[test]
fn failures_paths_searches_and_calls_that_ask_for_their_own_answer_are_not_shared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    let roots = format!("files.roots={}", folder.path().display());
    let settings = [
        roots.as_str(),
        "tools.websearch=on",
        "limits.result_chars=400000",
    ];
    let (server, provider) = serve_asking(&settings);
    let path = json!({"prompt": "read", "files": [file]});
    for text in ["before", "after"] {
        std::fs::write(&file, text).unwrap();
        let said = post(&server, "chat", path.clone(), &[]);
        let text = answer(text);
        let given = said["content"][0]["text"].as_str().unwrap();
        assert!(given.contains(&text), "{text}: {said}");
    }
    let asked = provider.asked();
    let search = json!({"prompt": "news", "use_websearch": true});
    let mut fresh = call("chat", json!({"prompt": "one"}));
    fresh["params"]["_meta"]["dev.exai/no-cache"] = json!(true);
    for _ in 0..2 {
        post(&server, "chat", search.clone(), &[]);
        let own = server.post(&fresh, &call_headers("chat")).json();
        assert_eq!(own["result"]["content"][0]["text"], "eno", "{own}");
    }
    let mut socket = greeted(&server, json!({}));
    let mut own = chat("a", "one");
    own["no_cache"] = json!(true);
    assert!(ask(&mut socket, &own).get("from_cache").is_none());
    assert_eq!(provider.asked(), asked + 5);
    fresh["params"]["_meta"]["dev.exai/no-cache"] = json!("yes");
    let refused = server.post(&fresh, &call_headers("chat")).json();
    let error = &refused["result"]["structuredContent"]["error"];
    assert_eq!(error["field"], "/_meta/dev.exai~1no-cache", "{refused}");
}

#[test]
fn a_failure_is_never_given_twice() {
    let (server, provider) = serve_asking(&[
        "timeouts.prompt.first_token=500ms",
        "timeouts.thinking.first_token=500ms",
    ]);
    let asked = json!({"prompt": "slow one"});
    let failed = post(&server, "chat", asked.clone(), &[]);
    assert_eq!(failed["isError"], true, "{failed}");
    let before = provider.asked();
    provider.open();
    let good = wait_for("the provider to be asked again", || {
        let said = post(&server, "chat", asked.clone(), &[]);
        (said["isError"] != true).then_some(said)
    });
    assert_eq!(good["content"][0]["text"], answer("slow one"), "{good}");
    assert_ne!(about(&good)["from_cache"], true);
    assert!(provider.asked() > before);
}

#[test]
fn without_room_for_answers_each_call_is_asked_for() {
    let (server, provider) = serve_asking(&["tools.result_bytes=0"]);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let address = server.public;
            thread::spawn(move || {
                let body = call("chat", json!({"prompt": "one"})).to_string();
                let headers = call_headers("chat");
                super::process::request(address, "POST", "/mcp", &headers, body.as_bytes())
            })
        })
        .collect();
    for one in calls {
        assert_eq!(one.join().unwrap().json()["result"]["isError"], false);
    }
    assert_eq!(provider.asked(), 3);
}
