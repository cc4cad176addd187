//! Alerts: rows of thresholds over the metrics, and what is past them now. A pure step over the
//! history; `watch` runs it and `webhook` tells somebody.

pub mod export;
mod panel;
pub mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::{History, Pick};
use crate::config::duration;
use crate::failure::Severity;

/// The embedded rows.
const EMBEDDED: &str = include_str!("../../alerts.toml");

/// What of a metric is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// A gauge.
    Value,
    /// A gauge as a share of another.
    Share,
    /// What a counter grew by.
    Increase,
    /// What a counter grew by as a share of what another grew by.
    Ratio,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Names the row and its runbook: lower-case words with hyphens.
    pub id: String,
    /// A few words for people.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence for people.
    pub help: String,
    /// The sample's name.
    pub metric: String,
    /// Labels with the values they must have.
    #[serde(default)]
    pub only: BTreeMap<String, String>,
    /// What is compared.
    pub measure: Measure,
    /// The other metric of a share or ratio.
    #[serde(default)]
    pub of: String,
    /// The least that `of` must have grown by.
    #[serde(default)]
    pub least: f64,
    /// One alert for each value of this label; empty for one in all.
    #[serde(default)]
    pub by: String,
    /// How far back an increase or a ratio looks.
    #[serde(default, deserialize_with = "duration::one")]
    pub window: Duration,
    /// A ratio must be past the threshold over this time as well; zero for none.
    #[serde(default, deserialize_with = "duration::one")]
    pub long_window: Duration,
    /// Fires above this.
    pub above: Option<f64>,
    /// Fires below this.
    pub below: Option<f64>,
    /// How long it must be past the threshold.
    #[serde(default, rename = "for", deserialize_with = "duration::one")]
    pub hold: Duration,
}

/// Rows that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RowsError(String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    alert: Vec<Row>,
}

/// Reads rows of a file, or the embedded ones when `path` is empty.
///
/// # Errors
/// What is wrong with which row.
pub fn rows(path: &str) -> Result<Vec<Row>, RowsError> {
    let text = match path {
        "" => EMBEDDED.to_owned(),
        path => std::fs::read_to_string(path).map_err(|e| RowsError(format!("{path}: {e}")))?,
    };
    let rows: Rows = toml::from_str(&text).map_err(|e| RowsError(format!("{path}: {e}")))?;
    let mut ids = BTreeSet::new();
    for row in &rows.alert {
        let id = &row.id;
        let said = |what: &str| Err(RowsError(format!("alert {id:?}: {what}")));
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let needs_other = matches!(row.measure, Measure::Share | Measure::Ratio);
        let needs_window = matches!(row.measure, Measure::Increase | Measure::Ratio);
        match row {
            _ if id.is_empty() || !id.chars().all(is_plain) => {
                return said("an id is lower-case words with hyphens");
            }
            _ if !ids.insert(id.clone()) => return said("there are two rows of this id"),
            _ if row.above.is_some() == row.below.is_some() => {
                return said("write one of above and below");
            }
            _ if needs_other == row.of.is_empty() => {
                return said("of goes with the measures share and ratio, and only with them");
            }
            _ if needs_window == row.window.is_zero() => {
                return said(
                    "window goes with the measures increase and ratio, and only with them",
                );
            }
            _ => {}
        }
    }
    Ok(rows.alert)
}

impl Row {
    /// The page that says what to do.
    #[must_use]
    pub fn runbook(&self, base: &str) -> String {
        format!("{base}{}.md", self.id)
    }

    fn values(&self, history: &History) -> BTreeMap<String, f64> {
        let only: Vec<(&str, &str)> = self.only.iter().map(|(k, v)| (&**k, &**v)).collect();
        let pick = Pick {
            name: &self.metric,
            only: &only,
            by: &self.by,
        };
        let other = Pick {
            name: &self.of,
            only: &[],
            by: &self.by,
        };
        match self.measure {
            Measure::Value => history.now(pick),
            Measure::Share => share(history.now(pick), &history.now(other), 0.0),
            Measure::Increase => history.increase(pick, self.window),
            Measure::Ratio => {
                let over = |window| {
                    let whole = history.increase(other, window);
                    share(history.increase(pick, window), &whole, self.least)
                };
                let mut values = over(self.window);
                if !self.long_window.is_zero() {
                    let long = over(self.long_window);
                    // The lesser of the two, so that both must be past the threshold.
                    values.retain(|group, _| long.contains_key(group));
                    for (group, value) in &mut values {
                        *value = value.min(long.get(group).copied().unwrap_or(*value));
                    }
                }
                values
            }
        }
    }

    fn is_past(&self, value: f64) -> bool {
        self.above.is_some_and(|most| value > most) || self.below.is_some_and(|least| value < least)
    }
}

fn share(
    part: BTreeMap<String, f64>,
    whole: &BTreeMap<String, f64>,
    least: f64,
) -> BTreeMap<String, f64> {
    let shares = part.into_iter().filter_map(|(group, value)| {
        let whole = whole.get(&group).copied().unwrap_or_default();
        (whole > 0.0 && whole >= least).then(|| (group, value / whole))
    });
    shares.collect()
}

/// An alert that fires, or just ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// The row's id.
    pub id: String,
    /// The row's title.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Which one, where the row makes one for each; else empty.
    pub of: String,
    /// The figure when it was last looked at.
    pub value: f64,
    /// When it went past the threshold, UTC.
    pub since: Timestamp,
    /// When it came back, UTC; absent while it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// A sentence.
    pub help: String,
    /// Where it says what to do.
    pub runbook: String,
}

#[derive(Debug)]
struct Standing {
    alert: Alert,
    past_since: Instant,
    fires: bool,
}

/// The rows and what stands of each.
#[derive(Debug)]
pub struct Alerts {
    rows: Vec<Row>,
    runbooks: String,
    standing: BTreeMap<(String, String), Standing>,
}

impl Alerts {
    /// Nothing fires yet. `runbooks` is what a runbook's address begins with.
    #[must_use]
    pub fn new(rows: Vec<Row>, runbooks: &str) -> Self {
        Self {
            rows,
            runbooks: runbooks.to_owned(),
            standing: BTreeMap::new(),
        }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What fires now, the worst first.
    #[must_use]
    pub fn firing(&self) -> Vec<Alert> {
        let firing = self.standing.values().filter(|standing| standing.fires);
        let mut firing: Vec<Alert> = firing.map(|standing| standing.alert.clone()).collect();
        firing.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)));
        firing
    }

    /// Looks at every row; gives what began to fire and what ceased to.
    pub fn step(&mut self, history: &History, now: Instant, wall: Timestamp) -> Vec<Alert> {
        let mut turned = Vec::new();
        let mut seen = BTreeSet::new();
        for row in &self.rows {
            for (group, value) in row.values(history) {
                if !row.is_past(value) {
                    continue;
                }
                let key = (row.id.clone(), group);
                let fresh = || Standing {
                    alert: alert(row, &key.1, (value, wall), &self.runbooks),
                    past_since: now,
                    fires: false,
                };
                let standing = self.standing.entry(key.clone()).or_insert_with(fresh);
                standing.alert.value = value;
                let held = now.saturating_duration_since(standing.past_since);
                if !standing.fires && held >= row.hold {
                    standing.fires = true;
                    turned.push(standing.alert.clone());
                }
                seen.insert(key);
            }
        }
        self.standing.retain(|key, standing| {
            let stays = seen.contains(key);
            if !stays && standing.fires {
                turned.push(Alert {
                    ended: Some(wall),
                    ..standing.alert.clone()
                });
            }
            stays
        });
        turned
    }
}

fn alert(row: &Row, of: &str, (value, since): (f64, Timestamp), runbooks: &str) -> Alert {
    Alert {
        id: row.id.clone(),
        title: row.title.clone(),
        severity: row.severity,
        of: of.to_owned(),
        value,
        since,
        ended: None,
        help: row.help.clone(),
        runbook: row.runbook(runbooks),
    }
}

#[cfg(test)]
#[path = "alert/tests.rs"]
mod tests;
