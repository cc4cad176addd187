//! Files and changes of a client's machine, carried by the bridge to a daemon that cannot see them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::piped::Bridge;
use super::process::{JWT, SECRET, Server, call, exai, serve, token};
use super::providers::result;
use super::shelf::Shelf;

fn connect(server: &Server, root: &Path, more: &[&str], env: &[(&str, &str)]) -> Bridge {
    let mut command = exai(env);
    let dir = format!("server.state_dir={}", server.state.path().display());
    command.args([
        "bridge",
        "--url",
        &format!("ws://{}/ws", server.public),
        "--set",
        &dir,
    ]);
    command.arg("--root").arg(root).args(more);
    let mut bridge = Bridge::spawn(&mut command);
    bridge.begin();
    bridge
}

fn review(tool: &str, more: Value) -> Value {
    let mut arguments = json!({"step": "review this", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "none yet"});
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    let mut message = call(tool, arguments);
    message["params"].as_object_mut().unwrap().remove("_meta");
    message
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or("no text")
}

fn stored(server: &Server) -> usize {
    let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("files/stored"))
        .count()
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("src")).unwrap();
    std::fs::write(root.join("src/lib.rs"), "// FACT kestrel lives here\n").unwrap();
    std::fs::write(root.join("empty.rs"), "").unwrap();
    std::fs::write(folder.path().join("secret.txt"), "FACT secret leaks\n").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), root.join("link")).unwrap();
    folder
}

#[test]
fn a_review_of_local_files_reaches_a_daemon_that_cannot_see_them() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let folder = project();
    let root = folder.path().join("root");
    let mut bridge = connect(
        &server,
        &root,
        &["--map", &format!("/host={}", root.display())],
        &[],
    );
    let names = [
        json!("src/lib.rs"),
        json!(root.join("src/lib.rs")),
        json!("/host/src/lib.rs"),
    ];
    for (n, name) in names.iter().enumerate() {
        let files = json!({"relevant_files": [name, "empty.rs"], "focus_on": format!("try {n}")});
        let answer = bridge.ask(&review("codereview", files));
        assert_eq!(text(&answer), "kestrel", "{answer}");
    }
    // The daemon had it after the first.
    assert_eq!(stored(&server), 1);
    let shown = shelf.chats().pop().unwrap()["messages"].to_string();
    assert!(shown.contains("file: src/lib.rs"), "{shown}");
    assert!(
        !shown.contains(&*folder.path().to_string_lossy()),
        "{shown}"
    );
    let question = json!({"file_path": "src/lib.rs", "question": "who?"});
    let answer = bridge.ask(&call("smart_file_query", question));
    assert_eq!(text(&answer), "kestrel", "{answer}");
}

#[test]
fn what_is_outside_the_root_never_leaves() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let folder = project();
    let mut bridge = connect(&server, &folder.path().join("root"), &[], &[]);
    let outside = folder.path().join("secret.txt");
    let names = [
        json!("../secret.txt"),
        json!("link"),
        json!(outside),
        json!("absent"),
        json!("src"),
    ];
    for name in names {
        let answer = bridge.ask(&review("codereview", json!({"relevant_files": [name]})));
        let error = &answer["result"]["structuredContent"]["error"];
        assert_eq!(error["code"], "file_not_readable", "{name}: {answer}");
        assert_eq!(error["field"], "/relevant_files/0");
    }
    let answer = bridge.ask(&review("precommit", json!({"path": "../.."})));
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["code"], "file_not_readable", "{answer}");
    assert_eq!((shelf.chats().len(), stored(&server)), (0, 0));
    // A program inside the root is refused by the daemon's own rules.
    std::fs::write(folder.path().join("root/tool"), b"\x7fELF\x02").unwrap();
    let answer = bridge.ask(&review("codereview", json!({"relevant_files": ["tool"]})));
    assert!(
        text(&answer).contains("programs are not stored"),
        "{answer}"
    );
}

fn git(folder: &Path, words: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t.test"])
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn changes_are_read_where_the_repository_is() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let folder = project();
    let root = folder.path().join("root");
    git(&root, &["init", "-q"]);
    git(&root, &["add", "src/lib.rs"]);
    git(&root, &["commit", "-qm", "first"]);
    std::fs::write(root.join("src/lib.rs"), "// FACT merlin lives here\n").unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut bridge = connect(&server, &root, &[], &[("PATH", &path)]);
    let answer = bridge.ask(&review("precommit", json!({})));
    // The old line stands first in a diff.
    assert_eq!(text(&answer), "kestrel", "{answer}");
    let shown = shelf.chats().pop().unwrap()["messages"].to_string();
    assert!(shown.contains("+// FACT merlin lives here"), "{shown}");
    let answer = bridge.ask(&review(
        "precommit",
        json!({"path": "src", "compare_to": "--help"}),
    ));
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["field"], "/compare_to", "{answer}");
}

#[test]
fn files_are_left_under_the_bridge_s_token_and_found_by_its_principal() {
    let shelf = Shelf::start();
    let settings = shelf.settings();
    let all: Vec<&str> = JWT
        .iter()
        .copied()
        .chain(settings.iter().map(String::as_str))
        .collect();
    let keys = [
        ("EXAI_JWT_SECRET", SECRET),
        ("KIMI_API_KEY", "sk-0123456789abcdef"),
    ];
    let server = serve(&all, &keys);
    let folder = project();
    let ada = token("ada", &["user"]);
    let root = folder.path().join("root");
    let mut bridge = connect(&server, &root, &[], &[("EXAI_TOKEN", &ada)]);
    let answer = bridge.ask(&review(
        "codereview",
        json!({"relevant_files": ["src/lib.rs"]}),
    ));
    assert_eq!(text(&answer), "kestrel", "{answer}");
    let lines = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap();
    let line = lines
        .lines()
        .find(|line| line.contains("files/stored"))
        .unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["principal"], &line["decision"]),
        (&json!("ada"), &json!("allow"))
    );
}

#[test]
fn over_plain_http_every_path_is_refused_alike_and_content_is_taken() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let folder = project();
    let file = folder.path().join("root/src/lib.rs");
    let paths = [
        json!(file),
        json!(file.with_extension("absent")),
        json!(folder.path()),
        json!("/dev/zero"),
        json!("\\\\host\\share"),
        json!("C:\\x"),
        json!("%2e%2e/x"),
    ];
    let refusals: Vec<Value> = paths
        .iter()
        .map(|path| result(&server, "chat", json!({"prompt": "x", "files": [path]})))
        .map(|answer| answer["content"][0]["text"].clone())
        .collect();
    assert!(
        refusals.iter().all(|one| *one == refusals[0]),
        "{refusals:?}"
    );
    let said = refusals[0].as_str().unwrap();
    assert!(
        said.contains("{name, content}") && said.contains("exai bridge"),
        "{said}"
    );
    let content = std::fs::read_to_string(&file).unwrap();
    let files = json!([{"name": "lib.rs", "content": content}]);
    let answer = result(&server, "chat", json!({"prompt": "who?", "files": files}));
    assert_eq!(answer["content"][0]["text"], "kestrel", "{answer}");
}

#[test]
fn more_files_than_the_rate_lets_through_at_once_all_arrive() {
    let shelf = Shelf::start();
    let server = shelf.serve(&["limits.rate.address=12"]);
    let folder = project();
    let root = folder.path().join("root");
    let names: Vec<String> = (0..12).map(|n| format!("f{n}.txt")).collect();
    for name in &names {
        std::fs::write(root.join(name), format!("this is {name}\n")).unwrap();
    }
    let mut bridge = connect(&server, &root, &[], &[]);
    let answer = bridge.ask(&review("codereview", json!({"relevant_files": names})));
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let shown = shelf.chats().pop().unwrap()["messages"].to_string();
    assert!(
        names
            .iter()
            .all(|name| shown.contains(&format!("this is {name}"))),
        "{shown}"
    );
    assert_eq!(stored(&server), 12);
}
