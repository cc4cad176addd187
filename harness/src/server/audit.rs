//! Reads the server's audit log as it grows and checks its chain by its own arithmetic: `hash` is
//! the SHA-256 of the line's object without `hash`, `prev` the hash of the line before.

use std::io;
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
/// Looks after the end, while the file cannot be read.
const LAST_LOOKS: u32 = 10;
/// What the first line of a file points back to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What a line is called that stands for others.
const LOST: &str = "audit/lost";

/// Records each line as it comes, until `stop`, and what is left then. A file that cannot be read
/// is the rig's trouble: its lines come later.
pub async fn follow(file: &Path, recorder: &Recorder, stop: CancellationToken) {
    let mut tail = Tail::default();
    let mut blind: Option<Blind> = None;
    let mut last_looks = LAST_LOOKS;
    loop {
        let is_last = stop.is_cancelled();
        let since = recorder.now();
        let mut lines = Vec::new();
        let looked = tail.look(file, &mut lines).await;
        for line in lines {
            recorder.record(Event::Audit(line));
        }
        let is_read = looked.is_ok();
        if let Err(cause) = looked {
            blind.get_or_insert(Blind { since, cause });
        } else if let Some(blind) = blind.take() {
            blind.tell(recorder);
        }
        if !is_last {
            let _stopped = tokio::time::timeout(EVERY, stop.cancelled()).await;
            continue;
        }
        last_looks -= 1;
        if is_read || last_looks == 0 {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    if let Some(blind) = blind {
        blind.tell(recorder);
    }
}

/// A time in which the file could not be read.
struct Blind {
    since: u64,
    cause: io::Error,
}

impl Blind {
    fn tell(self, recorder: &Recorder) {
        let event = Event::Rig {
            what: "audit_unread".to_owned(),
            until: recorder.now(),
            detail: format!("could not read the audit log: {}", self.cause),
        };
        recorder.record_at(self.since, event);
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

/// Whether two handles are of one file.
async fn is_same(one: &tokio::fs::File, other: &tokio::fs::File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (one, other) = (one.metadata().await?, other.metadata().await?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

impl Tail {
    /// Adds the lines that came since the last look. After an error the next look goes on where the
    /// last good one ended.
    async fn look(&mut self, file: &Path, lines: &mut Vec<AuditSeen>) -> io::Result<()> {
        let mut opened = match tokio::fs::File::open(file).await {
            // The file comes with the server's first start; until then there is nothing to read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        if let Some(mut before) = self.opened.take() {
            match self.leave(&mut before, &opened).await {
                Ok(rest) => lines.extend(rest),
                Err(error) => {
                    self.opened = Some(before);
                    return Err(error);
                }
            }
        }
        let fresh = self.read(&mut opened).await;
        self.opened = Some(opened);
        lines.extend(fresh?);
        Ok(())
    }

    /// The rest of the file that was read last, if it was set aside: it has its last line by the
    /// time that another stands there.
    async fn leave(
        &mut self,
        before: &mut tokio::fs::File,
        now: &tokio::fs::File,
    ) -> io::Result<Vec<AuditSeen>> {
        if is_same(before, now).await? {
            return Ok(Vec::new());
        }
        let rest = self.read(before).await?;
        self.at = 0;
        Ok(rest)
    }

    async fn read(&mut self, file: &mut tokio::fs::File) -> io::Result<Vec<AuditSeen>> {
        use tokio::io::AsyncSeekExt;
        file.seek(io::SeekFrom::Start(self.at)).await?;
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
            principal: Some(word("principal")),
            transport: Some(word("transport")),
            stands_for: lost(&object),
        }
    }
}

/// How many lines a line stands for: `audit/lost` of `7 lines` for seven, any other for none.
fn lost(object: &Value) -> u64 {
    if object["action"] != LOST {
        return 0;
    }
    let count = object["resource"]
        .as_str()
        .and_then(|it| it.split(' ').next());
    count.and_then(|it| it.parse().ok()).unwrap_or(0)
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
    fn a_line_tells_whom_it_denied_and_one_that_stands_for_others_tells_how_many() {
        let denied =
            r#"{"principal":"ann","transport":"http","action":"tools/call","resource":"7 a"}"#;
        let seen = Tail::default().take(format!("{denied}\n").as_bytes());
        assert_eq!(seen[0].principal.as_deref(), Some("ann"));
        assert_eq!(seen[0].transport.as_deref(), Some("http"));
        assert_eq!(seen[0].stands_for, 0);
        for (resource, count) in [("7 lines", 7), ("lines", 0), ("", 0)] {
            let line = format!(r#"{{"action":"audit/lost","resource":"{resource}"}}"#);
            let seen = Tail::default().take(format!("{line}\n").as_bytes());
            assert_eq!(seen[0].stands_for, count, "{resource}");
        }
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
    async fn a_file_that_cannot_be_read_is_the_rigs_trouble_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = crate::clock::RunClock::start();
        let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
        let file = folder.path().join("audit.jsonl");
        std::fs::create_dir(&file).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        follow(&file, &recorder, stop).await;
        recorder.close().await.unwrap();
        let history = crate::history::History::in_folder(folder.path());
        let events: Vec<Event> = history.observations().map(|seen| seen.event).collect();
        let [Event::Rig { what, detail, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(what, "audit_unread");
        assert!(detail.contains("could not read the audit log"), "{detail}");
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
        let mut seen = Vec::new();
        tail.look(&file, &mut seen).await.unwrap();
        std::fs::write(&file, format!("{first}{second}")).unwrap();
        std::fs::rename(&file, folder.path().join("audit.jsonl.2")).unwrap();
        std::fs::write(&file, &third).unwrap();
        // A handle that cannot be read, which is no fault of the server.
        let folder = tokio::fs::File::open(folder.path()).await.unwrap();
        let own = tail.opened.replace(folder);
        tail.look(&file, &mut seen).await.unwrap_err();
        assert_eq!(seen.len(), 1);
        tail.opened = own;
        tail.look(&file, &mut seen).await.unwrap();
        assert!(seen.iter().all(|line| line.chained), "{seen:?}");
        let ids: Vec<&str> = seen.iter().map(|line| &*line.correlation_id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }
}
