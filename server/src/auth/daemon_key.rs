//! The secret by which a daemon proves to a bridge that it is no stranger on the port, before the
//! bridge sends its token. Both know it: from `EXAI_DAEMON_KEY`, or from a file in the state folder
//! that the daemon makes for its user alone.
//!
//! The proof is an HMAC over the bridge's challenge. It shows that somebody at the other end knows
//! the key; it does not show a relay in between, which takes TLS.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::config::digest::hex;

/// Said before the challenge, so that the key proves nothing else.
const PURPOSE: &[u8] = b"exai daemon proof 1\0";

/// Bytes of a key or challenge that is made here.
const RANDOM: usize = 32;

/// The request header with the bridge's challenge.
pub const CHALLENGE: &str = "exai-challenge";

/// The response header with the daemon's proof, in hex.
pub const PROOF: &str = "exai-proof";

/// A key, ready for use.
#[derive(Clone)]
pub struct DaemonKey(hmac::Key);

impl std::fmt::Debug for DaemonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DaemonKey")
    }
}

fn file(config: &Config) -> PathBuf {
    config.server.state_dir().join("daemon.key")
}

/// 32 random bytes in hex.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn random() -> io::Result<String> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

impl DaemonKey {
    fn of(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.trim().as_bytes()))
    }

    /// The daemon's key; its file is made when there is none.
    ///
    /// # Errors
    /// When the file can neither be read nor made.
    pub fn of_daemon(config: &Config) -> io::Result<Self> {
        match Self::of_bridge(config)? {
            Some(key) => Ok(key),
            None => make(&file(config)).map(|secret| Self::of(&secret)),
        }
    }

    /// The key as a bridge finds it, if there is one.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or holds no key.
    pub fn of_bridge(config: &Config) -> io::Result<Option<Self>> {
        if let Some(secret) = &config.secrets.daemon {
            return Ok(Some(Self::of(secret.expose_secret())));
        }
        match std::fs::read_to_string(file(config)) {
            Ok(secret) if secret.trim().len() >= RANDOM => Ok(Some(Self::of(&secret))),
            Ok(_) => Err(io::Error::other("daemon.key holds no key; remove the file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The proof for a challenge, in hex.
    #[must_use]
    pub fn prove(&self, challenge: &str) -> String {
        hex(hmac::sign(&self.0, &said(challenge)).as_ref())
    }

    /// Whether somebody who knows the key answered the challenge.
    #[must_use]
    pub fn is_proof(&self, challenge: &str, proof: &str) -> bool {
        let nibble = |byte: u8| char::from(byte).to_digit(16);
        let pairs = proof.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = pairs
            .map(|pair| match pair {
                [high, low] => u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok(),
                _ => None,
            })
            .collect();
        bytes.is_some_and(|bytes| hmac::verify(&self.0, &said(challenge), &bytes).is_ok())
    }
}

fn said(challenge: &str) -> Vec<u8> {
    [PURPOSE, challenge.as_bytes()].concat()
}

/// Makes the file, unless another daemon of the same folder was first.
fn make(path: &Path) -> io::Result<String> {
    let secret = random()?;
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            file.write_all(format!("{secret}\n").as_bytes())?;
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_proof_is_good_for_its_key_and_challenge_alone() {
        let (key, other) = (DaemonKey::of("one"), DaemonKey::of("two"));
        let proof = key.prove("challenge");
        assert!(key.is_proof("challenge", &proof));
        assert!(!key.is_proof("challenge2", &proof));
        assert!(!other.is_proof("challenge", &proof));
        for spoiled in ["", "zz", &proof[1..], &proof[2..], "é"] {
            assert!(!key.is_proof("challenge", spoiled), "{spoiled}");
        }
    }

    #[test]
    fn the_daemon_makes_a_key_for_its_user_alone_and_the_bridge_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[server]\nstate_dir = {:?}\n", dir.path());
        let config = Config::from_toml(&text).unwrap();
        assert!(DaemonKey::of_bridge(&config).unwrap().is_none());
        let daemon = DaemonKey::of_daemon(&config).unwrap();
        let bridge = DaemonKey::of_bridge(&config).unwrap().unwrap();
        assert!(bridge.is_proof("c", &daemon.prove("c")));
        let again = DaemonKey::of_daemon(&config).unwrap();
        assert!(bridge.is_proof("c", &again.prove("c")));
        let mode = std::fs::metadata(file(&config))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(file(&config), "").unwrap();
        assert!(DaemonKey::of_daemon(&config).is_err());
    }
}
