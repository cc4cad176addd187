//! Marked statements as SARIF 2.1.0, one rule a kind of statement.

use exai_judge::prose::Kind;
use exai_judge::prose::standing::Worth;
use serde_json::{Value, json};

use super::Found;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The document. A fingerprint holds file and words, never the line: text above may move.
pub(super) fn render(found: &[Found]) -> Value {
    let rules: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| {
            json!({
                "id": kind.word(), "name": kind.word(),
                "shortDescription": {"text": kind.says()},
                "fullDescription": {"text": format!("{} that no evidence carries", kind.says())},
                "help": {"text": "Name the run that shows it, or say what was measured and how."},
                "defaultConfiguration": {"level": "warning"},
            })
        })
        .collect();
    let marked = found.iter().filter(|one| one.is_marked());
    let results: Vec<Value> = marked.map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "verify claims lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://exai.dev/verify",
                "rules": rules,
            }},
            "automationDetails": {"id": "claims-lint/"},
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    })
}

fn result(one: &Found) -> Value {
    let (statement, worth) = (&one.weighed.statement, one.weighed.worth);
    let level = if worth == Worth::Contradicted {
        "error"
    } else {
        "warning"
    };
    let index = Kind::ALL.iter().position(|kind| *kind == statement.kind);
    let print = format!(
        "{}\0{}\0{}",
        one.file,
        statement.kind.word(),
        statement.text
    );
    let fingerprint = exai_judge::hex::sha256(print.as_bytes());
    json!({
        "ruleId": statement.kind.word(),
        "ruleIndex": index,
        "level": level,
        "message": {"text": format!(
            "{} is {}: {}", statement.text, worth.word(), one.weighed.says
        )},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": one.file.trim_start_matches("./")},
            "region": {"startLine": statement.line, "startColumn": statement.column},
        }}],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    })
}
