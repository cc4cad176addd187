//! Secrets, looked for wherever something is shown or kept, after every class of error was
//! provoked; and the searcher, which must find what is planted.

mod repository;

use std::path::Path;
use std::time::Duration;

use exai_harness::process::Nobody;
use exai_harness::redis::{self, RedisStore};
use exai_harness::report::secrets::Secrets;
use exai_harness::server::STORE_URL;
use exai_harness::server::beside::{Beside, Other};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::asker::{Asker, code, either, pair, prompt, result};
use super::super::stand_in::{ROW, Says, StandIn, VARIABLE};
use super::{KEY, start, unhurried};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "shown and kept";
const COMMAND: &str = "command line";
const HTTP: &str = "http-2026-07-28";
/// A secret of each kind that a configuration names.
const DAEMON: &str = "c41f5ab09d2e4e83b6f17a80d35c9e12c41f5ab0";
const JWT: &str = "e8a17c3590bd4f62a1d4087be95fc3264e70d1b9";
const SCRAPE: &str = "90cd3f7ab1524e6e8d05fa3c71b2964e90cd3f7a";
/// Health shows a loss within this.
const SHOWN: Duration = Duration::from_secs(10);

/// Tries X1 to X5 and X9.
///
/// # Errors
/// When the rig cannot start a server or a stand-in.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(planted(stage), headers(stage), password(stage))?;
    repository::try_all(stage).await;
    Ok(())
}

/// Looks through a text for the planted secrets, and for one planted into a copy of it.
fn search(stage: &Stage, canaries: &Secrets, (id, edge): (&str, &str), text: &str) {
    let found = canaries.scan(id, text).is_err();
    let spoiled = format!("{text} {KEY}");
    let control = canaries.scan(id, &spoiled).is_err();
    pair(
        stage,
        (id, edge),
        (either(found, "a secret", "none"), &["none"]),
        (
            either(control, "accepted", "planted one not found"),
            &["accepted"],
        ),
    );
}

/// X1, X2, X4 and X5: a server whose provider echoes the key that it was sent.
async fn planted(stage: &Stage) -> Result<(), Trouble> {
    let canaries = Secrets::new([KEY, DAEMON, JWT, SCRAPE])
        .map_err(|error| Trouble::Rig(error.to_string()))?;
    let provider = StandIn::start(Says::OwnKey(401), true).await?;
    let settings = provider.settings().merged(&unhurried());
    let settings = settings.with("tools.profile", "full");
    let variables = [
        (VARIABLE, KEY),
        ("EXAI_DAEMON_KEY", DAEMON),
        ("EXAI_JWT_SECRET", JWT),
        ("EXAI_METRICS_TOKEN", SCRAPE),
    ];
    let other = Other {
        name: "beside-secrets",
        settings: &settings,
        variables: &variables,
    };
    let beside = stage.ground.beside(other).await?;
    let ours = Keyed::new(stage);
    let replies = ours.provoke(&beside).await;
    let (echo, told) = replies.first().cloned().unwrap_or_default();
    let is_echoed = provider.asked() > 0 && echo == "provider_error";
    pair(
        stage,
        ("X2", HTTP),
        (
            either(canaries.scan("X2", &told).is_err(), "a secret", "redacted"),
            &["redacted"],
        ),
        (either(is_echoed, "accepted", &echo), &["accepted"]),
    );
    let all: String = replies.iter().map(|(_, text)| text.as_str()).collect();
    search(stage, &canaries, ("X1.replies", EDGE), &all);
    search(stage, &canaries, ("X1.log", EDGE), &beside.tail());
    search(
        stage,
        &canaries,
        ("X1.process list", EDGE),
        &beside.command_line(),
    );
    for page in ["/metrics", "/manifest", "/health", "/dashboard", "/alerts"] {
        let text = ours.page(&beside, page).await;
        search(stage, &canaries, (&format!("X1.{page}"), EDGE), &text);
    }
    search(stage, &canaries, ("X1.kept", EDGE), &kept(beside.state()));
    presence(stage, &ours, &beside).await;
    for (id, words) in [
        ("X5.check", &["check"][..]),
        ("X5.doctor", &["doctor", "--json"]),
    ] {
        let other = Other {
            name: "beside-commands",
            ..other
        };
        let said = stage.ground.command(other, words).await?;
        search(stage, &canaries, (id, COMMAND), &said.text);
    }
    Ok(())
}

/// Everything in a folder, as text.
fn kept(folder: &Path) -> String {
    let mut text = String::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return text;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&kept(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    text
}

/// People whose tokens are signed with the planted secret.
struct Keyed {
    user: String,
    operator: String,
}

impl Keyed {
    fn new(stage: &Stage) -> Self {
        let mut mint = stage.ground.mint();
        mint.secret = JWT.as_bytes().to_vec();
        let token = |name: &str, role: &str| {
            format!(
                "Bearer {}",
                mint.good(name, &[role], 600, super::super::entrance::now())
            )
        };
        Self {
            user: token("user-990", "user"),
            operator: token("user-991", "admin"),
        }
    }

    fn user(&self, beside: &Beside) -> Asker {
        Asker {
            at: beside.public(),
            source: exai_harness::client::http::loopback(990).into(),
            authorization: self.user.clone(),
        }
    }

    async fn page(&self, beside: &Beside, path: &str) -> String {
        let operator = Asker {
            at: beside.admin(),
            authorization: self.operator.clone(),
            ..self.user(beside)
        };
        String::from_utf8_lossy(&operator.get(path).await.body).into_owned()
    }

    /// One error of every class, and what was said: its word and its whole text. The first is the
    /// provider's own.
    async fn provoke(&self, beside: &Beside) -> Vec<(String, String)> {
        let user = self.user(beside);
        let nobody = Asker {
            authorization: format!("Bearer {DAEMON}"),
            ..user.clone()
        };
        let broken = user
            .message_head("tools/call", "chat")
            .body("{\"jsonrpc\":");
        let denied = user.request("kimi_manage_files", &json!({"operation": "list"}));
        let missing = user.head("GET /no/such/page HTTP/1.1");
        let foreign = user.request("version", &json!({})).clone();
        let asked = [
            user.call("chat", prompt("x")).await,
            user.call("chat", json!({"prompt": 7})).await,
            user.call("chat", json!({"prompt": "x", "model": "no-such-model"}))
                .await,
            user.call("chat", json!({"prompt": "x", "files": ["/etc/passwd"]}))
                .await,
            nobody.call("version", json!({})).await,
            user.send(&broken).await,
            user.send(&denied).await,
            user.send(&missing).await,
            user.send(&foreign).await,
            user.call("status", json!({"probe": true})).await,
            user.call("self_check", json!({})).await,
        ];
        asked
            .iter()
            .map(|reply| {
                let headers = format!("{:?}", reply.headers);
                let body = String::from_utf8_lossy(&reply.body);
                (reply.word(), format!("{headers}\n{body}\n"))
            })
            .collect()
    }
}

/// X4: pages that tell of keys tell whether there is one, and nothing of it.
async fn presence(stage: &Stage, ours: &Keyed, beside: &Beside) {
    let user = ours.user(beside);
    let mut places = vec![(
        "X4./manifest".to_owned(),
        ours.page(beside, "/manifest").await,
    )];
    for tool in [
        "status",
        "listmodels",
        "self_check",
        "provider_capabilities",
    ] {
        let reply = user.call(tool, json!({})).await;
        places.push((format!("X4.{tool}"), result(&reply).to_string()));
    }
    let keys = result(&user.call("self_check", json!({})).await);
    let keys = keys["structuredContent"]["keys"].as_array().cloned();
    let row = keys
        .into_iter()
        .flatten()
        .find(|row| row["provider"] == ROW);
    let good = either(
        row.is_some_and(|row| row["set"] == true),
        "accepted",
        "not told",
    );
    // The first characters after the prefix, or the last: what a mask would leave.
    let parts = [KEY.get(..9), KEY.get(3..11), KEY.get(KEY.len() - 6..)];
    for (id, text) in places {
        let part = parts.iter().flatten().find(|part| text.contains(**part));
        let word = either(part.is_some(), "a part of the key", "nothing of it");
        pair(
            stage,
            (&id, HTTP),
            (word, &["nothing of it"]),
            (good, &["accepted"]),
        );
    }
}

/// X5: the tool that shows the headers of a real request.
async fn headers(stage: &Stage) -> Result<(), Trouble> {
    let settings = unhurried().with("tools.profile", "full");
    let beside = start(stage, "beside-headers", &settings).await?;
    let asker = Asker::user(stage, 992).before(&beside);
    let ask = json!({"messages": [{"role": "user", "content": "x"}]});
    let reply = asker.call("kimi_capture_headers", ask).await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    stage.search("captured headers", &text);
    let key = stage.ground.provider_key("kimi")?;
    let shown = &result(&reply)["structuredContent"]["request_headers"];
    let is_there = shown["authorization"].is_string();
    pair(
        stage,
        ("X5.headers", HTTP),
        (either(text.contains(key), "the key", "masked"), &["masked"]),
        (either(is_there, "accepted", &code(&reply)), &["accepted"]),
    );
    Ok(())
}

/// X9: the password of Redis.
async fn password(stage: &Stage) -> Result<(), Trouble> {
    let folder = stage.ground.folder().join("battery-redis");
    let setup = redis::Setup {
        folder: &folder,
        user: Nobody::when_root(),
        restart_delay: SHOWN,
        berth: None,
        recorder: stage.recorder.clone(),
    };
    let started = RedisStore::start(setup).await;
    let store = match started {
        Ok(store) => store,
        Err(error) => {
            stage.not_tested("V.6", format!("X9: {error}"));
            return Ok(());
        }
    };
    let at = store.address();
    let url = |password: &str| format!("redis://:{password}@{at}/0");
    let good = on_redis(stage, "beside-redis", &url(store.password())).await?;
    let wrong = "0f".repeat(24);
    let bad = on_redis(stage, "beside-wrong", &url(&wrong)).await;
    let asker = Asker::user(stage, 993);
    let chat = |beside: &Beside| {
        let asker = asker.clone().before(beside);
        async move { asker.call("chat", prompt("x")).await }
    };
    let word = match &bad {
        Ok(beside) => {
            let reply = chat(beside).await;
            let health = degraded(stage, beside).await;
            let told = String::from_utf8_lossy(&reply.body).into_owned() + &beside.tail();
            match (reply.word().as_str(), health, told.contains(&wrong)) {
                (_, _, true) => "the password was told".to_owned(),
                ("accepted", ..) => "answered".to_owned(),
                (_, true, false) => "a typed failure, degraded".to_owned(),
                (word, ..) => format!("{word}, not degraded"),
            }
        }
        Err(error) => error.to_string(),
    };
    pair(
        stage,
        ("X9", EDGE),
        (&word, &["a typed failure, degraded"]),
        (&chat(&good).await.word(), &["accepted"]),
    );
    let strong = either(store.password().len() >= 32, "32 or more", "short");
    pair(
        stage,
        ("X9.length", EDGE),
        (strong, &["32 or more"]),
        (&chat(&good).await.word(), &["accepted"]),
    );
    Ok(())
}

/// By the variable: on Redis the server under judgement has one too, and it outranks a file.
async fn on_redis(stage: &Stage, name: &str, url: &str) -> Result<Beside, Trouble> {
    let other = Other {
        name,
        settings: &unhurried().with("store.kind", "redis"),
        variables: &[(STORE_URL, url)],
    };
    stage.ground.beside(other).await
}

async fn degraded(stage: &Stage, beside: &Beside) -> bool {
    let operator = Asker {
        at: beside.admin(),
        ..Asker::with(stage, 994, &["admin"])
    };
    let until = Instant::now() + SHOWN;
    while Instant::now() < until {
        let page = operator.get("/health").await;
        let page: Value = serde_json::from_slice(&page.body).unwrap_or_default();
        if matches!(page["status"].as_str(), Some("degraded" | "unhealthy")) {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}
