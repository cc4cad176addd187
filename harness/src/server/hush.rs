//! Saboteur 24b: the server panics once and logs it as information, without a severity.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::LineSink;

/// A panic in the shape of the server's own line, but for its level and its severity.
const PANIC: &str =
    r#"{"level":"INFO","target":"exai_server","message":"panic","action":"POST /mcp"}"#;

/// The log with a panic behind its first line.
pub(super) fn with_panic(log: LineSink) -> LineSink {
    let is_first = AtomicBool::new(true);
    Arc::new(move |line: &str| {
        log(line);
        if is_first.swap(false, Ordering::Relaxed) {
            log(PANIC);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use exai_judge::Event;

    use super::*;
    use crate::history::{History, Recorder};
    use crate::server::log;

    #[test]
    fn one_panic_follows_the_first_line() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let log = with_panic(Arc::new(move |line: &str| {
            kept.lock().unwrap().push(line.to_owned());
        }));
        log("up");
        log("down");
        assert_eq!(*seen.lock().unwrap(), ["up", PANIC, "down"]);
    }

    #[tokio::test]
    async fn the_collector_hears_it_whatever_its_level() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(folder.path(), Arc::new(|| 7)).unwrap();
        let told = recorder.clone();
        let log = with_panic(Arc::new(move |line: &str| log::heed(line, &told)));
        log(r#"{"level":"INFO","fields":{"message":"listening"}}"#);
        recorder.close().await.unwrap();
        let mut heard = History::in_folder(folder.path()).observations();
        let first = heard.next().map(|seen| seen.event);
        let Some(Event::Critical { what, control, .. }) = first else {
            panic!("{first:?}")
        };
        assert_eq!((what.as_str(), control), ("panic", false));
        assert!(heard.next().is_none());
    }
}
