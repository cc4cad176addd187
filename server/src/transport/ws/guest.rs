//! Who is at the other end of a connection, and what is asked of each of their messages: what the
//! gate asks of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::super::envelope::Envelope;
use super::super::gate::{self, Gate};
use super::super::refusal::{Asked, Refusal};
use super::super::session::{self, Sessions};
use super::close::Farewell;
use crate::auth::Principal;
use crate::failure::Category;
use crate::protocol::caller::{Caller, fresh_correlation_id};

/// One connection's caller.
pub struct Guest {
    gate: Gate,
    /// The credential alone: it is checked anew with each message, since a token may expire.
    credential: HeaderMap,
    source: IpAddr,
    /// As of the last message; before a hello, nobody.
    principal: Option<Principal>,
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
        self.sessions.forget(&self.id);
    }
}

/// A hello that is refused.
pub struct NoHello {
    /// The word in the answer: `unauthorized`, `jwt_required`, `forbidden`, `over_capacity`,
    /// `missing_hello` or `invalid_hello`.
    pub error: &'static str,
    /// For the record, and the sentence in the answer.
    pub refusal: Refusal,
    /// What the connection is closed with.
    pub farewell: Farewell,
}

impl NoHello {
    /// A credential or a session id that is not the caller's, or a rate.
    pub fn refused(refusal: Refusal) -> Self {
        let (error, farewell) = match refusal.failure.category {
            Category::RateLimitError => ("over_capacity", Farewell::over("too many requests")),
            _ if refusal.status == StatusCode::FORBIDDEN => ("forbidden", Farewell::unauthorized()),
            _ => ("unauthorized", Farewell::unauthorized()),
        };
        Self {
            error,
            refusal,
            farewell,
        }
    }

    /// Another frame came first.
    pub fn missing() -> Self {
        let message = "The first frame is {\"op\":\"hello\"}.";
        Self {
            error: "missing_hello",
            refusal: Refusal::invalid("hello_missing", message),
            farewell: Farewell::protocol("the first frame is hello"),
        }
    }

    /// A hello with fields that are not its own, or a bad session id.
    pub fn malformed(refusal: Refusal) -> Self {
        Self {
            error: "invalid_hello",
            refusal,
            farewell: Farewell::protocol("this is no hello"),
        }
    }
}

fn bearer(token: &str) -> Result<HeaderMap, Refusal> {
    let line = HeaderValue::from_str(&format!("Bearer {token}"));
    let line = line.map_err(|_| Refusal::unauthorized("token_malformed"))?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, line)]))
}

impl Guest {
    /// A caller whose upgrade was admitted, known or not.
    pub fn new(
        gate: &Gate,
        (principal, headers): (Option<Principal>, &HeaderMap),
        (upgrade, source): (Asked, IpAddr),
    ) -> Self {
        let line = headers.get(AUTHORIZATION).cloned();
        Self {
            gate: gate.clone(),
            credential: line.map(|line| (AUTHORIZATION, line)).into_iter().collect(),
            source,
            principal,
            upgrade,
            session: session::lengthened(&fresh_correlation_id()).into(),
        }
    }

    /// The id of this connection: over 128 random bits.
    pub fn session(&self) -> Arc<str> {
        Arc::clone(&self.session)
    }

    /// The principal's name.
    pub fn name(&self) -> &str {
        self.principal
            .as_ref()
            .map_or("unverified", Principal::name)
    }

    /// Whether a tool is granted, as of the last message.
    pub fn may_call(&self, tool: &str) -> bool {
        self.principal
            .as_ref()
            .is_some_and(|who| who.may_call(tool))
    }

    /// Whether health detail is granted.
    pub fn may_administer(&self) -> bool {
        self.principal
            .as_ref()
            .is_some_and(Principal::may_administer)
    }

    /// Whether the caller is, now, an administrator with a good credential.
    ///
    /// # Errors
    /// The refusal, not yet on record.
    pub fn administer(&mut self) -> Result<(), Refusal> {
        let principal = self.gate.authenticate(&self.credential)?;
        let may = principal.may_administer();
        self.principal = Some(principal);
        may.then_some(()).ok_or_else(Refusal::forbidden)
    }

    /// A place among the sessions of the process, or `None` when all are taken.
    pub fn take_session(&self) -> Option<SessionPlace> {
        let sessions = self.gate.sessions.clone();
        let now = Instant::now();
        let place = sessions.begin(now)?;
        place.take(&self.session, self.name(), now);
        Some(SessionPlace {
            sessions,
            id: self.session(),
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
    pub fn check(&mut self, envelope: &Envelope, asked: &mut Asked) -> Result<(), Refusal> {
        if let Some(method) = &envelope.method {
            asked.action.clone_from(method);
        }
        asked.resource = envelope.name.clone().unwrap_or_default();
        let admitted = self
            .gate
            .admit_caller(&self.credential, self.source, asked)?;
        let permitted = self.gate.may(&admitted, envelope);
        self.principal = Some(admitted);
        permitted
    }

    /// Who a checked message comes from.
    pub fn caller(&self, asked: &Asked) -> Caller {
        match &self.principal {
            Some(principal) => Gate::caller(principal, asked),
            // Never met: whoever was not identified was refused.
            None => Caller {
                principal: "unverified".into(),
                roles: Arc::default(),
                team: None,
                transport: asked.transport,
                correlation_id: Arc::clone(&asked.correlation_id),
            },
        }
    }

    /// Takes the tokens of a hello. Each one given must be good, and all for one principal, that of
    /// the upgrade included.
    ///
    /// # Errors
    /// The answer to the hello.
    pub fn identify(&mut self, tokens: &[Option<&str>], asked: &mut Asked) -> Result<(), NoHello> {
        for token in tokens.iter().flatten() {
            let credential = bearer(token).map_err(NoHello::refused)?;
            let principal = self.gate.authenticate(&credential);
            let principal = principal.map_err(NoHello::refused)?;
            if self.principal.is_some() && self.name() != principal.name() {
                let refusal = Refusal::unauthorized("token_of_another");
                return Err(NoHello::refused(refusal));
            }
            self.principal = Some(principal);
            self.credential = credential;
        }
        let admitted = self.gate.admit_caller(&self.credential, self.source, asked);
        let principal = admitted.map_err(|refusal| {
            let mut refused = NoHello::refused(refusal);
            if refused.error == "unauthorized" && self.credential.is_empty() {
                refused.error = "jwt_required";
            }
            refused
        })?;
        self.principal = Some(principal);
        Ok(())
    }

    /// Replaces the connection's token by another one of the same principal.
    ///
    /// # Errors
    /// When the old one is not the connection's, or the new one is not good. The old one stays.
    pub fn rotate(&mut self, old: &str, new: &str) -> Result<(), Refusal> {
        let current = gate::bearer(&self.credential).map_err(Refusal::unauthorized)?;
        if !bool::from(current.as_bytes().ct_eq(old.as_bytes())) {
            return Err(Refusal::unauthorized("rotation_old"));
        }
        let credential = bearer(new)?;
        let principal = self.gate.authenticate(&credential)?;
        if principal.name() != self.name() {
            return Err(Refusal::unauthorized("rotation_principal"));
        }
        self.credential = credential;
        self.principal = Some(principal);
        Ok(())
    }
}
