//! What containers do by themselves: lines they write, and their deaths.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{EventsOptionsBuilder, LogsOptionsBuilder};
use exai_harness::clock::monotonic;
use exai_harness::engine::wire::Saying;
use futures::StreamExt as _;

use super::Fleet;
use super::plan::SERVICE;

/// Before a stream that has ended is opened again.
const REOPEN: Duration = Duration::from_millis(20);

/// Tells of every end of a container of this run, until everything is down.
pub(super) fn deaths(fleet: &Arc<Fleet>) {
    let (docker, run, out) = (
        fleet.engine.docker.clone(),
        fleet.owner.run.clone(),
        fleet.out.clone(),
    );
    tokio::spawn(async move {
        let filters = HashMap::from([
            ("label", vec![format!("dev.exai.run={run}")]),
            ("event", vec!["die".to_owned()]),
        ]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut events = docker.events(Some(options));
        while let Some(Ok(event)) = events.next().await {
            let attributes = event.actor.and_then(|actor| actor.attributes);
            let attributes = attributes.unwrap_or_default();
            let code = attributes.get("exitCode");
            let ended = Saying::Ended {
                name: attributes.get(SERVICE).cloned().unwrap_or_default(),
                at: monotonic(),
                code: code.and_then(|code| code.parse().ok()).unwrap_or(-1),
            };
            if out.send(ended).await.is_err() {
                return;
            }
        }
    });
}

/// Passes on each line a container writes, over all its lives. A stream ends with its life; the
/// next begins where the last one ended, told by the engine's stamps.
pub(super) fn lines(fleet: &Arc<Fleet>, name: &str, id: String) {
    let (fleet, name) = (Arc::clone(fleet), name.to_owned());
    tokio::spawn(async move {
        let mut last = String::new();
        while fleet.known(&name).is_ok() {
            let options = LogsOptionsBuilder::new()
                .follow(true)
                .stdout(true)
                .stderr(true)
                .timestamps(true);
            let mut reading = fleet.engine.docker.logs(&id, Some(options.build()));
            let mut reader = Reader::default();
            while let Some(Ok(chunk)) = reading.next().await {
                let is_error = matches!(chunk, LogOutput::StdErr { .. });
                let text = String::from_utf8_lossy(&chunk.into_bytes()).into_owned();
                let Some(text) = reader.take(&text, &mut last) else {
                    continue;
                };
                let line = Saying::Line {
                    name: name.clone(),
                    text,
                    is_error,
                };
                if fleet.out.send(line).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(REOPEN).await;
        }
    });
}

/// Puts together what the engine cut: a long line comes in pieces, each with a stamp of its own.
#[derive(Default)]
struct Reader {
    open: String,
}

impl Reader {
    /// A whole line that is newer than `last`, which it becomes.
    fn take(&mut self, chunk: &str, last: &mut String) -> Option<String> {
        let (stamp, text) = chunk.split_once(' ').unwrap_or(("", chunk));
        if stamp <= last.as_str() {
            return None;
        }
        let Some(rest) = text.strip_suffix('\n') else {
            self.open.push_str(text);
            return None;
        };
        *last = stamp.to_owned();
        let open = std::mem::take(&mut self.open);
        Some(format!("{open}{}", rest.trim_end_matches('\r')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_over_two_lives_and_whole_when_cut() {
        let mut last = String::new();
        let mut first = Reader::default();
        assert_eq!(first.take("T1 one\n", &mut last).as_deref(), Some("one"));
        assert_eq!(first.take("T2 lo", &mut last), None);
        assert_eq!(first.take("T3 ng\r\n", &mut last).as_deref(), Some("long"));
        let mut second = Reader::default();
        assert_eq!(second.take("T1 one\n", &mut last), None);
        assert_eq!(second.take("T3 ng\n", &mut last), None);
        assert_eq!(second.take("T4 two\n", &mut last).as_deref(), Some("two"));
    }
}
