//! A reload while calls are made: what changes is in force for the next call, no call fails, each
//! attempt is on record, and a file with a fault is refused whole.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::issuer::Issuer;
use super::process::{SECRET, Server, call, call_headers, token, wait_for};
use super::providers::{said, started_with};
use super::reloading::{lines, put};
use super::upstream::Upstream;

/// The configuration file and what it names.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A whole configuration: what does not change, and what does.
    fn text(&self, changing: &str) -> String {
        let shown = |name: &str| self.at(name).display().to_string();
        format!(
            "[auth]\nmode = \"jwt\"\nwatch = \"50ms\"\npolicy_file = \"{}\"\n[auth.jwt]\n\
             issuer = \"https://issuer.test\"\naudience = \"exai\"\n\
             algorithms = [\"HS256\", \"EdDSA\"]\njwks = \"{}\"\n{changing}",
            shown("policy.toml"),
            shown("keys.json")
        )
    }
}

fn asks(server: &Server, bearer: &str, tool: &str, arguments: Value) -> (u16, Value) {
    let bearer = format!("Bearer {bearer}");
    let mut headers = call_headers(tool);
    headers.push(("authorization", &bearer));
    let reply = server.post(&call(tool, arguments), &headers);
    let said = if reply.body.is_empty() {
        Value::Null
    } else {
        reply.json()
    };
    (reply.status, said)
}

/// The model that answered a question; the refusal's code where none did.
fn model(server: &Server, bearer: &str, arguments: Value) -> String {
    let (_, said) = asks(server, bearer, "chat", arguments);
    let result = &said["result"];
    let used = result["_meta"]["dev.exai/reply"]["model_used"].as_str();
    let code = result["structuredContent"]["error"]["code"].as_str();
    used.or(code).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Good calls, a few a second of each of four people, until it is over.
fn load(server: &Server, is_over: &AtomicBool, made: &AtomicUsize) {
    std::thread::scope(|scope| {
        for person in 0..4 {
            scope.spawn(move || {
                let bearer = token(&format!("person-{person}"), &["user"]);
                while !is_over.load(Ordering::SeqCst) {
                    let n = made.fetch_add(1, Ordering::SeqCst);
                    let prompt = json!({"prompt": format!("question {n}")});
                    let (status, said) = asks(server, &bearer, "chat", prompt);
                    let text = &said["result"]["content"][0]["text"];
                    assert_eq!((status, text), (200, &json!("fine")), "{said}");
                    std::thread::park_timeout(Duration::from_millis(300));
                }
            });
        }
    });
}

fn roles(other: &str) -> String {
    format!("[roles.user]\ntools = [\"*\"]\n[roles.other]\ntools = [\"{other}\"]\n")
}

const FAST: &str = "[limits.rate]\nprincipal = 1000\n";

fn reloads(server: &Server, decision: &str) -> Vec<Value> {
    let all = lines(server, "reload").into_iter();
    all.filter(|line| line["decision"] == decision).collect()
}

/// A fault anywhere, or a key that needs a restart, and nothing of the file is in force.
fn takes_nothing_of_a_refused_file(server: &Server, files: &Files, hot: &str) {
    let slower = "[limits.rate]\nprincipal = 1\n[models]\ndefault = \"glm-5-turbo\"\n";
    let refused = [
        (
            format!("{slower}[thread]\nttl = \"soon\"\n"),
            "reload_invalid",
            "thread.ttl",
        ),
        (
            format!("{slower}[store]\nbusy_timeout = \"4s\"\n"),
            "reload_needs_restart",
            "store.busy_timeout",
        ),
    ];
    for (n, (text, reason, key)) in refused.into_iter().enumerate() {
        put(&files.at("exai.toml"), &files.text(&text));
        let told = wait_for(reason, || reloads(server, "deny").into_iter().nth(n));
        assert_eq!(told["reason"], reason, "{told}");
        assert!(told["resource"].as_str().unwrap().contains(key), "{told}");
        let still = model(server, hot, json!({"prompt": format!("still {n}")}));
        assert_eq!(still, "kimi-k2.6", "half of a refused file is in force");
        let is_fast = |_| asks(server, hot, "version", json!({})).0 == 200;
        assert!((0..20).all(is_fast), "the new rate");
    }
}

fn changes_everything(server: &Server, files: &Files, issuer: &Issuer, old: &str) {
    let config = files.at("exai.toml");
    let write = |changing: &str| put(&config, &files.text(changing));
    let (hot, other) = (token("hot", &["user"]), token("other", &["other"]));
    let version = |bearer: &str| asks(server, bearer, "version", json!({})).0;

    assert_eq!((version(old), version(&other)), (200, 403));
    let new = issuer.publish(&["b"])[0].token();
    put(&files.at("keys.json"), &issuer.set());
    wait_for("the new key", || (version(&new) == 200).then_some(()));
    assert_eq!(version(old), 401, "the old key");
    put(&files.at("policy.toml"), &roles("version"));
    wait_for("the new role", || (version(&other) == 200).then_some(()));

    let ask = |arguments: Value| model(server, &hot, arguments);
    let before = ask(json!({"prompt": "before"}));
    let names = "[models]\ndefault = \"kimi-k2.6\"\n[models.aliases]\nhouse = \"glm-5-turbo\"\n";
    assert_ne!(before, "kimi-k2.6");
    assert_eq!(
        ask(json!({"prompt": "x", "model": "house"})),
        "model_unknown"
    );
    write(&format!("{FAST}{names}"));
    let mut turn = 0;
    wait_for("the new model", || {
        turn += 1;
        (ask(json!({"prompt": format!("after {turn}")})) == "kimi-k2.6").then_some(())
    });
    assert_eq!(ask(json!({"prompt": "y", "model": "house"})), "glm-5-turbo");
    let told = reloads(server, "allow").pop().unwrap();
    for key in ["models.default", "models.aliases.house"] {
        assert!(told["resource"].as_str().unwrap().contains(key), "{told}");
    }

    takes_nothing_of_a_refused_file(server, files, &hot);
    write(&format!("[limits.rate]\nprincipal = 8\n{names}"));
    // All at once: one after the other they may be slower than any rate.
    wait_for("the new rate", || {
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..40).map(|_| scope.spawn(|| version(&hot))).collect();
            let mut statuses = calls.into_iter().map(|one| one.join().unwrap());
            statuses.any(|status| status == 429).then_some(())
        })
    });
    assert_eq!(reloads(server, "allow").len(), 4);
}

#[test]
fn keys_roles_rates_and_models_change_under_load_and_no_call_fails() {
    let files = Files {
        folder: tempfile::tempdir().unwrap(),
    };
    let issuer = Issuer::start();
    let old = issuer.publish(&["a"])[0].token();
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    write(&files.at("keys.json"), &issuer.set());
    write(&files.at("policy.toml"), &roles("status"));
    write(&files.at("exai.toml"), &files.text(FAST));
    let upstream = Upstream::start(|_| said("fine"));
    let config = format!("--config={}", files.at("exai.toml").display());
    let secret = ("EXAI_JWT_SECRET", SECRET);
    let server = started_with(&upstream, &[&config], &[secret]);
    let (is_over, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&server, &is_over, &made));
        let changing = scope.spawn(|| {
            wait_for("the load", || {
                (made.load(Ordering::SeqCst) > 8).then_some(())
            });
            changes_everything(&server, &files, &issuer, &old);
            let so_far = made.load(Ordering::SeqCst);
            wait_for("calls after it", || {
                (made.load(Ordering::SeqCst) > so_far + 8).then_some(())
            });
        });
        let changed = changing.join();
        is_over.store(true, Ordering::SeqCst);
        assert!(changed.is_ok() & loading.join().is_ok(), "see above");
    });
    println!("{} calls under five reloads", made.load(Ordering::SeqCst));
}
