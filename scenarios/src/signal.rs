//! Ctrl-C and SIGTERM: the run heals, stops every child and leaves a readable record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Finished,
    /// By SIGINT.
    Interrupted,
    /// By SIGTERM.
    Terminated,
}

/// Remembers which signal came.
#[derive(Debug, Clone)]
pub struct Watcher(Arc<AtomicU8>);

impl Watcher {
    /// How the run ended, as far as signals go.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self.0.load(Ordering::Relaxed) {
            1 => Ended::Interrupted,
            2 => Ended::Terminated,
            _ => Ended::Finished,
        }
    }
}

/// Cancels `stop` at the first SIGINT or SIGTERM. The task ends with the runtime.
#[must_use]
pub fn watch(stop: CancellationToken) -> Watcher {
    let seen = Arc::new(AtomicU8::new(0));
    let watcher = Watcher(Arc::clone(&seen));
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        let which = tokio::select! {
            _ = interrupt.recv() => 1,
            _ = terminate.recv() => 2,
        };
        seen.store(which, Ordering::Relaxed);
        stop.cancel();
    });
    watcher
}
