//! A trace of the system calls of whoever writes the store's file.

use exai_judge::observation::TraceSeen;

use super::{Store, Topology};
use crate::supervisor::Supervisor;
use crate::trace::{Marked, Place, Tracing, Untraced, follow};

/// What the names of the files begin with that Redis appends to.
const APPEND_ONLY: &str = "appendonly";

/// A trace of the store, with where to look in it.
pub struct StoreTrace {
    tracing: Tracing,
    place: Place,
}

impl Topology {
    /// Attaches to the process that writes the store's file.
    ///
    /// # Errors
    /// When it runs in a container, or may not be traced here.
    pub async fn trace_store(&self) -> Result<StoreTrace, Untraced> {
        if self.containers.is_some() {
            let why = "the store runs in a container";
            return Err(Untraced::NoProcess(why.to_owned()));
        }
        let nothing = |error: String| Untraced::NoProcess(error);
        let running = self.writer().process();
        let running = running.map_err(|error| nothing(error.to_string()))?;
        let place = self.place().map_err(|error| nothing(error.to_string()))?;
        let tracing = Tracing::attach(running.pair().pid).await?;
        Ok(StoreTrace { tracing, place })
    }

    /// Whose system calls those are: `store`, or `server` where the store is inside it.
    #[must_use]
    pub const fn store_writer(&self) -> &'static str {
        match self.store {
            Store::Embedded => "server",
            Store::Redis { .. } => "store",
        }
    }

    fn writer(&self) -> &Supervisor {
        let store = self.store.supervisor();
        store.unwrap_or_else(|| self.server.supervisor())
    }

    fn place(&self) -> std::io::Result<Place> {
        // The kernel names files without the links on the way to them.
        let folder = self.scratch.path().canonicalize()?;
        Ok(match &self.store {
            Store::Embedded => Place {
                file: self.server.store_file().canonicalize()?,
                port: self.server.public().port(),
                echoes: true,
            },
            Store::Redis { redis, .. } => Place {
                file: folder.join("redis").join(APPEND_ONLY),
                port: redis.address().port(),
                echoes: false,
            },
        })
    }
}

impl StoreTrace {
    /// Lets the process go and says what it did with these appends.
    ///
    /// # Errors
    /// When the trace is not whole.
    pub async fn finish(
        self,
        (criterion, process): (&str, &str),
        appends: &[Marked],
    ) -> Result<TraceSeen, Untraced> {
        let calls = self.tracing.finish().await?;
        Ok(TraceSeen {
            criterion: criterion.to_owned(),
            process: process.to_owned(),
            refused: None,
            appends: follow(&calls, &self.place, appends),
        })
    }
}
