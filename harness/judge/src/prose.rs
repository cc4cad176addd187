//! Statements of readiness in prose: which sentences claim something that evidence would have to
//! carry. Ordinary prose explains, asks, demands or warns; a status report asserts.
//!
//! It reads Markdown and plain text. Code, links' targets, comments and marked quotations claim
//! nothing. What a statement is worth is `standing`'s.

mod figures;
mod fragment;
mod lexicon;
mod rules;
pub mod standing;

use serde::{Deserialize, Serialize};

pub use fragment::Fragment;

/// What sort of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Words of readiness: production-ready, fully functional, battle-tested.
    Readiness,
    /// All of something is well, or nothing is wrong.
    Totality,
    /// A part is said to be in a good state.
    State,
    /// So many of so many.
    Count,
    /// A share of a hundred.
    Percentage,
    /// A latency, a rate, a time to recover.
    Figure,
    /// A check mark.
    CheckMark,
    /// Somebody's opinion in the place of evidence.
    Opinion,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Readiness,
        Self::Totality,
        Self::State,
        Self::Count,
        Self::Percentage,
        Self::Figure,
        Self::CheckMark,
        Self::Opinion,
    ];

    /// The word in output and the rule's id in SARIF.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::Totality => "totality",
            Self::State => "state",
            Self::Count => "count",
            Self::Percentage => "percentage",
            Self::Figure => "figure",
            Self::CheckMark => "check-mark",
            Self::Opinion => "opinion",
        }
    }

    /// What the kind is, for people.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Readiness => "a word of readiness",
            Self::Totality => "a statement about all of something, or that nothing is wrong",
            Self::State => "a part said to be in a good state",
            Self::Count => "a count of what is done or works",
            Self::Percentage => "a percentage without its samples",
            Self::Figure => "a latency or rate without its samples",
            Self::CheckMark => "a check mark without the command that shows it",
            Self::Opinion => "an opinion in the place of evidence",
        }
    }
}

/// A sentence that claims something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What sort.
    pub kind: Kind,
    /// The words that claim.
    pub text: String,
    /// The criteria whose evidence could carry it; empty when none could.
    pub criteria: Vec<String>,
    /// Whether it stands in a marked quotation.
    pub quoted: bool,
}

/// Every statement of a text, in order; one of a kind in each sentence.
#[must_use]
pub fn read(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    for fragment in fragment::fragments(text) {
        for claim in rules::claims(&fragment) {
            let (line, column) = fragment.place(claim.from);
            found.push(Statement {
                line,
                column,
                kind: claim.kind,
                text: fragment.text(claim.from, claim.to),
                criteria: lexicon::criteria(&fragment, claim.kind),
                quoted: fragment.quoted,
            });
        }
    }
    found.sort_by_key(|one| (one.line, one.column));
    found
}

#[cfg(test)]
mod tests;
