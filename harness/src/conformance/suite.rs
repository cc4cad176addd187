//! The suite itself: is it here in the pinned version, what does a revision require, run it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

use super::import::{self, Check, Scenario};
use crate::client::Revision;
use crate::identity::sha256_of;

/// The version whose scenarios these rules were written for.
pub const VERSION: &str = "0.2.0-alpha.12";
/// Below this the suite does not start.
const NODE: u32 = 22;
/// Both sets take seconds; this is for a server that hangs.
const LIMIT: Duration = Duration::from_secs(300);
/// The moment that the suite appends to a scenario's folder.
const MOMENT: usize = "-2026-01-02T03-04-05-678Z".len();

/// The revisions, and how many server scenarios each requires in the pinned version.
pub const REVISIONS: [(Revision, usize); 2] = [(Revision::V2025, 30), (Revision::V2026, 37)];

/// The suite cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// It, or the node to run it, is not here.
    #[error(
        "could not find {what} in {folder}. Install both there: npm install --prefix {folder} \
         node@22 @modelcontextprotocol/conformance@{VERSION}; or name another folder with --suite"
    )]
    Missing {
        /// What.
        what: String,
        /// Where.
        folder: PathBuf,
    },
    /// Another version.
    #[error("could not use {what} {found}: wanted {wanted}")]
    Version {
        /// Of what.
        what: &'static str,
        /// What is there.
        found: String,
        /// What is needed.
        wanted: String,
    },
    /// Its files are not as expected.
    #[error("could not read {path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// In words.
        why: String,
    },
    /// It did not do its work.
    #[error("could not run the suite: {0}")]
    Run(String),
}

/// An installed suite.
#[derive(Debug, Clone, Serialize)]
pub struct Suite {
    #[serde(skip)]
    node: PathBuf,
    #[serde(skip)]
    folder: PathBuf,
    /// Its version.
    pub version: String,
    /// SHA-256 of its one bundle.
    pub sha256: String,
    /// The node that runs it.
    pub node_version: String,
}

/// What one run of one revision left.
#[derive(Debug, Clone)]
pub struct Record {
    /// The revision.
    pub revision: Revision,
    /// The scenarios that the revision requires.
    pub required: Vec<String>,
    /// The scenarios that ran.
    pub scenarios: BTreeMap<String, Scenario>,
}

impl Suite {
    /// The suite under `folder/node_modules`.
    ///
    /// # Errors
    /// When it or node is missing or of another version.
    pub async fn find(folder: &Path) -> Result<Self, SuiteError> {
        let modules = folder.join("node_modules");
        let own = modules.join("@modelcontextprotocol/conformance");
        let node = modules.join("node/bin/node");
        for (what, path) in [("node", &node), ("the conformance suite", &own)] {
            if !path.exists() {
                return Err(SuiteError::Missing {
                    what: what.to_owned(),
                    folder: folder.to_path_buf(),
                });
            }
        }
        let version = package_version(&own.join("package.json"))?;
        if version != VERSION {
            return Err(SuiteError::Version {
                what: "the conformance suite",
                found: version,
                wanted: VERSION.to_owned(),
            });
        }
        let bundle = own.join("dist/index.js");
        let sha256 = sha256_of(&bundle).map_err(|error| SuiteError::File {
            path: bundle,
            why: error.to_string(),
        })?;
        Ok(Self {
            node_version: node_version(&node).await?,
            node,
            folder: own,
            version,
            sha256,
        })
    }

    /// The server scenarios that a revision requires.
    ///
    /// # Errors
    /// When the list is not there or holds another number than the pinned version's.
    pub fn required(&self, revision: Revision) -> Result<Vec<String>, SuiteError> {
        let name = format!("requirements/{}.yaml", revision.name());
        let path = self.folder.join(name);
        let wrong = |why: String| SuiteError::File {
            path: path.clone(),
            why,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let required = server_scenarios(&text);
        let wanted = REVISIONS.iter().find(|(known, _)| *known == revision);
        let wanted = wanted.map_or(0, |(_, count)| *count);
        if required.len() != wanted {
            let found = required.len();
            return Err(wrong(format!("{found} server scenarios, not {wanted}")));
        }
        Ok(required)
    }

    /// Runs a revision's set against a server and imports what it left in `out`.
    ///
    /// # Errors
    /// When it did not run to its end or left something that cannot be read.
    pub async fn run(
        &self,
        server: SocketAddr,
        revision: Revision,
        out: &Path,
    ) -> Result<Record, SuiteError> {
        let required = self.required(revision)?;
        let mut command = Command::new(&self.node);
        command
            .arg(self.folder.join("dist/index.js"))
            .args(["server", "--url", &format!("http://{server}/mcp")])
            .args(["--requirements", revision.name(), "-o"])
            .arg(out)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(LIMIT, command.output()).await;
        let ended = ended.map_err(|_| SuiteError::Run(format!("it took more than {LIMIT:?}")))?;
        let output = ended.map_err(|error| SuiteError::Run(error.to_string()))?;
        // 0 and 1 are its verdict, which is not ours.
        if !matches!(output.status.code(), Some(0 | 1)) {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(SuiteError::Run(format!("{}: {errors}", output.status)));
        }
        Ok(Record {
            revision,
            required,
            scenarios: scenarios(out)?,
        })
    }
}

fn package_version(path: &Path) -> Result<String, SuiteError> {
    let wrong = |why: String| SuiteError::File {
        path: path.to_path_buf(),
        why,
    };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let package: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let version = package["version"].as_str();
    version
        .map(str::to_owned)
        .ok_or_else(|| wrong("no version".to_owned()))
}

async fn node_version(node: &Path) -> Result<String, SuiteError> {
    let output = Command::new(node).arg("--version").output().await;
    let output = output.map_err(|error| SuiteError::Run(format!("node: {error}")))?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = found
        .strip_prefix('v')
        .and_then(|rest| rest.split('.').next());
    let major = major.and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= NODE) {
        return Ok(found);
    }
    Err(SuiteError::Version {
        what: "node",
        found,
        wanted: format!("{NODE} or newer"),
    })
}

/// The entries of the list `server:` of a requirements file.
pub(super) fn server_scenarios(text: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != "server:").skip(1);
    let list = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    list.filter_map(|line| line.trim().strip_prefix("- "))
        .map(str::to_owned)
        .collect()
}

/// The scenario of a folder such as `server-ping-2026-01-02T03-04-05-678Z`.
pub(super) fn scenario_of(folder: &str) -> Option<&str> {
    let name = folder.strip_prefix("server-")?;
    name.get(..name.len().checked_sub(MOMENT)?)
}

fn scenarios(out: &Path) -> Result<BTreeMap<String, Scenario>, SuiteError> {
    let wrong = |path: &Path, why: String| SuiteError::File {
        path: path.to_path_buf(),
        why,
    };
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(out).map_err(|error| wrong(out, error.to_string()))?;
    for entry in entries.flatten() {
        let folder = entry.file_name();
        let Some(name) = folder.to_str().and_then(scenario_of) else {
            continue;
        };
        let path = entry.path().join("checks.json");
        let text = std::fs::read(&path).map_err(|error| wrong(&path, error.to_string()))?;
        let checks: Vec<Check> =
            serde_json::from_slice(&text).map_err(|error| wrong(&path, error.to_string()))?;
        found.insert(name.to_owned(), import::scenario(name, &checks));
    }
    Ok(found)
}
