//! Secrets, looked for wherever something is shown or kept, after every class of error was
//! provoked; and the searcher, which must find what is planted.

mod repository;
mod shown;

use std::time::Duration;

use exai_harness::process::Nobody;
use exai_harness::raw::RawReply;
use exai_harness::redis::{self, RedisStore};
use exai_harness::report::secrets::Secrets;
use exai_harness::server::STORE_URL;
use exai_harness::server::beside::{Beside, Other};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::shown::{Shown, text_of};
use super::super::asker::{Asker, code, either, pair, prompt, result, tool_message};
use super::super::stand_in::{ROW, Says, StandIn, VARIABLE};
use super::{KEY, start, unhurried};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "shown and kept";
const HTTP: &str = "http-2026-07-28";
/// A secret of each kind that a configuration names.
const DAEMON: &str = "c41f5ab09d2e4e83b6f17a80d35c9e12c41f5ab0";
const JWT: &str = "e8a17c3590bd4f62a1d4087be95fc3264e70d1b9";
const SCRAPE: &str = "90cd3f7ab1524e6e8d05fa3c71b2964e90cd3f7a";
/// Pages of the admin listener, and what stands in each of them.
const PAGES: [(&str, &str); 5] = [
    ("/metrics", "exai_in_flight "),
    ("/manifest", "\"policy_digest\":"),
    ("/health", "\"components\":"),
    ("/dashboard", "data-state=\"open\""),
    ("/alerts", "\"firing\":"),
];
/// Commands that read the configuration, and what each says once it has.
const COMMANDS: [(&str, &[&str], &str); 2] = [
    ("check", &["check"], "policy_digest"),
    ("doctor", &["doctor", "--json"], "key in STANDIN_API_KEY"),
];
/// What a provider's error is called, what the log says of it, and the audit log of a denial.
const PROVIDER: &str = "provider_error";
const ATTEMPT: &str = "attempt failed";
const DENIAL: &str = "\"decision\":\"deny\"";
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

/// Looks for the planted secrets in what a place shows, and for one planted into a copy of it. Each
/// place is an edge of its own, so that the good case of one does not stand for another's.
fn search(stage: &Stage, canaries: &Secrets, (row, place): (&str, &str), shown: &Shown) {
    let (found, control) = shown.searched(canaries, place);
    pair(
        stage,
        (&format!("{row}.{place}"), place),
        (found, &["none"]),
        (&control, &["accepted"]),
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
    let (echo, told) = match replies.first() {
        Some(reply) => (reply.word(), text_of(reply)),
        None => Default::default(),
    };
    let is_echoed = provider.asked() > 0 && echo == PROVIDER;
    pair(
        stage,
        ("X2", HTTP),
        (
            either(canaries.scan("X2", &told).is_err(), "a secret", "redacted"),
            &["redacted"],
        ),
        (either(is_echoed, "accepted", &echo), &["accepted"]),
    );
    places(stage, &canaries, &beside, (&ours, &replies)).await;
    presence(stage, &ours, &beside).await;
    for (name, words, mark) in COMMANDS {
        let other = Other {
            name: "beside-commands",
            ..other
        };
        let said = stage.ground.command(other, words).await?;
        let shown = Shown::text(said.text, mark);
        search(stage, &canaries, ("X5", name), &shown);
    }
    Ok(())
}

/// X1: wherever that server shows or keeps something.
async fn places(
    stage: &Stage,
    canaries: &Secrets,
    beside: &Beside,
    (ours, replies): (&Keyed, &[RawReply]),
) {
    let user = ours.user(beside);
    let probed = user.call("status", json!({"probe": true})).await;
    let checked = user.call("self_check", json!({})).await;
    let places = [
        ("status", Shown::reply(&probed, ROW)),
        ("self_check", Shown::reply(&checked, ROW)),
        ("replies", Shown::refusals(replies, PROVIDER)),
        ("log", Shown::text(beside.tail(), ATTEMPT)),
        (
            "process list",
            Shown::text(beside.command_line(), "--config"),
        ),
        ("kept", Shown::folder(beside.state(), DENIAL)),
    ];
    for (place, shown) in &places {
        search(stage, canaries, ("X1", place), shown);
    }
    for (page, mark) in PAGES {
        let shown = Shown::reply(&ours.page(beside, page).await, mark);
        search(stage, canaries, ("X1", page), &shown);
    }
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

    async fn page(&self, beside: &Beside, path: &str) -> RawReply {
        let operator = Asker {
            at: beside.admin(),
            authorization: self.operator.clone(),
            ..self.user(beside)
        };
        operator.get(path).await
    }

    /// One error of every class; the first is the provider's own.
    async fn provoke(&self, beside: &Beside) -> Vec<RawReply> {
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
        let foreign = user
            .message_head("tools/call", "version")
            .header("Origin", "http://evil.example")
            .body(tool_message("version", &json!({})).to_string());
        vec![
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
        ]
    }
}

/// X4: pages that tell of keys tell whether there is one, and nothing of it.
async fn presence(stage: &Stage, ours: &Keyed, beside: &Beside) {
    let user = ours.user(beside);
    let manifest = ours.page(beside, "/manifest").await;
    let mut places = vec![("/manifest", Shown::reply(&manifest, ROW))];
    for tool in ["status", "listmodels", "provider_capabilities"] {
        let reply = user.call(tool, json!({})).await;
        places.push((tool, Shown::reply(&reply, ROW)));
    }
    let reply = user.call("self_check", json!({})).await;
    let keys = result(&reply)["structuredContent"]["keys"].clone();
    let row = keys
        .as_array()
        .and_then(|keys| keys.iter().find(|row| row["provider"] == ROW));
    let is_told = row.is_some_and(|row| row["set"] == true);
    let untold = (!is_told).then(|| "not told".to_owned());
    places.push(("self_check", Shown::reply(&reply, ROW).lacking(untold)));
    // The first characters after the prefix, or the last: what a mask would leave.
    let parts = [KEY.get(..9), KEY.get(3..11), KEY.get(KEY.len() - 6..)];
    for (place, shown) in &places {
        let is_shown = parts.iter().flatten().any(|part| shown.contains(part));
        pair(
            stage,
            (&format!("X4.{place}"), place),
            (
                either(is_shown, "a part of the key", "nothing of it"),
                &["nothing of it"],
            ),
            (shown.word(), &["accepted"]),
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
        syncs_late: false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_is_known_by_the_key_it_was_given() {
        let [_, (.., mark)] = COMMANDS;
        assert_eq!(mark, format!("key in {VARIABLE}"));
    }
}
