//! Reads and rewrites MCP replies: one JSON body, or server-sent events of which one holds the
//! reply. Events that are not the reply pass byte for byte.

use bytes::Bytes;
use serde_json::Value;

/// The longest body or event that is read; longer ones pass unread.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Splits a stream of bytes into server-sent events.
#[derive(Debug, Default)]
pub struct Events {
    bytes: Vec<u8>,
}

impl Events {
    /// Adds bytes and takes out the events completed by them, each with its closing blank line.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        // A boundary may have begun with the last three bytes of what was there.
        let mut from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = boundary(self.bytes.get(from..).unwrap_or_default()) {
            let rest = self.bytes.split_off(from + end);
            events.push(Bytes::from(std::mem::replace(&mut self.bytes, rest)));
            from = 0;
        }
        if self.bytes.len() > MAX_BYTES {
            events.push(Bytes::from(std::mem::take(&mut self.bytes)));
        }
        events
    }

    /// What is left when the stream ends.
    #[must_use]
    pub fn rest(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}

/// The end of the first blank line.
fn boundary(bytes: &[u8]) -> Option<usize> {
    let find = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let line_feeds = find(b"\n\n").map(|at| at + 2);
    let both = find(b"\r\n\r\n").map(|at| at + 4);
    match (line_feeds, both) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The JSON in an event's data lines.
#[must_use]
pub fn data_of(event: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(event).ok()?;
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
        .collect();
    serde_json::from_str(&lines.join("\n")).ok()
}

/// The event with other data; its other fields stay.
#[must_use]
pub fn with_data(event: &[u8], data: &Value) -> Bytes {
    let text = String::from_utf8_lossy(event);
    let mut out = String::with_capacity(event.len());
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("data:"))
    {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str("data: ");
    out.push_str(&data.to_string());
    out.push_str("\n\n");
    Bytes::from(out)
}

/// Whether a message is the reply to a request of this id.
#[must_use]
pub fn is_reply_to(message: &Value, id: &Value) -> bool {
    message.get("id") == Some(id)
        && (message.get("result").is_some() || message.get("error").is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn events_are_the_same_however_the_bytes_arrive(
            cuts in prop::collection::vec(1_usize..7, 1..60), crlf in any::<bool>(),
        ) {
            let mut text = String::from(
                ": hi\n\nevent: message\ndata: {\"a\":1}\n\nid: 3\ndata: 数据\n\n",
            );
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            let mut events = Events::default();
            let mut found = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at(cut.min(rest.len()));
                found.extend(events.push(part));
                rest = after;
            }
            prop_assert_eq!(found.len(), 3);
            prop_assert_eq!(found.concat(), text.as_bytes());
            prop_assert!(events.rest().is_empty());
        }
    }

    #[test]
    fn new_data_keeps_the_other_fields() {
        let event = b"event: message\nid: 7\ndata: {\"a\":1}\n\n";
        assert_eq!(data_of(event), Some(json!({"a": 1})));
        let changed = with_data(event, &json!({"a": 2}));
        assert_eq!(changed, "event: message\nid: 7\ndata: {\"a\":2}\n\n");
    }
}
