//! What decides who may come in: credentials, grace and roles of one configuration. A reload puts
//! another one in force, for open connections as well: each message asks the one of its moment.

use std::sync::Arc;

use jiff::Timestamp;

use super::Principal;
use super::policy::Policy;
use super::remote::Remote;
use super::shared::{self, SharedError, SharedTokens};
use super::token::{KeyError, TokenCheck, TokenError};
use crate::config::{AuthMode, Config};

/// The name of a caller who was let in without a credential.
pub const UNSIGNED: &str = "unsigned";

/// Why access cannot be decided.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Signed tokens cannot be checked.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Shared tokens cannot be checked.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

#[derive(Debug)]
enum Credentials {
    Open,
    Signed(TokenCheck),
    Shared(SharedTokens, Vec<String>),
}

#[derive(Debug)]
struct Grace {
    until: Timestamp,
    roles: Vec<String>,
}

/// Credentials, grace and roles.
#[derive(Debug)]
pub struct Access {
    credentials: Credentials,
    grace: Option<Grace>,
    policy: Arc<Policy>,
}

impl Access {
    /// As a checked configuration asks.
    ///
    /// # Errors
    /// When a file it names cannot be read or used.
    pub fn new(config: &Config, remote: &Remote) -> Result<Self, AccessError> {
        let policy = Arc::new(config.policy.clone());
        let auth = &config.auth;
        let credentials = match auth.mode {
            AuthMode::None => Credentials::Open,
            AuthMode::Jwt => {
                Credentials::Signed(TokenCheck::new(config, Arc::clone(&policy), remote)?)
            }
            AuthMode::Token => {
                let tokens = SharedTokens::read(&auth.token_file)?;
                Credentials::Shared(tokens, auth.token_roles.clone())
            }
        };
        let grace = auth.grace_end().map(|until| Grace {
            until,
            roles: auth.grace_roles.clone(),
        });
        Ok(Self {
            credentials,
            grace,
            policy,
        })
    }

    /// Whether everybody is let in as they are.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.credentials, Credentials::Open)
    }

    /// Who shows this credential, if any, at a time in seconds since the epoch.
    ///
    /// # Errors
    /// The reason's code, for the audit line.
    pub fn check(
        &self,
        credential: Result<&str, &'static str>,
        now: u64,
    ) -> Result<Principal, TokenError> {
        let policy = || Arc::clone(&self.policy);
        let token = match (&self.credentials, credential) {
            (Credentials::Open, _) => return Ok(Principal::anonymous(policy())),
            (_, Ok(token)) => token,
            (_, Err("token_missing")) => return self.unsigned(now),
            (_, Err(reason)) => return Err(TokenError(reason)),
        };
        match &self.credentials {
            Credentials::Signed(check) => check.check(token, now),
            Credentials::Shared(tokens, roles) => {
                tokens.check(token, now)?;
                Ok(Principal::new(
                    shared::NAME.to_owned(),
                    roles.clone(),
                    policy(),
                ))
            }
            Credentials::Open => Ok(Principal::anonymous(policy())),
        }
    }

    /// Whoever shows no credential is let in until the fixed end of the grace, if there is one.
    fn unsigned(&self, now: u64) -> Result<Principal, TokenError> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        match &self.grace {
            Some(grace) if now < grace.until.as_second() => {
                let (roles, policy) = (grace.roles.clone(), Arc::clone(&self.policy));
                Ok(Principal::new(UNSIGNED.to_owned(), roles, policy))
            }
            Some(_) => Err(TokenError("grace_ended")),
            None => Err(TokenError("token_missing")),
        }
    }
}
