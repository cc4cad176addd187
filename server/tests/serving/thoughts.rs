//! What MiniMax thought goes back to it with the next turn of a thread, whole and signed, and to
//! nobody else (fault C10).

use serde_json::{Value, json};

use super::process::{Server, exai, serve, wait_for};
use super::providers::result;
use super::upstream::{Seen, Upstream};

/// An answer of the Anthropic-shaped form: two thoughts, one of them sealed, then the text.
fn thinking(seen: &Seen) -> Value {
    let turn = seen.body["messages"].as_array().unwrap().len();
    json!({"id": "m", "type": "message", "role": "assistant", "model": seen.body["model"],
        "content": [thought(turn), sealed(turn), {"type": "text", "text": "answered"}],
        "usage": {"input_tokens": 5, "output_tokens": 7}, "stop_reason": "end_turn",
        "base_resp": {"status_code": 0, "status_msg": ""}})
}

fn thought(turn: usize) -> Value {
    let (words, signature) = (format!("weighing {turn}"), "5e".repeat(32));
    json!({"type": "thinking", "thinking": words, "signature": signature})
}

fn sealed(turn: usize) -> Value {
    json!({"type": "redacted_thinking", "data": format!("sealed {turn}")})
}

fn started(minimax: &Upstream, kimi: &Upstream, own: &[&str]) -> Server {
    let at = |row: &str, upstream: &Upstream| format!("provider.{row}.base_url={}", upstream.url);
    let (first, second) = (at("minimax", minimax), at("kimi", kimi));
    let settings = [
        first.as_str(),
        "provider.minimax.allow_private=true",
        second.as_str(),
        "provider.kimi.allow_private=true",
    ];
    let key = "sk-planted-0123456789abcdef";
    let keys = [("MINIMAX_API_KEY", key), ("KIMI_API_KEY", key)];
    serve(&[settings.as_slice(), own].concat(), &keys)
}

/// Asks within a thread, which begins where none is given; its handle.
fn ask(server: &Server, model: &str, thread: Option<&Value>) -> Value {
    let mut asked = json!({"prompt": "and now?", "model": model, "thinking_mode": "high"});
    if let Some(thread) = thread {
        asked["continuation_id"] = thread.clone();
    }
    let said = result(server, "chat", asked);
    assert_eq!(said["isError"], false, "{said}");
    assert!(!said.to_string().contains("weighing"), "{said}");
    said["_meta"]["dev.exai/reply"]["continuation_id"].clone()
}

#[test]
fn a_thread_brings_the_model_what_it_thought_before_each_of_its_answers() {
    let minimax = Upstream::start(thinking);
    let kimi = Upstream::start(|_| super::providers::said("answered"));
    let server = started(&minimax, &kimi, &[]);
    let thread = ask(&server, "MiniMax-M3", None);
    ask(&server, "MiniMax-M3", Some(&thread));
    ask(&server, "MiniMax-M3", Some(&thread));
    let sent = minimax.posts()[2].body["messages"].clone();
    let text = json!({"type": "text", "text": "answered"});
    for (at, turn) in [(1, 1), (3, 3)] {
        let wanted = json!([thought(turn), sealed(turn), text]);
        assert_eq!(sent[at]["content"], wanted, "{sent}");
    }
    assert_eq!(sent[4]["content"], "and now?");
}

#[test]
fn another_model_and_another_provider_are_sent_the_text_alone() {
    let minimax = Upstream::start(thinking);
    let kimi = Upstream::start(|_| super::providers::said("answered"));
    let server = started(&minimax, &kimi, &[]);
    let thread = ask(&server, "MiniMax-M3", None);
    ask(&server, "kimi-k3", Some(&thread));
    ask(&server, "MiniMax-M2.7", Some(&thread));
    for (upstream, place) in [(&kimi, 0), (&minimax, 1)] {
        let sent = upstream.posts()[place].body["messages"].to_string();
        assert!(sent.contains("answered"), "{sent}");
        assert!(!sent.contains("weighing"), "{sent}");
        assert!(!sent.contains("sealed"), "{sent}");
    }
}

#[test]
fn thoughts_without_a_signature_are_not_sent_back() {
    let minimax = Upstream::start(|seen| {
        let mut answer = thinking(seen);
        answer["content"][0]["signature"] = json!("");
        answer
    });
    let kimi = Upstream::start(|_| super::providers::said("answered"));
    let server = started(&minimax, &kimi, &[]);
    let thread = ask(&server, "MiniMax-M3", None);
    ask(&server, "MiniMax-M3", Some(&thread));
    let sent = minimax.posts()[1].body["messages"].clone();
    assert_eq!(sent[1]["content"], "answered", "{sent}");
}

#[test]
fn another_provider_that_serves_a_model_of_the_same_name_is_sent_the_text_alone() {
    let (first, second) = (Upstream::start(thinking), Upstream::start(thinking));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exai.toml");
    let row = format!(
        "[provider.second]\ndialect = \"minimax\"\nbase_url = \"{}\"\n\
         allow_private = true\napi_key_env = [\"KIMI_API_KEY\"]\n",
        second.url
    );
    std::fs::write(&file, row).unwrap();
    let kimi = Upstream::start(|_| super::providers::said("answered"));
    let server = started(&first, &kimi, &[&format!("--config={}", file.display())]);
    let thread = ask(&server, "minimax/MiniMax-M3", None);
    ask(&server, "second/MiniMax-M3", Some(&thread));
    ask(&server, "second/MiniMax-M3", Some(&thread));
    let sent = second.posts()[0].body["messages"].clone();
    assert_eq!(sent[1]["content"], "answered", "{sent}");
    // Its own come back to it, and the other's still do not.
    let sent = second.posts()[1].body["messages"].clone();
    assert_eq!(sent[1]["content"], "answered", "{sent}");
    assert_eq!(sent[3]["content"][0], thought(3), "{sent}");
}

#[test]
fn thoughts_are_kept_with_their_thread_and_exported_with_it() {
    let minimax = Upstream::start(thinking);
    let kimi = Upstream::start(|_| super::providers::said("answered"));
    let server = started(&minimax, &kimi, &[]);
    ask(&server, "MiniMax-M3", None);
    let archive = server.state.path().join("archive.sqlite");
    wait_for("the archived copy", || {
        let kept = rusqlite::Connection::open(&archive).unwrap();
        let wanted = "SELECT count(*) FROM messages WHERE body LIKE '%weighing 1%'";
        let count = kept.query_row(wanted, [], |row| row.get(0));
        (count == Ok(1)).then_some(())
    });
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("all");
    let mut command = exai(&[]);
    command.args(["data", "export", "--principal", "anonymous", "--out"]);
    command.arg(&folder).arg("--set");
    command.arg(format!(
        "server.state_dir={}",
        server.state.path().display()
    ));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let threads = std::fs::read_to_string(folder.join("threads.json")).unwrap();
    let threads: Value = serde_json::from_str(&threads).unwrap();
    let wanted = json!([thought(1), sealed(1)]);
    assert_eq!(threads[0]["exchanges"][0]["thoughts"], wanted, "{threads}");
}
