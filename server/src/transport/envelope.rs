//! What the checks need to know of a JSON-RPC body before the protocol reads it: is it one message,
//! how deep, which method, which tool. Nothing is kept but that.

mod once;

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use self::once::{Once, TWICE};
use crate::failure::{Category, Failure};

/// One message, as far as the checks care.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Envelope {
    /// The request's id; null for a notification or a response.
    pub id: Value,
    /// The method; `None` for a response.
    pub method: Option<String>,
    /// `params.name` of a call or prompt, or `params.uri` of a resource.
    pub name: Option<String>,
}

/// Why a body is no message, with the id where one could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BadMessage {
    /// -32700 or -32600.
    pub code: i32,
    /// What is wrong, for the caller.
    pub why: &'static str,
    /// The id, if it was readable and of the right type.
    pub id: Value,
}

impl BadMessage {
    /// What a client is told of it, on every transport.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let code = if self.code == -32700 {
            "parse_error"
        } else {
            "invalid_request"
        };
        let message = format!("Refused: {}.", self.why);
        Failure::new(Category::ClientError, code, message)
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    jsonrpc: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(default)]
    method: Option<Value>,
    #[serde(default)]
    params: Params,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Distinguishes `"id": null` from no id at all.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[derive(Default)]
struct Params {
    name: Option<String>,
    is_structured: bool,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamsVisitor)
    }
}

/// Picks one name out of an object and skips everything else without keeping it.
struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Params, A::Error> {
        let mut params = Params {
            name: None,
            is_structured: true,
        };
        let mut keys = HashSet::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if matches!(key.as_str(), "name" | "uri") {
                let value: Value = pairs.next_value()?;
                params.name = value.as_str().map(str::to_owned).or(params.name);
            } else {
                pairs.next_value::<Once>()?;
            }
            if !keys.insert(key) {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(params)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Params, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Params, E> {
        Ok(Params::default())
    }
}

fn bad(code: i32, why: &'static str, id: Value) -> BadMessage {
    BadMessage { code, why, id }
}

impl Envelope {
    /// Reads a body, nested at most `depth` deep.
    ///
    /// # Errors
    /// -32700 when it is no JSON or too deep, -32600 when it is JSON but no single JSON-RPC 2.0
    /// message.
    pub fn read(body: &[u8], depth: usize) -> Result<Self, BadMessage> {
        // The reader skips over strings that nobody asked for, also over what is no text in them.
        if std::str::from_utf8(body).is_err() {
            return Err(bad(-32700, "the body is not UTF-8", Value::Null));
        }
        if deepest(body) > depth {
            return Err(bad(-32700, "the body is nested too deeply", Value::Null));
        }
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(bad(
                -32600,
                "batches are not accepted; send one message",
                Value::Null,
            ));
        }
        let raw: Raw = serde_json::from_slice(body).map_err(|error| {
            if error.to_string().starts_with(TWICE) {
                bad(-32600, TWICE, Value::Null)
            } else if error.is_data() {
                bad(-32600, "the body is no JSON-RPC message", Value::Null)
            } else {
                bad(-32700, "the body is not valid JSON", Value::Null)
            }
        })?;
        Self::of(raw)
    }

    fn of(raw: Raw) -> Result<Self, BadMessage> {
        let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        let known = raw.id.clone().filter(is_id).unwrap_or(Value::Null);
        if raw.jsonrpc.as_ref().and_then(Value::as_str) != Some("2.0") {
            return Err(bad(-32600, "jsonrpc must be \"2.0\"", known));
        }
        if raw.id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(bad(
                -32600,
                "id must be a string or a whole number",
                Value::Null,
            ));
        }
        let method = match raw.method {
            Some(Value::String(method)) => Some(method),
            Some(_) => return Err(bad(-32600, "method must be a string", known)),
            None if raw.result.is_some() || raw.error.is_some() => None,
            None => return Err(bad(-32600, "method is missing", known)),
        };
        if method.as_deref() == Some("tools/call") && !raw.params.is_structured {
            return Err(bad(-32600, "params must be an object", known));
        }
        Ok(Self {
            id: known,
            method,
            name: raw.params.name,
        })
    }

    /// Whether an answer is expected.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.method.is_some() && !self.id.is_null()
    }
}

/// What is wrong with a text in which an object holds a name twice; `None` when none does.
pub(super) fn repeated(body: &[u8]) -> Option<&'static str> {
    let error = serde_json::from_slice::<Once>(body).err()?;
    error.to_string().starts_with(TWICE).then_some(TWICE)
}

/// The deepest nesting of objects and arrays, strings aside.
pub(super) fn deepest(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_message_says_so_with_the_right_code() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(80), "]".repeat(80));
        let table = [
            ("", -32700),
            ("{", -32700),
            ("not json", -32700),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x",
                -32700,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"x\":NaN}}",
                -32700,
            ),
            (&deep, -32700),
            ("[]", -32600),
            (
                "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
                -32600,
            ),
            ("3", -32600),
            ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
            ("{\"id\":1,\"method\":\"ping\"}", -32600),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
                -32600,
            ),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":3}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"b\":1,\"b\":1}}",
                -32600,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"b\":[{\"c\":1,\"c\":1}]}}",
                -32600,
            ),
        ];
        for (body, code) in table {
            let got = Envelope::read(body.as_bytes(), 64).map_err(|bad| bad.code);
            assert_eq!(got, Err(code), "{body:.60}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
        let body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"x\":\"\xc3(\"}}";
        assert_eq!(Envelope::read(body, 64).unwrap_err().code, -32700);
    }

    #[test]
    fn a_message_tells_its_method_its_tool_and_its_id() {
        let call = br#" {"jsonrpc":"2.0","id":"a","method":"tools/call",
            "params":{"name":"chat","arguments":{"prompt":"{[\"}"}}}"#;
        let call = Envelope::read(call, 4).unwrap();
        assert_eq!(
            (call.method.as_deref(), call.name.as_deref()),
            (Some("tools/call"), Some("chat"))
        );
        assert!(call.is_request());
        let note = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert!(!Envelope::read(note, 4).unwrap().is_request());
        let answer = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(Envelope::read(answer, 4).unwrap().method, None);
    }
}
