//! Deep links: the entry inside an address that the client opens.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Client, Wish};

impl Client {
    /// The link that opens the client with the entry, where it has one.
    #[must_use]
    pub fn link(&self, wish: &Wish) -> Option<String> {
        let template = match wish.reached() {
            Some(_) => self.link_http.as_ref()?,
            None => self.link_stdio.as_ref()?,
        };
        let entry = self.entry(wish);
        let mut named = serde_json::Map::new();
        named.insert("name".to_owned(), json!(self.at.last()));
        named.extend(entry.clone());
        let asked = self.asked(wish);
        if let Some(key) = self.inputs.as_ref().filter(|_| !asked.is_empty()) {
            named.insert(key.clone(), Value::Array(asked));
        }
        let base64 = STANDARD.encode(Value::Object(entry).to_string());
        let named = escaped(&Value::Object(named).to_string());
        Some(
            template
                .replace("{base64}", &escaped(&base64))
                .replace("{named}", &named),
        )
    }
}

/// Percent-encoded, all but what every part of an address may hold.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
