//! What is known about a run before any finding: what ran, where, on what, and vouched for by whom.

use exai_judge::claim::{Claim, ClaimVerdict};
use exai_judge::verdict::Exit;
use exai_judge::{Reason, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The run and its conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Unique.
    pub run_id: String,
    /// The run's folder, relative to the workspace: `reports/runs/…`.
    pub folder: String,
    /// The server's version.
    pub version: String,
    /// The commit it was built from, short.
    pub commit: String,
    /// Whether it was built from a changed tree.
    pub dirty: bool,
    /// Begin, UTC.
    pub started_at: Timestamp,
    /// End, UTC.
    pub ended_at: Timestamp,
    /// Schedule and shape derive from it.
    #[serde(with = "decimal")]
    pub seed: u64,
    /// `smoke`, `quick`, `full`, `selftest`.
    pub profile: String,
    /// `local`.
    pub driver: String,
    /// `sqlite` or `redis`.
    pub store: String,
    /// Instances of the server on that store, behind one proxy. A run of several never carries a
    /// claim, each of which is about one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub instances: u32,
    /// The command that repeats the run, beginning with `cargo verify run`.
    pub replay: String,
    /// Seconds the profile may take.
    pub planned_seconds: u64,
    /// Seconds it took.
    pub measured_seconds: u64,
    /// The machine.
    pub host: HostFacts,
    /// Settings the profile changed for some checks, each on the first screen.
    pub overrides: Vec<Override>,
    /// The saboteur of a self-test run. Such a run never carries a claim.
    pub spoiler: Option<String>,
    /// Whether the server ran as an unprivileged user.
    pub unprivileged: bool,
    /// The signal that ended the run before it was whole. Such a run never carries a claim.
    pub cut_short: Option<CutShort>,
    /// The run whose open criteria this one tried again.
    #[serde(default)]
    pub second_attempt_at: Option<String>,
    /// The server judged, where it is not exai: its name and how it was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// As [`RunFacts::ground`], of a run that has only begun.
#[must_use]
pub fn ground(instances: u32, store: &str) -> String {
    if is_one(&instances) {
        return store.to_owned();
    }
    format!("{instances} instances on one {store}")
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
const fn is_one(instances: &u32) -> bool {
    *instances == one()
}

/// A signal that ends a run: children are ended, the record stays readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CutShort {
    /// Ctrl-C.
    Sigint,
    /// As a service manager or a CI runner asks.
    Sigterm,
}

impl CutShort {
    /// As it is spelt everywhere: `SIGINT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigint => "SIGINT",
            Self::Sigterm => "SIGTERM",
        }
    }

    /// 128 and the signal's number, as shells count.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Sigint => Exit::Interrupted,
            Self::Sigterm => Exit::Terminated,
        }
    }
}

impl RunFacts {
    /// The store's name, behind the number of instances on it where there are several.
    #[must_use]
    pub fn ground(&self) -> String {
        ground(self.instances, &self.store)
    }

    /// Where the page for people is, beside the folder of records; the next run replaces it.
    #[must_use]
    pub fn page(&self) -> String {
        let top = self.folder.rsplit_once("/runs/");
        let top = top.map_or(self.folder.as_str(), |(top, _)| top);
        format!("{top}/latest/report.html")
    }
}

/// The machine a run was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Processors the run could use.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// One-minute load average before the run; None where it could not be read.
    pub load_before: Option<f64>,
}

/// A setting changed by the profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The configuration key.
    pub key: String,
    /// What it was in this run.
    pub value: String,
    /// For which criteria: `V.3, V.8`.
    pub counts_for: String,
}

/// What exactly was judged, and by what. Absent digests are None, never made up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// SHA-256 (hex) of the running server's executable.
    pub server_sha256: Option<String>,
    /// Digest of the settings that change behaviour.
    pub policy_digest: Option<String>,
    /// Digest of addresses, ports and paths.
    pub site_digest: Option<String>,
    /// SHA-256 (hex) of the criteria text.
    pub criteria_digest: Option<String>,
    /// SHA-256 (hex) of the harness' own executable.
    pub harness_sha256: Option<String>,
    /// Merkle root over the record.
    pub merkle_root: Option<String>,
    /// Observations in the history.
    pub observations: u64,
}

/// Who vouches for the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Signature {
    /// Nobody: such a record carries `merge-ready` at most.
    #[default]
    Unsigned,
    /// An Ed25519 key.
    Signed {
        /// SHA-256 (hex) of the public key.
        key_id: String,
    },
}

/// The claim as it was asked for and as the claim's rules answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimAsked {
    /// Such as `merge-ready`.
    pub name: String,
    /// The name with the conditions it holds under.
    pub printed: String,
    /// The criteria that carry it.
    pub criteria: Vec<String>,
    /// Reasons of Inconclusive that the claim tolerates.
    pub tolerates: Vec<Reason>,
    /// How many floors and checks the claim names beside its criteria.
    pub rules: usize,
    /// What the claim's rules say; the report never improves on it.
    pub verdict: Verdict,
    /// The claim's own rules that were not met, one sentence each.
    pub reasons: Vec<String>,
}

impl ClaimAsked {
    /// The claim of the catalogue as the judge answered it. `printed` is its name with the
    /// conditions it holds under.
    #[must_use]
    pub fn answered(claim: &Claim, answer: &ClaimVerdict, printed: String) -> Self {
        // What the judge says of a criterion, the report says from its finding.
        let is_rule = |because: &&String| {
            let of = |id: &String| because.strip_prefix(id.as_str()).is_some_and(has_word);
            !claim.criteria.iter().any(of)
        };
        Self {
            name: claim.id.clone(),
            printed,
            criteria: claim.criteria.clone(),
            tolerates: claim.tolerates.clone(),
            rules: claim.floors.len() + claim.checks.len(),
            verdict: answer.verdict,
            reasons: answer.because.iter().filter(is_rule).cloned().collect(),
        }
    }
}

fn has_word(rest: &str) -> bool {
    rest.starts_with(' ')
}

/// A criterion's name and text, from the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriterionText {
    /// Such as `V.4`.
    pub id: String,
    /// Such as `storage stable under stress`.
    pub title: String,
    /// What it asks for, in full.
    pub text: String,
    /// Its first line in the criteria's file, from 1.
    pub line: u32,
}

/// A u64 as a decimal string: beyond 2^53 a JSON number is no longer the same number to everyone.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
