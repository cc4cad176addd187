//! Why evidence is not believed (exit 5): a closed list, each with a sentence for people.

use serde::{Deserialize, Serialize};

/// What is wrong with evidence that was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {says}", self.why.word())]
pub struct Refusal {
    /// The kind.
    pub why: Why,
    /// What exactly, for people; names the file, run, key or criterion.
    pub says: String,
}

impl Refusal {
    /// A refusal of that kind.
    #[must_use]
    pub fn new(why: Why, says: impl Into<String>) -> Self {
        Self {
            why,
            says: says.into(),
        }
    }
}

/// The kinds of refusal (report-formats.md §14, judging.md §9.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No signature, too few distinct ones, or one that does not fit the bytes.
    Signature,
    /// Signed by a key that is not trusted, no longer, or not for this claim.
    UntrustedKey,
    /// Another kind of statement than asked for.
    StatementType,
    /// The thing judged is not the thing asked about.
    SubjectMismatch,
    /// Another build, configuration or policy answered than the one named.
    ForeignIdentity,
    /// A criterion that the claim requires is not in the evidence.
    MissingCriterion,
    /// Too old.
    Expired,
    /// A later failure on the same build speaks against it.
    Revoked,
    /// A file of the record is not what was written.
    Changed,
    /// The record gives other findings than it claims.
    Rejudged,
    /// Judged by another text of the criteria.
    CriterionText,
    /// Shorter than its name says.
    Short,
    /// Two statements about one run differ.
    Contradiction,
    /// A time that lies ahead, or an end before its beginning.
    Clock,
    /// A report that the record does not give.
    Regenerated,
    /// A ledger with an entry changed or missing.
    Ledger,
    /// A ledger that has lost what a checkpoint saw.
    Checkpoint,
    /// A harness that the trust bundle does not name.
    Harness,
    /// A judge whose self-test is not on record.
    SelfTest,
    /// A statement without the record behind it.
    Unsupported,
}

impl Why {
    /// The words people read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::UntrustedKey => "untrusted key",
            Self::StatementType => "statement type",
            Self::SubjectMismatch => "subject mismatch",
            Self::ForeignIdentity => "foreign identity",
            Self::MissingCriterion => "missing criterion",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Changed => "changed",
            Self::Rejudged => "judged again",
            Self::CriterionText => "criterion text",
            Self::Short => "too short",
            Self::Contradiction => "contradiction",
            Self::Clock => "clock",
            Self::Regenerated => "report differs",
            Self::Ledger => "ledger",
            Self::Checkpoint => "checkpoint",
            Self::Harness => "harness",
            Self::SelfTest => "self-test",
            Self::Unsupported => "record missing",
        }
    }

    /// Whether it says that something is missing or stale, which a recorded decision may override;
    /// evidence that was touched or is foreign never carries anything.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(
            self,
            Self::MissingCriterion | Self::Expired | Self::Revoked | Self::SelfTest
        )
    }
}
