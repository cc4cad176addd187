//! Shared tokens: a file of them, one a line, each good for ever or until an instant of its own.
//!
//! The first line is the token in use; further ones are those it replaces, `TOKEN UNTIL`. The end
//! is a date and not a span, so that no restart prolongs it.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConstantTimeEq as _};

use super::token::TokenError;
use crate::config::secret;

/// The name of whoever shows a shared token.
pub const NAME: &str = "shared";

/// Most tokens of one file.
const MOST: usize = 8;

/// Why a file of tokens is refused. No message holds a token.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// It could not be read.
    #[error("the token file {0} could not be read: {1}")]
    Unreadable(String, std::io::Error),
    /// It names none.
    #[error("the token file {0} holds no token: put one of 32 or more random characters in it")]
    Empty(String),
    /// A line is wrong.
    #[error("the token file {0}, line {1}: {2}")]
    Line(String, usize, String),
}

#[derive(Debug)]
struct Row {
    token: SecretString,
    until: Option<Timestamp>,
}

/// The tokens of a file.
#[derive(Debug)]
pub struct SharedTokens(Vec<Row>);

impl SharedTokens {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, names no token, too many, a weak one or no date.
    pub fn read(path: &str) -> Result<Self, SharedError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| SharedError::Unreadable(path.to_owned(), error))?;
        let wrong = |at: usize, why: &str| SharedError::Line(path.to_owned(), at + 1, why.into());
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(token) = words.next() else { continue };
            let token = SecretString::from(token);
            if let Some(why) = secret::weakness(&token) {
                return Err(wrong(at, &format!("the token {why}")));
            }
            let until = words.next().map(str::parse).transpose();
            let until = until.map_err(|_| wrong(at, "after the token comes an RFC 3339 date"))?;
            if words.next().is_some() {
                return Err(wrong(at, "there is more than a token and a date"));
            }
            rows.push(Row { token, until });
        }
        if rows.is_empty() {
            return Err(SharedError::Empty(path.to_owned()));
        }
        if rows.len() > MOST {
            return Err(wrong(MOST, "there are more than 8 tokens"));
        }
        Ok(Self(rows))
    }

    /// Whether a token is good at a time in seconds since the epoch. Each is compared whole,
    /// whatever came of the one before.
    ///
    /// # Errors
    /// The reason's code, for the audit line.
    pub fn check(&self, token: &str, now: u64) -> Result<(), TokenError> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut known = Choice::from(0);
        let mut good = Choice::from(0);
        for row in &self.0 {
            let same = row.token.expose_secret().as_bytes().ct_eq(token.as_bytes());
            let is_live = row.until.is_none_or(|until| now < until.as_second());
            known |= same;
            good |= same & Choice::from(u8::from(is_live));
        }
        match (bool::from(known), bool::from(good)) {
            (_, true) => Ok(()),
            (true, false) => Err(TokenError("token_rotated")),
            (false, false) => Err(TokenError("token_unknown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "9f2c81d4e6b7a0355c1e8f7d2b4a6903";
    const OLD: &str = "71c0aa93be52d86f4403fe129d8b7c5a";

    fn read(text: &str) -> Result<SharedTokens, SharedError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        SharedTokens::read(path.to_str().unwrap())
    }

    #[test]
    fn the_old_token_is_good_until_its_date_and_not_after() {
        let tokens = read(&format!("{NEW}\n{OLD} 2026-11-21T12:00:00Z\n")).unwrap();
        let noon = 1_795_262_400;
        let word = |token, now| {
            tokens
                .check(token, now)
                .map_or_else(|error| error.0, |()| "good")
        };
        assert_eq!(word(NEW, noon + 1), "good");
        assert_eq!(word(OLD, noon - 1), "good");
        assert_eq!(word(OLD, noon), "token_rotated");
        assert_eq!(word(&NEW[..31], noon), "token_unknown");
        assert_eq!(word("", noon), "token_unknown");
    }

    #[test]
    fn an_empty_or_weak_file_is_refused_and_no_message_tells_a_token() {
        for text in [
            "",
            "\n \n",
            "short",
            &format!("{NEW} tomorrow"),
            &format!("{NEW} a b"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains(NEW), "{error}");
        }
    }
}
