//! Who signs: a key in a file, or a command that holds the key elsewhere (a KMS, a token, CI).

use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::AttestError;
use super::envelope::Envelope;
use super::key::{PrivateKey, PublicKey};

/// The variable that names a file with the bytes to sign, for commands that read files only.
pub const PAYLOAD: &str = "VERIFY_PAYLOAD";

/// Somebody who can sign.
pub enum Signer {
    /// A key in this process.
    Key(Box<PrivateKey>),
    /// A shell command: reads the bytes on standard input or from the file named in
    /// [`PAYLOAD`], and writes the signature to standard output, 64 raw bytes or their base64.
    Command {
        /// What `sh -c` runs.
        line: String,
        /// The public half of the key that the command holds; what it writes is checked with it.
        public: Box<PublicKey>,
    },
}

impl Signer {
    /// The signer of a key file.
    ///
    /// # Errors
    /// When the file is no private key.
    pub fn of_file(path: &std::path::Path) -> Result<Self, AttestError> {
        Ok(Self::Key(Box::new(PrivateKey::read(path)?)))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Key(key) => key.public(),
            Self::Command { public, .. } => PublicKey::clone(public),
        }
    }

    /// Adds this signer's signature.
    ///
    /// # Errors
    /// When the command fails, or writes something that is no signature of its key.
    pub fn sign(&self, envelope: &mut Envelope) -> Result<(), AttestError> {
        let bytes = envelope.to_sign();
        let signature = match self {
            Self::Key(key) => key.sign(&bytes).to_vec(),
            Self::Command { line, public } => by_command(line, public, &bytes)?,
        };
        envelope.add(&self.public(), &signature);
        Ok(())
    }
}

fn by_command(line: &str, public: &PublicKey, bytes: &[u8]) -> Result<Vec<u8>, AttestError> {
    let failed = |why: String| AttestError::Command(format!("{line:?} {why}"));
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let payload: PathBuf = folder.path().join("payload");
    std::fs::write(&payload, bytes).map_err(|error| failed(error.to_string()))?;
    let input = std::fs::File::open(&payload).map_err(|error| failed(error.to_string()))?;
    let output = Command::new("sh")
        .args(["-c", line])
        .env(PAYLOAD, &payload)
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    let signature = if output.stdout.len() == 64 {
        output.stdout
    } else {
        let text = String::from_utf8_lossy(&output.stdout);
        let text: String = text.split_whitespace().collect();
        STANDARD
            .decode(text)
            .map_err(|_| failed("wrote neither 64 bytes nor their base64".to_owned()))?
    };
    if public.has_signed(bytes, &signature) {
        Ok(signature)
    } else {
        Err(failed(
            "wrote a signature that the public key does not confirm".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What stands in the file that `openssl` verifies.
    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn with_openssl_key() -> Self {
            let desk = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            desk.openssl(&["genpkey", "-algorithm", "ed25519", "-out", "k.pem"]);
            desk.openssl(&["pkey", "-in", "k.pem", "-pubout", "-out", "k.pub"]);
            desk
        }

        fn openssl(&self, words: &[&str]) -> bool {
            Command::new("openssl")
                .args(words)
                .current_dir(self.folder.path())
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        }

        fn public(&self) -> PublicKey {
            PublicKey::read(&self.folder.path().join("k.pub")).unwrap()
        }

        /// Whether `openssl`, which knows nothing of us, confirms the envelope's signature.
        fn confirms(&self, envelope: &Envelope) -> bool {
            let sig = STANDARD.decode(&envelope.signatures[0].sig).unwrap();
            std::fs::write(self.folder.path().join("sig"), sig).unwrap();
            std::fs::write(self.folder.path().join("bytes"), envelope.to_sign()).unwrap();
            self.openssl(&[
                "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "k.pub", "-sigfile", "sig",
                "-in", "bytes",
            ])
        }
    }

    fn has_openssl() -> bool {
        let found = Command::new("openssl").arg("version").output().is_ok();
        if !found {
            assert!(std::env::var("EXAI_REQUIRE").is_err(), "openssl is missing");
            eprintln!("not run: openssl (apt-get install openssl)");
        }
        found
    }

    #[test]
    fn openssl_confirms_our_signatures_and_refuses_a_changed_statement() {
        if !has_openssl() {
            return;
        }
        let desk = Desk::with_openssl_key();
        let signer = Signer::of_file(&desk.folder.path().join("k.pem")).unwrap();
        let mut envelope = Envelope::around(&json!({"result": "FAILED"}));
        signer.sign(&mut envelope).unwrap();
        assert!(desk.confirms(&envelope));
        envelope.payload = Envelope::around(&json!({"result": "PASSED"})).payload;
        assert!(!desk.confirms(&envelope));
    }

    #[test]
    fn a_command_signs_with_a_key_that_this_process_never_sees() {
        if !has_openssl() {
            return;
        }
        let desk = Desk::with_openssl_key();
        let key = desk.folder.path().join("k.pem");
        let sign = format!(
            "openssl pkeyutl -sign -rawin -inkey {} -in \"${PAYLOAD}\"",
            key.display()
        );
        for line in [sign.clone(), format!("{sign} | base64")] {
            let public = Box::new(desk.public());
            let mut envelope = Envelope::around(&json!({"result": "PASSED"}));
            Signer::Command { line, public }
                .sign(&mut envelope)
                .unwrap();
            assert!(envelope.open(&[desk.public()]).is_ok());
        }
    }

    #[test]
    fn a_command_that_fails_or_writes_no_signature_signs_nothing() {
        let public = PrivateKey::generate().unwrap().public();
        for line in [
            "exit 3",
            "echo hello there",
            "head -c 64 /dev/zero",
            "no-such-tool",
        ] {
            let signer = Signer::Command {
                line: line.to_owned(),
                public: Box::new(public.clone()),
            };
            let mut envelope = Envelope::around(&json!({}));
            assert!(signer.sign(&mut envelope).is_err(), "{line}");
            assert!(envelope.signatures.is_empty());
        }
    }
}
