//! What a store may refuse or fail with, and the failure a caller is told.

use crate::failure::{Category, Failure};

/// Why a store did not do what was asked. Messages finish "could not …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Unknown, expired, deleted or another principal's: the four look alike.
    #[error("find the thread")]
    NotFound,
    /// The thread holds as many exchanges as it may.
    #[error("append to a full thread of {cap} exchanges")]
    Full {
        /// The configured cap.
        cap: u32,
    },
    /// Another append came first.
    #[error("append at the expected place: the thread holds {turns} exchanges now")]
    Moved {
        /// Exchanges held now.
        turns: u32,
    },
    /// The idempotency key was used before with other arguments.
    #[error("use an idempotency key with other arguments")]
    KeyReused,
    /// The store could not be reached or did not answer in time. The work may have been done.
    #[error("reach the store: {0}")]
    Unavailable(String),
    /// The store answers but refuses writes: `full`, `read_only`, `no_replicas`.
    #[error("write: the store is {reason} ({cause})")]
    Refused {
        /// Why, in one word.
        reason: Refusal,
        /// The store's own words.
        cause: String,
    },
    /// The store was written by a newer program.
    #[error("open a store of schema version {found}: this program knows {known}")]
    NewerSchema {
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// What was read back does not parse.
    #[error("read back what was stored: {0}")]
    Corrupt(String),
}

/// Why a reachable store refuses writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Out of memory or disk.
    Full,
    /// A replica, or a file without write permission.
    ReadOnly,
    /// Fewer replicas than the store demands.
    NoReplicas,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::NoReplicas => "without enough replicas",
        })
    }
}

impl StoreError {
    /// Whether the store itself is at fault, as opposed to refusing by its rules.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Refused { .. }
                | Self::NewerSchema { .. }
                | Self::Corrupt(_)
        )
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = match &error {
            StoreError::NotFound => Self::validation(
                "/continuation_id",
                "There is no such thread: it never existed, was deleted, or expired. \
                 Call again without continuation_id to begin a new one.",
            )
            .with_code("thread_not_found"),
            StoreError::Full { cap } => Self::new(
                Category::ToolError,
                "thread_full",
                format!(
                    "This thread holds {cap} exchanges, as many as it may. Call again without \
                     continuation_id and open the new thread with a summary of this one."
                ),
            )
            .with_retryable(false),
            StoreError::Moved { turns } => Self::new(
                Category::ToolError,
                "thread_moved",
                format!(
                    "Another call appended to this thread first; it holds {turns} exchanges now. \
                     Send the step again."
                ),
            ),
            StoreError::KeyReused => Self::validation(
                "/_meta/dev.exai~1idempotency-key",
                "This idempotency key was used before with other arguments. \
                 Use a fresh key for a different call.",
            )
            .with_code("idempotency_key_reused"),
            outage => outage_failure(outage),
        };
        if error.is_outage() {
            failure.with_cause(error)
        } else {
            failure
        }
    }
}

/// What a caller is told when the store itself is at fault.
fn outage_failure(error: &StoreError) -> Failure {
    let server = |code, message: &str| Failure::new(Category::ServerError, code, message);
    match error {
        StoreError::Refused { reason, .. } => server(
            match reason {
                Refusal::Full => "store_full",
                Refusal::ReadOnly => "store_read_only",
                Refusal::NoReplicas => "store_no_replicas",
            },
            "The conversation store refuses writes, so this turn was not kept. \
             Try again later or tell the operator.",
        ),
        StoreError::NewerSchema { .. } => server(
            "store_schema",
            "The conversation store belongs to a newer version of this server. \
             Tell the operator.",
        )
        .with_retryable(false),
        StoreError::Corrupt(_) => server(
            "store_corrupt",
            "A stored conversation could not be read back. Begin a new thread and tell the \
             operator.",
        )
        .with_retryable(false),
        _ => server(
            "store_unavailable",
            "The conversation store cannot be reached, so this turn was not confirmed. \
             Try again shortly with the same idempotency key.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_server_error_and_a_rule_is_not() {
        let cases = [
            (
                StoreError::Unavailable("x".into()),
                Category::ServerError,
                "store_unavailable",
            ),
            (
                StoreError::Full { cap: 10 },
                Category::ToolError,
                "thread_full",
            ),
            (
                StoreError::NotFound,
                Category::ValidationError,
                "thread_not_found",
            ),
            (
                StoreError::KeyReused,
                Category::ValidationError,
                "idempotency_key_reused",
            ),
        ];
        for (error, category, code) in cases {
            let failure = Failure::from(error.clone());
            assert_eq!(
                (failure.category, failure.code),
                (category, code),
                "{error}"
            );
            assert_eq!(error.is_outage(), category == Category::ServerError);
        }
    }

    #[test]
    fn the_cause_of_an_outage_stays_out_of_the_message() {
        let failure = Failure::from(StoreError::Unavailable("redis://secret@host".into()));
        assert!(!failure.message.contains("secret"));
        assert!(failure.cause.is_some_and(|cause| cause.contains("secret")));
    }
}
