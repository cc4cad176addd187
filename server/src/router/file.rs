//! Requests about a provider's files, through its breaker like any other.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Router;
use super::direct::{busy, verdict};
use crate::failure::Failure;
use crate::provider::ProviderRow;
use crate::provider::file::{FileAnswer, FileAsk};
use crate::provider::method::Method;

impl Router {
    /// The first provider row with a key that keeps files which a chat can read.
    #[must_use]
    pub fn file_keeper(&self) -> Option<String> {
        let keeps = |row: &ProviderRow| row.dialect.spelling(Method::Files).is_some();
        let mut keepers = self.members.iter().filter(|member| keeps(&member.row));
        let keeper = keepers.find(|member| member.provider.is_some())?;
        Some(keeper.row.name.clone())
    }

    /// Sends one request about files to one provider, once.
    ///
    /// # Errors
    /// A provider that is not there or cannot be asked now, or the attempt's failure.
    pub async fn file(
        &self,
        provider: &str,
        ask: FileAsk,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<FileAnswer, Failure> {
        let Some((member, remote)) = self.registered(provider) else {
            return Err(self.missing_key_failure());
        };
        let is_free = member.hindrance("", Instant::now()).is_none();
        let Some(place) = is_free.then(|| member.admit()).flatten() else {
            return Err(busy(provider));
        };
        let answer = remote.file(ask, limit, cancel).await;
        place.settle(verdict(&answer));
        self.note(member, "", &answer);
        answer.map_err(|failure| failure.failure(provider))
    }
}
