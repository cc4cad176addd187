//! The run key: 32 secret bytes that only simulators and the judge hold while a run lasts.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::hex;

const KEY_BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;

/// The secret behind every tracer and every keyed answer of one run (CRITERIA, Proof).
///
/// `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct RunKey([u8; KEY_BYTES]);

impl RunKey {
    /// Takes 32 bytes drawn from the operating system.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the 64 hexadecimal characters written in save 3.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text)?.try_into().ok().map(Self)
    }

    /// The key in hexadecimal, for the simulators' pipe and for save 3.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// SHA-256 of the key, in hexadecimal: what save 1 commits to.
    #[must_use]
    pub fn commitment(&self) -> String {
        hex::sha256(&self.0)
    }

    /// HMAC-SHA256 of the message under this key.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; KEY_BYTES] {
        // HMAC pads a short key with zeros, so the padded block is the same key.
        let mut block = [0; BLOCK_BYTES];
        block[..KEY_BYTES].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunKey(commitment {})", self.commitment())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_the_one_of_rfc_4231_case_2_with_a_padded_key() {
        let mut bytes = [0; KEY_BYTES];
        bytes[..4].copy_from_slice(b"Jefe");
        let mac = RunKey::new(bytes).mac(b"what do ya want for nothing?");
        let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(&mac), known);
    }

    #[test]
    fn the_key_never_shows_in_debug_output() {
        let key = RunKey::new([7; KEY_BYTES]);
        assert!(!format!("{key:?}").contains(&key.to_hex()));
        assert_eq!(RunKey::from_hex(&key.to_hex()), Some(key));
        assert_eq!(RunKey::from_hex("07"), None);
    }

    #[test]
    fn the_commitment_is_the_digest_of_the_key_and_all_that_debug_shows() {
        // SHA-256 of 32 zero bytes.
        let zeros = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        let key = RunKey::new([0; KEY_BYTES]);
        assert_eq!(key.commitment(), zeros);
        assert_eq!(format!("{key:?}"), format!("RunKey(commitment {zeros})"));
    }
}
