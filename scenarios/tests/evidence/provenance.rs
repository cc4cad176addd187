//! Where a release comes from: written by the recipe, signed, and held against each file beside it.

use std::process::{Command, Output};

use exai_judge::hex::sha256;
use serde_json::Value;

use super::desk::root;
use super::{Desk, ends};

/// The recipe names an archive after the system it is for.
const ARCHIVE: &str = if cfg!(target_arch = "x86_64") {
    "exai-9.9.9-linux-x86_64.tar.gz"
} else {
    "exai-9.9.9-linux-aarch64.tar.gz"
};
const BILL: &str = "exai-9.9.9.cdx.json";
const STATEMENT: &str = "exai-9.9.9.provenance.json";
const ENVELOPE: &str = "exai-9.9.9.intoto.json";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn verify(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(words).output().expect("verify starts")
}

/// A release's files, a program that says its commit, and the statement of the recipe.
fn released(desk: &Desk) {
    desk.write(ARCHIVE, "bytes of an archive");
    desk.write(BILL, "{}");
    let written = recipe(desk);
    assert!(written.status.success(), "{written:?}");
    let text = String::from_utf8(written.stdout).expect("text");
    desk.write(STATEMENT, &text);
}

/// The recipe over what stands in the folder.
fn recipe(desk: &Desk) -> Output {
    let said = format!("{{\"version\":\"9.9.9\",\"commit\":\"{COMMIT}\",\"dirty\":false}}");
    let program = desk.write("exai", &format!("#!/bin/sh\necho '{said}'\n"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a mode");
    Command::new(root().join("deploy/provenance.py"))
        .args([desk.path(""), program])
        .env("BUILDER", "https://builder.test/1")
        .output()
        .expect("python3 starts")
}

fn signed(desk: &Desk) -> String {
    released(desk);
    let (key, public) = desk.keys();
    let out = verify(&[
        "attest",
        "provenance",
        &desk.path(STATEMENT),
        "--signing-key",
        &key,
    ]);
    ends(&out, 0, ENVELOPE);
    public
}

#[test]
fn the_recipe_names_each_file_the_programs_the_commit_and_the_builder() {
    let desk = Desk::new();
    released(&desk);
    let text = std::fs::read_to_string(desk.path(STATEMENT)).expect("the statement");
    let statement: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let subjects = statement["subject"].as_array().expect("subjects");
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert_eq!(subjects[0]["name"], ARCHIVE);
    let digest = &subjects[0]["digest"]["sha256"];
    assert_eq!(*digest, sha256(b"bytes of an archive"));
    let (made, ran) = (
        &statement["predicate"]["buildDefinition"],
        &statement["predicate"]["runDetails"],
    );
    let program = std::fs::read(desk.path("exai")).expect("the program");
    let given = &made["externalParameters"];
    assert_eq!(given["programs"]["exai"], sha256(&program));
    assert_eq!(given["commit"], COMMIT);
    assert_eq!(given["changed_since"], false);
    assert_eq!(
        made["resolvedDependencies"][0]["digest"]["gitCommit"],
        COMMIT
    );
    assert_eq!(ran["builder"]["id"], "https://builder.test/1");
}

#[test]
fn the_recipe_names_no_archive_of_another_release_and_misses_none_of_its_own() {
    let desk = Desk::new();
    released(&desk);
    for other in [
        "exai-9.9.8-linux-x86_64.tar.gz",
        "exai-9.9.9-plan9-mips.tar.gz",
        "exai-9.9.8.cdx.json",
        "verify-9.9.9.cdx.json",
        "more.tar.gz",
    ] {
        let planted = desk.write(other, "somebody's");
        ends(&recipe(&desk), 1, other);
        std::fs::remove_file(planted).expect("removed");
    }
    ends(&recipe(&desk), 0, ARCHIVE);
    for own in [ARCHIVE, BILL] {
        let was = std::fs::read_to_string(desk.path(own)).expect("a file");
        std::fs::remove_file(desk.path(own)).expect("removed");
        ends(&recipe(&desk), 1, own);
        desk.write(own, &was);
    }
}

/// A look at a release with `openssl` and nothing of the release; None where it is not here.
fn looked(desk: &Desk, key: &str) -> Option<Output> {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var("EXAI_REQUIRE").is_err(), "openssl is missing");
        eprintln!("not run: openssl (apt-get install openssl)");
        return None;
    }
    let mut look = Command::new(root().join("deploy/check-release.py"));
    look.args([&desk.path(ENVELOPE), key]);
    Some(look.output().expect("python3 starts"))
}

#[test]
fn a_release_is_checked_without_anything_of_it_being_started() {
    let desk = Desk::new();
    let public = signed(&desk);
    let Some(good) = looked(&desk, &public) else {
        return;
    };
    ends(&good, 0, "2 files, each as it was signed");
    let refused = |key: &str, hint: &str| {
        let look = looked(&desk, key).expect("openssl was here");
        ends(&look, 1, hint);
    };
    let other = Desk::new();
    let (_, stranger) = other.keys();
    refused(&stranger, "no signature here is by this key");
    let planted = desk.write("more.tar.gz", "slipped in");
    refused(&public, "more.tar.gz stands here");
    std::fs::remove_file(planted).expect("removed");
    desk.write(ARCHIVE, "other bytes");
    refused(&public, "is not as it was signed");
    std::fs::remove_file(desk.path(ARCHIVE)).expect("removed");
    refused(&public, "is not here");
    desk.write(ARCHIVE, "bytes of an archive");
    forge(&desk);
    refused(&public, "no signature here is by this key");
}

/// Changes one letter of what was signed.
fn forge(desk: &Desk) {
    let text = std::fs::read_to_string(desk.path(ENVELOPE)).expect("the envelope");
    let mut forged: Value = serde_json::from_str(&text).expect("JSON");
    let payload = forged["payload"].as_str().expect("a payload").to_owned();
    let middle = payload.len() / 2;
    let letter = if payload.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let changed = format!("{}{letter}{}", &payload[..middle], &payload[middle + 1..]);
    forged["payload"] = Value::from(changed);
    desk.write(ENVELOPE, &forged.to_string());
}

#[test]
fn what_is_judged_from_its_archives_is_checked_before_it_is_unpacked() {
    let text = std::fs::read_to_string(root().join("deploy/from-archive.sh")).expect("the script");
    let at = |words: &str| text.find(words).expect(words);
    let checked = at("\"$folder/check-release.py\" ./exai-");
    assert!(checked < at("tar -xzf"));
    assert!(at("tar -xzf") < at("./verify attest check"));
}

#[test]
fn a_release_is_checked_offline_and_each_change_to_it_is_refused_by_its_name() {
    let desk = Desk::new();
    let public = signed(&desk);
    let check = |more: &[&str]| {
        let envelope = desk.path(ENVELOPE);
        let words = ["attest", "check", &envelope, "--key", &public];
        verify(&[words.as_slice(), more].concat())
    };
    ends(&check(&[]), 0, COMMIT);
    ends(&check(&["--json"]), 0, "exai-verify-provenance/1");
    ends(&check(&["--claim", "merge-ready"]), 5, "carries no claim");
    ends(&check(&["--run", "reports"]), 5, "tells of no run");
    ends(&check(&["--server", &desk.path("exai")]), 0, "built by");
    let other = desk.write("other", "another program");
    ends(
        &check(&["--server", &other]),
        5,
        "is not the exai of this release",
    );
    let planted = desk.write("more.tar.gz", "slipped in");
    ends(&check(&[]), 5, "more.tar.gz");
    std::fs::remove_file(planted).expect("removed");
    ends(&check(&[]), 0, COMMIT);
    for name in [ARCHIVE, BILL] {
        let was = std::fs::read_to_string(desk.path(name)).expect("a file");
        desk.write(name, &format!("{was} "));
        ends(&check(&[]), 5, name);
        std::fs::remove_file(desk.path(name)).expect("removed");
        ends(&check(&[]), 5, name);
        desk.write(name, &was);
    }
    ends(&check(&[]), 0, COMMIT);
}

#[test]
fn only_a_trusted_key_vouches_and_nothing_is_signed_that_the_files_do_not_bear_out() {
    let desk = Desk::new();
    let public = signed(&desk);
    let other = Desk::new();
    let (key, stranger) = other.keys();
    let envelope = desk.path(ENVELOPE);
    let check = |key: &str| verify(&["attest", "check", &envelope, "--key", key]);
    ends(&check(&stranger), 5, "not trusted");
    forge(&desk);
    ends(&check(&public), 5, "");
    desk.write(ARCHIVE, "other bytes");
    let statement = desk.path(STATEMENT);
    let out = verify(&["attest", "provenance", &statement, "--signing-key", &key]);
    ends(&out, 5, ARCHIVE);
}
