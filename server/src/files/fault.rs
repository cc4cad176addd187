//! Why a file was not taken, found or kept, and the failure a caller is told.

use crate::failure::{Category, Failure};

/// Why a file was refused, or could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Unknown, dropped or another principal's: the three look alike.
    #[error("find the file")]
    NotFound,
    /// Nothing in it.
    #[error("keep a file of no bytes")]
    Empty,
    /// Longer than one file may be.
    #[error("keep a file of more than {most} bytes")]
    TooLarge {
        /// The bound.
        most: u64,
    },
    /// The caller has stored or is storing as much as it may.
    #[error("keep more: {0}")]
    OverQuota(String),
    /// A program, by its name or by its first bytes.
    #[error("keep a program ({0})")]
    Program(String),
    /// The signature that virus scanners are tested with.
    #[error("keep a file with a virus signature")]
    Infected,
    /// The content is not what the name says.
    #[error("keep a file named {named} whose content is not")]
    Mismatch {
        /// The type the name stands for.
        named: &'static str,
    },
    /// A type that is not stored here.
    #[error("keep a file of type {0}")]
    Type(String),
    /// The bytes have another digest than the one announced.
    #[error("keep a file whose content has another digest than its name")]
    Digest,
    /// What is stored is damaged, and nobody has the original.
    #[error("give back a file whose content is damaged")]
    Damaged,
    /// Disk or index.
    #[error("reach the stored files: {0}")]
    Broken(String),
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<rusqlite::Error> for FileError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl FileError {
    /// What the caller is told of the argument at `at`, a JSON pointer or the empty text.
    #[must_use]
    pub fn at(self, at: &str) -> Failure {
        let place = if at.is_empty() { "The file" } else { at };
        let say =
            |code, what: &str| Failure::validation(at, format!("{place}: {what}")).with_code(code);
        match &self {
            Self::NotFound => say(
                "file_not_found",
                "there is no such file: it was never stored by you, or was dropped since. Send it \
                 again as {name, content}.",
            ),
            Self::Empty => say("file_empty", "it holds nothing. Send one with content."),
            Self::TooLarge { most } => {
                let what = format!("one file may hold {most} bytes. Send the part that matters.");
                say("file_too_large", &what)
            }
            Self::OverQuota(what) => Failure::new(
                Category::RateLimitError,
                "file_quota",
                format!("{place} was not stored: {what}"),
            ),
            Self::Program(what) => {
                let what = format!("programs are not stored ({what}). Send source text instead.");
                say("file_is_program", &what)
            }
            Self::Infected => say(
                "file_infected",
                "it holds the signature of a virus test. It was not stored.",
            ),
            Self::Mismatch { named } => {
                let what = format!("its name says {named}, its content does not. Rename it.");
                say("file_type_mismatch", &what)
            }
            Self::Type(kind) => {
                let what = format!("files of type {kind} are not stored; see files.types.");
                say("file_type_refused", &what)
            }
            Self::Digest => say(
                "file_digest",
                "its content has another SHA-256 than announced. Send it again.",
            ),
            Self::Damaged => Failure::new(
                Category::ToolError,
                "file_damaged",
                format!(
                    "{place}: the stored content does not have its digest any more, and no \
                     undamaged copy could be had. Send the file again."
                ),
            )
            .with_retryable(false),
            Self::Broken(_) => Failure::new(
                Category::ServerError,
                "file_store",
                "The stored files cannot be reached. Try again later or tell the operator.",
            )
            .with_cause(&self),
        }
    }
}
