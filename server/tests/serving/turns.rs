//! Every tool of the full profile, called in both revisions over two instances that take requests
//! in turn: each tool at both, and the second step of each workflow at the other one.

use std::collections::BTreeSet;

use serde_json::Value;

use super::process::{Reply, Server, call, call_headers, initialize, request, serve, wait_for};
use super::redis::Redis;
use super::replicas::Proxy;

fn instance(redis: &Redis) -> Server {
    let url = format!("store.url={}", redis.url);
    let settings = [
        "--demo",
        "tools.profile=full",
        "store.kind=redis",
        "limits.rate.address=10000",
        &url,
    ];
    let server = serve(&settings, &[]);
    wait_for("readiness", || {
        (server.admin("/health/ready", &[]).status == 200).then_some(())
    });
    server
}

/// The steps that the clients of others take, each a call of one tool.
fn steps() -> Vec<Value> {
    let text = include_str!("../clients/every_tool.json");
    let steps: Vec<Value> = serde_json::from_str(text).unwrap();
    let is_call = |step: &Value| step["do"] == "tools/call";
    steps.into_iter().filter(is_call).collect()
}

/// The proxy, and the session of a caller that speaks 2025-11-25.
struct Caller {
    proxy: Proxy,
    session: Option<String>,
}

impl Caller {
    fn send(&self, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let body = body.to_string();
        request(self.proxy.address, "POST", "/mcp", headers, body.as_bytes())
    }

    fn begin(&mut self) {
        let begun = self.send(&initialize(), &[]);
        self.session = begun.header("mcp-session-id").map(str::to_owned);
        assert!(self.session.is_some(), "{begun:?}");
    }

    fn call(&self, tool: &str, arguments: &Value) -> Reply {
        let mut body = call(tool, arguments.clone());
        let Some(session) = &self.session else {
            return self.send(&body, &call_headers(tool));
        };
        body["params"].as_object_mut().unwrap().remove("_meta");
        let headers = [
            ("mcp-session-id", session.as_str()),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        self.send(&body, &headers)
    }
}

/// The call after this one: the second step of a workflow, or the same call.
fn next(arguments: &Value, result: &Value) -> Value {
    let mut next = arguments.clone();
    let thread = &result["_meta"]["dev.exai/reply"]["continuation_id"];
    // A consensus is complete after its first step.
    if arguments["step"].is_string() && arguments["models"].is_null() && thread.is_string() {
        next["step_number"] = 2.into();
        next["continuation_id"] = thread.clone();
    }
    next
}

#[test]
fn every_tool_answers_at_both_instances_in_both_revisions_and_workflows_go_on_at_the_other() {
    let Some(redis) = Redis::start() else { return };
    let servers = [instance(&redis), instance(&redis)];
    let mut caller = Caller {
        proxy: Proxy::before(&servers),
        session: None,
    };
    let steps = steps();
    assert!(steps.len() >= 25, "{} tools", steps.len());
    for revision in ["2026-07-28", "2025-11-25"] {
        let mut workflows = 0;
        for step in &steps {
            let (tool, mut arguments) = (step["name"].as_str().unwrap(), step["arguments"].clone());
            let mut instances = BTreeSet::new();
            for _ in 0..2 {
                let reply = caller.call(tool, &arguments);
                let result = reply.json()["result"].clone();
                let wanted = &step["expect"]["is_error"];
                assert_eq!(&result["isError"], wanted, "{revision} {tool}: {reply:?}");
                instances.insert(reply.header("exai-instance").unwrap().to_owned());
                arguments = next(&arguments, &result);
            }
            assert_eq!(
                instances.len(),
                2,
                "{revision} {tool}: one instance answered"
            );
            workflows += usize::from(arguments["continuation_id"].is_string());
        }
        assert!(workflows >= 8, "{workflows} workflows went on");
        caller.begin();
    }
}
