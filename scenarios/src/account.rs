//! What an impostor says it spoiled, kept beside the record of its run and never in it: what is
//! judged must not hold the answer.

use std::io;
use std::path::{Path, PathBuf};

use exai_harness::clock::RunClock;
use exai_harness::topology;
use exai_mocks::impostor::journal::Line;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An impostor's account on the run's clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Exchanges spoiled, the first of them in full.
    pub spoiled: Vec<Spoiled>,
    /// How many in all.
    pub count: u64,
}

/// One exchange that was spoiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spoiled {
    /// When, ns on the run's monotonic clock.
    pub at: u64,
    /// Whatever tells it from others; each edge has its own members.
    pub detail: Value,
}

impl Account {
    /// An account as the harness heard it.
    #[must_use]
    pub fn of(told: &topology::Account, clock: RunClock) -> Self {
        let spoiled = told.spoiled.iter().filter_map(|line| match line {
            Line::Spoiled { at, detail, .. } => Some(Spoiled {
                at: clock.place(*at),
                detail: detail.clone(),
            }),
            Line::Ready { .. } | Line::Done { .. } => None,
        });
        Self {
            spoiled: spoiled.collect(),
            count: told.count,
        }
    }

    /// Writes it beside the records in `reports`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, reports: &Path, run: &str) -> io::Result<()> {
        let path = place(reports, run);
        std::fs::create_dir_all(path.parent().unwrap_or(reports))?;
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    /// Reads the account of a run.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(reports: &Path, run: &str) -> io::Result<Self> {
        let text = std::fs::read(place(reports, run))?;
        Ok(serde_json::from_slice(&text)?)
    }
}

fn place(reports: &Path, run: &str) -> PathBuf {
    reports.join("spoiled").join(format!("{run}.json"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_is_read_back_as_it_was_told() {
        let clock = RunClock::start();
        let line = Line::Spoiled {
            at: exai_harness::clock::monotonic() + 1_000,
            what: "echo".to_owned(),
            request_id: json!(7),
            detail: json!({"tool": "chat"}),
        };
        let told = topology::Account {
            spoiled: vec![line],
            count: 1,
            eligible: Some(4),
        };
        let account = Account::of(&told, clock);
        assert!(account.spoiled[0].at > 0, "placed on the run's clock");
        let folder = tempfile::tempdir().unwrap();
        assert!(Account::read(folder.path(), "one").is_err());
        account.keep(folder.path(), "one").unwrap();
        assert_eq!(Account::read(folder.path(), "one").unwrap(), account);
    }
}
