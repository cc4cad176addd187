//! What a client carries for the server between two calls of one question, and may not change.

use std::time::Duration;

use rmcp::model::{RequestStateCodec, SealOptions};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::caller::Caller;
use crate::choice::Choice;
use crate::config::Secrets;
use crate::failure::Failure;
use crate::tool::claim;
use crate::tool::registry::canonical;

/// Keeps this use of a secret apart from its others.
const PURPOSE: &str = "exai request state v2\0";

/// What was chosen so far, and what is asked now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Arguments chosen in earlier rounds.
    pub chosen: Map<String, Value>,
    /// The question that is open.
    pub choice: Choice,
}

/// Seals under a key that replicas share: from the daemon's key or the tokens' secret, else one of
/// this process alone, after whose end a question is asked again.
#[derive(Debug, Clone)]
pub struct Seal(RequestStateCodec);

impl Seal {
    /// The key is derived, so that a sealed state says nothing about the secret's other uses.
    #[must_use]
    pub fn of(secrets: &Secrets) -> Self {
        let mut hash = Sha256::new();
        hash.update(PURPOSE);
        match secrets.daemon.as_ref().or(secrets.jwt.as_ref()) {
            Some(secret) => hash.update(secret.expose_secret()),
            None => (0..4).for_each(|_| hash.update(uuid::Uuid::new_v4().as_bytes())),
        }
        // The only demand on a key is its length, which a SHA-256 always meets.
        Self(RequestStateCodec::new_unchecked(hash.finalize().to_vec()))
    }

    /// Seals for one call of one principal, for as long as `wait`; `None` when it has no JSON.
    #[must_use]
    pub fn close(&self, carried: &Carried, to: &Bound<'_>, wait: Duration) -> Option<String> {
        let bound = to.bytes();
        let options = SealOptions::new().associated_data(&bound).ttl(wait);
        self.0.seal_json_with(carried, &options).ok()
    }

    /// Opens what was sealed for this call of this principal.
    ///
    /// # Errors
    /// `request_state_refused` when it is not, was changed or is too old.
    pub fn open(&self, state: &str, to: &Bound<'_>) -> Result<Carried, Failure> {
        let opened = self.0.open_json_with(state, &to.bytes());
        opened.map_err(|error| refused().with_cause(error))
    }
}

/// The refusal of a state that is not ours to trust.
#[must_use]
pub fn refused() -> Failure {
    let message = "This request state was not given to this caller for this call, was changed, or \
                   is too old. Send the call again without requestState and inputResponses.";
    Failure::validation("/requestState", message).with_code("request_state_refused")
}

/// What a state is good for: a yes to one call is none to another.
#[derive(Debug)]
pub struct Bound<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The tool, by any of its names.
    pub tool: &'a str,
    /// The call's arguments as the client sent them.
    pub arguments: Option<&'a Map<String, Value>>,
}

impl Bound<'_> {
    fn bytes(&self) -> Vec<u8> {
        let none = Map::new();
        let call = claim::digest(canonical(self.tool), self.arguments.unwrap_or(&none));
        format!("{}\0{call}", self.caller.principal).into_bytes()
    }
}
