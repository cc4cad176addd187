//! What MiniMax thought goes back to it with the next turn of a thread, whole and signed, and to
//! nobody else (fault C10).

use serde_json::{Value, json};

use super::process::{Server, serve};
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
