//! A model that decides where questions go: followed when it is right, passed over when it is not,
//! left alone when it keeps failing, and tried again later.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Server, exai, wait_for};
use super::providers::result;
use super::routing::{KEYS, answered, routed};
use super::upstream::{Seen, Upstream};

/// What the deciding model says next, and what `slow` makes of it.
type Script = Arc<Mutex<String>>;

/// Longer than any decision is waited for.
const SLOW: Duration = Duration::from_secs(4);

const MODEL: &str = "models.decision.model=MiniMax-M3";

fn is_decision(seen: &Seen) -> bool {
    let system = seen.body["system"].as_str().unwrap_or_default();
    system.starts_with("You choose which model answers")
}

/// A provider of all models whose MiniMax decides by the script.
fn scripted(first: &Value) -> (Upstream, Script) {
    let script: Script = Arc::new(Mutex::new(first.to_string()));
    let said = Arc::clone(&script);
    let upstream = Upstream::start(move |seen| {
        let mut answer = answered(seen);
        if is_decision(seen) {
            let text = said.lock().unwrap().clone();
            if text == "slow" {
                let (_held, never) = mpsc::channel::<()>();
                let _elapsed = never.recv_timeout(SLOW);
            }
            answer["content"][0]["text"] = text.into();
        }
        answer
    });
    (upstream, script)
}

fn choice(provider: &str, model: &str, path: &str) -> Value {
    json!({"provider": provider, "model": model, "execution_path": path, "reasoning": "x",
        "confidence": 0.9})
}

/// How often the deciding model was asked.
fn decisions(upstream: &Upstream) -> usize {
    upstream
        .posts()
        .iter()
        .filter(|one| is_decision(one))
        .count()
}

/// The trace of one more question.
fn asked(server: &Server, arguments: Value) -> Value {
    let reply = result(server, "chat", arguments);
    assert_eq!(reply["isError"], false, "{reply}");
    reply["_meta"]["dev.exai/reply"].clone()
}

#[test]
fn a_valid_decision_is_followed_kept_and_never_asked_for_a_named_model() {
    let (upstream, script) = scripted(&choice("KIMI", "kimi-k2.6", "STANDARD"));
    let server = routed(&upstream, &[MODEL], &KEYS);
    // The rules send a short chat to GLM.
    let trace = asked(&server, json!({"prompt": "one"}));
    assert_eq!(trace["model_used"], "kimi-k2.6", "{trace}");
    assert_eq!(trace["reason"], "m2_decision");
    assert_eq!(trace["warnings"], json!([]));
    let shown = upstream.posts()[0].body["messages"].to_string();
    assert!(
        shown.contains("one") && shown.contains("glm-5-turbo"),
        "{shown}"
    );
    // Another temperature is another answer and the same decision.
    let again = asked(&server, json!({"prompt": "one", "temperature": 0.9}));
    assert_eq!(again["reason"], "m2_decision", "{again}");
    assert_eq!(decisions(&upstream), 1);

    let fenced = choice("kimi", "kimi-k3", "THINKING");
    *script.lock().unwrap() = format!("Here it is:\n```json\n{fenced}\n```");
    let deep = asked(&server, json!({"prompt": "two"}));
    assert_eq!(deep["model_used"], "kimi-k3", "{deep}");
    assert_eq!(decisions(&upstream), 2);
    let named = asked(&server, json!({"prompt": "three", "model": "glm-5.2"}));
    assert_eq!(named["reason"], "explicit", "{named}");
    assert_eq!(decisions(&upstream), 2);

    let off = routed(&upstream, &[], &KEYS);
    assert_eq!(
        asked(&off, json!({"prompt": "four"}))["reason"],
        "auto_preferred"
    );
    assert_eq!(decisions(&upstream), 2);
}

#[test]
fn a_decision_that_is_wrong_or_late_changes_nothing_and_the_trace_says_why() {
    let (upstream, script) = scripted(&json!(null));
    let own = [
        MODEL,
        "models.decision.failures=100",
        "models.decision.timeout=1500ms",
    ];
    let server = routed(&upstream, &own, &KEYS);
    let mut bold = choice("kimi", "kimi-k2.6", "STANDARD");
    bold["confidence"] = json!(7);
    let table = [
        ("Kimi, I think.".to_owned(), "malformed"),
        ("{}".to_owned(), "malformed"),
        (bold.to_string(), "malformed"),
        (
            choice("kimi", "kimi-k2.6", "FASTEST").to_string(),
            "malformed",
        ),
        (
            choice("openai", "gpt-5.4", "STANDARD").to_string(),
            "unknown_model",
        ),
        (
            choice("kimi", "kimi-k9", "STANDARD").to_string(),
            "unknown_model",
        ),
        (
            choice("kimi", "kimi-k2-0905-preview", "STANDARD").to_string(),
            "unknown_model",
        ),
        (
            choice("kimi", "glm-5.2", "STANDARD").to_string(),
            "unknown_model",
        ),
        (choice("glm", "glm-5.2", "VISION").to_string(), "unfit"),
        ("slow".to_owned(), "slow"),
    ];
    for (place, (said, why)) in table.iter().enumerate() {
        script.lock().unwrap().clone_from(said);
        let began = Instant::now();
        let trace = asked(&server, json!({"prompt": format!("question {place}")}));
        assert!(began.elapsed() < SLOW, "{said}: {:?}", began.elapsed());
        assert_eq!(trace["model_used"], "glm-5-turbo", "{said}: {trace}");
        assert_eq!(trace["reason"], "auto_preferred", "{said}");
        let warning = format!("route decision unused: {why}");
        assert_eq!(trace["warnings"], json!([warning]), "{said}");
        // A request is on record once its answer is made.
        wait_for("the decision on record", || {
            (decisions(&upstream) > place).then_some(())
        });
    }
    assert_eq!(decisions(&upstream), table.len());
}

#[test]
fn a_deciding_model_that_keeps_failing_is_left_alone_and_later_tried_again() {
    let (upstream, script) = scripted(&json!("nonsense"));
    let own = [
        MODEL,
        "models.decision.failures=3",
        "models.decision.first_open=1s",
        "models.decision.max_open=1s",
    ];
    let server = routed(&upstream, &own, &KEYS);
    let mut turn = 0;
    let mut ask = || {
        turn += 1;
        asked(&server, json!({"prompt": format!("question {turn}")}))
    };
    for _ in 0..3 {
        assert_eq!(
            ask()["warnings"],
            json!(["route decision unused: malformed"])
        );
    }
    assert_eq!(ask()["warnings"], json!(["route decision unused: resting"]));
    assert_eq!(decisions(&upstream), 3);
    let state = |wanted: &str| {
        let page = server.admin("/metrics", &[]).body;
        page.contains(&format!(
            "exai_breaker_state{{dependency=\"m2_decision\"}} {wanted}\n"
        ))
    };
    assert!(state("1"), "the breaker is not open");
    *script.lock().unwrap() = choice("kimi", "kimi-k2.6", "STANDARD").to_string();
    let trace = wait_for("a decision to be followed again", || {
        let trace = ask();
        (trace["reason"] == "m2_decision").then_some(trace)
    });
    assert_eq!(trace["model_used"], "kimi-k2.6");
    assert!(state("0"), "the breaker is not closed");
}

#[test]
fn a_deciding_model_that_does_not_exist_refuses_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("server.state_dir={}", folder.path().display());
    for (model, word) in [
        ("kimi-k9", "no model is called"),
        ("kimi-k2", "was retired"),
    ] {
        let mut command = exai(&KEYS);
        command.args(["serve", "--set", "server.listen=127.0.0.1:0"]);
        command.args(["--set", "server.admin=127.0.0.1:0", "--set", &state]);
        command.args(["--set", &format!("models.decision.model={model}")]);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(
            told.contains("models.decision.model") && told.contains(word),
            "{told}"
        );
    }
}
