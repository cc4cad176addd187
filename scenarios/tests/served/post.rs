//! A request as the little servers of these tests read it from a connection.

use std::io::BufRead;

use serde_json::Value;

/// One request; its head in small letters.
pub struct Post {
    head: String,
    /// Null for a body that is no JSON.
    pub body: Value,
}

impl Post {
    /// The next request of a connection; None when it ends.
    pub fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut post = Self {
            head: head.to_lowercase(),
            body: Value::Null,
        };
        let mut body = vec![0; post.header("content-length:")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        post.body = serde_json::from_slice(&body).unwrap_or_default();
        Some(post)
    }

    /// A header by its name with the colon.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name));
        found.map(str::trim)
    }
}
