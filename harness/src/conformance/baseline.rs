//! What the product may fail, and the proof of each: the suite asks for a fixture that it lacks.
//!
//! An entry excuses a failure only while three things hold: the failure is the one named, the
//! suite's own words say that something is absent (or are the very words of the entry), and the
//! server's own lists do not have what the entry says is needed. So an entry cannot hide a defect,
//! and it goes stale when the product learns what it lacked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::import::{Fault, Scenario};

/// How the server and the suite word an absence.
const ABSENT: [&str; 6] = [
    "There is no tool of this name",
    "unknown prompt",
    "resource not found",
    "not found. Available tools:",
    "Not testable",
    "capabilities.extensions MUST be advertised",
];

/// The committed list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    absent: Vec<Absent>,
    #[serde(default)]
    vacuous: Vec<Vacuous>,
}

/// A scenario that a server passes because it lacks something: a refusal of the unknown is taken
/// for a refusal of the wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vacuous {
    scenario: String,
    needs: String,
}

/// Checks that fail because of one thing that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The revisions it holds for.
    pub revisions: Vec<String>,
    /// The scenario.
    pub scenario: String,
    /// The checks.
    pub checks: Vec<String>,
    /// What is not there: a kind (`tool`, `prompt`, `resource`, `capability`, `schema`) and a name.
    pub needs: String,
    /// The suite's whole message, where it does not speak of an absence.
    #[serde(default)]
    pub says: Option<String>,
}

/// What a server says it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Names of tools.
    pub tools: BTreeSet<String>,
    /// Names of prompts.
    pub prompts: BTreeSet<String>,
    /// URIs of resources and templates.
    pub resources: BTreeSet<String>,
    /// What it declared.
    pub capabilities: Value,
    /// The input schemas of its tools, as text.
    pub schemas: String,
}

/// What the baseline comes to for one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// Failures that an entry excuses, as `scenario:check`.
    pub excused: Vec<String>,
    /// Failures that nothing excuses, in words.
    pub unexplained: Vec<String>,
    /// Entries whose failure did not come, as `scenario:check`.
    pub stale: Vec<String>,
}

impl Baseline {
    /// The embedded list.
    ///
    /// # Errors
    /// When it is not of this shape.
    pub fn load() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("baseline.toml"))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// When it is not of this shape.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Whether a scenario's pass shows nothing of a server that has `served`.
    #[must_use]
    pub fn is_vacuous(&self, scenario: &str, served: &Served) -> bool {
        let mut rows = self.vacuous.iter().filter(|row| row.scenario == scenario);
        rows.any(|row| !served.has(&row.needs))
    }

    /// Weighs every failure of a revision against the list.
    #[must_use]
    pub fn weigh<'a>(
        &self,
        revision: &str,
        scenarios: impl Iterator<Item = &'a Scenario>,
        served: &Served,
    ) -> Weighed {
        let of_revision = |entry: &&Absent| entry.revisions.iter().any(|one| one == revision);
        let entries: Vec<&Absent> = self.absent.iter().filter(of_revision).collect();
        let mut weighed = Weighed::default();
        let mut met = BTreeSet::new();
        for scenario in scenarios {
            for fault in &scenario.faults {
                let place = format!("{}:{}", scenario.name, fault.check);
                match excuse(&entries, scenario, fault, served) {
                    Ok(()) => {
                        met.insert(place.clone());
                        weighed.excused.push(place);
                    }
                    Err(why) => {
                        let says = &fault.message;
                        weighed.unexplained.push(format!("{place}: {why}: {says}"));
                    }
                }
            }
        }
        let listed = entries.iter().flat_map(|entry| {
            let place = |check| format!("{}:{check}", entry.scenario);
            entry.checks.iter().map(place)
        });
        weighed.stale = listed.filter(|place| !met.contains(place)).collect();
        weighed.excused.sort();
        weighed.excused.dedup();
        weighed
    }
}

/// Whether some entry excuses this failure; otherwise why none does.
fn excuse(
    entries: &[&Absent],
    scenario: &Scenario,
    fault: &Fault,
    served: &Served,
) -> Result<(), String> {
    let mut why = "not in the baseline".to_owned();
    let named =
        |entry: &&&Absent| entry.scenario == scenario.name && entry.checks.contains(&fault.check);
    for entry in entries.iter().filter(named) {
        if served.has(&entry.needs) {
            why = format!("the server has {}", entry.needs);
        } else if !speaks_of_absence(entry, fault) {
            why = "the message is not that of an absent fixture".to_owned();
        } else {
            return Ok(());
        }
    }
    Err(why)
}

fn speaks_of_absence(entry: &Absent, fault: &Fault) -> bool {
    match &entry.says {
        Some(says) => *says == fault.message,
        None => ABSENT.iter().any(|words| fault.message.contains(words)),
    }
}

impl Served {
    /// Whether a server has what an entry needs; a kind that is not known counts as there, so that
    /// it excuses nothing.
    fn has(&self, needs: &str) -> bool {
        let Some((kind, name)) = needs.split_once(' ') else {
            return true;
        };
        match kind {
            "tool" => self.tools.contains(name),
            "prompt" => self.prompts.contains(name),
            "resource" => self.resources.contains(name),
            "schema" => self.schemas.contains(name),
            "capability" => {
                let mut steps = name.split('/').map(|step| step.replace('~', "/"));
                let found = steps.try_fold(&self.capabilities, |at, step| at.get(step));
                found.is_some_and(|value| !value.is_null() && *value != false)
            }
            _ => true,
        }
    }
}
