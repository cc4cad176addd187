//! Each vendor's model table, transcribed from `specs/providers.md` and from nowhere else, so that
//! a wrong row in the server's catalogue shows as a refusal.

use crate::provider::Provider;

mod glm;
mod kimi;
mod minimax;

/// One row of a vendor's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// The exact name.
    pub name: &'static str,
    /// Context in tokens; `None` where the specification knows none.
    pub context: Option<u64>,
    /// Most tokens one answer may have; `None` where unknown.
    pub max_output: Option<u64>,
    /// Whether and how it thinks.
    pub thinking: Thinking,
    /// Whether images may be sent.
    pub images: bool,
    /// Withdrawn by the vendor: answered as unknown unless the plan serves historic models.
    pub retired: bool,
}

/// A model's thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Never.
    None,
    /// On unless switched off.
    Toggle,
    /// Off unless switched on.
    OptIn,
    /// Cannot be switched off.
    Always,
}

impl Model {
    const fn new(name: &'static str, context: u64, max_output: u64) -> Self {
        Self {
            name,
            context: Some(context),
            max_output: Some(max_output),
            thinking: Thinking::None,
            images: false,
            retired: false,
        }
    }

    const fn unmeasured(name: &'static str) -> Self {
        Self {
            context: None,
            max_output: None,
            ..Self::new(name, 0, 0)
        }
    }

    const fn thinks(self, thinking: Thinking) -> Self {
        Self { thinking, ..self }
    }

    const fn sees(self) -> Self {
        Self {
            images: true,
            ..self
        }
    }

    const fn retired(self) -> Self {
        Self {
            retired: true,
            ..self
        }
    }
}

/// A vendor's table, current rows first.
#[must_use]
pub const fn table(provider: Provider) -> &'static [Model] {
    match provider {
        Provider::Kimi => kimi::TABLE,
        Provider::Glm => glm::TABLE,
        Provider::MiniMax => minimax::TABLE,
    }
}

/// The row of a name, or `None` when the vendor never had it.
#[must_use]
pub fn find(provider: Provider, name: &str) -> Option<&'static Model> {
    table(provider).iter().find(|model| model.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_retired_rows_come_last() {
        for provider in Provider::ALL {
            let rows = table(provider);
            let names: BTreeSet<_> = rows.iter().map(|model| model.name).collect();
            assert_eq!(names.len(), rows.len(), "{provider}");
            assert!(rows.is_sorted_by_key(|model| model.retired), "{provider}");
        }
    }

    #[test]
    fn an_answer_never_exceeds_the_context() {
        for provider in Provider::ALL {
            for model in table(provider) {
                assert!(model.max_output <= model.context, "{}", model.name);
            }
        }
    }
}
