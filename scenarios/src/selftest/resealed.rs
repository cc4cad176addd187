//! A record whose digests were made anew around words that its history does not give. Digests alone
//! vouch for nothing, so whoever reads such a record must refuse it.

use std::path::Path;

use exai_harness::canonical::canonical;
use exai_harness::evidence::digests::Digests;
use serde_json::{Value, json};

/// The files that a forgery touches.
pub const FILES: [&str; 3] = ["findings.json", "report.json", "digests.json"];

/// What is forged, and how findings and report are changed for it.
pub type Forgery = (&'static str, fn(&mut Vec<Value>, &mut Value));

/// Every one of them was once believed.
pub const FORGERIES: [Forgery; 5] = [
    (
        "findings that all pass, with a check of the rig beside",
        |findings, _| {
            let rig = json!({
                "id": "rig", "name": "the rig ran to its end", "measured": "ok",
                "limit": "no trouble", "verdict": "PASS", "reason": null, "n": 1,
            });
            pass(findings);
            for finding in findings {
                finding["checks"] = json!([rig]);
            }
        },
    ),
    ("findings that all pass", |findings, _| pass(findings)),
    ("a finding taken out", |findings, _| {
        findings.truncate(findings.len().saturating_sub(1));
    }),
    ("a finding added", |findings, _| {
        findings.push(json!({
            "criterion": "V.99", "verdict": "PASS", "reasons": [], "headline": "all fine",
            "floors": [], "checks": [], "violations": [], "not_tested": [], "series": {},
        }));
    }),
    ("a report that says Go", |_, report| {
        report["claim"]["verdict"] = "PASS".into();
        report["claim"]["exit_code"] = 0.into();
        report["opening"]["go"] = true.into();
        report["opening"]["heading"] = "Go: production-ready is carried".into();
        report["blockers"] = json!([]);
    }),
];

fn pass(findings: &mut [Value]) {
    for finding in findings {
        finding["verdict"] = "PASS".into();
        finding["reasons"] = json!([]);
        finding["headline"] = "all fine".into();
    }
}

/// Changes a record and makes its digests anew, so that every byte of it is accounted for.
///
/// # Errors
/// In words, when its files cannot be read or written.
pub fn forge(run: &Path, (name, change): &Forgery) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{name}: {}: {error}", run.display());
    let [findings, report, digests] = FILES.map(|file| run.join(file));
    let read = |path: &Path| -> Result<Value, String> {
        let text = std::fs::read(path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&text).map_err(|error| failed(&error))
    };
    let write = |path: &Path, value: &Value| {
        std::fs::write(path, canonical(value)).map_err(|error| failed(&error))
    };
    let was: Digests = serde_json::from_value(read(&digests)?).map_err(|error| failed(&error))?;
    let mut told = read(&report)?;
    let mut found = read(&findings)?.as_array().cloned().unwrap_or_default();
    change(&mut found, &mut told);
    write(&findings, &Value::Array(found))?;
    write(&report, &told)?;
    let sealed = Digests::of_folder(run, &was.run, was.criteria);
    let sealed = serde_json::to_value(sealed.map_err(|error| failed(&error))?);
    write(&digests, &sealed.map_err(|error| failed(&error))?)
}
