//! The malformed tokens of attacks.md §2, J1 to J35 and J43, as data: how each is made, and the
//! good one it is paired with.

mod claims;
mod encodings;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Mint, Signature, encode};

/// An attack by token and the good case that differs from it in one respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCase {
    /// Row of attacks.md with its variant, such as `J4.NONE`.
    pub id: String,
    /// How the token is made.
    pub how: &'static str,
    /// The value of the `Authorization` header; None sends none.
    pub bad: Option<String>,
    /// The same header for the paired good case.
    pub good: String,
    /// The status words that refuse it as specified; the first is the rule.
    pub refused_by: &'static [&'static str],
}

/// The row of J1 to J35 that is not made here: one mint has one issuer, so that there is no second
/// to mix up.
pub const NOT_MADE: &str = "J24";

struct Row {
    id: &'static str,
    how: &'static str,
    token: String,
}

fn row(id: &'static str, how: &'static str, token: String) -> Row {
    Row { id, how, token }
}

impl Mint {
    /// Every case, made to be sent at once: several stand at the edge of the leeway at `now` (Unix
    /// time, s). `listener` is a URL of ours that must see no request.
    #[must_use]
    pub fn battery(&self, now: u64, listener: &str) -> Vec<TokenCase> {
        let good = format!("Bearer {}", self.sign(&self.draft(now)));
        let rows = [
            self.unsigned(now),
            self.algorithms(now),
            self.signatures(now),
            self.clocks(now),
            self.claims(now),
            self.headers(now, listener),
            self.shapes(now),
            self.encodings(now),
        ];
        let case = |row: Row| TokenCase {
            id: row.id.to_owned(),
            how: row.how,
            bad: Some(format!("Bearer {}", row.token)),
            good: self.good_pair(row.id, now).unwrap_or_else(|| good.clone()),
            refused_by: if row.id.starts_with("J33") || row.id == "J28.long" {
                &["401", "431", "400"]
            } else {
                &["401"]
            },
        };
        let mut cases = absent(&good);
        cases.extend(rows.into_iter().flatten().map(case));
        cases
    }

    /// Good cases that are not simply a good token.
    fn good_pair(&self, id: &str, now: u64) -> Option<String> {
        let draft = self.draft(now);
        let draft = match id {
            // Five seconds inside the edge, so that a slow machine does not cross it.
            "J16" => {
                let expired = now.saturating_sub(self.leeway.saturating_sub(5));
                draft
                    .claim("iat", expired.saturating_sub(60))
                    .claim("exp", expired)
            }
            "J17" => draft.claim("nbf", now.saturating_sub(60)),
            "J19" => draft.claim("exp", now + self.max_lifetime),
            "J22" => draft.claim("aud", json!(["another", self.audience])),
            "J43.ahead" => self.brief(now),
            "J33.huge" => draft.claim("note", "x".repeat(1_200)),
            _ => return None,
        };
        Some(format!("Bearer {}", self.sign(&draft)))
    }

    /// A token that lives for half the leeway.
    fn brief(&self, now: u64) -> super::Draft {
        self.draft(now).claim("exp", now + self.leeway / 2)
    }

    fn with_alg(&self, now: u64, alg: &str, signature: Signature) -> String {
        let draft = self.draft(now).header("alg", alg);
        let header = Value::from(draft.header).to_string();
        let claims = Value::from(draft.claims).to_string();
        self.sign_bytes(header.as_bytes(), claims.as_bytes(), signature)
    }

    fn unsigned(&self, now: u64) -> Vec<Row> {
        let mut without = self.draft(now);
        without.header.remove("alg");
        vec![
            row(
                "J3",
                "alg none, empty signature",
                self.with_alg(now, "none", Signature::None),
            ),
            row(
                "J4.None",
                "alg None",
                self.with_alg(now, "None", Signature::None),
            ),
            row(
                "J4.NONE",
                "alg NONE",
                self.with_alg(now, "NONE", Signature::None),
            ),
            row(
                "J4.nOnE",
                "alg nOnE",
                self.with_alg(now, "nOnE", Signature::None),
            ),
            row("J5", "alg missing", self.sign(&without)),
        ]
    }

    fn algorithms(&self, now: u64) -> Vec<Row> {
        let hmac_by_public = |secret: Vec<u8>| {
            let confused = Self {
                secret,
                signature: Signature::Hs256,
                ..self.clone()
            };
            confused.sign(&confused.draft(now))
        };
        let other = Self {
            secret: b"another secret of sufficient length, 48 bytes...".to_vec(),
            private: ed25519_dalek::SigningKey::from_bytes(&[42; 32]),
            ..self.clone()
        };
        let unlisted = match self.signature {
            Signature::EdDsa => Signature::Hs256,
            _ => Signature::EdDsa,
        };
        vec![
            row(
                "J6.HS384",
                "HS384, rightly signed",
                self.with_alg(now, "HS384", Signature::Hs384),
            ),
            row(
                "J6.HS512",
                "HS512, rightly signed",
                self.with_alg(now, "HS512", Signature::Hs512),
            ),
            row(
                "J6.unlisted",
                "a supported algorithm that is not listed, rightly signed",
                self.with_alg(now, unlisted.name(), unlisted),
            ),
            row("J7.pem", "HMAC keyed by the public key file", {
                hmac_by_public(self.public_pem().into_bytes())
            }),
            row("J7.raw", "HMAC keyed by the public key bytes", {
                hmac_by_public(self.private.verifying_key().as_bytes().to_vec())
            }),
            row(
                "J12",
                "signed by another key",
                other.sign(&other.draft(now)),
            ),
        ]
    }

    fn signatures(&self, now: u64) -> Vec<Row> {
        let token = self.sign(&self.draft(now));
        let (signed, proof) = token.rsplit_once('.').unwrap_or((&token, ""));
        let with_proof = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = URL_SAFE_NO_PAD.decode(proof).unwrap_or_default();
            change(&mut bytes);
            format!("{signed}.{}", encode(&bytes))
        };
        let header = signed.split('.').next().unwrap_or_default();
        let claims = self
            .draft(now)
            .claim("sub", "root")
            .claim("roles", json!(["admin"]))
            .claims;
        let raised = encode(Value::from(claims).to_string().as_bytes());
        let flip = |bytes: &mut Vec<u8>| {
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
        };
        vec![
            row("J8.two", "two segments", signed.to_owned()),
            row(
                "J8.dot",
                "trailing dot, signature stripped",
                format!("{signed}."),
            ),
            row("J9", "one bit of the signature flipped", with_proof(&flip)),
            row(
                "J10.short",
                "signature one byte short",
                with_proof(&|bytes| bytes.truncate(bytes.len().saturating_sub(1))),
            ),
            row(
                "J10.long",
                "signature one byte long",
                with_proof(&|bytes| bytes.push(0)),
            ),
            row(
                "J11",
                "payload changed, signature kept",
                format!("{header}.{raised}.{proof}"),
            ),
        ]
    }
}

fn absent(good: &str) -> Vec<TokenCase> {
    let case = |id: &str, how: &'static str, bad: Option<&str>| TokenCase {
        id: id.to_owned(),
        how,
        bad: bad.map(str::to_owned),
        good: good.to_owned(),
        refused_by: &["401"],
    };
    vec![
        case("J1", "no token", None),
        case("J2.empty", "empty header", Some("")),
        case("J2.space", "whitespace", Some("   ")),
        case("J2.bare", "Bearer alone", Some("Bearer")),
        case("J2.blank", "Bearer and a space", Some("Bearer ")),
    ]
}
