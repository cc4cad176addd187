//! A request's session, and the place of one that begins.

use std::time::Instant;

use http::HeaderMap;

use super::super::envelope::Envelope;
use super::super::refusal::Refusal;
use super::super::session::{Missing, Place, Replaying};
use super::{Admitted, Gate, SESSION};
use crate::auth::Principal;
use crate::store::shared::Shared;

/// What a request holds of its session.
#[derive(Default)]
pub(in crate::transport) struct Seat {
    /// A place for the session that it begins.
    pub(in crate::transport) place: Option<Place>,
    /// The handshake is replayed during it.
    pub(in crate::transport) replaying: Option<Replaying>,
}

impl Gate {
    /// The same, of an instance that is one of several.
    #[must_use]
    pub fn among(self, shared: Option<Shared>) -> Self {
        if shared.is_some() {
            self.rates.account();
        }
        Self {
            sessions: self.sessions.among(shared),
            ..self
        }
    }

    /// Role and session, once the body is known.
    pub(in crate::transport) async fn permit(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        envelope: &Envelope,
    ) -> Result<Seat, Refusal> {
        self.may(&admitted.principal, envelope)?;
        let replaying = self.check_session(&admitted.principal, headers).await?;
        if envelope.method.as_deref() != Some("initialize") {
            return Ok(Seat {
                place: None,
                replaying,
            });
        }
        let place = self.sessions.begin(Instant::now());
        let place = place.ok_or_else(too_many)?;
        Ok(Seat {
            place: Some(place),
            replaying,
        })
    }

    pub(in crate::transport) async fn check_session(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
    ) -> Result<Option<Replaying>, Refusal> {
        let Some(id) = headers.get(SESSION) else {
            return Ok(None);
        };
        let id = id.to_str().unwrap_or_default();
        let admitted = self.sessions.admit(id, principal.name()).await;
        admitted.map_err(|missing| self.missing(missing))
    }

    /// What a caller is told of a session that cannot be used.
    pub(in crate::transport) fn missing(&self, missing: Missing) -> Refusal {
        match missing {
            Missing::Unknown => Refusal::no_session(!self.is_open()),
            Missing::Full => too_many(),
            Missing::Away => Refusal::away(),
        }
    }
}

fn too_many() -> Refusal {
    let message = "This server has as many sessions as it may; end one or wait.";
    Refusal::over_count("too_many_sessions", message)
}
