//! One request and all that came back for it, before anyone says what it means.

use serde_json::Value;

/// What one request came to on the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// When the first byte went out, ns on the run's clock.
    pub sent_at: u64,
    /// When the reply's head (HTTP) or the first message for this id (stdio) came.
    pub first_byte_at: Option<u64>,
    /// When the first terminal reply was read whole, or the attempt was given up.
    pub done_at: u64,
    /// HTTP status.
    pub status: Option<u16>,
    /// Header `exai-instance`.
    pub instance: Option<String>,
    /// Header `exai-correlation-id`.
    pub correlation_id: Option<String>,
    /// Header `retry-after`, ms.
    pub retry_after_ms: Option<u64>,
    /// Terminal replies read.
    pub replies: u32,
    /// Whether every terminal reply carried the request's id, same type and value. None without
    /// one, and for the null id of a refusal that never looked into the body.
    pub belongs: Option<bool>,
    /// The first terminal reply.
    pub reply: Option<Value>,
    /// Progress notifications seen.
    pub progress: u32,
    /// Keep-alive comments seen.
    pub comments: u32,
    /// What went wrong on the wire, in words.
    pub trouble: Option<String>,
}

impl Exchange {
    /// An attempt that begins now.
    #[must_use]
    pub fn begun(at: u64) -> Self {
        Self {
            sent_at: at,
            done_at: at,
            ..Self::default()
        }
    }

    /// Takes a message read at `at` for the request `id`; true when it is a terminal reply.
    pub fn take(&mut self, id: &Value, at: u64, message: Value) -> bool {
        if let Value::Array(batch) = message {
            let mut has_ended = false;
            for one in batch {
                has_ended |= self.take(id, at, one);
            }
            return has_ended;
        }
        if message.get("result").is_none() && message.get("error").is_none() {
            if message["method"] == "notifications/progress" {
                self.progress += 1;
            }
            return false;
        }
        self.replies += 1;
        let theirs = message.get("id").unwrap_or(&Value::Null);
        let is_blind_refusal = theirs.is_null() && self.status.is_some_and(|status| status >= 400);
        if !is_blind_refusal {
            self.belongs = Some(theirs == id && self.belongs.unwrap_or(true));
        }
        if self.reply.is_none() {
            self.done_at = at;
            self.reply = Some(message);
        }
        true
    }

    /// Gives up at `at`; the first reason stays.
    pub fn fail(&mut self, at: u64, trouble: impl Into<String>) {
        if self.reply.is_none() {
            self.done_at = at;
        }
        if self.trouble.is_none() {
            self.trouble = Some(trouble.into());
        }
    }

    /// The `result` of the reply.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.reply.as_ref()?.get("result")
    }

    /// The code of a JSON-RPC error reply.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.reply.as_ref()?.get("error")?.get("code")?.as_i64()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replies_are_counted_and_their_ids_compared_by_type_and_value() {
        let good = json!({"jsonrpc": "2.0", "id": 7, "result": {}});
        let text = json!({"jsonrpc": "2.0", "id": "7", "result": {}});
        let null = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600}});
        let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
        let cases = [
            (200, vec![&note, &good], 1, Some(true)),
            (200, vec![&good, &good], 2, Some(true)),
            (200, vec![&text], 1, Some(false)),
            (200, vec![&good, &text], 2, Some(false)),
            (200, vec![&null], 1, Some(false)),
            (401, vec![&null], 1, None),
            (200, vec![&note], 0, None),
        ];
        for (status, messages, replies, belongs) in cases {
            let mut exchange = Exchange::begun(1);
            exchange.status = Some(status);
            for message in &messages {
                exchange.take(&json!(7), 9, (*message).clone());
            }
            assert_eq!(
                (exchange.replies, exchange.belongs),
                (replies, belongs),
                "{messages:?}"
            );
        }
    }

    #[test]
    fn the_first_terminal_reply_sets_the_time() {
        let mut exchange = Exchange::begun(1);
        exchange.take(&json!(7), 5, json!({"id": 7, "result": 1}));
        exchange.take(&json!(7), 8, json!({"id": 7, "result": 2}));
        exchange.fail(9, "late");
        assert_eq!((exchange.done_at, exchange.result()), (5, Some(&json!(1))));
    }
}
