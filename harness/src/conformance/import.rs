//! From a scenario's `checks.json` to what it showed. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Written by the suite for every scenario: every message against the revision's schema.
const SCHEMA: &str = "wire-schema-valid";
/// Written when the suite could not check the schema.
const SCHEMA_BROKEN: &str = "wire-schema-harness-error";
/// How the suite words a check that a server gives it no means to make.
const NOT_TESTABLE: &str = "Not testable";

/// A check as the suite records it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name; several checks of a scenario may share one.
    pub id: String,
    /// How it went.
    pub status: Status,
    /// Why it did not succeed.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What was seen.
    #[serde(default)]
    pub details: Value,
}

/// The suite's words. A new word is an error of the import, not a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// As required.
    Success,
    /// Not as required.
    Failure,
    /// Not as recommended.
    Warning,
    /// Not made.
    Skipped,
    /// No check at all.
    Info,
}

/// What a scenario showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// At least one check of its own succeeded, and none failed.
    Passed,
    /// A check failed.
    Failed,
    /// Nothing failed and nothing of its own succeeded: 0 of 0, or warnings alone.
    NothingShown,
    /// Every failure says that the server gives no means to make the check.
    NotTestable,
    /// The suite could not do its work.
    SuiteBroken,
}

/// A check that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The check.
    pub check: String,
    /// Whether it is a recommendation only.
    pub warning: bool,
    /// The suite's own words.
    pub message: String,
}

/// One scenario, imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it showed.
    pub state: State,
    /// Checks that succeeded, the schema's included.
    pub succeeded: usize,
    /// Checks that failed or warned.
    pub faults: Vec<Fault>,
}

/// Imports a scenario.
#[must_use]
pub fn scenario(name: &str, checks: &[Check]) -> Scenario {
    let is = |status: Status| move |check: &&Check| check.status == status;
    let own = checks.iter().filter(|check| check.id != SCHEMA);
    let shown = own.filter(is(Status::Success)).count();
    let failures: Vec<&Check> = checks.iter().filter(is(Status::Failure)).collect();
    let state = if checks.iter().any(|check| check.id == SCHEMA_BROKEN) {
        State::SuiteBroken
    } else if failures.iter().any(|check| !is_not_testable(check)) {
        State::Failed
    } else if !failures.is_empty() {
        State::NotTestable
    } else if shown == 0 {
        State::NothingShown
    } else {
        State::Passed
    };
    Scenario {
        name: name.to_owned(),
        state,
        succeeded: checks.iter().filter(is(Status::Success)).count(),
        faults: checks.iter().filter_map(fault).collect(),
    }
}

fn is_not_testable(check: &Check) -> bool {
    check.details["untestable"] == true
        || check
            .error_message
            .as_ref()
            .is_some_and(|message| message.starts_with(NOT_TESTABLE))
}

fn fault(check: &Check) -> Option<Fault> {
    let warning = match check.status {
        Status::Failure => false,
        Status::Warning => true,
        Status::Success | Status::Skipped | Status::Info => return None,
    };
    Some(Fault {
        check: check.id.clone(),
        warning,
        message: check.error_message.clone().unwrap_or_default(),
    })
}
