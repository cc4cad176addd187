//! The stages of a start that really ran: name, time, result.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// One stage as it ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Such as `store`.
    pub name: String,
    /// Whether the stage's work was done; a stage that was skipped says false.
    pub executed: bool,
    /// How long it took.
    pub elapsed_ms: f64,
    /// `ok`, or what went wrong or why it was skipped.
    pub result: String,
}

/// The record of stages; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stages(Arc<Mutex<Vec<Stage>>>);

impl Stages {
    /// Runs a stage, records it, and logs one line.
    ///
    /// # Errors
    /// What the stage returned.
    pub async fn run<T, E: std::fmt::Display>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let outcome = work.await;
        let result = outcome
            .as_ref()
            .err()
            .map_or("ok".to_owned(), ToString::to_string);
        self.push(name, true, started, result);
        outcome
    }

    /// Records a stage that was not needed, with the reason.
    pub fn skip(&self, name: &str, reason: &str) {
        self.push(name, false, Instant::now(), reason.to_owned());
    }

    /// The stages so far, in order.
    #[must_use]
    pub fn list(&self) -> Vec<Stage> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, name: &str, executed: bool, started: Instant, result: String) {
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(stage = name, executed, elapsed_ms, result, "stage");
        let stage = Stage {
            name: name.to_owned(),
            executed,
            elapsed_ms,
            result,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_stage_is_recorded_with_its_reason() {
        let stages = Stages::default();
        let failed: Result<(), &str> = stages.run("store", async { Err("no disk") }).await;
        assert!(failed.is_err());
        stages.skip("redis", "store.kind is sqlite");
        let list = stages.list();
        assert_eq!(
            (list[0].executed, list[0].result.as_str()),
            (true, "no disk")
        );
        assert_eq!((list[1].executed, list[1].name.as_str()), (false, "redis"));
    }
}
