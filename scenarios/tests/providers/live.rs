//! One whole and one streamed round trip at the real provider, where there is a key for it. Without
//! one nothing was tested, and that is what is said.

use serde_json::json;

use super::ground::{Server, tracer};
use super::row::{GLM, KIMI, MINIMAX, Row};

/// Asks the real provider to repeat a tracer; says that nothing was tested where no key is set.
fn goes_round(row: Row) {
    let key = std::env::var(row.variable).unwrap_or_default();
    if key.is_empty() {
        eprintln!("NOT TESTED: {} live: {} is not set", row.name, row.variable);
        return;
    }
    let server = Server::with_keys(&[], &[(row.variable.to_owned(), key)], "");
    for streamed in [false, true] {
        let tracer = tracer();
        let prompt = format!("Repeat this line exactly, and nothing else: {tracer}");
        let arguments = json!({"prompt": prompt, "model": row.address(), "stream": streamed});
        let answer = server.call("chat", &arguments);
        assert_eq!(answer.error, None, "{} streamed {streamed}", row.name);
        assert!(
            answer.text.contains(&tracer),
            "{}: {}",
            row.name,
            answer.text
        );
        eprintln!("{} live, streamed {streamed}: {:?}", row.name, answer.took);
    }
}

#[test]
fn kimi_repeats_a_tracer_live_where_there_is_a_key() {
    goes_round(KIMI);
}

#[test]
fn glm_repeats_a_tracer_live_where_there_is_a_key() {
    goes_round(GLM);
}

#[test]
fn minimax_repeats_a_tracer_live_where_there_is_a_key() {
    goes_round(MINIMAX);
}
