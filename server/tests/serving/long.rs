//! Calls that outlast their request: tasks on any replica, and the calls that collect an answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{JWT, SECRET, Server, call, call_headers, serve, token, wait_for};
use super::provider::{Provider, answer};
use super::redis::Redis;
use super::stateless::{begin, task};

const KEY: (&str, &str) = ("KIMI_API_KEY", "sk-0123456789abcdef");

/// Two replicas on one store, asking one provider.
struct Pair {
    provider: Provider,
    first: Server,
    second: Server,
    // Dropped after the servers that use them.
    _redis: Option<Redis>,
    _folder: tempfile::TempDir,
}

/// A pair on each store there is.
fn pairs(settings: &[&str]) -> Vec<Pair> {
    let embedded = Some(None);
    let redis = Redis::start().map(Some);
    let homes: Vec<Option<Redis>> = [embedded, redis].into_iter().flatten().collect();
    homes.into_iter().map(|home| pair(home, settings)).collect()
}

fn pair(redis: Option<Redis>, settings: &[&str]) -> Pair {
    let provider = Provider::start();
    let folder = tempfile::tempdir().unwrap();
    let store = match &redis {
        Some(redis) => vec![
            "store.kind=redis".into(),
            format!("store.url={}", redis.url),
        ],
        None => vec![format!(
            "store.path={}",
            folder.path().join("x.sqlite").display()
        )],
    };
    let own = [provider.settings(), store].concat();
    let all: Vec<&str> = own
        .iter()
        .map(String::as_str)
        .chain(settings.iter().copied())
        .collect();
    let env = [KEY, ("EXAI_JWT_SECRET", SECRET)];
    Pair {
        first: serve(&all, &env),
        second: serve(&all, &env),
        provider,
        _redis: redis,
        _folder: folder,
    }
}

fn until_ended(server: &Server, id: &str, bearer: &str) -> Value {
    wait_for("the task's end", || {
        let said = task(server, "tasks/get", id, bearer);
        assert!(said["result"].is_object(), "{said}");
        (said["result"]["status"] != "working").then(|| said["result"].clone())
    })
}

#[test]
fn a_task_is_told_finished_and_cancelled_by_a_replica_that_does_not_run_it() {
    let jwt: Vec<&str> = JWT
        .iter()
        .copied()
        .chain(["limits.task_after=200ms"])
        .collect();
    for pair in pairs(&jwt) {
        let bearer = |name: &str| format!("Bearer {}", token(name, &["user"]));
        let (ada, eve) = (bearer("ada"), bearer("eve"));
        let done = begin(&pair.first, "slow one", &ada);
        let stopped = begin(&pair.first, "slow two", &ada);
        for id in [&done, &stopped] {
            let said = task(&pair.second, "tasks/get", id, &ada);
            assert_eq!(said["result"]["status"], "working", "{said}");
            for method in ["tasks/get", "tasks/cancel"] {
                let foreign = task(&pair.second, method, id, &eve);
                assert_eq!(
                    foreign["error"]["data"]["code"], "task_not_found",
                    "{foreign}"
                );
            }
        }
        let asked = Instant::now();
        let said = task(&pair.second, "tasks/cancel", &stopped, &ada);
        assert!(said["result"].is_object(), "{said}");
        wait_for("the provider to be left", || {
            (pair.provider.left() == 1).then_some(())
        });
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
        assert_eq!(
            until_ended(&pair.second, &stopped, &ada)["status"],
            "cancelled"
        );

        pair.provider.open();
        let ended = until_ended(&pair.second, &done, &ada);
        assert_eq!(ended["status"], "completed", "{ended}");
        assert_eq!(ended["result"]["content"][0]["text"], answer("slow one"));
        assert_eq!(pair.provider.asked(), 2);
    }
}

#[test]
fn the_task_of_a_replica_that_was_killed_fails_by_type_and_a_finished_one_is_kept() {
    for mut pair in pairs(&["limits.task_after=200ms"]) {
        pair.provider.open();
        let done = begin(&pair.first, "paced 900 1000 ", "");
        until_ended(&pair.first, &done, "");
        pair.provider.shut();
        let lost = begin(&pair.first, "slow one", "");
        let said = task(&pair.second, "tasks/get", &lost, "");
        assert_eq!(said["result"]["status"], "working", "{said}");
        pair.first.child.kill().unwrap();
        let ended = until_ended(&pair.second, &lost, "");
        assert_eq!(ended["status"], "failed", "{ended}");
        assert_eq!(ended["error"]["data"]["code"], "call_abandoned", "{ended}");
        assert_eq!(
            ended["error"]["data"]["category"], "server_error",
            "{ended}"
        );
        assert_eq!(ended["error"]["data"]["retryable"], true, "{ended}");
        let kept = until_ended(&pair.second, &done, "");
        assert_eq!(kept["status"], "completed", "{kept}");
        assert_eq!(
            kept["result"]["content"][0]["text"],
            answer("paced 900 1000 ")
        );
    }
}

#[test]
fn the_next_call_sent_verbatim_to_another_replica_brings_the_answer_paid_once() {
    for pair in pairs(&["limits.soft_deadline=300ms"]) {
        let ask = |server: &Server, tool: &str, arguments: &Value| {
            server
                .post(&call(tool, arguments.clone()), &call_headers(tool))
                .json()["result"]
                .take()
        };
        let first = ask(&pair.first, "chat", &json!({"prompt": "slow one"}));
        let status = &first["structuredContent"];
        assert_eq!(
            (&first["isError"], &status["status"]),
            (&json!(false), &json!("in_progress"))
        );
        assert!(status["continuation_id"].is_string(), "{status}");
        let next = &status["next_call"];
        let tool = next["tool"].as_str().unwrap();
        let again = ask(&pair.second, tool, &next["arguments"]);
        assert_eq!(
            again["structuredContent"]["status"], "in_progress",
            "{again}"
        );
        assert_eq!(&again["structuredContent"]["next_call"], next);
        pair.provider.open();
        wait_for("the answer", || {
            let said = ask(&pair.second, tool, &next["arguments"]);
            (said["content"][0]["text"] == answer("slow one")).then_some(())
        });
        assert_eq!(pair.provider.asked(), 1);
    }
}
