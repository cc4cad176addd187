//! An answer that is no answer, read once for all dialects: status, headers, body.

use std::time::Duration;

use http::HeaderMap;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use super::fault::{FaultClass, ProviderFailure, Reaction};

/// What a provider sent instead of an answer.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status; 200 for errors inside a success or a stream.
    pub status: u16,
    /// The wait named by a header.
    pub retry_after: Option<Duration>,
    /// The body, where it is JSON.
    pub json: Option<Value>,
    /// Whether the body claims or looks to be a web page.
    pub is_html: bool,
    /// The start of a body that is not JSON.
    pub text: String,
}

impl Refusal {
    /// Reads a whole response.
    #[must_use]
    pub fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let kind = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let start = String::from_utf8_lossy(&body[..body.len().min(2048)]).into_owned();
        let is_html = kind.is_some_and(|kind| kind.contains("text/html"))
            || start.trim_start().starts_with('<');
        let json = if is_html {
            None
        } else {
            serde_json::from_slice(body).ok()
        };
        Self {
            status,
            retry_after: retry_after(headers, jiff::Timestamp::now()),
            text: if json.is_some() || is_html {
                String::new()
            } else {
                start
            },
            json,
            is_html,
        }
    }

    /// An error object met inside a success or a stream.
    #[must_use]
    pub fn inside(status: u16, json: Value) -> Self {
        Self {
            status,
            retry_after: None,
            json: Some(json),
            is_html: false,
            text: String::new(),
        }
    }

    /// The error object: `error`, or the body itself where a provider sends the flat form.
    #[must_use]
    pub fn error(&self) -> Option<&Value> {
        let body = self.json.as_ref()?;
        match body.get("error") {
            Some(error) if !error.is_null() => Some(error),
            _ => body.is_object().then_some(body),
        }
    }

    fn is_error(&self) -> bool {
        let body = self.json.as_ref();
        body.is_some_and(|body| {
            body.get("error").is_some_and(|error| !error.is_null())
                || body.get("type").is_some_and(|kind| kind == "error")
        })
    }

    /// A field of the error object as text; numbers are spelled out, null and "" count as absent.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        match self.error()?.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The provider's own words.
    #[must_use]
    pub fn message(&self) -> String {
        if let Some(Value::String(text)) = self.error() {
            return text.clone();
        }
        if self.is_html {
            return "a web page instead of an answer".to_owned();
        }
        self.field("message")
            .or_else(|| self.field("msg"))
            .unwrap_or_else(|| self.text.clone())
    }

    /// A failure with this refusal's status, words and named wait.
    #[must_use]
    pub fn failure(&self, class: FaultClass, reaction: Reaction) -> ProviderFailure {
        ProviderFailure::new(class, reaction, self.message())
            .with_status(self.status)
            .with_wait(self.retry_after)
    }

    /// What the status alone says, for bodies that say nothing.
    #[must_use]
    pub fn by_status(&self) -> ProviderFailure {
        let (class, reaction) = match self.status {
            500..=599 if self.status == 529 => (FaultClass::Overloaded, Reaction::Retry),
            408 | 500..=599 => (FaultClass::ServerError, Reaction::Retry),
            _ if self.is_html => (FaultClass::Malformed, Reaction::FailOver),
            429 => (FaultClass::RateLimited, Reaction::Retry),
            // An error inside a success or a stream that gives no code is the provider's own.
            200..=299 if self.is_error() => (FaultClass::ServerError, Reaction::Retry),
            200..=299 => (FaultClass::Malformed, Reaction::FailOver),
            300..=399 | 405 => (FaultClass::Malformed, Reaction::FailOver),
            401..=403 | 434 => (FaultClass::Configuration, Reaction::Configure),
            404 => (FaultClass::ModelGone, Reaction::FailOver),
            413 => (FaultClass::ContextTooLong, Reaction::Refuse),
            499 => (FaultClass::Interrupted, Reaction::FailOver),
            _ => (FaultClass::Rejected, Reaction::Refuse),
        };
        self.failure(class, reaction)
    }

    /// A code that no table knows: never retried, and passed on only where the status says that
    /// the provider, not the request, is at fault.
    #[must_use]
    pub fn unknown(&self, code: &str) -> ProviderFailure {
        let is_theirs = self.status == 429 || self.status >= 500;
        let reaction = if is_theirs {
            Reaction::FailOver
        } else {
            Reaction::Refuse
        };
        self.failure(FaultClass::Unknown, reaction).with_code(code)
    }
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, section 10.2.3). A date
/// that is past, which another clock gave, is left to our own back-off.
fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |text: &str| text.parse::<f64>().ok();
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let text = text("retry-after")?;
    if let Some(seconds) = number(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(until.duration_since(now)).ok()
}

/// The wait named as "after N seconds" in a provider's words.
#[must_use]
pub fn wait_in_words(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("after ")?;
    let (number, unit) = rest.split_once(' ')?;
    let number = number.parse::<u32>().ok()?;
    unit.starts_with("second")
        .then(|| Duration::from_secs(number.into()))
}

/// The time named after the word "reset" or "resets", read as UTC where no zone is given.
#[must_use]
pub fn reset_in_words(text: &str) -> Option<jiff::Timestamp> {
    let from = text.to_ascii_lowercase().find("reset")?;
    let rest = text.get(from..)?;
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let stamp: String = rest[start..]
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z' | ' ' | '+'))
        .collect();
    let stamp = stamp.trim().trim_end_matches('.');
    if let Ok(zoned) = stamp.parse::<jiff::Timestamp>() {
        return Some(zoned);
    }
    let civil = stamp.parse::<jiff::civil::DateTime>().ok()?;
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_reset_times_are_read_from_headers_and_words() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let waits = [
            ("86400", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:20 GMT", None),
            ("-1", None),
            ("soon", None),
        ];
        let mut headers = HeaderMap::new();
        for (text, seconds) in waits {
            headers.insert("retry-after", http::HeaderValue::from_static(text));
            let wait = retry_after(&headers, now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text}");
        }
        headers.insert("retry-after-ms", http::HeaderValue::from_static("1500"));
        let wait = retry_after(&headers, now);
        assert_eq!(wait, Some(Duration::from_millis(1500)));
        let words = "max RPM: 3, please try again after 1 seconds";
        assert_eq!(wait_in_words(words), Some(Duration::from_secs(1)));
        assert_eq!(wait_in_words("after all that"), None);
        for text in [
            "limit exceeded, resets at 2026-11-21T10:00:00Z",
            "Your limit will reset at 2026-11-21 10:00:00",
        ] {
            let at = reset_in_words(text).unwrap();
            assert_eq!(at.to_string(), "2026-11-21T10:00:00Z", "{text}");
        }
        assert_eq!(reset_in_words("resets soon"), None);
    }
}
