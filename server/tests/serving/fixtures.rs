//! The fixtures of the official conformance suite: in no binary that ships, and announced by the
//! one that has them.

use serde_json::json;

use crate::process::{call, call_headers, serve};

/// A name that stands in the fixtures alone. Its two halves, since this file must not hold it.
const MARK: [&str; 2] = ["test_input_required_result_", "tampered_state"];

fn holds_fixtures() -> bool {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_exai")).unwrap();
    let mark = MARK.concat();
    binary
        .windows(mark.len())
        .any(|part| part == mark.as_bytes())
}

#[test]
#[cfg(not(feature = "conformance-fixtures"))]
fn the_binary_that_ships_holds_no_conformance_fixture() {
    assert!(!holds_fixtures());
    let server = serve(&["--demo"], &[]);
    let manifest = server.admin("/manifest", &[]).json();
    assert_eq!(manifest["conformance_fixtures"], false);
    let asked = call("test_simple_text", json!({}));
    let answer = server
        .post(&asked, &call_headers("test_simple_text"))
        .json();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let log = server.log.lock().unwrap().join("\n");
    assert!(!log.contains("fixtures"), "{log}");
}

#[test]
#[cfg(feature = "conformance-fixtures")]
fn the_build_for_the_suite_says_so_in_manifest_and_log() {
    assert!(holds_fixtures());
    let server = serve(&["--demo"], &[]);
    let manifest = server.admin("/manifest", &[]).json();
    assert_eq!(manifest["conformance_fixtures"], true);
    let asked = call("test_simple_text", json!({}));
    let answer = server
        .post(&asked, &call_headers("test_simple_text"))
        .json();
    let text = &answer["result"]["content"][0]["text"];
    assert_eq!(
        text, "This is a simple text response for testing.",
        "{answer}"
    );
    let log = server.log.lock().unwrap();
    let warned = log
        .iter()
        .find(|line| line.contains("never give it to users"));
    assert!(
        warned.is_some_and(|line| line.contains("\"WARN\"")),
        "{log:?}"
    );
}
