//! Everything of one principal, exported and purged beside a running server.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::sha256;
use super::process::{JWT, SECRET, Server, call, call_headers, exai, request, token, wait_for};
use super::providers::{said, started_with};
use super::redis::Redis;
use super::upstream::Upstream;

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files_below(&path),
            path => vec![path],
        })
        .collect()
}

/// The files below a folder that hold a word.
fn holding(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    });
    files
}

fn ask(server: &Server, who: &str, arguments: Value) -> Value {
    let bearer = format!("Bearer {}", token(who, &["user"]));
    let mut headers = call_headers("chat");
    headers.push(("authorization", &bearer));
    let reply = server.post(&call("chat", arguments), &headers).json();
    reply["result"].clone()
}

fn store(server: &Server, who: &str, name: &str, content: &str) {
    let bearer = format!("Bearer {}", token(who, &["user"]));
    let path = format!("/files/{}", sha256(content.as_bytes()));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/plain"),
        ("exai-file-name", name),
    ];
    let stored = request(server.public, "PUT", &path, &headers, content.as_bytes());
    assert!(stored.status < 300, "{stored:?}");
}

fn data(verb: &str, settings: &[&str], more: &[&str]) -> Value {
    let mut command = exai(&[("EXAI_JWT_SECRET", SECRET)]);
    command
        .args(["data", verb, "--principal", "paula"])
        .args(more);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each says and stores a word of its own, and both conversations reach the archive.
fn plant(server: &Server, state: &Path) {
    for (who, word) in [("paula", "canary-of-paula"), ("quinn", "canary-of-quinn")] {
        let told = ask(server, who, json!({"prompt": format!("keep {word}")}));
        assert_eq!(told["isError"], false, "{told}");
        let (name, content) = (format!("{word}-name.txt"), format!("{word} in a file"));
        store(server, who, &name, &content);
    }
    wait_for("the archived copies", || {
        let kept = rusqlite::Connection::open(state.join("archive.sqlite")).unwrap();
        let count = kept.query_row("SELECT count(*) FROM messages", [], |row| row.get(0));
        (count == Ok(2)).then_some(())
    });
}

fn purged(own: &[&str], store_folder: Option<&Path>) {
    let upstream = Upstream::start(|seen| said(&format!("echo {}", seen.body["messages"])));
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let more = own.iter().copied().chain([dir.as_str()]);
    let settings: Vec<&str> = JWT.iter().copied().chain(more).collect();
    let server = started_with(&upstream, &settings, &[("EXAI_JWT_SECRET", SECRET)]);
    plant(&server, state.path());
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("paula");
    let told = data("export", &settings, &["--out", folder.to_str().unwrap()]);
    assert_eq!(
        (&told["threads"], told["files"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let threads = std::fs::read_to_string(folder.join("threads.json")).unwrap();
    assert!(threads.contains("keep canary-of-paula"), "{threads}");
    assert!(holding(&folder, "canary-of-paula in a file").len() == 1);
    assert_eq!(holding(&folder, "canary-of-quinn"), Vec::<PathBuf>::new());
    // The log never held what was said.
    let log = server.log.lock().unwrap().join("\n");
    assert!(!log.contains("canary"), "content is in the log");

    let told = data("purge", &settings, &[]);
    assert_eq!(
        (&told["threads"], &told["archived"]),
        (&json!(1), &json!(1)),
        "{told}"
    );
    assert_eq!(told["files"], 1, "{told}");
    let places = [Some(state.path()), store_folder];
    for place in places.into_iter().flatten() {
        wait_for("the last trace to go", || {
            holding(place, "canary-of-paula").is_empty().then_some(())
        });
    }
    let held = |place: &&Path, word| !holding(place, word).is_empty();
    let kept = |word| places.iter().flatten().any(|place| held(place, word));
    assert!(kept("keep canary-of-quinn") && kept("canary-of-quinn in a file"));
    // Nor does the running server answer from memory what it was asked before.
    let before = upstream.posts().len();
    wait_for("the server to ask anew", || {
        ask(&server, "paula", json!({"prompt": "keep canary-of-paula"}));
        (upstream.posts().len() > before).then_some(())
    });
}

#[test]
fn after_a_purge_no_store_file_cache_or_log_holds_a_word_of_the_principal() {
    purged(&[], None);
}

#[test]
fn after_a_purge_redis_and_its_files_hold_no_word_of_the_principal() {
    let Some(redis) = Redis::start() else { return };
    let url = format!("store.url={}", redis.url);
    purged(&["store.kind=redis", &url], Some(redis.folder()));
}
