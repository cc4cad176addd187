//! The rows of `reactions.toml`: how each fault lands and what must come of it.

use exai_mocks::fault::{self, Fault, Shape};
use serde::Deserialize;

use crate::stage::Trouble;

const REACTIONS: &str = include_str!("../../../reactions.toml");

/// One form of one fault.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// The id, or the id and a variant.
    pub fault: String,
    /// The providers it lands on, in turn.
    pub on: Vec<String>,
    /// What the judge accepts.
    pub demands: String,
    /// Whether it lands on the first attempt alone.
    #[serde(default)]
    pub once: bool,
    /// The model asked; None is the provider's own of class prompt.
    pub model: Option<String>,
    /// The fault's own wait.
    pub delay_ms: Option<u64>,
    /// Whether the provider is left alone for that model afterwards.
    #[serde(default)]
    pub quota: bool,
    /// Whether it lands on a turn that comes after an answer of the same model.
    #[serde(default)]
    pub history: bool,
    /// How many sessions it lands on at once, all of them asking before any is refused.
    #[serde(default = "one")]
    pub together: usize,
    /// Another route than the provider's own.
    pub route: Option<Route>,
}

const fn one() -> usize {
    1
}

/// A route that only a restarted server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Route {
    /// MiniMax, OpenAI-shaped.
    Chat,
}

/// One way to land a fault: a row, whole or streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub row: Row,
    pub fault: &'static Fault,
    pub streamed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

/// The committed rows.
///
/// # Errors
/// [`Trouble::Rig`]: the embedded text is ours.
pub(super) fn rows() -> Result<Vec<Row>, Trouble> {
    let table: Table = toml::from_str(REACTIONS)
        .map_err(|error| Trouble::Rig(format!("could not read reactions.toml: {error}")))?;
    Ok(table.row)
}

/// Every way to land the fault of this id, in the order of the rows.
pub(super) fn slots(rows: &[Row], id: &str) -> Vec<Slot> {
    let Some(fault) = fault::find(id) else {
        return Vec::new();
    };
    let own = rows.iter().filter(|row| row.id() == id);
    own.flat_map(|row| {
        let forms: &[bool] = match fault.shape {
            // A silent fault takes long, and streamed it is what it is whole.
            Shape::Any | Shape::Messages if fault.silent || row.quota => &[true],
            Shape::Any | Shape::Messages => &[false, true],
            Shape::Streamed | Shape::StreamedChat | Shape::StreamedMessages => &[true],
        };
        forms.iter().map(|streamed| Slot {
            row: row.clone(),
            fault,
            streamed: *streamed,
        })
    })
    .collect()
}

impl Row {
    /// The fault's id without its variant.
    pub fn id(&self) -> &str {
        self.fault.split(':').next().unwrap_or(&self.fault)
    }
}

#[cfg(test)]
mod tests {
    use exai_judge::reaction;
    use exai_mocks::plan::{Plan, Rule, When};
    use exai_mocks::provider::Provider;

    use super::*;

    #[test]
    fn every_fault_of_the_catalogue_has_a_row_that_a_simulator_can_play() {
        let rows = rows().unwrap();
        for fault in fault::faults() {
            assert!(!slots(&rows, fault.id).is_empty(), "{}", fault.id);
        }
        for row in &rows {
            assert!(!row.on.is_empty(), "{row:?}");
            for provider in &row.on {
                let rule = Rule {
                    id: "a".to_owned(),
                    fault: row.fault.clone(),
                    when: When::default(),
                    delay_ms: row.delay_ms,
                };
                let plan = Plan {
                    rules: vec![rule],
                    ..Plan::default()
                };
                let provider: Provider = provider.parse().unwrap();
                assert_eq!(plan.check(provider), Ok(()), "{row:?}");
            }
        }
    }

    /// A flag stands for a minute, so a row that lands once at a time has no time for more.
    #[test]
    fn what_sets_a_flag_for_a_minute_lands_on_several_sessions_at_once() {
        let rows = rows().unwrap();
        for row in &rows {
            let is_alone = rows.iter().filter(|one| one.id() == row.id()).count() < 3;
            let is_long = row.quota && row.delay_ms.is_none();
            let is_named = row.together > 1;
            assert_eq!(is_named, is_long && is_alone, "{row:?}");
            assert!(
                !is_named || row.on == ["kimi"],
                "{row:?}: only Kimi's refusals wait"
            );
        }
    }

    #[test]
    fn every_row_demands_what_its_fault_may_be_met_with() {
        let criteria = crate::catalogue::criteria().unwrap();
        for row in rows().unwrap() {
            let alternatives = reaction::parse(&row.demands);
            assert!(!alternatives.is_empty(), "{row:?}");
            let catalogue = &criteria.faults[row.id()].reaction;
            let allowed: String = catalogue.join(" ");
            let codes = row.demands.split(':').next().unwrap_or_default();
            for code in codes.split(['|', ' ']).filter(|word| word.len() == 1) {
                assert!(
                    allowed.contains(code),
                    "{row:?}: {code} is not in {allowed}"
                );
            }
        }
    }

    #[test]
    fn every_form_of_every_fault_is_landed() {
        let rows = rows().unwrap();
        for fault in fault::faults() {
            for variant in fault.variants {
                let name = format!("{}:{variant}", fault.id);
                assert!(rows.iter().any(|row| row.fault == name), "{name}");
            }
        }
    }
}
