//! What a client may send, read strictly: a field that is not known here is refused, since one that
//! was mistyped would be ignored in silence.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::super::super::envelope::{self, Envelope};
use super::super::super::refusal::Refusal;
use super::super::close::Farewell;

/// Characters of a request id.
const ID_CHARS: usize = 200;

/// One frame of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Frame {
    /// Who is there; first, and once.
    Hello(Hello),
    /// Which tools there are.
    ListTools(Bare),
    /// Calls a tool.
    CallTool(CallTool),
    /// Calls a tool; the older form.
    ToolCall(ToolCall),
    /// Stops the call of this id.
    Cancel(Bare),
    /// Asks for a sign of life.
    Ping(Ping),
    /// Asks how the server is.
    Health(Bare),
    /// Replaces the connection's token.
    RotateToken(RotateToken),
}

/// The first frame. What a client says of itself is taken and not used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    pub token: Option<String>,
    pub jwt: Option<String>,
    pub session_id: Option<SessionId>,
    #[serde(rename = "protocolVersion")]
    _protocol_version: Option<IgnoredAny>,
    #[serde(rename = "capabilities")]
    _capabilities: Option<IgnoredAny>,
    #[serde(rename = "clientInfo")]
    _client_info: Option<IgnoredAny>,
}

/// A session id as the client chose it: 3 to 64 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionId(String);

impl SessionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (3..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text))
        } else {
            Err("session_id is 3 to 64 letters, digits, - and _")
        }
    }
}

/// The client's id of a request: a string that is not empty, or a whole number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct RequestId(Value);

impl RequestId {
    /// The id as the client wrote it.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The id as a key; the string "7" and the number 7 differ.
    pub fn key(&self) -> String {
        self.0.to_string()
    }
}

impl TryFrom<Value> for RequestId {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let is_id = match &value {
            Value::String(text) => (1..=ID_CHARS).contains(&text.chars().count()),
            Value::Number(number) => number.is_i64() || number.is_u64(),
            _ => false,
        };
        if is_id {
            Ok(Self(value))
        } else {
            Err(format!(
                "request_id is a string of 1 to {ID_CHARS} characters or a whole number"
            ))
        }
    }
}

/// A frame that says no more than its id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bare {
    pub request_id: RequestId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    request_id: Option<RequestId>,
    #[serde(rename = "timestamp")]
    _timestamp: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallTool {
    pub request_id: RequestId,
    pub name: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
    pub idempotency_key: Option<String>,
    #[serde(default)]
    pub no_cache: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    request_id: RequestId,
    tool: Named,
    #[serde(default)]
    arguments: Map<String, Value>,
    idempotency_key: Option<String>,
    #[serde(default)]
    no_cache: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

impl From<ToolCall> for CallTool {
    fn from(call: ToolCall) -> Self {
        Self {
            request_id: call.request_id,
            name: call.tool.name,
            arguments: call.arguments,
            idempotency_key: call.idempotency_key,
            no_cache: call.no_cache,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    request_id: RequestId,
    pub old: String,
    pub new: String,
}

/// Why text is no frame.
#[derive(Debug)]
pub enum Unframed {
    /// The connection cannot go on.
    Fatal(Farewell),
    /// It can, after an error frame.
    Refused {
        /// What is wrong.
        refusal: Box<Refusal>,
        /// The request's id, as far as it could be read.
        id: Value,
    },
}

/// What can be told of a frame that is not whole.
#[derive(Default, Deserialize)]
struct Head {
    op: Option<Value>,
    request_id: Option<Value>,
    r#type: Option<IgnoredAny>,
}

impl Frame {
    /// Reads a frame, nested at most `depth` deep.
    ///
    /// # Errors
    /// Why it is none, and whether the connection can go on.
    pub fn read(text: &[u8], depth: usize) -> Result<Self, Unframed> {
        if envelope::deepest(text) > depth {
            return Err(Unframed::Fatal(Farewell::no_json("nested too deeply")));
        }
        let why = match (
            serde_json::from_slice::<Self>(text),
            envelope::repeated(text),
        ) {
            (Ok(frame), None) => return Ok(frame),
            (Ok(_), Some(why)) => why.to_owned(),
            // The first fault may stand before the end of text that is no JSON at all.
            (Err(error), _) if serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
                error.to_string()
            }
            (Err(_), _) => return Err(Unframed::Fatal(Farewell::no_json("this is no JSON"))),
        };
        let head: Head = serde_json::from_slice(text).unwrap_or_default();
        if head.op.is_none() && head.r#type.is_some() {
            let hint = "frames carry op, not type; begin with {\"op\":\"hello\"}";
            return Err(Unframed::Fatal(Farewell::protocol(hint)));
        }
        let id = head.request_id.map(RequestId::try_from);
        let id = id.and_then(Result::ok).map_or(Value::Null, |id| id.0);
        // The place in the text is of no use to who wrote the frame as an object.
        let why = why.split(" at line ").next().unwrap_or_default();
        let message = format!("This is no frame of exai.v1: {why}.");
        let refusal = Box::new(Refusal::invalid("invalid_frame", message));
        Err(Unframed::Refused { refusal, id })
    }

    /// The client's id, or null.
    pub fn request_id(&self) -> Value {
        let id = match self {
            Self::Hello(_) => None,
            Self::ListTools(frame) | Self::Cancel(frame) | Self::Health(frame) => {
                Some(&frame.request_id)
            }
            Self::CallTool(call) => Some(&call.request_id),
            Self::ToolCall(call) => Some(&call.request_id),
            Self::Ping(ping) => ping.request_id.as_ref(),
            Self::RotateToken(rotate) => Some(&rotate.request_id),
        };
        id.map_or(Value::Null, |id| id.0.clone())
    }

    /// The frame as the gate sees it.
    pub fn envelope(&self) -> Envelope {
        let (method, name) = match self {
            Self::Hello(_) => ("hello", None),
            Self::ListTools(_) => ("tools/list", None),
            Self::CallTool(call) => ("tools/call", Some(call.name.clone())),
            Self::ToolCall(call) => ("tools/call", Some(call.tool.name.clone())),
            Self::Cancel(_) => ("cancel", None),
            Self::Ping(_) => ("ping", None),
            Self::Health(_) => ("health", None),
            Self::RotateToken(_) => ("rotate_token", None),
        };
        Envelope {
            id: self.request_id(),
            method: Some(method.to_owned()),
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, Value) {
        match Frame::read(text.as_bytes(), 64) {
            Err(Unframed::Refused { refusal, id }) => (refusal.failure.message, id),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn both_forms_of_a_call_are_the_same_call() {
        let new = r#"{"op":"call_tool","request_id":"a","name":"chat","arguments":{"x":1},
                      "idempotency_key":"k"}"#;
        let old = r#"{"op":"tool_call","request_id":"a","tool":{"name":"chat"},
                      "arguments":{"x":1},"idempotency_key":"k"}"#;
        let Ok(Frame::CallTool(new)) = Frame::read(new.as_bytes(), 64) else {
            panic!("no call")
        };
        let Ok(Frame::ToolCall(old)) = Frame::read(old.as_bytes(), 64) else {
            panic!("no call")
        };
        let old = CallTool::from(old);
        assert_eq!((&new.request_id, &new.name), (&old.request_id, &old.name));
        assert_eq!(new.arguments, old.arguments);
        assert_eq!(new.idempotency_key, old.idempotency_key);
    }

    #[test]
    fn a_frame_that_is_refused_says_why_under_its_own_id() {
        all_refused(&[
            (
                r#"{"op":"fly","request_id":"a"}"#,
                "unknown variant `fly`",
                Value::from("a"),
            ),
            (
                r#"{"op":"ping","request_id":1,"x":2}"#,
                "unknown field `x`",
                Value::from(1),
            ),
            (
                r#"{"op":"call_tool","request_id":"a"}"#,
                "missing field `name`",
                Value::from("a"),
            ),
            (
                r#"{"op":"call_tool","name":"chat"}"#,
                "missing field `request_id`",
                Value::Null,
            ),
            (
                r#"{"op":"ping","request_id":""}"#,
                "1 to 200 characters",
                Value::Null,
            ),
            (
                r#"{"op":"ping","request_id":1.5}"#,
                "a whole number",
                Value::Null,
            ),
            (
                r#"{"request_id":"a"}"#,
                "missing field `op`",
                Value::from("a"),
            ),
            (r#"{"op":7}"#, "", Value::Null),
            ("[]", "", Value::Null),
            ("3", "", Value::Null),
        ]);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        all_refused(&[
            (
                r#"{"op":"ping","request_id":1,"request_id":2}"#,
                "duplicate field",
                Value::Null,
            ),
            (
                r#"{"op":"call_tool","request_id":"a","name":"chat","arguments":{"x":1,"x":2}}"#,
                "a name stands twice",
                Value::from("a"),
            ),
            (
                r#"{"op":"tool_call","request_id":"a","tool":{"name":"chat"},
                    "arguments":{"x":[{"y":1,"y":2}]}}"#,
                "a name stands twice",
                Value::from("a"),
            ),
        ]);
    }

    fn all_refused(table: &[(&str, &str, Value)]) {
        for (text, wanted, id) in table {
            let (message, given) = refused(text);
            assert!(message.contains(wanted), "{text}: {message}");
            assert_eq!(given, *id, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_json_and_the_other_dialect_end_the_connection() {
        let deep = format!("{{\"op\":{}{}}}", "[".repeat(80), "]".repeat(80));
        for text in ["", "{", "{} x", &deep, r#"{"type":"auth","token":"x"}"#] {
            let read = Frame::read(text.as_bytes(), 64);
            assert!(matches!(read, Err(Unframed::Fatal(_))), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_session_id_has_a_shape() {
        for (id, is_good) in [
            ("abc", true),
            (&*"a".repeat(64), true),
            ("A-b_9", true),
            ("ab", false),
            (&*"a".repeat(65), false),
            ("a b", false),
            ("a\u{7}b", false),
            ("äää", false),
        ] {
            assert_eq!(
                SessionId::try_from(id.to_owned()).is_ok(),
                is_good,
                "{id:?}"
            );
        }
    }
}
