//! Lines of a client on a pipe, each bounded.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::failure::{Category, Failure};

/// Bytes of the longest line.
const LONGEST: usize = 16 * 1024 * 1024;

/// A line that cannot be used; it was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadLine {
    /// It was longer than this.
    TooLong(usize),
    /// It is no UTF-8.
    NotText,
}

impl BadLine {
    /// The JSON-RPC code and what the client is told.
    #[must_use]
    pub fn failure(self) -> (i32, Failure) {
        let (code, name, message) = match self {
            Self::TooLong(limit) => (
                -32600,
                "line_too_long",
                format!("A line holds at most {limit} bytes."),
            ),
            Self::NotText => (-32700, "parse_error", "A line is UTF-8 text.".to_owned()),
        };
        (code, Failure::new(Category::ClientError, name, message))
    }
}

/// A reader of lines.
pub struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    is_over: bool,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most 16 MiB.
    pub fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            is_over: false,
            longest: LONGEST,
        }
    }

    /// The next line without its end; `None` at the end of the input. Cancelling the wait loses
    /// nothing.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Result<String, BadLine>>> {
        loop {
            let bytes = self.input.fill_buf().await?;
            if bytes.is_empty() {
                let has_line = !self.line.is_empty() || self.is_over;
                return Ok(has_line.then(|| self.take()));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            if self.line.len() + part.len() > self.longest {
                self.is_over = true;
                self.line = Vec::new();
            } else if !self.is_over {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Result<String, BadLine> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_over) {
            return Err(BadLine::TooLong(self.longest));
        }
        String::from_utf8(line).map_err(|_| BadLine::NotText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_over_the_limit_is_passed_over_and_the_next_one_read() {
        let mut lines = Lines::new(&b"12345\n123456\n1\n\n\xc3(\nlast"[..]);
        lines.longest = 5;
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        let (long, bad) = (Err(BadLine::TooLong(5)), Err(BadLine::NotText));
        let wanted = [Ok("12345"), long, Ok("1"), Ok(""), bad, Ok("last")];
        assert_eq!(read, wanted.map(|line| line.map(str::to_owned)));
    }
}
