//! Signed statements about a run: keys, DSSE envelopes, in-toto statements, and whom to trust.
//!
//! Nothing here needs a network or a service: a statement is believed by the bytes, the public key
//! and the rules of the claim alone.

pub mod decision;
pub mod envelope;
pub mod key;
pub mod selftest;
pub mod signer;
pub mod statement;
pub mod trust;

pub use envelope::Envelope;
pub use key::{PrivateKey, PublicKey};
pub use signer::Signer;
pub use trust::Trust;

/// Why a statement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// A key file is not what it should be.
    #[error("could not read the key {path}: {why}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be written or read.
    #[error("could not use {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// The operating system's answer.
        cause: std::io::Error,
    },
    /// The signing command did not give a signature.
    #[error("could not sign by command: {0}")]
    Command(String),
    /// The trust bundle is not one.
    #[error("could not read the trust bundle: {0}")]
    Trust(String),
}
