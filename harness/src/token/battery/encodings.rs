//! Tokens whose header leads astray or whose form is not the compact one: J28 to J35.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Row, row};
use crate::token::{Draft, Mint, Signature, encode};

/// A token this long fits into no header of ordinary limits.
const HUGE: usize = 1_000_000;

impl Mint {
    pub(super) fn headers(&self, now: u64, listener: &str) -> Vec<Row> {
        let header = |name: &str, value: Value| self.sign(&self.draft(now).header(name, value));
        let x = encode(self.private.verifying_key().as_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let octets = json!({"kty": "oct", "k": encode(&self.secret)});
        let embedded = if self.signature == Signature::EdDsa {
            jwk
        } else {
            octets
        };
        let keys = format!("{listener}/keys.json");
        vec![
            row(
                "J28.path",
                "kid walks a path",
                header("kid", "../../../../dev/null".into()),
            ),
            row(
                "J28.sql",
                "kid is SQL",
                header("kid", "x' UNION SELECT 'k' -- ".into()),
            ),
            row("J28.empty", "kid empty", header("kid", "".into())),
            row(
                "J28.long",
                "kid of 64 KiB",
                header("kid", "k".repeat(65_536).into()),
            ),
            row(
                "J28.unknown",
                "kid of no key",
                header("kid", "another-key".into()),
            ),
            row(
                "J29.jku",
                "jku at our listener",
                header("jku", keys.clone().into()),
            ),
            row("J29.x5u", "x5u at our listener", header("x5u", keys.into())),
            row(
                "J30.jwk",
                "embedded key that verifies it",
                header("jwk", embedded),
            ),
            row(
                "J30.x5c",
                "embedded certificate",
                header("x5c", json!(["MIIB"])),
            ),
            row(
                "J31",
                "unknown critical header",
                header("crit", json!(["exai-unknown"])),
            ),
        ]
    }

    pub(super) fn shapes(&self, now: u64) -> Vec<Row> {
        let draft = self.draft(now);
        let token = self.sign(&draft);
        let raw = |header: &str, payload: &str| {
            self.sign_bytes(header.as_bytes(), payload.as_bytes(), self.signature)
        };
        let (header, claims) = texts(&draft);
        let parts: Vec<&str> = token.split('.').collect();
        let nested = raw(&header.replacen('{', "{\"cty\":\"JWT\",", 1), &token);
        let five = format!("{token}.{}.{}", parts[1], parts[2]);
        let serial = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
        let many: String = (0..10_000)
            .map(|number| format!(",\"c{number}\":1"))
            .collect();
        let deep = format!(",\"deep\":{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let with = |more: &str| raw(&header, &claims.replacen('}', &format!("{more}}}"), 1));
        let long = draft.clone().claim("note", "x".repeat(HUGE));
        vec![
            row("J32.nested", "a token within a token", nested),
            row("J32.encrypted", "five segments", five),
            row("J32.json", "JSON serialisation", serial.to_string()),
            row("J33.huge", "a token of 1 MB", self.sign(&long)),
            row("J33.claims", "10 000 claims", with(&many)),
            row("J33.deep", "a claim 10 000 deep", with(&deep)),
        ]
    }

    pub(super) fn encodings(&self, now: u64) -> Vec<Row> {
        let draft = self.draft(now);
        let (header, claims) = texts(&draft);
        let raw = |header: &[u8], payload: &[u8]| self.sign_bytes(header, payload, self.signature);
        let header = header.as_bytes();
        let broken = raw(header, b"{\"sub\":\"\xff\xfe\"}");
        let listed = raw(header, format!("[{claims}]").as_bytes());
        let padded = self.restyled(&draft, &URL_SAFE, &['=']);
        let standard = self.restyled(&draft, &STANDARD_NO_PAD, &['+', '/']);
        let headless = raw(b"alg=HS256", claims.as_bytes());
        vec![
            row("J34.padding", "padded segments", padded),
            row("J34.standard", "the standard alphabet", standard),
            row("J35.utf8", "payload is not UTF-8", broken),
            row("J35.header", "header is not JSON", headless),
            row(
                "J35.payload",
                "payload is not JSON",
                raw(header, b"sub=ada"),
            ),
            row("J35.array", "payload is a list", listed),
        ]
    }

    /// The same token with its segments in another base64, written so that one of `marks` shows.
    fn restyled(&self, draft: &Draft, engine: &GeneralPurpose, marks: &[char]) -> String {
        let mut token = self.sign(draft);
        for length in 1..8 {
            // Question marks give the two letters in which the alphabets differ.
            let noted = draft.clone().claim("note", "?>".repeat(length));
            let parts = self.sign(&noted);
            let parts = parts.split('.').map(|part| URL_SAFE_NO_PAD.decode(part));
            let parts: Vec<String> = parts
                .map(|part| engine.encode(part.unwrap_or_default()))
                .collect();
            token = parts.join(".");
            if token.contains(marks) {
                break;
            }
        }
        token
    }
}

fn texts(draft: &Draft) -> (String, String) {
    let text = |fields: &Map<String, Value>| Value::from(fields.clone()).to_string();
    (text(&draft.header), text(&draft.claims))
}
