//! Tokens rightly signed whose clocks or claims are wrong: J13 to J27.

use serde_json::{Value, json};

use super::{Row, row};
use crate::token::Mint;

impl Mint {
    pub(super) fn clocks(&self, now: u64) -> Vec<Row> {
        let far = self.leeway + 300;
        let aged = |exp: u64| {
            let draft = self.draft(now).claim("iat", exp.saturating_sub(60));
            self.sign(&draft.claim("exp", exp))
        };
        let claim = |name: &str, value: Value| self.sign(&self.draft(now).claim(name, value));
        let ahead = self
            .draft(now)
            .claim("iat", now + far)
            .claim("exp", now + far + 60);
        vec![
            row(
                "J13",
                "expired beyond leeway",
                aged(now.saturating_sub(far)),
            ),
            row("J14", "no exp", self.sign(&self.draft(now).without("exp"))),
            row(
                "J15.text",
                "exp as text",
                claim("exp", (now + 600).to_string().into()),
            ),
            row("J15.negative", "exp negative", claim("exp", (-1).into())),
            row("J15.endless", "exp 1e308", claim("exp", json!(1e308))),
            row(
                "J16",
                "expired by leeway + 1 s",
                aged(now.saturating_sub(self.leeway + 1)),
            ),
            row(
                "J17",
                "nbf beyond leeway ahead",
                claim("nbf", (now + far).into()),
            ),
            row("J18.ahead", "iat beyond leeway ahead", self.sign(&ahead)),
            row(
                "J18.missing",
                "no iat",
                self.sign(&self.draft(now).without("iat")),
            ),
            row(
                "J43.behind",
                "made by a clock that is ahead of the server's by twice the leeway",
                self.sign(&self.draft(now + 2 * self.leeway)),
            ),
            row(
                "J43.ahead",
                "made by a clock that is behind the server's by twice the leeway, lives shorter",
                self.sign(&self.brief(now.saturating_sub(2 * self.leeway))),
            ),
            row(
                "J19",
                "lives too long",
                claim("exp", (now + self.max_lifetime + 60).into()),
            ),
        ]
    }

    pub(super) fn claims(&self, now: u64) -> Vec<Row> {
        let claim = |name: &str, value: Value| self.sign(&self.draft(now).claim(name, value));
        let without = |name: &str| self.sign(&self.draft(now).without(name));
        let doubled = |name: &str, value: &Value| {
            let draft = self.draft(now);
            let header = Value::from(draft.header).to_string();
            let claims = Value::from(draft.claims).to_string();
            let text = claims.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            self.sign_bytes(header.as_bytes(), text.as_bytes(), self.signature)
        };
        let typ = |kind: &str| self.sign(&self.draft(now).header("typ", kind));
        vec![
            row("J20", "no aud", without("aud")),
            row(
                "J21",
                "aud of another service",
                claim("aud", "another-service".into()),
            ),
            row(
                "J22",
                "aud list without us",
                claim("aud", json!(["another", "third"])),
            ),
            row("J23.missing", "no iss", without("iss")),
            row(
                "J23.wrong",
                "another iss",
                claim("iss", "https://another.example".into()),
            ),
            row(
                "J23.slash",
                "iss with a slash more",
                claim("iss", format!("{}/", self.issuer).into()),
            ),
            row(
                "J23.case",
                "iss in other case",
                claim("iss", swapped_case(&self.issuer).into()),
            ),
            row("J25.id", "an identity token", typ("id_token+jwt")),
            row("J25.refresh", "a refresh token", typ("refresh+jwt")),
            row("J26.missing", "no sub", without("sub")),
            row("J26.empty", "empty sub", claim("sub", "".into())),
            row("J27.exp", "two exp", doubled("exp", &(now + 600).into())),
            row("J27.sub", "two sub", doubled("sub", &"root".into())),
        ]
    }
}

fn swapped_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_uppercase() {
            letter.to_ascii_lowercase()
        } else {
            letter.to_ascii_uppercase()
        }
    };
    text.chars().map(swap).collect()
}
