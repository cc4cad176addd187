//! A provider's key and the header that carries it. A reload may put another in force; an exchange
//! keeps the one it began with to its end, so that what it sent is what is left out of its words.

use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::dialect::{Dialect, Form};
use super::fault::ProviderFailure;
use super::{Provider, ProviderError};

/// A key that a header can carry.
#[derive(Debug)]
pub struct Key {
    secret: SecretString,
    header: HeaderValue,
}

impl Key {
    /// The key of a provider row, as its dialect sends it.
    ///
    /// # Errors
    /// When it holds characters that no header can carry.
    pub(super) fn new(
        name: &str,
        dialect: Dialect,
        secret: SecretString,
    ) -> Result<Self, ProviderError> {
        let text = secret.expose_secret();
        let header = match dialect.form() {
            Form::Messages => HeaderValue::from_str(text),
            Form::Completions => HeaderValue::from_str(&format!("Bearer {text}")),
        };
        let Ok(mut header) = header else {
            let name = name.to_owned();
            return Err(ProviderError::Key { name });
        };
        header.set_sensitive(true);
        Ok(Self { secret, header })
    }

    /// The failure without the key in any of its words.
    pub(super) fn hidden_from(&self, failure: ProviderFailure) -> ProviderFailure {
        failure.without_secret(self.secret.expose_secret())
    }
}

impl Provider {
    /// The key in force.
    pub(super) fn key(&self) -> Arc<Key> {
        self.key.get()
    }

    /// Another key for the same provider; `None` when it is the one in force.
    ///
    /// # Errors
    /// When no header can carry it.
    pub fn other_key(&self, secret: &SecretString) -> Result<Option<Key>, ProviderError> {
        if self.key().secret.expose_secret() == secret.expose_secret() {
            return Ok(None);
        }
        Key::new(&self.name, self.dialect, secret.clone()).map(Some)
    }

    /// Puts a key in force for whatever is begun from now on.
    pub fn take_key(&self, key: Key) {
        self.key.set(key);
    }

    /// A request with the key.
    pub(super) fn authorised(
        &self,
        builder: reqwest::RequestBuilder,
        key: &Key,
    ) -> reqwest::RequestBuilder {
        match self.dialect.form() {
            Form::Messages => builder
                .header("x-api-key", key.header.clone())
                .header("anthropic-version", "2023-06-01"),
            Form::Completions => builder.header("authorization", key.header.clone()),
        }
    }
}
