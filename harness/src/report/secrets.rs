//! The last look before anything is written: no secret of the run may stand in any output, plain or
//! in a common encoding. A hit stops the writer; the error names the place and never the secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A canary shorter than this would be found by accident.
pub const SHORTEST: usize = 8;

/// A part of a canary that is looked for by its beginning has at least this many characters; a
/// shorter one may be a word.
const RANDOM: usize = 24;
/// Of such a part so many bytes are looked for, of hexadecimal ones twice as many digits.
const BEGINNING: usize = 8;

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

    /// Looks through one output, as it is and with its lines joined.
    ///
    /// # Errors
    /// When a secret stands in it.
    pub fn scan(&self, place: &str, output: &str) -> Result<(), SecretFound> {
        let folded = output.to_ascii_lowercase();
        let Some(hit) = self.find(&folded).or_else(|| self.find(&joined(&folded))) else {
            return Ok(());
        };
        Err(SecretFound {
            index: hit.secret,
            place: place.to_owned(),
            form: hit.name,
        })
    }

    fn find(&self, folded: &str) -> Option<&Form> {
        self.forms.iter().find(|form| folded.contains(&form.text))
    }
}

/// The lines as one, without the white space at which a line was broken.
fn joined(text: &str) -> String {
    text.lines().map(str::trim).collect()
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
        form("reversed", &canary.chars().rev().collect::<String>()),
    ];
    forms.extend(beginning(canary).map(|text| form("beginning", text)));
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

/// The first bytes of the part of a canary that was drawn by chance: its longest run of letters and
/// digits, if that is long and its beginning is no word, which has letters alone.
fn beginning(canary: &str) -> Option<&str> {
    let parts = canary.split(|letter: char| !letter.is_ascii_alphanumeric());
    let part = parts.max_by_key(|part| part.len())?;
    let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let least = if is_hex { 2 * BEGINNING } else { BEGINNING };
    let digit = part.find(|letter: char| letter.is_ascii_digit())?;
    let letter = part.find(|letter: char| letter.is_ascii_alphabetic())?;
    let end = least.max(digit + 1).max(letter + 1);
    // The whole of it is looked for anyway.
    (part.len() >= RANDOM && end < part.len()).then(|| &part[..end])
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

    /// As the simulators' vendors give them, and the run's own secrets.
    const DRAWN: [&str; 4] = [
        "sk-api-Qk7mZ0c4VtB1xWq9LsYpR2d8Xk",
        "qkfmzgcoVtB1xWq9LsYpR2d8",
        "0f3a9c51d27be84610fa33c9d27be846.Qk7mZ0c4VtB1xWq9",
        "c41f5ab09d2e4e83b6f17a80d35c9e12c41f5ab0",
    ];

    #[test]
    fn the_first_bytes_of_what_was_drawn_by_chance_are_found_and_a_shorter_piece_is_not() {
        let beginnings = [
            "Qk7mZ0c4",
            "qkfmzgcoVtB1",
            "0f3a9c51d27be846",
            "c41f5ab09d2e4e83",
        ];
        for (index, begin) in beginnings.into_iter().enumerate() {
            let secrets = Secrets::new(DRAWN).expect("long enough");
            let found = secrets.scan("log", &format!("key={begin}..."));
            let found = found.expect_err(begin);
            assert_eq!((found.index, found.form), (index, "beginning"));
            let cut = &begin[..begin.len() - 1];
            assert_eq!(secrets.scan("log", &format!("key={cut}...")), Ok(()));
        }
    }

    #[test]
    fn a_beginning_that_may_be_a_word_or_a_vendors_prefix_is_not_looked_for() {
        for canary in [
            "sk-canary-4711-abcdef",
            "correcthorsebatterystaple",
            "123456789012345678901234567890",
            "short1secret",
            "sk-proj-",
        ] {
            assert_eq!(beginning(canary), None, "{canary}");
        }
        let secrets = Secrets::new(DRAWN).expect("long enough");
        let text = "keys of this vendor begin with sk-api- and have 32 letters; sha256 c41f5ab0";
        assert_eq!(secrets.scan("guide", text), Ok(()));
    }

    #[test]
    fn a_secret_is_found_backwards_and_over_lines_and_not_in_lines_that_only_meet() {
        let secrets = Secrets::new([CANARY]).expect("long enough");
        let backwards: String = CANARY.chars().rev().collect();
        let found = secrets.scan("log", &format!("[{backwards}]"));
        assert_eq!(found.expect_err("backwards").form, "reversed");
        let (first, second) = CANARY.split_at(9);
        for between in ["\n", "\r\n", "\n    ", " \n\t"] {
            let output = format!("one\ntwo {first}{between}{second} three\n");
            secrets.scan("log", &output).expect_err(between);
        }
        let encoded = hex(CANARY.as_bytes(), "");
        let wrapped = format!("{}\n{}", &encoded[..20], &encoded[20..]);
        assert_eq!(
            secrets.scan("log", &wrapped).expect_err("wrapped").form,
            "hex"
        );
        let apart = format!("{first}\nanother line\n{second}");
        assert_eq!(secrets.scan("log", &apart), Ok(()));
    }

    #[test]
    fn a_secret_too_short_to_look_for_is_refused() {
        assert_eq!(
            Secrets::new(["long enough", "short"]).err(),
            Some(TooShort { index: 1 })
        );
    }
}
