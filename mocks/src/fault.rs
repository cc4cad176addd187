//! The catalogue of provider faults as data: one row per id of `specs/provider-faults.md`, and the
//! three FailoverBench shapes that have no id of their own there. How a fault looks on the wire is
//! in `spoil`; this table is what the harness reads to plan faults and to judge reactions.

use serde::Serialize;

use crate::provider::{Provider, Route};

mod before;
mod content;
mod stream;

pub use crate::fault::before::{BEFORE, BENCH};
pub use crate::fault::content::CONTENT;
pub use crate::fault::stream::STREAM;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `K01` … `C16`; `FB12` … `FB14` for the shapes only FailoverBench has.
    pub id: &'static str,
    /// Vendors whose simulator can produce it.
    pub providers: &'static [Provider],
    /// What is needed to produce it.
    pub engine: Engine,
    /// Requests it can land on.
    pub shape: Shape,
    /// What a client must do, in order of preference, with the catalogue's conditions in `summary`.
    pub reactions: &'static [Reaction],
    /// Other wire forms of the same fault, chosen as `ID:VARIANT`. The plain id is the first.
    pub variants: &'static [&'static str],
    /// The client learns of it only by waiting.
    pub silent: bool,
    /// What happens and how the reactions apply, in one line.
    pub summary: &'static str,
}

/// What a fault needs of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// One whole body, possibly after a delay.
    Whole,
    /// Control over single bytes, pauses and the socket.
    Bytes,
}

/// The requests a fault can land on. A rule passes over the others without counting them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Whole and streamed ones.
    Any,
    /// Streamed ones only.
    Streamed,
    /// Streamed ones of MiniMax on its OpenAI-shaped route.
    StreamedChat,
    /// Streamed ones on the Anthropic-shaped route.
    StreamedMessages,
    /// Whole and streamed ones on the Anthropic-shaped route.
    Messages,
}

impl Shape {
    /// Whether a request of this route and kind is one the fault can land on.
    #[must_use]
    pub const fn takes(self, route: Route, streamed: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Streamed => streamed,
            Self::StreamedChat => streamed && matches!(route, Route::MiniMaxChat),
            Self::StreamedMessages => streamed && route.is_anthropic(),
            Self::Messages => route.is_anthropic(),
        }
    }
}

/// What the client must do (`specs/provider-faults.md`, reaction codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Reaction {
    /// Retry the same provider within the budget.
    R,
    /// Fail over to the next provider or model.
    F,
    /// Never send this request again unchanged.
    X,
    /// Return what arrived, flagged incomplete.
    P,
    /// Open the breaker or set the quota flag.
    B,
    /// Normalise silently and count.
    N,
    /// Configuration error: fail at once, no retry, no failover.
    C,
}

/// A fault as a rule names it: `Z02` or `Z02:1308`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultName<'a> {
    /// The catalogue id.
    pub id: &'a str,
    /// The variant; the row's first, or the empty text when it has none.
    pub variant: &'a str,
}

impl<'a> FaultName<'a> {
    /// Reads a name; `None` when the id or its variant is unknown.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, variant) = text
            .split_once(':')
            .map_or((text, None), |(id, v)| (id, Some(v)));
        let row = find(id)?;
        match variant {
            None => Some(Self {
                id,
                variant: row.variants.first().copied().unwrap_or(""),
            }),
            Some(variant) if row.variants.contains(&variant) => Some(Self { id, variant }),
            Some(_) => None,
        }
    }
}

/// Every fault: the catalogue's 82, in its order. FailoverBench's own are in [`BENCH`].
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    BEFORE.iter().chain(STREAM).chain(CONTENT)
}

/// The row of an id, FailoverBench's own included.
#[must_use]
pub fn find(id: &str) -> Option<&'static Fault> {
    faults().chain(BENCH).find(|fault| fault.id == id)
}

const ALL: &[Provider] = &Provider::ALL;
const KIMI: &[Provider] = &[Provider::Kimi];
const GLM: &[Provider] = &[Provider::Glm];
const MINIMAX: &[Provider] = &[Provider::MiniMax];

impl Fault {
    const fn new(id: &'static str, providers: &'static [Provider], summary: &'static str) -> Self {
        Self {
            id,
            providers,
            engine: Engine::Whole,
            shape: Shape::Any,
            reactions: &[],
            variants: &[],
            silent: false,
            summary,
        }
    }

    const fn reacts(self, reactions: &'static [Reaction]) -> Self {
        Self { reactions, ..self }
    }

    const fn variants(self, variants: &'static [&'static str]) -> Self {
        Self { variants, ..self }
    }

    const fn bytes(self) -> Self {
        Self {
            engine: Engine::Bytes,
            ..self
        }
    }

    const fn streamed(self) -> Self {
        Self {
            shape: Shape::Streamed,
            ..self
        }
    }

    const fn on(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    const fn silent(self) -> Self {
        Self {
            silent: true,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_holds_the_82_faults_of_the_catalogue() {
        let mut wanted = BTreeSet::new();
        for (letter, last) in [
            ("K", 13),
            ("Z", 8),
            ("M", 9),
            ("G", 9),
            ("S", 27),
            ("C", 16),
        ] {
            wanted.extend((1..=last).map(|number| format!("{letter}{number:02}")));
        }
        let ids: BTreeSet<String> = faults().map(|fault| fault.id.to_owned()).collect();
        assert_eq!(ids, wanted);
        assert_eq!(faults().count(), 82);
    }

    #[test]
    fn every_row_is_complete() {
        for fault in faults().chain(BENCH) {
            assert!(!fault.providers.is_empty(), "{}", fault.id);
            assert!(!fault.reactions.is_empty(), "{}", fault.id);
            assert!(!fault.summary.is_empty(), "{}", fault.id);
        }
    }

    #[test]
    fn a_name_is_an_id_with_at_most_one_known_variant() {
        let plain = FaultName::parse("Z02").unwrap();
        assert_eq!(plain.variant, "1308");
        assert_eq!(FaultName::parse("Z02:1113").unwrap().variant, "1113");
        assert_eq!(FaultName::parse("K01").unwrap().variant, "");
        for bad in ["", "K1", "k01", "Z02:", "Z02:1", "K01:x"] {
            assert_eq!(FaultName::parse(bad), None, "{bad}");
        }
    }
}
