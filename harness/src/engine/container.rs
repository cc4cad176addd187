//! One container, to be ordered about.

use std::time::Duration;

use super::wire::{Answer, Life, Order};
use super::{Engine, EngineError};

/// A container of the run by its name.
#[derive(Clone)]
pub struct Container {
    pub(super) engine: Engine,
    pub(super) name: String,
}

impl Container {
    /// Its present life.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn look(&self) -> Result<Life, EngineError> {
        self.engine.life(Order::Look { name: self.name() }).await
    }

    /// SIGKILL to its main process; its restart policy brings it back.
    ///
    /// # Errors
    /// When it does not run or does not die.
    pub async fn kill(&self) -> Result<(), EngineError> {
        let name = self.name();
        match self.engine.order(Order::Kill { name }).await? {
            Answer::Killed { .. } => Ok(()),
            other => Err(EngineError::strange(&other)),
        }
    }

    /// SIGTERM, and SIGKILL after `within`; its restart policy rests until [`Container::next`].
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn stop(&self, within: Duration) -> Result<Life, EngineError> {
        let (name, within_ms) = (self.name(), millis(within));
        self.engine.life(Order::Stop { name, within_ms }).await
    }

    /// The life after the one that began at `after`.
    ///
    /// # Errors
    /// When it does not come within `within`.
    pub async fn next(&self, after: &str, within: Duration) -> Result<Life, EngineError> {
        let order = Order::Next {
            name: self.name(),
            after: after.to_owned(),
            within_ms: millis(within),
        };
        self.engine.life(order).await
    }

    /// Freezes every process in it.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn pause(&self) -> Result<Life, EngineError> {
        self.engine.life(Order::Pause { name: self.name() }).await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn unpause(&self) -> Result<Life, EngineError> {
        self.engine.life(Order::Unpause { name: self.name() }).await
    }

    /// Takes it off the run's network.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn partition(&self) -> Result<Life, EngineError> {
        let name = self.name();
        self.engine.life(Order::Partition { name }).await
    }

    /// Puts it back, under its own address.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn rejoin(&self) -> Result<Life, EngineError> {
        self.engine.life(Order::Rejoin { name: self.name() }).await
    }

    /// Writes to the standard input of its present life.
    ///
    /// # Errors
    /// When it has none, or has ended.
    pub async fn feed(&self, text: String) -> Result<(), EngineError> {
        let name = self.name();
        let fed = self.engine.order(Order::Feed { name, text }).await;
        fed.map(|_done| ())
    }

    /// Ends that input.
    ///
    /// # Errors
    /// When the leaf is gone.
    pub async fn close(&self) -> Result<(), EngineError> {
        let name = self.name();
        let closed = self.engine.order(Order::Close { name }).await;
        closed.map(|_done| ())
    }

    /// Its name in the run.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
