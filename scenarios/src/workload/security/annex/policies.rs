//! Role policies of the battery's own: what they leave out is denied, by whatever way it is asked
//! for, and from the moment on at which they change.

use std::time::Duration;

use exai_harness::client::http::loopback;
use exai_harness::raw::RawReply;
use exai_harness::raw::socket::{Heard, RawSocket};
use exai_harness::server::Settings;
use exai_harness::server::beside::Beside;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::asker::{Asker, code, either, pair, prompt, result};
use super::start;
use crate::stage::{Person, Stage, Trouble};

const HTTP: &str = "http-2026-07-28";
const EDGE: &str = "websocket";
const FILE: &str = "battery-policy.toml";
/// A changed file is in force within this.
const RELOAD: Duration = Duration::from_secs(10);
/// All of a connection's life.
const LIFE: Duration = Duration::from_secs(30);

/// The roles, with or without the one that is taken away.
fn policy(with_leaving: bool) -> String {
    let leaving = if with_leaving {
        "[roles.leaving]\ntools = [\"version\"]\n"
    } else {
        ""
    };
    format!(
        "[roles.user]\ntools = [\"version\", \"listmodels\"]\n{leaving}\
         [roles.planner]\ntools = [\"planner\"]\n\
         [roles.council]\ntools = [\"consensus\"]\n\
         [roles.glm]\ntools = [\"chat\", \"kimi_chat_with_tools\"]\nproviders = [\"glm\"]\n\
         [roles.one]\ntools = [\"chat\"]\nmodels = [\"kimi-k2.6\"]\n"
    )
}

/// Tries A4, A6, A10 and A12.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let file = stage.ground.file(FILE, &policy(true))?;
    let settings = Settings::default()
        .with("auth.policy_file", file)
        .with("auth.watch", "100ms")
        .with("tools.profile", "full");
    let beside = start(stage, "beside-policy", &settings).await?;
    others(stage, &beside).await;
    models(stage, &beside).await;
    unlisted(stage, &beside).await;
    stage.check_stop()?;
    taken_away(stage, &beside).await
}

fn as_role(stage: &Stage, number: usize, role: &str, beside: &Beside) -> Asker {
    Asker::with(stage, number, &[role]).before(beside)
}

/// A4: a workflow's next call with a denied tool in it, and a consensus that names one.
async fn others(stage: &Stage, beside: &Beside) {
    let planner = as_role(stage, 820, "planner", beside);
    let step = json!({"step": "first", "step_number": 1, "total_steps": 2,
        "next_step_required": true});
    let first = planner.call("planner", step).await;
    let next = next_call(&result(&first));
    let mut arguments = next["arguments"].clone();
    for (name, value) in [("step", json!("second")), ("step_number", json!(2))] {
        arguments[name] = value;
    }
    arguments["next_step_required"] = json!(false);
    let own = planner.call("planner", arguments.clone()).await.word();
    for tool in ["chat", "kimi_manage_files"] {
        let reply = planner.call(tool, arguments.clone()).await;
        let id = format!("A4.next_call {tool}");
        pair(
            stage,
            (&id, HTTP),
            (&reply.word(), &["403"]),
            (&own, &["accepted"]),
        );
    }
    let council = as_role(stage, 821, "council", beside);
    let panel = json!({"step": "Tabs or spaces?", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "none",
        "models": [{"model": "glm-5", "stance": "for"},
            {"model": "kimi-k2.6", "stance": "against"}]});
    let mut naming = panel.clone();
    naming["tool"] = json!("kimi_manage_files");
    let (bad, good) = (
        council.call("consensus", naming).await,
        council.call("consensus", panel).await,
    );
    // The good case is that the role's own tool runs: what its panel comes to is the tool's affair.
    let good = either(good.status == Some(200), "permitted", "denied");
    pair(
        stage,
        ("A4.consensus", HTTP),
        (&bad.word(), &["validation_error", "403"]),
        (good, &["permitted"]),
    );
    let direct = council.call("chat", prompt("x")).await;
    pair(
        stage,
        ("A4.direct", HTTP),
        (&direct.word(), &["403"]),
        (good, &["permitted"]),
    );
}

/// The next call of a workflow's reply, wherever it stands.
fn next_call(result: &Value) -> Value {
    let meta = result["_meta"].as_object().into_iter().flatten();
    let mut found = meta.filter_map(|(_, part)| part.get("next_call"));
    let plain = result["structuredContent"].get("next_call");
    found.next().or(plain).cloned().unwrap_or(Value::Null)
}

/// A10: models and providers outside the role's lists.
async fn models(stage: &Stage, beside: &Beside) {
    let with = |model: &str| json!({"prompt": "Name a tree.", "model": model});
    let rows = [
        ("A10.provider", "glm", "kimi-k2.6", "auto"),
        ("A10.model", "one", "kimi-k3", "kimi-k2.6"),
    ];
    for (number, (id, role, bad, good)) in rows.into_iter().enumerate() {
        let asker = as_role(stage, 825 + number, role, beside);
        let (bad, good) = (
            asker.call("chat", with(bad)).await,
            asker.call("chat", with(good)).await,
        );
        pair(
            stage,
            (id, HTTP),
            (&code(&bad), &["model_not_permitted"]),
            (&good.word(), &["accepted"]),
        );
    }
    let asker = as_role(stage, 828, "glm", beside);
    let raw = json!({"messages": [{"role": "user", "content": "x"}]});
    let bad = asker.call("kimi_chat_with_tools", raw).await;
    let good = asker.call("chat", with("auto")).await;
    let from = result(&good)["_meta"]["dev.exai/reply"]["provider"].clone();
    let word = match (good.word(), from.as_str()) {
        (word, Some("glm") | None) => word,
        (_, Some(other)) => format!("answered by {other}"),
    };
    pair(
        stage,
        ("A10.direct", HTTP),
        (&code(&bad), &["model_not_permitted"]),
        (&word, &["accepted"]),
    );
}

/// A12: a policy that was written before a tool came denies it, and does not list it.
async fn unlisted(stage: &Stage, beside: &Beside) {
    let asker = as_role(stage, 830, "user", beside);
    let good = asker.call("version", json!({})).await.word();
    for tool in ["challenge", "status", "smart_file_download"] {
        let reply = asker.call(tool, json!({})).await;
        let id = format!("A12.{tool}");
        pair(
            stage,
            (&id, HTTP),
            (&reply.word(), &["403"]),
            (&good, &["accepted"]),
        );
    }
    let head = asker.message_head("tools/list", "");
    let list = exai_harness::client::Request::new("tools/list", json!({}));
    let list = list.message(
        Some(1),
        exai_harness::client::Revision::V2026,
        exai_harness::client::software::Software::numbered(1),
    );
    let reply = asker.send(&head.body(list.to_string())).await;
    let tools = result(&reply)["tools"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    names.sort_unstable();
    let word = either(
        names == ["listmodels", "version"],
        "what is listed",
        "more or less",
    );
    pair(
        stage,
        ("A12.list", HTTP),
        (word, &["what is listed"]),
        (&good, &["accepted"]),
    );
}

/// A6: a role that is taken away while its holder is connected.
async fn taken_away(stage: &Stage, beside: &Beside) -> Result<(), Trouble> {
    let (leaving, staying) = (
        as_role(stage, 831, "leaving", beside),
        as_role(stage, 832, "user", beside),
    );
    let opened = (leaving.socket(LIFE).await, staying.socket(LIFE).await);
    let (Ok(mut left), Ok(mut stays)) = opened else {
        let words = [opened.0.err(), opened.1.err()];
        let words = words.iter().flatten().map(RawReply::word);
        return Err(Trouble::Server(format!(
            "no upgrade: {}",
            words.collect::<Vec<_>>().join(", ")
        )));
    };
    let before = say(&mut left, 1).await;
    stage.ground.file(FILE, &policy(false))?;
    let until = Instant::now() + RELOAD;
    let mut after = before.clone();
    let mut id = 2;
    while after == "accepted" && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        after = say(&mut left, id).await;
        id += 1;
    }
    let other = say(&mut stays, 1).await;
    let word = either(before == "accepted", after.as_str(), "never was let in");
    pair(
        stage,
        ("A6.connected", EDGE),
        (word, &["auth_error"]),
        (&other, &["accepted"]),
    );
    let again = Asker {
        source: loopback(833).into(),
        authorization: stage
            .ground
            .authorization_with(Person::user(833), &["leaving"]),
        ..leaving
    };
    let again = again.call("version", json!({})).await.word();
    let other = staying.call("version", json!({})).await.word();
    pair(
        stage,
        ("A6.again", HTTP),
        (&again, &["403"]),
        (&other, &["accepted"]),
    );
    Ok(())
}

/// A call of `version`: `accepted`, or the category of its refusal.
async fn say(socket: &mut RawSocket, id: u64) -> String {
    let mut message = super::super::asker::tool_message("version", &json!({}));
    message["id"] = id.into();
    socket.say(&message).await;
    match socket.hear().await {
        Heard::Message(said) if said["error"].is_null() => "accepted".to_owned(),
        Heard::Message(said) => said["error"]["data"]["category"]
            .as_str()
            .unwrap_or("an error without a category")
            .to_owned(),
        other => format!("{other:?}"),
    }
}
