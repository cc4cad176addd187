//! The commands that call a server: one of their own, or one that runs.

use std::process::Output;

use serde_json::Value;

use super::process::{SECRET, exai, serve, serve_jwt, token};

/// A command's end: exit code, standard output, standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Runs the same words against a process of the command's own and against a server that runs.
fn on_both(words: &[&str], mut look: impl FnMut(&str, (i32, String, String))) {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let mut own = exai(&[]);
    own.args(&words[..1])
        .args(["--demo", "--set", &dir])
        .args(&words[1..]);
    look("stdio", told(&own.output().unwrap()));
    let server = serve(&["--demo"], &[]);
    let url = format!("http://{}/mcp", server.public);
    let mut far = exai(&[]);
    far.args(&words[..1])
        .args(["--url", &url])
        .args(&words[1..]);
    look("url", told(&far.output().unwrap()));
}

#[test]
fn a_call_prints_the_answer_alone_and_its_notes_beside_it() {
    on_both(
        &["call", "chat", "prompt=Why is the sky blue?"],
        |at, (code, out, err)| {
            assert_eq!(code, 0, "{at}: {err}");
            assert!(
                out.contains("DEMO") && !out.contains("continuation_id"),
                "{at}: {out}"
            );
            assert!(err.contains("continuation_id"), "{at}: {err}");
        },
    );
    on_both(&["call", "version", "--json"], |at, (code, out, err)| {
        let result: Value =
            serde_json::from_str(&out).unwrap_or_else(|_| panic!("{at}: {out} {err}"));
        assert_eq!(
            (code, &result["structuredContent"]["name"]),
            (0, &"exai".into()),
            "{at}"
        );
    });
}

#[test]
fn lists_are_printed_one_a_line() {
    on_both(&["tools"], |at, (code, out, err)| {
        assert_eq!(code, 0, "{at}: {err}");
        assert_eq!(out.lines().count(), 18, "{at}: {out}");
        assert!(out.contains("\nchat: Use this "), "{at}: {out}");
    });
    on_both(&["models", "--live", "--json"], |at, (code, out, err)| {
        assert_eq!(code, 0, "{at}: {err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        let demo = told["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "demo");
        assert_eq!(demo.unwrap()["live"], "healthy", "{at}: {demo:?}");
    });
    on_both(&["threads"], |at, (code, out, _)| {
        assert_eq!((code, &*out), (0, ""), "{at}")
    });
}

#[test]
fn threads_of_earlier_commands_are_found() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let run = |words: &[&str]| {
        let mut command = exai(&[]);
        command.args(words).args(["--demo", "--set", &dir]);
        told(&command.output().unwrap())
    };
    let (code, _, err) = run(&["call", "chat", "prompt=About herons"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = run(&["threads"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("About herons") && out.contains("1 turns"),
        "{out}"
    );
}

#[test]
fn the_exit_code_says_what_kind_of_failure_it_was() {
    let cases = [
        (vec!["call", "no_such_tool"], 64, "there are:"),
        (vec!["call", "chat", "promt=x"], 64, "prompt"),
        (vec!["call", "chat", "prompt"], 64, "KEY=VALUE"),
        (
            vec!["call", "chat", "prompt=x", "model=gpt-banana"],
            64,
            "model_unknown",
        ),
    ];
    for (words, wanted, says) in cases {
        on_both(&words, |at, (code, out, err)| {
            assert_eq!((code, &*out), (wanted, ""), "{at} {words:?}: {err}");
            assert!(err.contains(says), "{at} {words:?}: {err}");
        });
    }
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let keyless = exai(&[])
        .args(["call", "chat", "prompt=x", "--set", &dir])
        .output()
        .unwrap();
    let (code, _, err) = told(&keyless);
    assert_eq!(code, 69, "{err}");
    assert!(err.contains("provider_key_missing"), "{err}");
    let nobody = exai(&[])
        .args(["tools", "--url", "http://127.0.0.1:9/mcp"])
        .output()
        .unwrap();
    assert_eq!(told(&nobody).0, 69);
    for (url, token, named) in [
        ("http://127.0.0.1:9/mcp", "two\nlines", "EXAI_TOKEN"),
        ("127.0.0.1/mcp", "", "--url 127.0.0.1/mcp"),
    ] {
        let mut command = exai(&[("EXAI_TOKEN", token)]);
        let (code, _, err) = told(&command.args(["tools", "--url", url]).output().unwrap());
        assert_eq!(code, 64, "{err}");
        assert!(err.contains(named) && !err.contains("lines"), "{err}");
    }
    let server = serve_jwt(&["--demo"]);
    let url = format!("http://{}/mcp", server.public);
    let (code, _, err) = told(&exai(&[]).args(["tools", "--url", &url]).output().unwrap());
    assert_eq!(code, 77, "{err}");
    let own = token("ann", &["user"]);
    let mut command = exai(&[("EXAI_TOKEN", &own)]);
    assert_eq!(
        told(&command.args(["tools", "--url", &url]).output().unwrap()).0,
        0
    );
}

#[test]
fn a_support_bundle_holds_settings_and_findings_and_no_secret() {
    let state = tempfile::tempdir().unwrap();
    let dir = format!("server.state_dir={}", state.path().display());
    let file = state.path().join("exai.toml");
    let canary = "c4nary-0a9b8c7d6e5f";
    let url = format!("redis://exai:{canary}-redis@127.0.0.1:9/0?token={canary}-query");
    std::fs::write(
        &file,
        format!("[store]\nkind = \"redis\"\nurl = \"{url}\"\n"),
    )
    .unwrap();
    let named = |name: &str| format!("{canary}-{name}");
    let (kimi, bearer, other) = (named("kimi"), named("token"), named("other"));
    let env = [
        ("KIMI_API_KEY", &*kimi),
        ("EXAI_JWT_SECRET", SECRET),
        ("EXAI_TOKEN", &bearer),
        ("SOME_PASSWORD", &other),
    ];
    let out = state.path().join("bundle.json");
    let mut command = exai(&env);
    command
        .args(["support-bundle", "--set", &dir, "--config"])
        .arg(&file);
    let (code, text, err) = told(&command.arg("--out").arg(&out).output().unwrap());
    assert_eq!((code, &*text), (0, ""), "{err}");
    let bundle = std::fs::read_to_string(&out).unwrap();
    for secret in [canary, SECRET] {
        assert!(
            !bundle.contains(secret) && !err.contains(secret),
            "{bundle}"
        );
    }
    holds_settings_and_findings(&serde_json::from_str(&bundle).unwrap());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&out).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

fn holds_settings_and_findings(bundle: &Value) {
    let settings = bundle["settings"].as_array().unwrap();
    let store = settings
        .iter()
        .find(|one| one["key"] == "store.url")
        .unwrap();
    assert!(
        store["value"]
            .as_str()
            .unwrap()
            .contains("(removed)@127.0.0.1:9"),
        "{store}"
    );
    assert!(
        store["from"].as_str().unwrap().starts_with("file "),
        "{store}"
    );
    let found = bundle["doctor"].as_array().unwrap();
    assert!(
        found
            .iter()
            .any(|one| one["check"] == "store" && one["ok"] == false),
        "{found:?}"
    );
    assert!(
        bundle["environment_names"]
            .to_string()
            .contains("SOME_PASSWORD")
    );
}
