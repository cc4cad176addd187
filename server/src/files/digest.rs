//! What a stored file is known by: the SHA-256 of its content.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::config::digest::hex;

/// The scheme and path before a digest in a handle.
pub const PREFIX: &str = "exai://file/";

/// 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// What a hasher has taken in.
    #[must_use]
    pub fn finished(hasher: Sha256) -> Self {
        Self(hex(&hasher.finalize()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The handle callers use.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The digest in a handle; `None` for any other text.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        uri.strip_prefix(PREFIX)?.parse().ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A text that is no digest.
#[derive(Debug, thiserror::Error)]
#[error("could not read a digest: 64 lower-case hexadecimal digits are needed")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoDigest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_holds_a_digest_and_nothing_else() {
        let digest = Digest::of(b"abc");
        assert!(digest.as_str().starts_with("ba7816bf"), "{digest}");
        assert_eq!(Digest::of_uri(&digest.uri()), Some(digest.clone()));
        let upper = digest.uri().to_uppercase();
        for text in ["exai://file/", "exai://file/../x", digest.as_str(), &upper] {
            assert_eq!(Digest::of_uri(text), None, "{text}");
        }
        assert_eq!(Digest::of_uri(&format!("{}0", digest.uri())), None);
    }
}
