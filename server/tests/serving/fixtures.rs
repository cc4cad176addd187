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
fn a_permit_that_a_call_never_gives_back_is_told_as_a_leak() {
    use crate::alerts::{at_once, firing};
    use crate::process::wait_for;
    use crate::provider::serve_asking;

    let (_folder, rows) = at_once();
    // The longest that a call may take here is six seconds, and five more are granted.
    let (server, provider) = serve_asking(&[
        "health.interval=100ms",
        "tools.allow=[\"chat\"]",
        "timeouts.tool=1s",
        "timeouts.prompt.first_token=1s",
        "timeouts.prompt.idle=1s",
        "timeouts.prompt.total=1s",
        "timeouts.thinking.first_token=1s",
        "timeouts.thinking.idle=1s",
        "timeouts.thinking.total=1s",
        &rows,
    ]);
    let part = || server.admin("/health", &[]).json()["components"]["in_flight"].clone();
    wait_for("the first probes", || (!part().is_null()).then_some(()));
    let asked = call("test_keep_permit", json!({}));
    let answer = server.post(&asked, &call_headers("test_keep_permit"));
    let answer = answer.json();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    wait_for("the permit", || (part()["current"] == 1).then_some(()));
    let told = wait_for("the leak to be told", || {
        let part = part();
        // Until then one is out, as with any call, and nothing is said of it.
        assert_eq!(part["current"], 1, "{part}");
        (part["status"] != "healthy").then_some(part)
    });
    assert_eq!(told["status"], "degraded", "{told}");
    assert_eq!(told["detail"], "1 permits were not given back");
    wait_for("the alert", || {
        firing(&server)
            .contains(&"permits-overdue".to_owned())
            .then_some(())
    });
    assert_eq!(server.admin("/health/ready", &[]).status, 200);
    drop(provider);
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
