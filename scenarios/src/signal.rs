//! Ctrl-C and SIGTERM: the run heals, stops every child and leaves a readable record.

use std::sync::{Arc, OnceLock};

use exai_harness::report::facts::CutShort;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Remembers which signal came.
#[derive(Debug, Clone)]
pub struct Watcher(Arc<OnceLock<CutShort>>);

impl Watcher {
    /// The signal that came first, if any did.
    #[must_use]
    pub fn seen(&self) -> Option<CutShort> {
        self.0.get().copied()
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM. The task ends with the runtime.
#[must_use]
pub fn watch(stop: CancellationToken) -> Watcher {
    let seen = Arc::new(OnceLock::new());
    let watcher = Watcher(Arc::clone(&seen));
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        let which = tokio::select! {
            _ = interrupt.recv() => CutShort::Sigint,
            _ = terminate.recv() => CutShort::Sigterm,
        };
        // Nobody else sets it.
        let _ = seen.set(which);
        stop.cancel();
    });
    watcher
}
