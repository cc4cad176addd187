//! One failure type for everything a caller can be told, in ten categories.
//!
//! A failure is categorised where it is created. It becomes a wire reply in exactly one place
//! (`protocol::reply`), and its `cause` goes to the log only.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::choice::Choice;

/// The ten error categories (system.md §9), in their wire spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The request itself is malformed or names an unknown method or tool.
    ClientError,
    /// The server's own fault, a store that cannot be reached included.
    ServerError,
    /// A tool could not do its work for a reason outside the providers.
    ToolError,
    /// A provider answered with an error, or none could.
    ProviderError,
    /// A connection to a provider failed.
    NetworkError,
    /// An argument is missing, unknown, of the wrong type or out of bounds.
    ValidationError,
    /// A credential is missing, refused, or lacks the role.
    AuthError,
    /// A clock of the timeout ladder fired.
    TimeoutError,
    /// A limit of this server or of a provider was reached.
    RateLimitError,
    /// A provider's code that no table knows.
    UnknownError,
}

impl Category {
    /// All ten, in the order of the table, for metrics and documentation.
    pub const ALL: [Self; 10] = [
        Self::ClientError,
        Self::ServerError,
        Self::ToolError,
        Self::ProviderError,
        Self::NetworkError,
        Self::ValidationError,
        Self::AuthError,
        Self::TimeoutError,
        Self::RateLimitError,
        Self::UnknownError,
    ];

    /// The wire spelling, such as `provider_error`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::ToolError => "tool_error",
            Self::ProviderError => "provider_error",
            Self::NetworkError => "network_error",
            Self::ValidationError => "validation_error",
            Self::AuthError => "auth_error",
            Self::TimeoutError => "timeout_error",
            Self::RateLimitError => "rate_limit_error",
            Self::UnknownError => "unknown_error",
        }
    }

    /// Whether sending the same call again later may succeed, unless the failure says otherwise.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::ServerError
                | Self::ToolError
                | Self::ProviderError
                | Self::NetworkError
                | Self::TimeoutError
                | Self::RateLimitError
        )
    }
}

/// How bad a failure is for whoever runs the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The caller's own affair.
    Low,
    /// Worth a look when it piles up.
    Medium,
    /// Worth a look now.
    High,
    /// Somebody is to be woken.
    Critical,
}

impl Severity {
    /// All four, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The wire spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a caller is told when a call could not be answered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// One of the ten categories.
    pub category: Category,
    /// A stable, snake_case code within the category, such as `thread_full`.
    pub code: &'static str,
    /// One to three sentences for the caller: what failed, why, what to do next. No secrets.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// When to try again, if the server knows.
    pub retry_after: Option<Duration>,
    /// JSON pointer of the argument at fault, for `validation_error`.
    pub field: Option<String>,
    /// What the client's user may be asked for instead.
    pub choice: Option<Box<Choice>>,
    /// The technical cause and the address it came from; logged, never sent.
    pub cause: Option<String>,
}

impl Failure {
    /// A failure whose retryability is its category's default.
    #[must_use]
    pub fn new(category: Category, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            category,
            code,
            message: message.into(),
            retryable: category.is_retryable(),
            retry_after: None,
            field: None,
            choice: None,
            cause: None,
        }
    }

    /// A refused argument; `field` is a JSON pointer such as `/models/0/stance`.
    #[must_use]
    pub fn validation(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut failure = Self::new(Category::ValidationError, "invalid_argument", message);
        failure.field = Some(field.into());
        failure
    }

    /// How bad this is for whoever runs the server: medium, except for what callers do to
    /// themselves, a credential that a provider refuses, and a store or a call that broke.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.category {
            Category::ClientError => Severity::Low,
            Category::ServerError if is_grave(self.code) => Severity::Critical,
            Category::ProviderError if self.code == "provider_configuration" => Severity::High,
            _ => Severity::Medium,
        }
    }

    /// Replaces the stable code.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Attaches what the client's user may be asked for.
    #[must_use]
    pub fn with_choice(mut self, choice: Choice) -> Self {
        self.choice = Some(Box::new(choice));
        self
    }

    /// Attaches what the log should say about the cause.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Names when to try again and marks the failure retryable.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self.retryable = true;
        self
    }

    /// Overrides the category's default.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }
}

/// Whether a code tells of the store or of a panic.
fn is_grave(code: &str) -> bool {
    code.starts_with("store_") || matches!(code, "panic" | "tool_panicked")
}

/// Codes that were read back from a store; there are some hundred in all.
const MOST_CODES: usize = 1024;

/// A stored code as the static text a [`Failure`] holds. Codes are a small closed set that no one
/// place lists, so each is kept once for the life of the process; beyond a bound that only a
/// spoiled store could reach, all become `failed`.
#[must_use]
pub fn interned(code: &str) -> &'static str {
    static CODES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = codes.get(code) {
        return known;
    }
    if codes.len() >= MOST_CODES {
        return "failed";
    }
    let kept: &'static str = Box::leak(code.to_owned().into_boxed_str());
    codes.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_as_bad_as_the_table_of_categories_says() {
        let severity = |category, code| Failure::new(category, code, "").severity();
        for category in Category::ALL {
            let wanted = match category {
                Category::ClientError => Severity::Low,
                _ => Severity::Medium,
            };
            assert_eq!(severity(category, "some_code"), wanted, "{category:?}");
        }
        let store = severity(Category::ServerError, "store_unavailable");
        assert_eq!(store, Severity::Critical);
        let key = severity(Category::ProviderError, "provider_configuration");
        assert_eq!(key, Severity::High);
    }
}
