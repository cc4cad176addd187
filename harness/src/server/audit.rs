//! Reads the server's audit log as it grows and checks its chain by its own arithmetic: `hash` is
//! the SHA-256 of the line's object without `hash`, `prev` the hash of the line before.

use std::path::Path;
use std::time::Duration;

use exai_judge::observation::AuditSeen;
use exai_judge::{Event, hex};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::history::Recorder;

/// Between two looks at the file.
const EVERY: Duration = Duration::from_millis(50);
/// What the first line of a file points back to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Records each line as it comes, until `stop`, and what is left then.
pub async fn follow(file: &Path, recorder: &Recorder, stop: CancellationToken) {
    let mut tail = Tail::default();
    loop {
        let is_last = stop.is_cancelled();
        // The file comes with the server's first start; until then there is nothing to read.
        for line in tail.look(file).await {
            recorder.record(Event::Audit(line));
        }
        if is_last {
            return;
        }
        let _stopped = tokio::time::timeout(EVERY, stop.cancelled()).await;
    }
}

/// How far the file has been read.
struct Tail {
    at: u64,
    prev: String,
    /// The file that was read last.
    opened: Option<tokio::fs::File>,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            at: 0,
            prev: GENESIS.to_owned(),
            opened: None,
        }
    }
}

/// Whether two handles are of one file; when in doubt they are.
async fn is_same(one: &tokio::fs::File, other: &tokio::fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (one.metadata().await, other.metadata().await) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => true,
    }
}

impl Tail {
    /// The lines that came since the last look.
    async fn look(&mut self, file: &Path) -> Vec<AuditSeen> {
        let Ok(mut opened) = tokio::fs::File::open(file).await else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        // One that was set aside has its last line by the time that another stands there.
        if let Some(mut aside) = self.opened.take()
            && !is_same(&aside, &opened).await
        {
            lines.extend(self.read(&mut aside).await.unwrap_or_default());
            self.at = 0;
        }
        lines.extend(self.read(&mut opened).await.unwrap_or_default());
        self.opened = Some(opened);
        lines
    }

    async fn read(&mut self, file: &mut tokio::fs::File) -> std::io::Result<Vec<AuditSeen>> {
        use tokio::io::AsyncSeekExt;
        file.seek(std::io::SeekFrom::Start(self.at)).await?;
        let mut fresh = Vec::new();
        file.read_to_end(&mut fresh).await?;
        Ok(self.take(&fresh))
    }

    /// The whole lines among bytes that came since the last look; half a line waits.
    fn take(&mut self, fresh: &[u8]) -> Vec<AuditSeen> {
        let whole = fresh
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.at += u64::try_from(whole).unwrap_or(0);
        let text = String::from_utf8_lossy(fresh.get(..whole).unwrap_or_default()).into_owned();
        text.lines().map(|line| self.seen(line)).collect()
    }

    fn seen(&mut self, line: &str) -> AuditSeen {
        let object: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        let word = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        let hash = word("hash");
        let chained = word("prev") == self.prev && unsealed(line, &hash).is_some();
        self.prev = hash;
        let decision = match word("decision").as_str() {
            "deny" => "denied".to_owned(),
            "allow" => "allowed".to_owned(),
            other => other.to_owned(),
        };
        AuditSeen {
            correlation_id: word("correlation_id"),
            decision,
            reason: word("reason"),
            chained,
        }
    }
}

/// The line without its `hash`, if that is the last field and the hash of the rest.
fn unsealed(line: &str, hash: &str) -> Option<String> {
    let rest = line.strip_suffix(&format!(",\"hash\":\"{hash}\"}}"))?;
    let object = format!("{rest}}}");
    (hex::sha256(object.as_bytes()) == hash).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, prev: &str) -> (String, String) {
        let object = format!(
            r#"{{"correlation_id":"{id}","reason":"role","decision":"deny","prev":"{prev}"}}"#
        );
        let hash = hex::sha256(object.as_bytes());
        let open = object.trim_end_matches('}');
        (format!("{open},\"hash\":\"{hash}\"}}\n"), hash)
    }

    #[test]
    fn a_good_chain_is_chained_and_half_a_line_waits() {
        let mut tail = Tail::default();
        let (first, hash) = line("a", GENESIS);
        let (second, _) = line("b", &hash);
        let both = format!("{first}{}", &second[..20]);
        let seen = tail.take(both.as_bytes());
        assert_eq!((seen.len(), seen[0].chained), (1, true));
        assert_eq!(seen[0].decision, "denied");
        assert_eq!(tail.at, u64::try_from(first.len()).unwrap());
        let seen = tail.take(second.as_bytes());
        assert_eq!((seen.len(), seen[0].chained), (1, true));
    }

    #[test]
    fn an_edited_a_removed_and_a_foreign_line_break_the_chain() {
        let (first, hash) = line("a", GENESIS);
        let (second, _) = line("b", &hash);
        let edited = first.replace("\"a\"", "\"x\"");
        for bad in [edited.as_str(), second.as_str(), "not json\n"] {
            assert!(!Tail::default().take(bad.as_bytes())[0].chained, "{bad}");
        }
    }

    #[tokio::test]
    async fn lines_written_before_and_after_the_start_are_recorded_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = crate::clock::RunClock::start();
        let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
        let file = folder.path().join("audit.jsonl");
        let (first, hash) = line("a", GENESIS);
        let (second, _) = line("b", &hash);
        std::fs::write(&file, &first).unwrap();
        let stop = CancellationToken::new();
        let following = {
            let (file, recorder, stop) = (file.clone(), recorder.clone(), stop.clone());
            tokio::spawn(async move { follow(&file, &recorder, stop).await })
        };
        tokio::task::yield_now().await;
        std::fs::write(&file, format!("{first}{second}")).unwrap();
        stop.cancel();
        following.await.unwrap();
        recorder.close().await.unwrap();
        let history = crate::history::History::in_folder(folder.path());
        let ids: Vec<String> = history
            .observations()
            .filter_map(|seen| match seen.event {
                Event::Audit(line) if line.chained => Some(line.correlation_id),
                _ => None,
            })
            .collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_file_that_is_set_aside_is_read_to_its_end_and_the_next_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let (first, hash) = line("a", GENESIS);
        let (second, hash_of_second) = line("b", &hash);
        let (third, _) = line("c", &hash_of_second);
        let mut tail = Tail::default();
        std::fs::write(&file, &first).unwrap();
        let mut seen = tail.look(&file).await;
        std::fs::write(&file, format!("{first}{second}")).unwrap();
        std::fs::rename(&file, folder.path().join("audit.jsonl.2")).unwrap();
        std::fs::write(&file, &third).unwrap();
        seen.extend(tail.look(&file).await);
        assert!(seen.iter().all(|line| line.chained), "{seen:?}");
        let ids: Vec<&str> = seen.iter().map(|line| &*line.correlation_id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }
}
