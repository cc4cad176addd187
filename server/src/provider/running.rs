//! A running attempt: its three clocks, and what is awaited under them.

use std::time::Duration;

use reqwest::Response;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exchange::{cancelled, interrupted_because, oversize};
use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::reply::Gain;
use crate::router::clock::AttemptClocks;

/// How long after the finish reason usage and end marker are waited for.
const GRACE: Duration = Duration::from_secs(2);

/// The clocks of a running attempt, and who may end it.
pub(super) struct Running<'a> {
    clocks: AttemptClocks,
    cancel: &'a CancellationToken,
    sent: Instant,
    last_token: Option<Instant>,
    finished: Option<Instant>,
}

impl<'a> Running<'a> {
    /// An attempt whose request is about to be sent.
    pub(super) fn begin(clocks: AttemptClocks, cancel: &'a CancellationToken) -> Self {
        Self {
            clocks,
            cancel,
            sent: Instant::now(),
            last_token: None,
            finished: None,
        }
    }

    fn deadline(&self) -> Instant {
        let silence = match (self.finished, self.last_token) {
            (Some(at), _) => at + GRACE,
            (None, Some(at)) => at + self.clocks.idle,
            (None, None) => self.sent + self.clocks.first_token,
        };
        silence.min(self.sent + self.clocks.total)
    }

    /// The failure of the clock that fired. A second try on a silent route is refused: it would
    /// double the wait for what is most likely the same silence (FB06).
    fn fired(&self) -> ProviderFailure {
        let is_total = self.deadline() >= self.sent + self.clocks.total;
        let (class, said) = match (self.last_token, is_total) {
            (Some(_), true) => (FaultClass::TooSlow, "total clock".to_owned()),
            (Some(_), false) => (
                FaultClass::Stalled,
                format!("nothing for {} ms", self.clocks.idle.as_millis()),
            ),
            (None, _) => {
                let limit = self.clocks.first_token.min(self.clocks.total);
                (
                    FaultClass::Silent,
                    format!("no token within {} ms", limit.as_millis()),
                )
            }
        };
        ProviderFailure::new(class, Reaction::FailOver, said)
    }

    /// Takes in what an event brought.
    pub(super) fn note(&mut self, gain: &Gain, has_finished: bool) {
        let now = Instant::now();
        if gain.is_progress {
            self.last_token = Some(now);
        }
        if has_finished && self.finished.is_none() {
            self.finished = Some(now);
        }
    }

    /// A body read to its end, of at most so many bytes; each piece of it is a sign of life.
    pub(super) async fn read(
        &mut self,
        mut response: Response,
        limit: usize,
    ) -> Result<Vec<u8>, ProviderFailure> {
        let mut body = Vec::new();
        loop {
            let chunk = self.wait(response.chunk()).await?;
            let Some(bytes) = chunk.map_err(|error| interrupted_because(&error))? else {
                return Ok(body);
            };
            self.last_token = Some(Instant::now());
            if body.len() + bytes.len() > limit {
                return Err(oversize(limit));
            }
            body.extend_from_slice(&bytes);
        }
    }

    /// Waits under the clocks and the caller's cancellation.
    pub(super) async fn wait<F: Future>(&self, future: F) -> Result<F::Output, ProviderFailure> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(cancelled()),
            done = tokio::time::timeout_at(self.deadline(), future) => {
                done.map_err(|_elapsed| self.fired())
            }
        }
    }
}
