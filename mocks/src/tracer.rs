//! Finds tracers in what a client sent and answers them under the run key.
//!
//! A tracer is two to eight words followed by their own authentication code, all separated by
//! white space. It carries no prefix to search for: only a holder of the key can tell it from
//! prose.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Fewest words before the code.
pub const MIN_WORDS: usize = 2;
/// Most words before the code.
pub const MAX_WORDS: usize = 8;
/// Characters of the code.
pub const CODE_CHARS: usize = 16;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The 32 bytes a run's proofs stand on. Debug output shows none of them.
#[derive(Clone)]
pub struct RunKey([u8; 32]);

impl std::fmt::Debug for RunKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("RunKey(..)")
    }
}

/// Text that is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("could not read the run key: 64 hexadecimal digits are needed")]
pub struct RunKeyError;

impl RunKey {
    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key from 64 hexadecimal digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn from_hex(text: &str) -> Result<Self, RunKeyError> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(RunKeyError);
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| RunKeyError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| RunKeyError)?;
        }
        Ok(Self(bytes))
    }

    /// HMAC-SHA256 of the parts, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&str]) -> [u8; 32] {
        // `KeyInit::new` takes the fixed 64-byte block, so the key cannot be of a wrong length.
        let mut block = [0_u8; 64];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// The code that makes `words` (joined by single spaces) a tracer.
    #[must_use]
    pub fn code(&self, words: &str) -> String {
        base32(&self.sign(&["tracer\0", words]))
    }

    /// Answers one tracer: hex of HMAC(K, provider|model|tracer).
    #[must_use]
    pub fn answer(&self, provider: &str, model: &str, tracer: &str) -> String {
        hex(&self.sign(&[provider, "|", model, "|", tracer]))
    }

    /// Binds a whole request to its sequence: hex of HMAC(K, sha256 hex|seq).
    #[must_use]
    pub fn seal(&self, request_sha256: &str, seq: &str) -> String {
        hex(&self.sign(&[request_sha256, "|", seq]))
    }

    /// Every tracer in `text`, in order, repeats included.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<String> {
        let mut recent: Vec<&str> = Vec::with_capacity(MAX_WORDS);
        let mut found = Vec::new();
        for word in text.split_whitespace() {
            if has_code_shape(word)
                && let Some(tracer) = self.tracer_before(&recent, word)
            {
                found.push(tracer);
            }
            if recent.len() == MAX_WORDS {
                recent.remove(0);
            }
            recent.push(word);
        }
        found
    }

    fn tracer_before(&self, recent: &[&str], code: &str) -> Option<String> {
        let most = recent.len().min(MAX_WORDS);
        (MIN_WORDS..=most).find_map(|count| {
            let words = recent.get(recent.len() - count..)?.join(" ");
            (self.code(&words) == code).then(|| format!("{words} {code}"))
        })
    }
}

/// The words that look like a tracer's code: all that tells tracers apart without the key.
pub fn code_shaped(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| has_code_shape(word))
}

fn has_code_shape(word: &str) -> bool {
    word.len() == CODE_CHARS
        && word
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

/// The first [`CODE_CHARS`] characters of RFC 4648 base32 in lower case: ten bytes, 80 bits.
fn base32(bytes: &[u8]) -> String {
    let bits = bytes
        .iter()
        .take(10)
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    (0..CODE_CHARS)
        .map(|place| {
            let index = (bits >> (75 - 5 * place)) & 31;
            char::from(ALPHABET[index as usize])
        })
        .collect()
}

/// Lower-case hex of the SHA-256 of `bytes`.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> RunKey {
        RunKey::new([byte; 32])
    }

    fn tracer(key: &RunKey, words: &[String]) -> String {
        let words = words.join(" ");
        format!("{words} {}", key.code(&words))
    }

    #[test]
    fn a_key_is_read_from_64_hex_digits_only() {
        assert!(RunKey::from_hex(&"ab".repeat(32)).is_ok());
        for bad in [
            "",
            "ab",
            &"zz".repeat(32),
            &"a".repeat(63),
            &"+a".repeat(32),
        ] {
            assert!(RunKey::from_hex(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", key(9)), "RunKey(..)");
    }

    #[test]
    fn codes_follow_rfc_4648() {
        // base32("foobar...") = MZXW6YTBOI...
        assert_eq!(base32(b"foobarfoobar"), "mzxw6ytbojtg633c");
    }

    #[test]
    fn the_hmac_is_the_published_one() {
        // RFC 4231 case 2, key "Jefe" padded with zeros to 32 bytes is the same HMAC key.
        let mut bytes = [0_u8; 32];
        bytes[..4].copy_from_slice(b"Jefe");
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            hex(&RunKey::new(bytes).sign(&["what do ya want ", "for nothing?"])),
            wanted
        );
    }

    proptest! {
        #[test]
        fn a_tracer_is_found_wherever_it_stands(
            words in prop::collection::vec("[\\p{Han}a-z0-9\\p{Arabic}]{1,12}", 2..=8),
            before in "(?:[a-z2-7]{1,20}[ \n\t]){0,12}",
            after in "(?:[ \n][a-z2-7]{1,20}){0,12}",
        ) {
            let key = key(7);
            let tracer = tracer(&key, &words);
            let found = key.find(&format!("{before}{tracer}{after}"));
            prop_assert!(found.contains(&tracer), "{found:?}");
        }

        #[test]
        fn a_tracer_is_never_found_under_another_key(
            words in prop::collection::vec("[a-z]{1,9}", 2..=8),
        ) {
            let tracer = tracer(&key(7), &words);
            prop_assert!(key(8).find(&tracer).is_empty());
        }

        #[test]
        fn a_changed_word_hides_the_tracer(
            words in prop::collection::vec("[a-z]{2,9}", 2..=8),
            at in any::<prop::sample::Index>(),
        ) {
            let key = key(7);
            let code = key.code(&words.join(" "));
            let mut changed = words.clone();
            changed[at.index(words.len())].push('x');
            let text = format!("{} {code}", changed.join(" "));
            prop_assert!(key.find(&text).is_empty());
        }
    }

    #[test]
    fn words_glued_to_a_code_hide_it() {
        let key = key(7);
        let tracer = tracer(&key, &["red".into(), "fox".into()]);
        assert_eq!(key.find(&tracer), std::slice::from_ref(&tracer));
        assert!(key.find(&format!("{tracer}.")).is_empty());
        assert_eq!(key.find(&format!("{tracer} and {tracer}")).len(), 2);
    }
}
