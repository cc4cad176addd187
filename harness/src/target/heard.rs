//! All that came back for one thing said, before anyone says whether it is right.

use serde_json::Value;

/// How the listening ended, when not with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The wait was over.
    Silence,
    /// The other side closed or died.
    Closed,
    /// There was nobody to speak to.
    Absent,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// Messages, in order.
    pub messages: Vec<Value>,
    /// Lines that are no JSON-RPC message.
    pub noise: Vec<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Header `Mcp-Session-Id`.
    pub session: Option<String>,
    /// How it ended, when not with the answer.
    pub end: Option<End>,
    /// The id asked for.
    pub id: Option<Value>,
}

impl Heard {
    /// Nothing yet, listening for the answer to `id`.
    #[must_use]
    pub fn listening(id: Option<&Value>) -> Self {
        Self {
            id: id.cloned(),
            ..Self::default()
        }
    }

    /// Takes a line or body as it came; an empty one says nothing.
    pub fn take(&mut self, text: &[u8]) {
        if text.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Array(batch)) => self.messages.extend(batch),
            Ok(message) if message["jsonrpc"] == "2.0" => self.messages.push(message),
            _ => {
                let text = String::from_utf8_lossy(text);
                self.noise.push(text.trim().chars().take(200).collect());
            }
        }
    }

    /// The terminal message for the id asked for, same type and value.
    #[must_use]
    pub fn reply(&self) -> Option<&Value> {
        let id = self.id.as_ref()?;
        self.replies().find(|message| message.get("id") == Some(id))
    }

    /// Every terminal message.
    pub fn replies(&self) -> impl Iterator<Item = &Value> {
        let is_terminal =
            |message: &&Value| message.get("result").or(message.get("error")).is_some();
        self.messages.iter().filter(is_terminal)
    }

    /// The `result` of the reply.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.reply()?.get("result")
    }

    /// What came in one word: `result`, `isError`, a JSON-RPC code, `another id`, a refusing HTTP
    /// status, `closed`, `absent` or `silence`.
    #[must_use]
    pub fn word(&self) -> String {
        if let Some(reply) = self.reply() {
            return word_of(reply);
        }
        if let Some(status) = self.status.filter(|status| *status >= 400) {
            return status.to_string();
        }
        if self.id.is_some() && self.replies().any(|reply| !reply["id"].is_null()) {
            return "another id".to_owned();
        }
        match self.end {
            Some(End::Closed) => "closed".to_owned(),
            Some(End::Absent) => "absent".to_owned(),
            _ => "silence".to_owned(),
        }
    }

    /// Everything that came, as text to be searched.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text: Vec<String> = self.messages.iter().map(Value::to_string).collect();
        text.extend(self.noise.iter().cloned());
        text.join("\n")
    }
}

fn word_of(reply: &Value) -> String {
    match reply.get("error") {
        Some(error) => error["code"].to_string(),
        None if reply["result"]["isError"] == true => "isError".to_owned(),
        None => "result".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_answer_has_its_own_word() {
        let id = json!(7);
        let cases = [
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "result"),
            (
                r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true}}"#,
                "isError",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601}}"#,
                "-32601",
            ),
            (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, "another id"),
            (
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700}}"#,
                "silence",
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/message"}"#,
                "silence",
            ),
            ("starting…", "silence"),
        ];
        for (line, word) in cases {
            let mut heard = Heard::listening(Some(&id));
            heard.take(line.as_bytes());
            assert_eq!(heard.word(), word, "{line}");
        }
    }

    #[test]
    fn what_is_no_message_is_kept_as_noise_and_an_empty_line_is_not() {
        let mut heard = Heard::listening(None);
        for line in ["\n", "  ", "hello\n", "{\"id\": 1}\n", "7"] {
            heard.take(line.as_bytes());
        }
        assert_eq!(heard.noise, ["hello", "{\"id\": 1}", "7"]);
        assert!(heard.messages.is_empty());
    }
}
