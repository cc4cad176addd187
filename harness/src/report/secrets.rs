//! The last look before anything is written: no secret of the run may stand in any output, plain or
//! in a common encoding. A hit stops the writer; the error names the place and never the secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A canary shorter than this would be found by accident.
pub const SHORTEST: usize = 8;

/// The secrets of a run, with every form they are looked for in.
#[derive(Clone)]
pub struct Secrets {
    forms: Vec<Form>,
}

#[derive(Clone)]
struct Form {
    secret: usize,
    name: &'static str,
    text: String,
}

/// Why a list of secrets cannot be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret {index} has fewer than {SHORTEST} bytes and cannot be looked for")]
pub struct TooShort {
    /// Its place in the list, from 0.
    pub index: usize,
}

/// A secret stood in an output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret {index} stands in {place} ({form}); nothing was written")]
pub struct SecretFound {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The output.
    pub place: String,
    /// Plain or which encoding.
    pub form: &'static str,
}

impl Secrets {
    /// No secrets: for runs that were given none.
    #[must_use]
    pub const fn none() -> Self {
        Self { forms: Vec::new() }
    }

    /// Takes the canaries of a run.
    ///
    /// # Errors
    /// When one is too short to be told from ordinary text.
    pub fn new<'a>(canaries: impl IntoIterator<Item = &'a str>) -> Result<Self, TooShort> {
        let mut forms = Vec::new();
        for (index, canary) in canaries.into_iter().enumerate() {
            if canary.len() < SHORTEST {
                return Err(TooShort { index });
            }
            forms.extend(forms_of(index, canary));
        }
        Ok(Self { forms })
    }

    /// Looks through one output.
    ///
    /// # Errors
    /// When a secret stands in it.
    pub fn scan(&self, place: &str, output: &str) -> Result<(), SecretFound> {
        let folded = output.to_ascii_lowercase();
        let Some(hit) = self.forms.iter().find(|form| folded.contains(&form.text)) else {
            return Ok(());
        };
        Err(SecretFound {
            index: hit.secret,
            place: place.to_owned(),
            form: hit.name,
        })
    }
}

/// All forms are compared without regard to case, which can only find more.
fn forms_of(secret: usize, canary: &str) -> Vec<Form> {
    let bytes = canary.as_bytes();
    let form = |name, text: &str| Form {
        secret,
        name,
        text: text.to_ascii_lowercase(),
    };
    let json = serde_json::Value::from(canary).to_string();
    let mut forms = vec![
        form("plain", canary),
        form("JSON", json.trim_matches('"')),
        form("HTML", &html(canary)),
        form("hex", &hex(bytes, "")),
        form("percent", &hex(bytes, "%")),
        form("percent", &percent(canary)),
    ];
    for shift in 0..3 {
        // The same bytes have three base64 forms, by where in a longer text they begin; the first
        // and last characters mix with the neighbours and are left out.
        let mut padded = vec![0_u8; shift];
        padded.extend(bytes);
        let whole = padded.len() / 3 * 3;
        let skipped = if shift == 0 { 0 } else { 4 };
        for (name, text) in [
            ("base64", STANDARD_NO_PAD.encode(&padded[..whole])),
            ("base64url", URL_SAFE_NO_PAD.encode(&padded[..whole])),
        ] {
            forms.push(form(name, &text[skipped..]));
        }
    }
    forms
}

fn html(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.replace('"', "&quot;")
}

fn hex(bytes: &[u8], before: &str) -> String {
    bytes
        .iter()
        .map(|byte| format!("{before}{byte:02x}"))
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "sk-canary/9f<3>+secret";

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secrets = Secrets::new([CANARY]).expect("long enough");
        let standard = base64::engine::general_purpose::STANDARD;
        let outputs = [
            CANARY.to_owned(),
            CANARY.to_uppercase(),
            html(CANARY),
            hex(CANARY.as_bytes(), ""),
            percent(CANARY),
            standard.encode(CANARY),
            standard.encode(format!("x{CANARY}y")),
            standard.encode(format!("xy{CANARY}z")),
            standard.encode(format!("user:{CANARY}")),
        ];
        for output in outputs {
            let text = format!("before {output} after");
            let found = secrets.scan("report.html", &text).expect_err(&output);
            assert_eq!(found.index, 0);
            assert!(!found.to_string().contains(CANARY));
        }
    }

    #[test]
    fn an_output_without_the_secret_is_left_alone() {
        let secrets = Secrets::new([CANARY]).expect("long enough");
        assert_eq!(
            secrets.scan("junit.xml", "sk-canary and 9f<3>+secret"),
            Ok(())
        );
    }

    #[test]
    fn a_secret_too_short_to_look_for_is_refused() {
        assert_eq!(
            Secrets::new(["long enough", "short"]).err(),
            Some(TooShort { index: 1 })
        );
    }
}
