//! Server-sent events, read from bytes however they are split. Does not know what they carry.

/// What a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole event's data, its lines joined by newlines.
    Data(String),
    /// A comment line: the keep-alive of a server that is still working.
    Comment,
}

/// Frames as they complete; holds the unfinished rest between pushes.
#[derive(Debug, Default)]
pub struct SseReader {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
}

impl SseReader {
    /// Takes the next bytes and gives the frames they complete. A line ends at CR, LF or CRLF; an
    /// event ends at an empty line; other fields than `data` are of no use here.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => frames.extend(self.end_line()),
                other => self.line.push(other),
            }
        }
        frames
    }

    /// Bytes held back because no frame is complete.
    #[must_use]
    pub fn held(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take().map(Frame::Data);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        if line.starts_with(':') {
            return Some(Frame::Comment);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<Frame> {
        SseReader::default().push(bytes)
    }

    #[test]
    fn the_forms_of_the_standard_are_read() {
        let data = |text: &str| Frame::Data(text.to_owned());
        let cases: [(&[u8], Vec<Frame>); 8] = [
            (b"data: a\n\n", vec![data("a")]),
            (b"data:a\r\n\r\n", vec![data("a")]),
            (b"data: a\rdata:  b\r\r", vec![data("a\n b")]),
            (b": ping\n\ndata: a\n\n", vec![Frame::Comment, data("a")]),
            (
                b"id: 1\nevent: message\nretry: 5\ndata: a\n\n",
                vec![data("a")],
            ),
            (b"data: a\n", vec![]),
            (b"\xef\xbb\xbfdata: a\n\n", vec![data("a")]),
            (b"data\n\n", vec![data("")]),
        ];
        for (bytes, frames) in cases {
            assert_eq!(all(bytes), frames, "{}", String::from_utf8_lossy(bytes));
        }
    }

    const LINE: &str = "(data: ?|:|id: ?)[a-zß-ü€\\r\\n]{0,6}(\n|\r\n|\r)";

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            lines in prop::collection::vec(LINE, 0..12),
            cut in prop::collection::vec(0_usize..200, 0..8),
        ) {
            let text = lines.concat();
            let whole = all(text.as_bytes());
            let mut reader = SseReader::default();
            let mut cuts: Vec<usize> = cut.into_iter().map(|at| at.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]);
            let split: Vec<Frame> = pieces.flat_map(|piece| reader.push(piece)).collect();
            prop_assert_eq!(whole, split);
        }
    }
}
