//! Ed25519 keys as PEM files that `openssl` reads and writes (RFC 8410).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::AttestError;

/// PKCS#8 of an Ed25519 private key is this, then the 32 bytes of the seed.
const PRIVATE: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// SubjectPublicKeyInfo of an Ed25519 public key is this, then the 32 bytes of the point.
const PUBLIC: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that signs.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// A new key from the operating system's generator.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, AttestError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| AttestError::Key {
            path: "(new)".to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads PKCS#8 PEM; None when it is not an Ed25519 private key.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let seed = unwrapped(text, "PRIVATE KEY", &PRIVATE)?;
        Some(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// When it cannot be read or is no Ed25519 private key.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let text = read(path)?;
        Self::from_pem(&text).ok_or_else(|| not_a_key(path, "private"))
    }

    /// Writes PKCS#8 PEM to a new file that only its owner may read.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AttestError> {
        let text = wrapped("PRIVATE KEY", &PRIVATE, self.0.as_bytes());
        write_new(path, &text, 0o600)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature, 64 bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// A key that checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads SubjectPublicKeyInfo PEM; None when it is not an Ed25519 public key.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let point = unwrapped(text, "PUBLIC KEY", &PUBLIC)?;
        VerifyingKey::from_bytes(&point).ok().map(Self)
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// When it cannot be read or is no Ed25519 public key.
    pub fn read(path: &Path) -> Result<Self, AttestError> {
        let text = read(path)?;
        Self::from_pem(&text).ok_or_else(|| not_a_key(path, "public"))
    }

    /// Writes PEM to a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), AttestError> {
        write_new(path, &self.to_pem(), 0o644)
    }

    /// SubjectPublicKeyInfo PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        wrapped("PUBLIC KEY", &PUBLIC, self.0.as_bytes())
    }

    /// SHA-256 (hex) of the key in DER: what
    /// `openssl pkey -pubin -in KEY -outform DER | sha256sum` prints.
    #[must_use]
    pub fn id(&self) -> String {
        exai_judge::hex::sha256(&[PUBLIC.as_slice(), self.0.as_bytes()].concat())
    }

    /// Whether the signature is this key's over these bytes; weak keys and malleable signatures are
    /// no signature.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(bytes, &signature).is_ok())
    }
}

fn wrapped(label: &str, prefix: &[u8], key: &[u8; 32]) -> String {
    let body = STANDARD.encode([prefix, key.as_slice()].concat());
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .filter_map(|from| body.get(from..body.len().min(from + 64)))
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn unwrapped(text: &str, label: &str, prefix: &[u8]) -> Option<[u8; 32]> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_whitespace().collect();
    let bytes = STANDARD.decode(body).ok()?;
    bytes.strip_prefix(prefix)?.try_into().ok()
}

fn read(path: &Path) -> Result<String, AttestError> {
    std::fs::read_to_string(path).map_err(|cause| AttestError::File {
        path: path.display().to_string(),
        cause,
    })
}

fn not_a_key(path: &Path, half: &str) -> AttestError {
    AttestError::Key {
        path: path.display().to_string(),
        why: format!("it is no Ed25519 {half} key in PEM (verify attest keygen makes a pair)"),
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), AttestError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|cause| AttestError::File {
            path: path.display().to_string(),
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_back_from_its_files_and_only_its_owner_reads_the_private_half() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("k.pem"), folder.path().join("k.pub"));
        let key = PrivateKey::generate().unwrap();
        key.write(&private).unwrap();
        key.public().write(&public).unwrap();
        let mode = std::fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let signature = PrivateKey::read(&private).unwrap().sign(b"bytes");
        let public = PublicKey::read(&public).unwrap();
        assert!(public.has_signed(b"bytes", &signature));
        assert!(!public.has_signed(b"other", &signature));
        assert_eq!(public.id(), key.public().id());
        assert!(key.write(&private).is_err(), "a key was written over");
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        assert!(PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n").is_none());
        let key = PrivateKey::generate().unwrap().public().to_pem();
        assert!(PrivateKey::from_pem(&key).is_none());
        let missing = PublicKey::read(Path::new("/no/such/key")).unwrap_err();
        assert!(missing.to_string().contains("/no/such/key"));
    }
}
