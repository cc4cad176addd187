//! Heeds the server's log for what no level may hide: panics and lines of severity critical.

use exai_judge::Event;
use serde_json::Value;

use crate::history::Recorder;

/// Characters of a line kept in the history.
const KEPT: usize = 400;

/// Records a critical error if the line is one.
pub(super) fn heed(line: &str, recorder: &Recorder) {
    if let Some(what) = critical(line) {
        recorder.record(Event::Critical {
            what: what.to_owned(),
            detail: line.chars().take(KEPT).collect(),
            control: false,
        });
    }
}

/// Severity follows the symptom: a panic is one whatever level it was logged at, and outside the
/// JSON too, where the runtime prints it when nobody catches it.
fn critical(line: &str) -> Option<&'static str> {
    let is_abort = [
        "panicked at",
        "memory allocation of",
        "stack overflow",
        "fatal runtime error",
    ]
    .iter()
    .any(|sign| line.contains(sign));
    let parsed: Option<Value> = serde_json::from_str(line).ok();
    let field = |name: &str| {
        let line = parsed.as_ref()?;
        let value = line.get(name).or_else(|| line.get("fields")?.get(name));
        value?.as_str().map(str::to_owned)
    };
    if is_abort || field("message").is_some_and(|message| message == "panic") {
        return Some("panic");
    }
    let is_critical = field("severity").is_some_and(|word| word.eq_ignore_ascii_case("critical"));
    is_critical.then_some("log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_critical_lines_are_heeded_at_any_level_and_others_are_not() {
        let cases = [
            (
                r#"{"level":"INFO","message":"panic","severity":"critical"}"#,
                Some("panic"),
            ),
            (
                r#"{"level":"ERROR","severity":"critical","message":"audit write failed"}"#,
                Some("log"),
            ),
            (
                r#"{"level":"INFO","fields":{"severity":"critical"}}"#,
                Some("log"),
            ),
            ("thread 'x' panicked at src/main.rs:1", Some("panic")),
            ("memory allocation of 5 bytes failed", Some("panic")),
            (r#"{"level":"ERROR","message":"provider failed"}"#, None),
            ("plain words", None),
        ];
        for (line, wanted) in cases {
            assert_eq!(critical(line), wanted, "{line}");
        }
    }
}
