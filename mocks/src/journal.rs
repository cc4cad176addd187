//! What a simulator tells of itself, line by line. The same types write it (here) and read it (in
//! the harness). Times are `CLOCK_MONOTONIC` nanoseconds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::provider::Provider;
use crate::tracer::sha256_hex;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "half of all entries are of the largest kind"
)]
pub enum Entry {
    /// The simulator listens.
    Ready(Ready),
    /// A request has arrived whole.
    Began(Began),
    /// Its reply has ended, in whatever way.
    Ended(Ended),
}

impl Entry {
    /// The sequence of the request concerned; `None` for [`Entry::Ready`].
    #[must_use]
    pub fn seq(&self) -> Option<&str> {
        match self {
            Self::Ready(_) => None,
            Self::Began(began) => Some(&began.seq),
            Self::Ended(ended) => Some(&ended.seq),
        }
    }
}

/// The first line of every journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The vendor played.
    pub provider: Provider,
    /// Counts this simulator's lives within a run; part of every sequence.
    pub epoch: u64,
    /// Base URL with the vendor's base path, as a client configures it.
    pub url: String,
    /// Base URL of the control listener.
    pub control: String,
    /// Process id.
    pub pid: u32,
    /// When it was written.
    pub at: u64,
}

/// A request as received, before anything of the reply was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// `<provider>.<epoch>.<n>`, n from 1.
    pub seq: String,
    /// When its last byte had been read.
    pub at: u64,
    /// The id of the key in the key table; `unknown` for any other.
    pub key: String,
    /// The model as named in the request; empty when it could not be read.
    pub model: String,
    /// Request path.
    pub path: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Lower-case hex of the body as received.
    pub request_sha256: String,
    /// The digest of what it says, by [`body_sha256`].
    #[serde(default)]
    pub body_sha256: String,
    /// Length of the body as received.
    pub body_bytes: u64,
    /// Lower-case hex of the system texts joined by newlines; of nothing when there are none.
    pub system_sha256: String,
    /// Every distinct tracer, in order of first appearance.
    pub tracers: Vec<PlacedTracer>,
    /// The messages in order, system messages included.
    pub messages: Vec<SeenMessage>,
    /// The other top-level fields; `tools` reduced to their names.
    pub params: Map<String, Value>,
    /// The fault that lands on it, as its rule names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The rule that fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Lower-case hex of a body's JSON with sorted members and without `request_id`, which names the
/// attempt: two requests that say the same have the same.
#[must_use]
pub fn body_sha256(body: &Map<String, Value>) -> String {
    let mut body = body.clone();
    body.remove("request_id");
    let mut body = Value::Object(body);
    body.sort_all_objects();
    sha256_hex(body.to_string().as_bytes())
}

/// A tracer and the first place it was found in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedTracer {
    /// Its words, joined by single spaces.
    pub text: String,
    /// `system`, `messages[2]`, `messages[2].content[1]`, `messages[2].tool_calls` or `tools`.
    pub slot: String,
}

/// One message of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMessage {
    /// The role as sent.
    pub role: String,
    /// Lower-case hex of the message's text, thoughts left out; parts are joined by newlines.
    pub sha256: String,
    /// The tracers anywhere in the message, in order.
    pub tracers: Vec<String>,
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The keyed answer was sent whole, without a fault.
    Answered,
    /// The request was refused as the vendor would: `reason` says why.
    Refused,
    /// A rule's fault landed, whatever the client did then.
    Faulted,
    /// The client went away before the reply was whole.
    ClientClosed,
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The sequence of its [`Began`].
    pub seq: String,
    /// When the last byte was written or the connection was given up.
    pub at: u64,
    /// When the first byte was written; `None` when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_at: Option<u64>,
    /// HTTP status sent or about to be sent; 0 when the reply was to have none.
    pub status: u16,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused, or `client_closed` when a client left during a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Lower-case hex of the keyed answer text when every byte of it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
    /// Bytes written to the socket, head included.
    pub bytes_sent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_s_digest_follows_what_it_says_and_not_how() {
        let digest = |text: &str| body_sha256(&serde_json::from_str(text).unwrap());
        let one = digest(r#"{"model": "m", "request_id": "a", "x": [{"b": 1, "c": 0.5}]}"#);
        assert_eq!(
            one,
            digest(r#"{"x":[{"c":0.5,"b":1}],"model":"m","request_id":"b"}"#)
        );
        for other in [
            r#"{"x":[{"c":0.5,"b":2}],"model":"m"}"#,
            r#"{"x":[{"c":0.5,"b":1}],"model":"n"}"#,
            r#"{"x":[{"c":0.5,"b":1}],"model":"m","stream":false}"#,
        ] {
            assert_ne!(one, digest(other), "{other}");
        }
    }

    #[test]
    fn entries_are_tagged_by_kind_and_read_back_equal() {
        let ended = Entry::Ended(Ended {
            seq: "kimi.1.3".into(),
            at: 5,
            first_byte_at: None,
            status: 0,
            outcome: Outcome::ClientClosed,
            reason: None,
            answer_sha256: None,
            bytes_sent: 0,
        });
        let line = serde_json::to_string(&ended).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"kind":"ended","seq":"kimi.1.3","at":5,"#,
                r#""status":0,"outcome":"client_closed","bytes_sent":0}"#
            )
        );
        assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), ended);
        assert_eq!(ended.seq(), Some("kimi.1.3"));
    }
}
