//! Secrets that stand in files, and budgets, change while the server runs: told by name, never by
//! value, and all or nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use super::elicitation::{code, posted, text};
use super::process::{JWT, Server, call, call_headers, exai, serve, wait_for};
use super::providers::said;
use super::reloading::{file, lines, put};
use super::upstream::Upstream;

const FIRST: &str = "sk-first-0123456789abcdef";
const SECOND: &str = "sk-second-fedcba98765432";
const SECRETS: [&str; 6] = [
    "9f2c81d4e6b7a0355c1e8f7d2b4a6903",
    "71c0aa93be52d86f4403fe129d8b7c5a",
    "0a9b8c7d6e5f40312233445566778899",
    "c3d2e1f0a9b8c7d6e5f4031223344556",
    "1f2e3d4c5b6a79880716253443526170",
    "e0d1c2b3a495867768594a3b2c1d0e0f",
];

/// A server whose Kimi is the upstream, with its key in a file.
fn keyed(upstream: &Upstream, path: &str, own: &[&str]) -> Server {
    let url = format!("provider.kimi.base_url={}", upstream.url);
    let usual = [
        "auth.watch=50ms",
        "provider.kimi.allow_private=true",
        url.as_str(),
    ];
    let settings: Vec<&str> = usual.iter().chain(own).copied().collect();
    serve(&settings, &[("KIMI_API_KEY_FILE", path)])
}

fn ask(server: &Server, prompt: &str) -> Value {
    let arguments = json!({"prompt": prompt, "model": "kimi-k2.6"});
    posted(server, "", &call("chat", arguments))
}

/// The line of the reload after `before` others.
fn reload(server: &Server, before: usize) -> Value {
    wait_for("a reload", || {
        lines(server, "reload").into_iter().nth(before)
    })
}

/// No audit line and no line of the log holds any of these.
fn is_silent_about(server: &Server, secrets: &[&str]) {
    let audit = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap();
    let log = server.log.lock().unwrap().join("\n");
    for secret in secrets {
        assert!(!audit.contains(secret), "audit: {audit}");
        assert!(!log.contains(secret), "log: {log}");
    }
}

/// The key that the upstream was shown last.
fn shown(upstream: &Upstream) -> String {
    let last = upstream.posts().pop().unwrap().headers;
    let line = last.lines().find(|line| line.starts_with("authorization:"));
    line.unwrap().split(' ').next_back().unwrap().to_owned()
}

#[test]
fn a_providers_key_in_a_file_changes_without_a_restart_and_a_bad_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (path, named) = file(&folder, "kimi", FIRST);
    let upstream = Upstream::start(|_| said("fine"));
    let server = keyed(&upstream, &named, &[]);
    assert_eq!(text(&ask(&server, "a")).lines().next(), Some("fine"));
    assert_eq!(shown(&upstream), FIRST);

    put(&path, &format!("{SECOND}\n"));
    let told = reload(&server, 0);
    assert_eq!(
        (&told["decision"], &told["resource"]),
        (&json!("allow"), &json!("KIMI_API_KEY")),
        "{told}"
    );
    ask(&server, "b");
    assert_eq!(shown(&upstream), SECOND);
    let is_logged =
        |line: &String| line.contains("configuration reloaded") && line.contains("KIMI_API_KEY");
    wait_for("the line of the log", || {
        let log = server.log.lock().unwrap();
        log.iter().any(is_logged).then_some(())
    });

    let bad = [
        ("", "KIMI_API_KEY_FILE"),
        ("sk-with\u{1}control", "the key of provider kimi"),
    ];
    for (n, (text, why)) in bad.into_iter().enumerate() {
        put(&path, text);
        let told = reload(&server, 1 + n);
        assert_eq!(told["reason"], "reload_invalid", "{told}");
        assert!(told["resource"].as_str().unwrap().contains(why), "{told}");
        ask(&server, &format!("after bad {n}"));
        assert_eq!(shown(&upstream), SECOND, "the old key stays");
    }
    is_silent_about(&server, &[FIRST, SECOND, "sk-with"]);
}

#[test]
fn a_call_that_began_with_the_old_key_keeps_it_and_tells_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (path, named) = file(&folder, "kimi", FIRST);
    let (gate, is_first) = (Arc::new(Barrier::new(2)), AtomicBool::new(true));
    let held = Arc::clone(&gate);
    let upstream = Upstream::start(move |_| {
        if is_first.swap(false, Ordering::SeqCst) {
            held.wait();
            held.wait();
        }
        let words = format!("{FIRST} is no key of ours");
        json!({"error": {"message": words, "type": "invalid_authentication_error"}})
    });
    let server = keyed(&upstream, &named, &[]);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&server, "a"));
        gate.wait();
        put(&path, SECOND);
        assert_eq!(reload(&server, 0)["decision"], "allow");
        gate.wait();
        let told = asked.join().unwrap().to_string();
        assert!(told.contains("[redacted] is no key of ours"), "{told}");
        assert!(!told.contains(FIRST), "{told}");
    });
}

#[test]
fn budgets_change_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (key, named) = file(&folder, "kimi", FIRST);
    let budget = |tokens: u64| format!("[budget]\nuser = [\"day_tokens={tokens}\"]\n");
    let (path, config) = file(&folder, "exai.toml", &budget(1_000_000));
    let upstream = Upstream::start(|_| said("fine"));
    let config = format!("--config={config}");
    let server = keyed(&upstream, &named, &[&config]);
    assert_eq!(text(&ask(&server, "a")).lines().next(), Some("fine"));
    put(&path, &budget(1));
    assert_eq!(reload(&server, 0)["resource"], "budget.user");
    let refused = ask(&server, "b");
    assert_eq!(code(&refused), "budget_exceeded", "{refused}");
    put(&path, "[budget]\nuser = [\"day_tokens=many\"]\n");
    assert_eq!(reload(&server, 1)["reason"], "reload_invalid");
    assert_eq!(code(&ask(&server, "c")), "budget_exceeded");
    put(&path, &budget(2_000_000));
    put(&key, SECOND);
    wait_for("the larger budget", || {
        let answer = ask(&server, "d");
        (!answer["isError"].as_bool().unwrap_or_default()).then_some(())
    });
}

/// A user's token under a secret.
fn token(secret: &str) -> String {
    let mut command = exai(&[("EXAI_JWT_SECRET", secret)]);
    command.args(["token", "--sub", "ann", "--role", "user", "--ttl", "600"]);
    command.args(JWT.iter().flat_map(|pair| ["--set", pair]));
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn the_servers_own_secrets_change_but_for_the_one_that_bridges_know_it_by() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let paths = ["jwt", "metrics", "daemon"].map(|name| folder.at(name));
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    for (path, secret) in paths.iter().zip(SECRETS.iter().step_by(2)) {
        write(path, secret);
    }
    let [jwt, metrics, daemon] = paths.each_ref().map(|path| path.display().to_string());
    let settings: Vec<&str> = JWT
        .into_iter()
        .chain(["--demo", "auth.watch=50ms"])
        .collect();
    let env = [
        ("EXAI_JWT_SECRET_FILE", jwt.as_str()),
        ("EXAI_METRICS_TOKEN_FILE", metrics.as_str()),
        ("EXAI_DAEMON_KEY_FILE", daemon.as_str()),
    ];
    let server = serve(&settings, &env);
    let version = |secret: &str| {
        let bearer = format!("Bearer {}", token(secret));
        let mut headers = call_headers("version");
        headers.push(("authorization", &bearer));
        server.post(&call("version", json!({})), &headers).status
    };
    let scrape = |secret: &str| {
        let bearer = format!("Bearer {secret}");
        server
            .admin("/metrics", &[("authorization", &bearer)])
            .status
    };
    let [jwt, jwt_next, metrics, metrics_next, _, daemon_next] = SECRETS;
    assert_eq!((version(jwt), scrape(metrics)), (200, 200));

    put(&paths[0], jwt_next);
    assert_eq!(reload(&server, 0)["resource"], "EXAI_JWT_SECRET");
    assert_eq!((version(jwt), version(jwt_next)), (401, 200));
    put(&paths[1], metrics_next);
    assert_eq!(reload(&server, 1)["resource"], "EXAI_METRICS_TOKEN");
    assert_eq!((scrape(metrics), scrape(metrics_next)), (401, 200));

    put(&paths[2], daemon_next);
    let told = reload(&server, 2);
    assert_eq!(told["reason"], "reload_needs_restart", "{told}");
    assert_eq!(told["resource"], "needs a restart: EXAI_DAEMON_KEY");
    put(&paths[0], "short");
    let told = reload(&server, 3);
    assert_eq!(told["reason"], "reload_invalid", "{told}");
    assert_eq!((version(jwt_next), scrape(metrics_next)), (200, 200));
    is_silent_about(&server, &SECRETS);
}
