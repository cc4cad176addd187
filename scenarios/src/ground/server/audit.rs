//! Reads the server's audit log as it grows, and checks that each line chains to the one before.

use std::path::Path;
use std::time::Duration;

use exai_harness::history::Recorder;
use exai_judge::Event;
use exai_judge::observation::AuditSeen;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Between two looks at the file.
const EVERY: Duration = Duration::from_millis(100);

/// Records each new line until `stop`, and what is left then.
pub async fn follow(file: &Path, recorder: &Recorder, stop: CancellationToken) {
    let mut reader = Reader::default();
    loop {
        let is_over = stop.is_cancelled();
        if let Ok(text) = tokio::fs::read(file).await {
            for line in reader.take(&text) {
                recorder.record(Event::Audit(line));
            }
        }
        if is_over {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// How far the file has been read.
#[derive(Debug, Default)]
struct Reader {
    read: usize,
    last_hash: Option<String>,
}

impl Reader {
    /// The whole lines that came since the last look.
    fn take(&mut self, text: &[u8]) -> Vec<AuditSeen> {
        let fresh = text.get(self.read..).unwrap_or_default();
        let Some(end) = fresh.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole = &fresh[..=end];
        self.read += whole.len();
        let lines = whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines.map(|line| self.seen(line)).collect()
    }

    fn seen(&mut self, line: &[u8]) -> AuditSeen {
        let line: Value = serde_json::from_slice(line).unwrap_or(Value::Null);
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let previous = self.last_hash.replace(text("hash"));
        AuditSeen {
            correlation_id: text("correlation_id"),
            decision: match text("decision").as_str() {
                "deny" => "denied".to_owned(),
                "allow" => "allowed".to_owned(),
                other => other.to_owned(),
            },
            reason: text("reason"),
            chained: previous.is_none_or(|previous| previous == text("prev")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_chain_is_seen_and_a_half_line_waits() {
        let mut reader = Reader::default();
        let first = b"{\"hash\":\"a\",\"prev\":\"\"}\n{\"hash\":\"b\",\"pr";
        assert_eq!(reader.take(first).len(), 1);
        let second = b"{\"hash\":\"a\",\"prev\":\"\"}\n{\"hash\":\"b\",\"prev\":\"x\"}\n";
        let seen = reader.take(second);
        assert_eq!((seen.len(), seen[0].chained), (1, false));
        assert!(reader.take(second).is_empty());
    }
}
