//! `testgen` on a function whose tests are known.

use serde_json::{Value, json};

use super::providers::{result, said, started_with};
use super::upstream::{Seen, Upstream};

/// The test that a model would write for the one function it was shown.
fn test_of(name: &str) -> String {
    format!("#[test]\nfn {name}_doubles() {{\n    assert_eq!({name}(21), 42);\n}}\n")
}

/// A model that writes a test for the first function it finds among the files.
fn upstream() -> Upstream {
    Upstream::start(|seen: &Seen| {
        let sent = seen.body["messages"].as_array().unwrap().last().unwrap();
        let sent = sent["content"].as_str().unwrap();
        let name = sent
            .split("pub fn ")
            .nth(1)
            .and_then(|rest| rest.split('(').next());
        said(&name.map_or("no function".to_owned(), test_of))
    })
}

fn step(own: Value) -> Value {
    let mut step = json!({"step": "write tests for it", "step_number": 1, "total_steps": 1,
        "next_step_required": false, "findings": "it doubles"});
    let own = own.as_object().unwrap().clone();
    step.as_object_mut().unwrap().extend(own);
    step
}

#[test]
fn tests_for_a_known_function_come_back_and_a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("double.rs");
    std::fs::write(&path, "pub fn twice(n: u32) -> u32 { n * 2 }\n").unwrap();
    let upstream = upstream();
    let roots = format!("files.roots={}", folder.path().display());
    let server = started_with(&upstream, &[&roots], &[]);
    let by_path = json!({"relevant_files": [path]});
    let answer = result(&server, "testgen", step(by_path));
    assert_eq!(answer["content"][0]["text"], test_of("twice"), "{answer}");
    let status = &answer["_meta"]["dev.exai/workflow"];
    assert_eq!(status["status"], "testgen_complete");
    assert_eq!(status["testgen_status"]["relevant_files"], 1);
    let content = json!({"relevant_files": [
        {"name": "other.rs", "content": "pub fn dup(n: u32) -> u32 { n + n }"}]});
    let answer = result(&server, "testgen", step(content));
    assert_eq!(answer["content"][0]["text"], test_of("dup"), "{answer}");
    let asked = upstream.posts().len();
    let absent = json!({"relevant_files": [path, folder.path().join("absent.rs")]});
    let refused = result(&server, "testgen", step(absent));
    let error = &refused["structuredContent"]["error"];
    assert_eq!(error["field"], "/relevant_files/1", "{refused}");
    assert_eq!(error["code"], "file_not_readable");
    assert_eq!(upstream.posts().len(), asked);
}
