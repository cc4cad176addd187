//! Who is at the other end of a connection, and what is asked of each of their messages: what the
//! gate asks of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::super::envelope::Envelope;
use super::super::gate::Gate;
use super::super::refusal::{Asked, Refusal};
use super::super::session::Sessions;
use super::close::Farewell;
use crate::auth::Principal;
use crate::protocol::caller::fresh_correlation_id;

/// One connection's caller.
pub struct Guest {
    gate: Gate,
    /// The credential alone: it is checked anew with each message, since a token may expire.
    credential: HeaderMap,
    source: IpAddr,
    principal: Principal,
    upgrade: Asked,
    session: Arc<str>,
}

/// A place among the sessions, given back when dropped.
pub struct SessionPlace {
    sessions: Sessions,
    id: Arc<str>,
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        self.sessions.end(&self.id);
    }
}

impl Guest {
    /// A caller whose upgrade was admitted.
    pub fn new(
        gate: &Gate,
        (principal, headers): (Principal, &HeaderMap),
        (upgrade, source): (Asked, IpAddr),
    ) -> Self {
        let mut credential = HeaderMap::new();
        if let Some(line) = headers.get(AUTHORIZATION) {
            credential.insert(AUTHORIZATION, line.clone());
        }
        Self {
            gate: gate.clone(),
            credential,
            source,
            principal,
            upgrade,
            session: fresh_correlation_id(),
        }
    }

    /// The id of this connection's session: 122 random bits.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// A place among the sessions of the process, or `None` when all are taken.
    pub fn take_session(&self) -> Option<SessionPlace> {
        let sessions = self.gate.sessions.clone();
        let now = Instant::now();
        let place = sessions.begin(now)?;
        place.take(&self.session, self.principal.name(), now);
        Some(SessionPlace {
            sessions,
            id: Arc::clone(&self.session),
        })
    }

    /// Puts on record that there was no place.
    pub async fn turn_away(&self) -> Farewell {
        let message = "This server has as many sessions as it may; end one or wait.";
        let refusal = Refusal::over_count("too_many_sessions", message);
        self.gate.desk.record(&refusal, &self.upgrade).await;
        Farewell::over("too many sessions; end one or wait")
    }

    /// The record of one message, with a correlation id of its own.
    pub fn asked(&self, id: Value) -> Asked {
        Asked {
            correlation_id: fresh_correlation_id(),
            action: "message".to_owned(),
            resource: String::new(),
            id,
            ..self.upgrade.clone()
        }
    }

    /// Credential, rate and role of one message.
    ///
    /// # Errors
    /// The refusal, not yet on record.
    pub fn check(&self, envelope: &Envelope, asked: &mut Asked) -> Result<Principal, Refusal> {
        asked.action = envelope
            .method
            .clone()
            .unwrap_or_else(|| "response".to_owned());
        asked.resource = envelope.name.clone().unwrap_or_default();
        let principal = self
            .gate
            .admit_caller(&self.credential, self.source, asked)?;
        Gate::may(&principal, envelope)?;
        Ok(principal)
    }
}
