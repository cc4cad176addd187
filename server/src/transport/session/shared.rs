//! Sessions that several instances on one Redis know: the handshake of each is kept there, and an
//! instance that meets one it did not begin has it replayed.
//!
//! Redis is asked on each request, so that a session that ended anywhere has ended everywhere at
//! once. When it does not answer in time, an instance goes by what it knows itself. What happens
//! within a session stays where it happens: open requests, their streams and their cancelling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rmcp::model::InitializeRequestParams;
use rmcp::transport::streamable_http_server::session::{
    SessionState, SessionStore, SessionStoreError,
};
use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::{Known, Replay, Row, Sessions, inner};
use crate::store::shared::Shared;

/// How long a request waits for Redis' word on a session that this instance knows anyway.
const LOOK: Duration = Duration::from_millis(250);

/// How long one waits that cannot be answered otherwise: of a session not known here, of one that
/// begins and of one that ends.
const WORD: Duration = Duration::from_secs(1);

/// Bytes of a handshake that are kept; a session with a longer one stays where it began.
const HANDSHAKE: usize = 10_240;

/// Why a request's session cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none of this id that is the caller's.
    Unknown,
    /// It began elsewhere, and there is no place for it here.
    Full,
    /// It is not known here, and Redis does not answer.
    Away,
}

/// The request during which a session's handshake is replayed; the others of the session wait.
#[derive(Debug)]
pub struct Replaying(OwnedMutexGuard<bool>);

impl Replaying {
    /// The library knows the session now.
    pub fn is_done(mut self) {
        *self.0 = true;
    }
}

/// The message that begins a session.
#[derive(Deserialize)]
struct Beginning {
    params: InitializeRequestParams,
}

impl Sessions {
    /// The same, known to every instance.
    #[must_use]
    pub fn among(self, shared: Option<Shared>) -> Self {
        Self { shared, ..self }
    }

    /// Admits a request to a session of the principal. With a value, the request is the one during
    /// which the handshake is replayed.
    ///
    /// # Errors
    /// When the session cannot be used.
    pub async fn admit(&self, id: &str, principal: &str) -> Result<Option<Replaying>, Missing> {
        let known = self.known(id, principal, Instant::now());
        let Some(shared) = self.shared.as_ref().filter(|_| known != Known::Here) else {
            return match known {
                Known::Nothing => Err(Missing::Unknown),
                Known::Here | Known::Everywhere => Ok(None),
            };
        };
        let patience = if known == Known::Everywhere {
            LOOK
        } else {
            WORD
        };
        match timeout(patience, shared.has_session(principal, id, self.idle)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                if known == Known::Everywhere {
                    self.forget(id);
                }
                return Err(Missing::Unknown);
            }
            Ok(Err(_)) | Err(_) if known == Known::Everywhere => {}
            Ok(Err(_)) | Err(_) => return Err(Missing::Away),
        }
        let Some(replay) = self.replay(id, principal)? else {
            return Ok(None);
        };
        let held = replay.lock_owned().await;
        Ok((!*held).then(|| Replaying(held)))
    }

    /// The row of a session that Redis has, entered where there is none.
    fn replay(&self, id: &str, principal: &str) -> Result<Option<Replay>, Missing> {
        let now = Instant::now();
        if self.known(id, principal, now) == Known::Nothing {
            let place = self.begin(now).ok_or(Missing::Full)?;
            let row = Row {
                owner: principal.to_owned(),
                used_at: now,
                is_shared: true,
                replay: Some(Replay::default()),
            };
            place.enter(id, row);
        }
        let table = self.lock();
        Ok(table.rows.get(id).and_then(|row| row.replay.clone()))
    }

    /// Ends a session of the principal, for every instance.
    ///
    /// # Errors
    /// When Redis has it and does not answer; it may be ended again.
    pub async fn end(&self, id: &str, principal: &str) -> Result<(), Missing> {
        let is_shared = self.known(id, principal, Instant::now()) == Known::Everywhere;
        self.forget(id);
        let Some(shared) = self.shared.as_ref().filter(|_| is_shared) else {
            return Ok(());
        };
        match timeout(WORD, shared.end_session(principal, id)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Missing::Away),
        }
    }

    /// Tells the other instances of a session that begins here with this message. Where they cannot
    /// be told, it is of this process alone.
    pub async fn share(&self, id: &str, principal: &str, message: &[u8]) {
        let Some(shared) = &self.shared else { return };
        let handshake = serde_json::from_slice::<Beginning>(message)
            .and_then(|beginning| serde_json::to_string(&beginning.params));
        let Some(handshake) = handshake.ok().filter(|text| text.len() <= HANDSHAKE) else {
            tracing::warn!("a session whose handshake is too long stays with this instance");
            return;
        };
        let kept = shared.keep_session(principal, id, &handshake, self.idle);
        if let Ok(Ok(())) = timeout(WORD, kept).await {
            if let Some(row) = self.lock().rows.get_mut(id) {
                row.is_shared = true;
            }
        } else {
            tracing::warn!("a session that begins now stays with this instance");
        }
    }
}

/// What the protocol library restores a session from: a request that gets there was admitted.
pub struct Handshakes {
    sessions: Sessions,
    shared: Shared,
}

impl Handshakes {
    /// `None` when sessions are of this process alone.
    #[must_use]
    pub fn of(sessions: &Sessions) -> Option<Arc<dyn SessionStore>> {
        let sessions = sessions.clone();
        let shared = sessions.shared.clone()?;
        Some(Arc::new(Self { sessions, shared }))
    }

    async fn read(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let Some((id, owner)) = self.sessions.admitted(id) else {
            return Ok(None);
        };
        let Some(handshake) = self.shared.handshake(&owner, &id).await? else {
            return Ok(None);
        };
        Ok(Some(SessionState::new(serde_json::from_str(&handshake)?)))
    }
}

impl Sessions {
    /// The whole id and the owner of the session that the library knows by `inner_id`.
    fn admitted(&self, inner_id: &str) -> Option<(String, String)> {
        let table = self.lock();
        let mut rows = table.rows.iter();
        let found = rows.find(|(id, row)| row.is_shared && inner(id) == inner_id);
        found.map(|(id, row)| (id.clone(), row.owner.clone()))
    }
}

impl SessionStore for Handshakes {
    fn load<'life0, 'life1, 'async_trait>(
        &'life0 self,
        session_id: &'life1 str,
    ) -> BoxFuture<'async_trait, Result<Option<SessionState>, SessionStoreError>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.read(session_id))
    }

    /// Nothing: the library knows neither the owner nor the whole id, so the passage keeps it.
    fn store<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        _session_id: &'life1 str,
        _state: &'life2 SessionState,
    ) -> BoxFuture<'async_trait, Result<(), SessionStoreError>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Nothing, for the same reason.
    fn delete<'life0, 'life1, 'async_trait>(
        &'life0 self,
        _session_id: &'life1 str,
    ) -> BoxFuture<'async_trait, Result<(), SessionStoreError>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(Ok(())))
    }
}
