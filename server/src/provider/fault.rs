//! What went wrong at a provider, and what the router must do about it.
//!
//! Reactions mirror the codes of the fault catalogue: R is [`Reaction::Retry`], F is
//! [`Reaction::FailOver`], B is [`Reaction::Quota`], X is [`Reaction::Refuse`] or
//! [`Reaction::Repair`], C is [`Reaction::Configure`]. P is decided by the router, which knows
//! whether the caller has seen text, and N never becomes a failure.

use std::time::Duration;

use super::request::Echo;
use crate::failure::{Category, Failure};

/// When to try again after all permits of a provider were taken; calls of seconds end all the time.
const PERMITS_AGAIN: Duration = Duration::from_secs(1);

/// Longest excerpt of a provider's own words that is passed on.
const SAID_CHARS: usize = 300;

/// What the router does after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Try the same provider again inside the budget, then the next one.
    Retry,
    /// Leave this provider at once for the next one.
    FailOver,
    /// Flag the provider's quota until the named time.
    Quota {
        /// Whether the call goes on to the next provider (rows without F end it).
        leave: bool,
    },
    /// Tell the caller; neither this provider nor another sees the request again.
    Refuse,
    /// Change the request as named and send it once more; without that, as `Refuse`.
    Repair(Repair),
    /// The operator's configuration is wrong: stop and say how to mend it.
    Configure,
}

/// A change that makes a refused request worth a second try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Leave the temperature out.
    DropTemperature,
    /// Allow more output tokens, as the model spent them all on thinking.
    MoreTokens,
    /// Send the conversation's earlier answers with their thoughts in this way.
    History(Echo),
}

/// The kind of fault, which decides category and code of the caller's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each name says the whole of it; the table below gives the code"
)]
pub enum FaultClass {
    Overloaded,
    RateLimited,
    QuotaGone,
    Configuration,
    Rejected,
    ContextTooLong,
    Filtered,
    ModelGone,
    ServerError,
    Unreachable,
    Interrupted,
    Silent,
    Stalled,
    TooSlow,
    Malformed,
    Empty,
    Unknown,
    Busy,
    Cancelled,
}

/// A failed attempt, classified.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderFailure {
    /// The kind of fault.
    pub class: FaultClass,
    /// What to do about it.
    pub reaction: Reaction,
    /// The HTTP status, where one arrived.
    pub status: Option<u16>,
    /// The provider's own code or type, such as `1302`.
    pub code: Option<String>,
    /// The wait that the provider named, in a header or in its text.
    pub wait: Option<Duration>,
    /// When an exhausted quota comes back, if the provider said so.
    pub until: Option<jiff::Timestamp>,
    /// The provider's reason in its own words: cut, printable, without secrets.
    pub said: String,
}

impl ProviderFailure {
    /// A failure of a kind, with the reaction it calls for.
    #[must_use]
    pub fn new(class: FaultClass, reaction: Reaction, said: impl AsRef<str>) -> Self {
        Self {
            class,
            reaction,
            status: None,
            code: None,
            wait: None,
            until: None,
            said: printable(said.as_ref()),
        }
    }

    /// Records the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Records the provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        let code: String = code.into();
        self.code = Some(printable(&code).chars().take(64).collect());
        self
    }

    /// Records the wait that the provider named.
    #[must_use]
    pub fn with_wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    /// Removes a secret from every text of the failure, wherever a provider repeated it.
    #[must_use]
    pub fn without_secret(mut self, secret: &str) -> Self {
        if secret.len() >= 4 {
            self.said = self.said.replace(secret, "[redacted]");
            self.code = self.code.map(|code| code.replace(secret, "[redacted]"));
        }
        self
    }

    /// Whether the fault speaks against the provider's health rather than against the request.
    ///
    /// Limits and refusals are answers of a healthy provider, and one prompt that is always
    /// answered with "overloaded" (fault Z03) must not shut a provider for everybody.
    #[must_use]
    pub const fn trips_breaker(&self) -> bool {
        matches!(
            self.class,
            FaultClass::Overloaded
                | FaultClass::ServerError
                | FaultClass::Unreachable
                | FaultClass::Interrupted
                | FaultClass::Silent
                | FaultClass::Stalled
                | FaultClass::TooSlow
                | FaultClass::Malformed
        )
    }

    /// Whether the provider could not be reached at all.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self.class, FaultClass::Unreachable)
    }

    /// Category and code of the caller's failure.
    #[must_use]
    pub const fn category(&self) -> (Category, &'static str) {
        use Category::{
            ClientError, NetworkError, ProviderError, RateLimitError, TimeoutError, UnknownError,
        };
        match self.class {
            FaultClass::Overloaded => (ProviderError, "provider_overloaded"),
            FaultClass::RateLimited => (RateLimitError, "provider_rate_limited"),
            FaultClass::QuotaGone => (RateLimitError, "provider_quota_exhausted"),
            FaultClass::Configuration => (ProviderError, "provider_configuration"),
            FaultClass::Rejected => (ProviderError, "provider_rejected_request"),
            FaultClass::ContextTooLong => (ProviderError, "context_too_long"),
            FaultClass::Filtered => (ProviderError, "content_filtered"),
            FaultClass::ModelGone => (ProviderError, "model_unavailable"),
            FaultClass::ServerError => (ProviderError, "provider_failed"),
            FaultClass::Unreachable => (NetworkError, "provider_unreachable"),
            FaultClass::Interrupted => (NetworkError, "stream_interrupted"),
            FaultClass::Silent => (TimeoutError, "provider_silent"),
            FaultClass::Stalled => (TimeoutError, "provider_stalled"),
            FaultClass::TooSlow => (TimeoutError, "provider_too_slow"),
            FaultClass::Malformed => (ProviderError, "provider_malformed_reply"),
            FaultClass::Empty => (ProviderError, "empty_reply"),
            FaultClass::Unknown => (UnknownError, "provider_code_unknown"),
            FaultClass::Busy => (RateLimitError, "provider_permits_taken"),
            FaultClass::Cancelled => (ClientError, "cancelled"),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(
            self.class,
            FaultClass::QuotaGone
                | FaultClass::Configuration
                | FaultClass::Rejected
                | FaultClass::ContextTooLong
                | FaultClass::Filtered
                | FaultClass::ModelGone
                | FaultClass::Unknown
                | FaultClass::Cancelled
        )
    }

    /// What the caller is told about this attempt at the named provider.
    #[must_use]
    pub fn failure(&self, provider: &str) -> Failure {
        let (category, code) = self.category();
        let mut failure = Failure::new(category, code, self.sentence(provider))
            .with_retryable(self.is_retryable())
            .with_cause(self.summary());
        // Only our own permits are known to be free again soon.
        let own = (self.class == FaultClass::Busy).then_some(PERMITS_AGAIN);
        failure.retry_after = self.wait.or(own);
        failure
    }

    /// Status, code and the provider's words in one line, such as `http 429 1302: slow down`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut line = self.category().1.to_owned();
        if let Some(status) = self.status {
            line.push_str(&format!(" http {status}"));
        }
        if let Some(code) = &self.code {
            line.push_str(&format!(" {code}"));
        }
        if !self.said.is_empty() {
            line.push_str(&format!(": {}", self.said));
        }
        line
    }

    fn sentence(&self, provider: &str) -> String {
        let (what, then) = match self.class {
            FaultClass::Overloaded => ("is overloaded", "Try again in a minute."),
            FaultClass::RateLimited => ("refused the call by its rate limit", "Try again later."),
            FaultClass::QuotaGone => (
                "has no quota or balance left",
                "Recharge the account or name another model.",
            ),
            FaultClass::Configuration => (
                "refused its credential or address",
                "Check the provider's key variable, its base_url (region and plan must match the \
                 key) and run `exai doctor`.",
            ),
            FaultClass::Rejected => (
                "rejected the request",
                "Change the request before retrying.",
            ),
            FaultClass::ContextTooLong => (
                "says that the prompt does not fit its context",
                "Send less text or name a model with a larger context.",
            ),
            FaultClass::Filtered => ("filtered the content", "Rephrase the request."),
            FaultClass::ModelGone => (
                "does not serve this model",
                "Ask `listmodels` for the current ones.",
            ),
            FaultClass::ServerError => ("failed", "Try again later."),
            FaultClass::Unreachable => ("could not be reached", "Try again later."),
            FaultClass::Interrupted => ("cut its answer short", "Try again."),
            FaultClass::Silent => ("sent nothing in time", "Try again or name another model."),
            FaultClass::Stalled => ("stopped in the middle of its answer", "Try again."),
            FaultClass::TooSlow => ("did not finish in time", "Ask for less or try again."),
            FaultClass::Malformed => ("sent a reply that cannot be read", "Try again later."),
            FaultClass::Empty => (
                "answered with no text",
                "Rephrase or allow more output tokens.",
            ),
            FaultClass::Unknown => (
                "answered with a code that no table knows",
                "Report the code to the operator.",
            ),
            FaultClass::Busy => ("has all its permits taken", "Try again in a moment."),
            FaultClass::Cancelled => ("was not waited for", "The caller cancelled the call."),
        };
        let mut sentence = format!("provider {provider} {what}");
        if let Some(detail) = self.detail() {
            sentence.push_str(&format!(" ({detail})"));
        }
        format!("{sentence}. {then}")
    }

    fn detail(&self) -> Option<String> {
        let parts: Vec<String> = [
            self.status.map(|status| format!("HTTP {status}")),
            self.code.clone(),
            Some(self.said.clone()).filter(|said| !said.is_empty()),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// One printable line of at most [`SAID_CHARS`] characters.
fn printable(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SAID_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_repeated_by_the_provider_never_reaches_the_caller() {
        let key = "sk-ThisIsTheKeyOfTheTest";
        let failure = ProviderFailure::new(
            FaultClass::Configuration,
            Reaction::Configure,
            format!("incorrect key {key}"),
        )
        .without_secret(key)
        .failure("kimi");
        assert!(!format!("{failure:?}").contains(key), "{failure:?}");
        assert_eq!(failure.code, "provider_configuration");
        assert!(failure.message.contains("kimi") && failure.message.contains("exai doctor"));
        assert!(!failure.retryable);
    }

    #[test]
    fn a_provider_s_words_stay_one_short_printable_line() {
        let said = printable(&format!("a\u{1b}[31m\n\nb {}", "x".repeat(1000)));
        assert!(said.starts_with("a [31m b x"), "{said}");
        assert_eq!(said.chars().count(), SAID_CHARS);
    }
}
