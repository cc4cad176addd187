//! Every kind of fault is told by its type: never as text inside a success, and never kept for a
//! later call.

use exai_mocks::plan::Plan;
use exai_mocks::tracer::sha256_hex;
use serde_json::{Value, json};

use super::ground::{Server, tracer, wait_for};
use super::row::{GLM, KIMI, Row};
use super::simulator::{Simulator, faulty, waiting};

/// Clocks short enough for a test, and a breaker that stays out of the way.
const SETTINGS: &str = "[timeouts.prompt]\nfirst_token = \"1500ms\"\nidle = \"1500ms\"\n\
                        total = \"3s\"\n[breaker]\nfailures = 1000\n";

/// Not a fault of the catalogue: text without an end.
const ENDLESS: &str = "endless";

/// A fault, whether the answer is streamed, and what the caller must be told: category, code and
/// whether the call may be tried again.
type Case = (&'static str, bool, &'static str, &'static str, bool);

/// Each kind of fault that a provider can show, once, at a provider with nobody behind it.
const CASES: [Case; 17] = [
    ("K01", false, "provider_error", "provider_overloaded", true),
    (
        "G01",
        false,
        "rate_limit_error",
        "provider_rate_limited",
        true,
    ),
    (
        "Z02:1308",
        false,
        "rate_limit_error",
        "provider_quota_exhausted",
        false,
    ),
    (
        "K11",
        false,
        "provider_error",
        "provider_configuration",
        false,
    ),
    (
        "C13",
        false,
        "provider_error",
        "provider_rejected_request",
        false,
    ),
    ("FB12", false, "provider_error", "context_too_long", false),
    ("FB13", false, "provider_error", "content_filtered", false),
    ("K09", false, "provider_error", "model_unavailable", false),
    ("G02:500", false, "provider_error", "provider_failed", true),
    (
        "G05:reset",
        false,
        "network_error",
        "provider_unreachable",
        true,
    ),
    (
        "S02:close",
        true,
        "network_error",
        "stream_interrupted",
        true,
    ),
    ("G04:silent", true, "timeout_error", "provider_silent", true),
    ("S03", true, "timeout_error", "provider_stalled", true),
    (ENDLESS, true, "timeout_error", "provider_too_slow", true),
    (
        "G03:html",
        false,
        "provider_error",
        "provider_malformed_reply",
        true,
    ),
    ("S18:stop", true, "provider_error", "empty_reply", true),
    (
        "G06:undocumented",
        false,
        "unknown_error",
        "provider_code_unknown",
        false,
    ),
];

fn plan(fault: &str) -> Plan {
    match fault {
        ENDLESS => Plan {
            chunk_ms: 50,
            chunk_chars: 8,
            prose_words: 4_000,
            ..Plan::default()
        },
        // Used up for a second: until then the model is left alone.
        "Z02:1308" => waiting(fault, false, Some(1_000)),
        _ => faulty(fault, false),
    }
}

#[test]
fn each_kind_of_fault_is_a_typed_error_and_none_is_kept_for_the_same_call() {
    let simulators = [Simulator::start(&KIMI), Simulator::start(&GLM)];
    let [kimi, glm] = &simulators;
    let servers = [(KIMI, kimi), (GLM, glm)]
        .map(|(row, simulator)| Server::start(&[(row, &simulator.root)], SETTINGS));
    for case in CASES {
        let place = usize::from(case.0.starts_with('Z'));
        is_told_and_forgotten(
            case,
            [KIMI, GLM][place],
            (&servers[place], &simulators[place]),
        );
    }
}

fn is_told_and_forgotten(case: Case, row: Row, (server, simulator): (&Server, &Simulator)) {
    let (fault, streamed, category, code, retryable) = case;
    let prompt = format!("Please look at this: {}", tracer());
    let arguments = json!({"prompt": prompt, "model": row.address(), "stream": streamed});
    simulator.plan(&plan(fault));
    let answer = server.call("chat", &arguments);
    let error = answer.error.unwrap_or_else(|| {
        panic!("a success instead of {code}: {}", answer.text);
    });
    let wanted = json!({"category": category, "code": code, "retryable": retryable});
    for (name, wanted) in wanted.as_object().into_iter().flatten() {
        assert_eq!(&error[name], wanted, "{code}: {error}");
    }
    let says = error["message"].as_str().unwrap_or_default();
    assert!(says.contains(row.name), "{code}: {says}");
    assert_eq!(
        answer.reply,
        Value::Null,
        "{code}: a failure with an answer's fields"
    );

    simulator.heal();
    let known = simulator.requests();
    let again = wait_for("the same call to be answered", || {
        let again = server.call("chat", &arguments);
        // Until the quota's time has come.
        let waits = again.code() == "provider_unavailable";
        (!waits).then_some(again)
    });
    assert_eq!(again.error, None, "{code}");
    let asked = simulator.since(known);
    assert_eq!(asked.len(), 1, "{code}: the same call was not asked anew");
    let digest = Some(sha256_hex(again.text.as_bytes()));
    assert_eq!(digest, asked[0].ended.answer_sha256, "{code}");
    for name in ["from_cache", "replayed"] {
        assert_ne!(again.reply[name], true, "{code}: {name}");
    }
}
