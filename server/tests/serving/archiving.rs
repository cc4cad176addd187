//! Conversations over restarts, beyond their bounds and their time, and the archive behind them.

use std::path::Path;

use serde_json::{Value, json};

use super::postgres::Postgres;
use super::process::{Server, call_headers, exai, wait_for};
use super::providers::{result, said, started_with};
use super::redis::Redis;
use super::relay::Relay;
use super::upstream::Upstream;

fn started(upstream: &Upstream, state: &Path, own: &[&str]) -> Server {
    let state = format!("server.state_dir={}", state.display());
    let mut settings = vec![state.as_str()];
    settings.extend(own);
    started_with(upstream, &settings, &[])
}

pub fn chat(server: &Server, prompt: &str, thread: Option<&str>) -> Value {
    let mut arguments = json!({ "prompt": prompt });
    if let Some(thread) = thread {
        arguments["continuation_id"] = thread.into();
    }
    result(server, "chat", arguments)
}

pub fn thread_of(result: &Value) -> String {
    let thread = &result["_meta"]["dev.exai/reply"]["continuation_id"];
    thread
        .as_str()
        .unwrap_or_else(|| panic!("{result}"))
        .to_owned()
}

pub fn code(result: &Value) -> &str {
    result["structuredContent"]["error"]["code"]
        .as_str()
        .unwrap_or_default()
}

pub fn read(server: &Server, uri: &str) -> Value {
    let about = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read",
        "params": {"uri": uri, "_meta": about}});
    let mut headers = call_headers(uri);
    headers[1].1 = "resources/read";
    server.post(&message, &headers).json()
}

/// Settings of a server on each store.
fn each_store(mut check: impl FnMut(&[&str])) {
    check(&[]);
    if let Some(redis) = Redis::start() {
        let url = format!("store.url={}", redis.url);
        check(&["store.kind=redis", &url]);
    }
}

#[test]
fn a_fact_is_recalled_after_a_kill_and_the_eleventh_exchange_is_refused() {
    each_store(|own| {
        let upstream = Upstream::start(|_| said("noted"));
        let state = tempfile::tempdir().unwrap();
        let server = started(&upstream, state.path(), own);
        let thread = thread_of(&chat(&server, "the secret word is plover", None));
        drop(server);
        let server = started(&upstream, state.path(), own);
        let second = chat(&server, "which word?", Some(&thread));
        assert_eq!(second["_meta"]["dev.exai/reply"]["turn"], 2, "{second}");
        let sent = upstream.posts().pop().unwrap().body;
        assert!(sent["messages"].to_string().contains("plover"), "{sent}");
        for turn in 3..=10 {
            let more = chat(&server, &format!("message {turn}"), Some(&thread));
            assert_eq!(more["_meta"]["dev.exai/reply"]["turn"], turn, "{more}");
        }
        let asked = upstream.posts().len();
        let refused = chat(&server, "one too many", Some(&thread));
        assert_eq!(code(&refused), "thread_full", "{refused}");
        assert_eq!(upstream.posts().len(), asked, "a refused turn was asked");
    });
}

#[test]
fn a_thread_that_expired_names_its_archived_copy_which_can_be_read() {
    each_store(|own| {
        let upstream = Upstream::start(|_| said("noted"));
        let state = tempfile::tempdir().unwrap();
        let settings = [own, &["thread.ttl=1500ms"]].concat();
        let server = started(&upstream, state.path(), &settings);
        let thread = thread_of(&chat(&server, "the secret word is plover", None));
        let live = format!("exai://thread/{thread}");
        let gone = wait_for("the thread's end", || {
            let told = read(&server, &live);
            told["error"].is_object().then_some(told)
        });
        let copy = format!("exai://archive/{thread}");
        assert_eq!(gone["error"]["data"]["archived"], copy.as_str(), "{gone}");
        let refused = chat(&server, "which word?", Some(&thread));
        assert_eq!(code(&refused), "thread_expired", "{refused}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(&copy), "{text}");
        let kept = read(&server, &copy);
        let kept = kept["result"]["contents"][0]["text"].as_str().unwrap();
        assert!(kept.contains("plover") && kept.contains("noted"), "{kept}");
        let unknown = "exai://archive/8c5e3f86-3c6e-4c5c-9a52-27fbd4aa2c11";
        assert!(read(&server, unknown)["error"].is_object());
    });
}

fn archive_of(server: &Server) -> Value {
    server.admin("/health", &[]).json()["components"]["archive"].clone()
}

fn is_ready(server: &Server) -> bool {
    server.admin("/health/ready", &[]).status == 200
}

/// Takes the version away and gives it back.
fn loses_its_version(server: &Server, sql: impl Fn(&str)) {
    wait_for("readiness", || is_ready(server).then_some(()));
    sql("ALTER TABLE schema_version RENAME TO aside");
    wait_for("readiness to turn red", || {
        (!is_ready(server)).then_some(())
    });
    let detail = server.admin("/health", &[]).json();
    let why = detail["not_ready"].as_str().unwrap();
    assert!(
        why.contains("archive") && why.contains("schema_version"),
        "{why}"
    );
    assert_eq!(detail["status"], "unhealthy");
    sql("ALTER TABLE aside RENAME TO schema_version");
    wait_for("readiness again", || is_ready(server).then_some(()));
    assert_eq!(archive_of(server)["status"], "healthy");
}

#[test]
fn without_its_schema_version_the_archive_keeps_readiness_red() {
    let upstream = Upstream::start(|_| said("noted"));
    let state = tempfile::tempdir().unwrap();
    let server = started(&upstream, state.path(), &[]);
    loses_its_version(&server, |text| {
        let file = rusqlite::Connection::open(state.path().join("archive.sqlite")).unwrap();
        file.busy_timeout(super::process::PATIENCE).unwrap();
        file.execute_batch(text).unwrap();
    });
    // A database of another program, from the start.
    let other = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(other.path().join("archive.sqlite")).unwrap();
    let text = "CREATE TABLE schema_version (id INTEGER, version TEXT);
        INSERT INTO schema_version VALUES (1, '1.0.0')";
    file.execute_batch(text).unwrap();
    let server = started(&upstream, other.path(), &[]);
    let why = wait_for("the reason", || {
        let why = server.admin("/health", &[]).json()["not_ready"].clone();
        (why != "starting").then_some(why)
    });
    assert!(why.as_str().unwrap().contains("not ours"), "{why}");
    assert!(!is_ready(&server));
}

/// `exai migrate` with these flags, on an archive in PostgreSQL.
fn migrate(url: &str, flags: &[&str]) -> String {
    let set = ["--set", "archive.kind=postgres", "--set", url];
    let mut command = exai(&[]);
    let output = command.arg("migrate").args(flags).args(set).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{flags:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn where_a_command_migrates_a_server_is_ready_once_it_has_and_not_before() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = format!("archive.url={}", postgres.database());
    let own = [
        "archive.kind=postgres",
        "archive.migrate=command",
        "health.interval=200ms",
        &url,
    ];
    let upstream = Upstream::start(|_| said("noted"));
    let state = tempfile::tempdir().unwrap();
    let server = started(&upstream, state.path(), &own);
    let why = wait_for("the reason", || {
        let why = server.admin("/health", &[]).json()["not_ready"].clone();
        (why != "starting").then(|| why.to_string())
    });
    assert!(why.contains("exai migrate --apply"), "{why}");
    assert!(!is_ready(&server));
    let plan = migrate(&url, &[]);
    assert!(plan.contains("CREATE TABLE conversations"), "{plan}");
    assert_eq!(
        migrate(&url, &["--plan"]),
        plan,
        "looking changed something"
    );
    let applied = migrate(&url, &["--apply"]);
    assert!(applied.contains("version 1 applied"), "{applied}");
    wait_for("readiness", || is_ready(&server).then_some(()));
    let again = migrate(&url, &["--apply"]);
    assert!(again.contains("nothing to do"), "{again}");
}

#[test]
fn an_empty_postgres_becomes_the_archive_and_an_outage_drains_in_order_after_it() {
    let (Some(postgres), Some(redis)) = (Postgres::shared(), Redis::start()) else {
        return;
    };
    let database = postgres.database();
    let relay = Relay::start();
    let direct = format!("127.0.0.1:{}", postgres.port);
    relay.lead(Some(direct.parse().unwrap()));
    let through = database.replace(&direct, &relay.address.to_string());
    let url = format!("archive.url={through}");
    let store = format!("store.url={}", redis.url);
    let own = [
        "archive.kind=postgres",
        "archive.retry=100ms",
        "health.interval=200ms",
        "store.kind=redis",
        &url,
        &store,
    ];
    let upstream = Upstream::start(|_| said("noted"));
    let state = tempfile::tempdir().unwrap();
    let server = started(&upstream, state.path(), &own);
    loses_its_version(&server, |text| drop(Postgres::sql(&database, text)));
    let thread = thread_of(&chat(&server, "message 1", None));
    relay.lead(None);
    for turn in 2..=4 {
        let more = chat(&server, &format!("message {turn}"), Some(&thread));
        assert_eq!(more["_meta"]["dev.exai/reply"]["turn"], turn, "{more}");
    }
    wait_for("the outage to be told", || {
        let archive = archive_of(&server);
        let waits = archive["waiting"].as_u64() >= Some(3);
        (archive["status"] == "unhealthy" && waits).then_some(())
    });
    assert_eq!(server.admin("/health", &[]).json()["status"], "degraded");
    let breaker = |state: u8| {
        let line = format!("exai_breaker_state{{dependency=\"archive\"}} {state}\n");
        let told = server.admin("/metrics", &[]).body.contains(&line);
        told.then_some(())
    };
    wait_for("the archive's breaker to open", || breaker(1));
    assert!(
        is_ready(&server),
        "a lost archive took the instance out of service"
    );
    relay.lead(Some(direct.parse().unwrap()));
    wait_for("the queue to be drained", || {
        let archive = archive_of(&server);
        (archive["status"] == "healthy" && archive["waiting"] == 0).then_some(())
    });
    wait_for("its breaker to close", || breaker(0));
    let kept = Postgres::sql(&database, "SELECT turn, body FROM messages ORDER BY turn");
    let kept: Vec<&str> = kept.lines().collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    for (turn, line) in (1..).zip(&kept) {
        assert!(line.starts_with(&format!("{turn}|")), "{line}");
        assert!(line.contains(&format!("message {turn}")), "{line}");
    }
}
