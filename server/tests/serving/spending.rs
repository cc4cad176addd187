//! Who spent what, and what happens at the end of a budget.

use serde_json::{Value, json};

use super::elicitation::{accept, back, carrying, code, posted, text};
use super::process::{JWT, SECRET, Server, call, call_headers, exai, serve, wait_for};
use super::providers::started_with;
use super::redis::Redis;
use super::socket::{Socket, open, tool_call};
use super::talk::{Talk as _, capable};
use super::upstream::{Seen, Upstream};

/// Answers with as many tokens as the question says: `in`, `out`, `cached`.
fn metered(seen: &Seen) -> Value {
    let said = seen.body["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
    let figure = |name: &str| -> u64 {
        let from = said.find(&format!("{name}=")).map(|at| at + name.len() + 1);
        let digits = from.map(|at| said[at..].chars().take_while(char::is_ascii_digit));
        digits.map_or(0, |digits| digits.collect::<String>().parse().unwrap())
    };
    let usage = json!({"prompt_tokens": figure("in"), "completion_tokens": figure("out"),
        "prompt_tokens_details": {"cached_tokens": figure("cached")}});
    json!({"id": "c", "model": "m", "usage": usage, "choices": [{"index": 0,
        "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]})
}

fn upstream() -> Upstream {
    Upstream::start(metered)
}

fn bearer(subject: &str, team: Option<&str>) -> String {
    let mut command = exai(&[("EXAI_JWT_SECRET", SECRET)]);
    command.args(["token", "--sub", subject, "--role", "admin", "--ttl", "600"]);
    command.args(team.iter().flat_map(|team| ["--team", team]));
    command.args(JWT.iter().flat_map(|pair| ["--set", pair]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    format!(
        "Bearer {}",
        String::from_utf8(output.stdout).unwrap().trim()
    )
}

/// A server with tokens whose Kimi and GLM are the upstream.
fn with_tokens(upstream: &Upstream, own: &[&str]) -> Server {
    let settings: Vec<&str> = JWT.iter().chain(own).copied().collect();
    let metrics = ("EXAI_METRICS_TOKEN", "0a9b8c7d6e5f40312233445566778899");
    started_with(upstream, &settings, &[("EXAI_JWT_SECRET", SECRET), metrics])
}

fn ask_as(server: &Server, bearer: &str, model: &str, prompt: &str) -> Value {
    let arguments = json!({"prompt": prompt, "model": model});
    posted(server, bearer, &call("chat", arguments))
}

fn chat(server: &Server, prompt: &str, more: Value) -> Value {
    let mut arguments = json!({"prompt": prompt, "model": "kimi-k2.6"});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    posted(server, "", &call("chat", arguments))
}

/// `exai usage` on the server's own store.
fn usage(server: &Server, by: &str) -> Vec<Value> {
    let dir = format!("server.state_dir={}", server.state.path().display());
    let mut command = exai(&[]);
    let output = command
        .args(["usage", "--json", "--by", by, "--set", &dir])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["usage"].as_array().unwrap().clone()
}

fn figures(rows: &[Value]) -> Vec<(String, u64, u64, u64, String)> {
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| {
            let name = row["name"].as_str().unwrap().to_owned();
            let cost = row["cost_usd"].as_str().unwrap().to_owned();
            let calls = number(row, "calls");
            (
                name,
                calls,
                number(row, "input_tokens"),
                number(row, "output_tokens"),
                cost,
            )
        })
        .collect();
    told.sort();
    told
}

/// Tokens that the provider has counted: its own requests, metered again.
fn journal(upstream: &Upstream) -> (u64, u64, u64) {
    let posts = upstream.posts();
    let of = |seen: &Seen, name: &str| metered(seen)["usage"][name].as_u64().unwrap();
    let sum = |name: &str| posts.iter().map(|seen| of(seen, name)).sum::<u64>();
    (
        posts.len() as u64,
        sum("prompt_tokens"),
        sum("completion_tokens"),
    )
}

#[test]
fn totals_by_user_team_tool_and_model_equal_what_the_providers_counted() {
    let upstream = upstream();
    let server = with_tokens(&upstream, &[]);
    let (ann, bob, eve) = (
        bearer("ann", Some("core")),
        bearer("bob", Some("core")),
        bearer("eve", None),
    );
    ask_as(&server, &ann, "kimi-k2.6", "in=1000 out=200");
    ask_as(&server, &ann, "kimi-k2.6", "in=3000 out=100 cached=1000");
    ask_as(&server, &bob, "glm-5-turbo", "in=500 out=50");
    let raw = json!({"messages": [{"role": "user", "content": "in=70 out=30"}]});
    posted(&server, &eve, &call("kimi_chat_with_tools", raw));
    let (posts, input, output) = journal(&upstream);
    assert_eq!((posts, input, output), (4, 4570, 380));
    wait_for("the last settlement", || {
        let days = figures(&usage(&server, "day"));
        days.first().filter(|day| day.1 == 4).map(drop)
    });
    let day = figures(&usage(&server, "day"));
    assert_eq!((day[0].2, day[0].3), (input, output));
    // kimi-k2.6: 0.95 in, 0.16 cached, 4 out for a million tokens.
    let rows = figures(&usage(&server, "user"));
    let ann_usd = "0.00421".to_owned();
    assert_eq!(
        rows[0],
        ("ann".to_owned(), 2, 4000, 300, ann_usd),
        "{rows:?}"
    );
    assert_eq!(
        (&*rows[1].0, rows[1].1, rows[1].2, rows[1].3),
        ("bob", 1, 500, 50)
    );
    assert_eq!(
        rows[2],
        ("eve".to_owned(), 1, 70, 30, "0.0001865".to_owned())
    );
    let teams = figures(&usage(&server, "team"));
    let told: Vec<_> = teams.iter().map(|row| (&*row.0, row.1, row.2)).collect();
    assert_eq!(told, [("", 1, 70), ("core", 3, 4500)]);
    let tools = figures(&usage(&server, "tool"));
    let told: Vec<_> = tools.iter().map(|row| (&*row.0, row.1)).collect();
    assert_eq!(told, [("chat", 3), ("kimi_chat_with_tools", 1)]);
    let models = figures(&usage(&server, "model"));
    let told: Vec<_> = models.iter().map(|row| (&*row.0, row.1, row.2)).collect();
    assert_eq!(
        told,
        [("glm/glm-5-turbo", 1, 500), ("kimi/kimi-k2.6", 3, 4070)]
    );
    let metrics = server.admin("/metrics", &[("authorization", &ann)]).body;
    let line =
        "exai_provider_tokens_total{provider=\"kimi\",model=\"kimi-k2.6\",type=\"input\"} 4070\n";
    assert!(metrics.contains(line), "{metrics}");
    for name in ["ann", "bob", "eve", "core"] {
        assert!(
            !metrics.contains(&format!("\"{name}\"")),
            "{name} labels a metric"
        );
    }
}

#[test]
fn a_reply_warns_at_four_fifths_and_the_refusal_names_the_reset() {
    let upstream = upstream();
    let server = started_with(&upstream, &["budget.user=day_tokens=1000"], &[]);
    let first = chat(&server, "in=700 out=99", json!({}));
    assert!(!first.to_string().contains("budget: "), "{first}");
    let second = chat(&server, "in=0 out=1", json!({}));
    let warnings = &second["_meta"]["dev.exai/reply"]["warnings"];
    let said = warnings[0].as_str().unwrap_or_else(|| panic!("{second}"));
    assert!(
        said.starts_with("budget: 80 % of the day's budget of user anonymous"),
        "{said}"
    );
    assert!(
        second["content"][1]["text"]
            .as_str()
            .unwrap()
            .contains(said),
        "{second}"
    );
    chat(&server, "in=300 out=1", json!({}));
    let refused = chat(&server, "in=1 out=1", json!({}));
    assert_eq!(code(&refused), "budget_exceeded", "{refused}");
    let midnight = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let midnight = midnight.tomorrow().unwrap().to_string();
    assert!(
        text(&refused).contains(&format!("resets at {midnight}T00:00:00Z")),
        "{refused}"
    );
    assert!(
        refused["structuredContent"]["error"]["retry_after_ms"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(upstream.posts().len(), 3);
}

#[test]
fn two_replicas_overspend_a_team_s_budget_by_one_hold_at_most() {
    let Some(redis) = Redis::start() else { return };
    let upstream = upstream();
    // A hold of kimi-k2.6 is some 33 thousandths of a dollar, a call costs four.
    let url = format!("store.url={}", redis.url);
    let own = ["store.kind=redis", &url, "budget.team=day_usd=0.08"];
    let replicas = [with_tokens(&upstream, &own), with_tokens(&upstream, &own)];
    let people: Vec<String> = (0..4)
        .map(|n| bearer(&format!("p{n}"), Some("core")))
        .collect();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..48)
            .map(|n| {
                let (server, who) = (&replicas[n % 2], &people[n / 2 % 4]);
                scope.spawn(move || ask_as(server, who, "kimi-k2.6", &format!("{n} in=0 out=1000")))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let refused = |answer: &&Value| {
        ["budget_held", "budget_exceeded"]
            .iter()
            .any(|one| code(answer) == one)
    };
    let count = answers.iter().filter(refused).count();
    let answered = answers.iter().filter(|one| one["isError"] != true).count();
    assert_eq!(count + answered, 48, "{answers:?}");
    assert!(
        answered > 0 && count > 0,
        "{answered} answered, {count} refused"
    );
    // One by one until the end, over both replicas.
    let mut last = Value::Null;
    for n in 0..60 {
        last = ask_as(
            &replicas[n % 2],
            &people[0],
            "kimi-k2.6",
            &format!("again {n} in=0 out=1000"),
        );
        if code(&last) == "budget_exceeded" {
            break;
        }
    }
    assert_eq!(code(&last), "budget_exceeded", "{last}");
    let spent_usd = upstream.posts().len() as f64 * 0.004;
    let hold_usd = 0.034;
    assert!(
        (0.08..=0.08 + hold_usd).contains(&spent_usd),
        "{spent_usd} was spent"
    );
}

#[test]
fn a_call_over_its_own_bound_is_confirmed_by_argument_or_by_the_user() {
    let upstream = upstream();
    let server = started_with(&upstream, &["budget.call_usd=0.01"], &[]);
    let refused = chat(&server, "in=1 out=1", json!({}));
    assert_eq!(code(&refused), "call_too_expensive", "{refused}");
    assert!(text(&refused).contains("/confirm \"cost\""), "{refused}");
    assert_eq!(upstream.posts().len(), 0);
    let sure = chat(&server, "in=1 out=1", json!({"confirm": "cost"}));
    assert_eq!(text(&sure), "fine", "{sure}");

    let arguments = json!({"prompt": "in=2 out=1", "model": "kimi-k2.6"});
    let mut socket = open(&server, "mcp", &[]).unwrap();
    socket.ask(capable());
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    Socket::say(&mut socket, &ready);
    let no = json!({"action": "decline"});
    let (question, answer) = socket.asked(&tool_call(7, "chat", arguments.clone()), &no);
    assert!(
        question["params"]["message"]
            .as_str()
            .unwrap()
            .contains("0.0"),
        "{question}"
    );
    assert_eq!(code(&answer), "choice_declined", "{answer}");
    let yes = accept(json!({"confirm": "cost"}));
    let (_, answer) = socket.asked(&tool_call(8, "chat", arguments.clone()), &yes);
    assert_eq!(text(&answer), "fine", "{answer}");

    let arguments = json!({"prompt": "in=3 out=1", "model": "kimi-k2.6"});
    let asked = posted(
        &server,
        "",
        &carrying("chat", arguments.clone(), &Value::Null),
    );
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let answer = posted(
        &server,
        "",
        &carrying("chat", arguments, &back(&asked, yes)),
    );
    assert_eq!(text(&answer), "fine", "{answer}");
    let other = json!({"prompt": "something else", "model": "kimi-k2.6"});
    let foreign = back(&asked, accept(json!({"confirm": "cost"})));
    let refused = posted(&server, "", &carrying("chat", other, &foreign));
    assert_eq!(code(&refused), "request_state_refused", "{refused}");
    assert_eq!(upstream.posts().len(), 3);
}

#[test]
fn a_caller_sees_its_own_use_by_tool_resource_and_prompt() {
    let upstream = upstream();
    let server = with_tokens(&upstream, &["budget.named=user:ann day_usd=2"]);
    let (ann, bob) = (bearer("ann", Some("core")), bearer("bob", None));
    ask_as(&server, &ann, "kimi-k2.6", "in=1000 out=200");
    let told = posted(&server, &ann, &call("status", json!({"usage": true})));
    let own = &told["structuredContent"]["usage"];
    assert_eq!(own["by_tool"][0]["name"], "chat", "{told}");
    assert_eq!(own["by_model"][0]["cost_usd"], "0.00175", "{told}");
    let budget = &own["budgets"][0];
    assert_eq!(
        (
            &budget["account"],
            &budget["spent_usd"],
            &budget["bound_usd"]
        ),
        (&json!("user:ann"), &json!("0.00175"), &json!("2"))
    );
    let mut request = call("", json!({}));
    request["method"] = json!("resources/read");
    request["params"]["uri"] = json!("exai://usage/me");
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "resources/read"),
        ("mcp-name", "exai://usage/me"),
        ("authorization", &ann),
    ];
    let read = server.post(&request, &headers).json();
    let contents = read["result"]["contents"][0]["text"].as_str();
    let resource: Value =
        serde_json::from_str(contents.unwrap_or_else(|| panic!("{read}"))).unwrap();
    assert_eq!(&resource, own);
    let told = posted(&server, &bob, &call("status", json!({"usage": true})));
    assert_eq!(
        told["structuredContent"]["usage"]["by_tool"],
        json!([]),
        "{told}"
    );
}

#[test]
fn a_bound_that_cannot_be_read_keeps_the_server_from_starting() {
    let mut command = exai(&[]);
    let output = command
        .args(["check", "--set", "budget.user=day_usd=much"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("budget.user") && said.contains("much"),
        "{said}"
    );
    let server = serve(&["--demo", "budget.call_usd=0.000000001"], &[]);
    let reply = server.post(&call("version", json!({})), &call_headers("version"));
    assert_eq!(reply.status, 200);
}
