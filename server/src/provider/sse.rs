//! Server-sent events from bytes, as a pure structure: any split gives the same frames.
//!
//! Bytes are kept until their line ends and decoded only then, so a character cut by a TCP
//! segment survives. CR, LF and CRLF end a line, a byte order mark and comments vanish, several
//! data lines join. Nothing here knows JSON or a provider.

/// Longest line accepted unless told otherwise, in bytes.
pub const LINE_BYTES: usize = 4 * 1024 * 1024;

/// One thing read from the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A dispatched event; `name` is empty when no `event:` field preceded it.
    Message {
        /// The `event:` field.
        name: String,
        /// The `data:` lines, joined with line feeds.
        data: String,
    },
    /// A comment line, which gateways send to keep a connection open.
    Comment,
    /// A line that was too long or not UTF-8; it was skipped.
    Broken,
}

/// The reader's state between two pieces of input.
#[derive(Debug)]
pub struct SseReader {
    line: Vec<u8>,
    limit: usize,
    overlong: bool,
    skip_line_feed: bool,
    first_line: bool,
    name: String,
    data: Option<String>,
}

impl Default for SseReader {
    fn default() -> Self {
        Self::new(LINE_BYTES)
    }
}

impl SseReader {
    /// A reader that skips lines (and drops events) of more than `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            limit,
            overlong: false,
            skip_line_feed: false,
            first_line: true,
            name: String::new(),
            data: None,
        }
    }

    /// Takes the next bytes and returns what they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.skip_line_feed) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.keep(rest);
                break;
            };
            self.keep(&rest[..end]);
            self.skip_line_feed = rest[end] == b'\r';
            rest = &rest[end + 1..];
            events.extend(self.end_line());
        }
        events
    }

    /// The stream has ended: completes an event whose closing blank line never came.
    ///
    /// The specification drops such an event. Providers do end with `data: [DONE]` and no
    /// newline, and whoever reads the data notices a half event by itself.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.line.is_empty() || self.overlong {
            events.extend(self.end_line());
        }
        events.extend(self.dispatch());
        events
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong {
            return;
        }
        if self.line.len() + bytes.len() > self.limit {
            self.overlong = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.overlong) {
            self.first_line = false;
            return Some(Event::Broken);
        }
        let mut line = line.as_slice();
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return Some(Event::Broken);
        };
        self.field(text)
    }

    fn field(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(Event::Comment),
            "event" => value.clone_into(&mut self.name),
            "data" => return self.keep_data(value),
            _ => {}
        }
        None
    }

    fn keep_data(&mut self, value: &str) -> Option<Event> {
        let held = self.data.as_ref().map_or(0, String::len);
        if held + value.len() > self.limit {
            self.data = None;
            return Some(Event::Broken);
        }
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        self.data.take().map(|data| Event::Message { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut reader = SseReader::new(64);
        let mut events: Vec<Event> = pieces.iter().flat_map(|piece| reader.push(piece)).collect();
        events.extend(reader.finish());
        events
    }

    fn message(name: &str, data: &str) -> Event {
        Event::Message {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn every_spelling_of_the_specification_gives_its_event() {
        let cases: [(&[u8], Vec<Event>); 10] = [
            (b"data: a\n\n", vec![message("", "a")]),
            (b"data:a\r\n\r\n", vec![message("", "a")]),
            (
                b"data: a\r\rdata: b\r\r",
                vec![message("", "a"), message("", "b")],
            ),
            (b"\xEF\xBB\xBFdata: a\n\n", vec![message("", "a")]),
            (
                b"event: x\ndata: a\ndata: b\n\n",
                vec![message("x", "a\nb")],
            ),
            (b"event: x\n\ndata: a\n\n", vec![message("", "a")]),
            (
                b": ping\n\ndata:  two spaces\n\n",
                vec![Event::Comment, message("", " two spaces")],
            ),
            (b"id: 7\nretry: 10\n\n\n\n", vec![]),
            (b"data: [DONE]", vec![message("", "[DONE]")]),
            (
                b"data: \xFF\n\ndata: b\n\n",
                vec![Event::Broken, message("", "b")],
            ),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(
                read(&[bytes]),
                wanted,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn an_overlong_line_is_skipped_and_the_next_event_survives() {
        let long = format!("data: {}\n\ndata: b\n\n", "x".repeat(100));
        assert_eq!(
            read(&[long.as_bytes()]),
            vec![Event::Broken, message("", "b")]
        );
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data:".to_vec()),
            Just(b"event: e".to_vec()),
            Just(b":c".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just("é漢😀".as_bytes().to_vec()),
            Just(b"\xEF\xBB\xBF".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_split_gives_the_same_events(bytes in stream(), cuts in any::<[u8; 4]>()) {
            let whole = read(&[&bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&read(&single), &whole);
            let mut places: Vec<usize> =
                cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
            places.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for place in places {
                pieces.push(&bytes[from..place]);
                from = place;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(&read(&pieces), &whole);
        }
    }
}
