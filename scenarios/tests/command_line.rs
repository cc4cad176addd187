//! The command line from outside: exit codes, and where words go.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::process::{Command, Output};

use serde_json::Value;

fn verify(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(words)
        .output()
        .expect("verify starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_users_mistake_ends_with_64_and_names_what_is_accepted() {
    let cases: [(&[&str], &str); 8] = [
        (&["run", "--no-such-flag"], "--no-such-flag"),
        (&["run", "V.9"], "V.1"),
        (&["run", "--profile", "huge"], "quick"),
        (&["run", "--store", "tape"], "embedded"),
        (&["run", "--seed", "seven"], "seven"),
        (&["run", "--claim", "perfect"], "merge-ready"),
        (&["explain", "V.99"], "V.1"),
        (&["selftest", "no-such-row"], "Known"),
    ];
    for (words, hint) in cases {
        let output = verify(words);
        assert_eq!(code(&output), 64, "{words:?}: {}", says(&output));
        assert!(
            says(&output).contains(hint),
            "{words:?} says {:?}",
            says(&output)
        );
        assert!(
            output.stdout.is_empty(),
            "{words:?} wrote to standard output"
        );
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for words in [["--help"], ["--version"]] {
        assert_eq!(code(&verify(&words)), 0);
    }
}

#[test]
fn a_missing_redis_is_said_before_anything_starts() {
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "V.4", "--store", "redis"])
        .env("PATH", "")
        .output()
        .expect("verify starts");
    assert_eq!(code(&output), 64, "{}", says(&output));
    assert!(
        says(&output).contains("apt-get install redis-server"),
        "{}",
        says(&output)
    );
}

#[test]
fn a_server_that_is_no_file_is_refused_before_anything_is_built() {
    let output = verify(&["run", "V.1", "--server", "/no/such/exai"]);
    assert_eq!(code(&output), 64, "{}", says(&output));
}

#[test]
fn a_record_that_is_not_there_is_a_mistake_and_one_that_is_no_record_is_refused() {
    assert_eq!(code(&verify(&["judge", "/no/such/run"])), 64);
    let empty = tempfile::tempdir().expect("a folder");
    let path = empty.path().to_str().expect("a path");
    assert_eq!(code(&verify(&["judge", path])), 5);
    assert_eq!(code(&verify(&["report", path, "--format", "html"])), 5);
    assert_eq!(code(&verify(&["report", path, "--format", "paper"])), 64);
}

#[test]
fn lists_are_json_when_asked_and_name_their_schema() {
    let cases = [
        (vec!["list", "--budget", "--json"], "exai-verify-list/1"),
        (vec!["doctor", "--json"], "exai-verify-doctor/1"),
    ];
    for (words, schema) in cases {
        let output = verify(&words);
        assert_eq!(code(&output), 0, "{words:?}: {}", says(&output));
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value["schema"], schema);
    }
}

#[test]
fn an_explanation_shows_floors_and_limits() {
    let output = verify(&["explain", "V.4"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(code(&output), 0);
    assert!(text.contains("store_p95_ms"), "{text}");
    assert!(text.contains("must happen"), "{text}");
}
