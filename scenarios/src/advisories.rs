//! What is known against the crates of a lock file: the facts of `advisories.toml`, which come from
//! RustSec's database, held against the versions that are locked.
//!
//! An advisory without a kind is a vulnerability; one with a kind (unmaintained, unsound, notice)
//! tells of a weakness that nobody has turned into an attack. A version that no range of an
//! advisory names as patched or unaffected is affected by it, a pre-release as well.

use std::collections::BTreeSet;

use jiff::civil::Date;
use semver::{Version, VersionReq};
use serde::Deserialize;

const LIST: &str = include_str!("../advisories.toml");

/// The list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    /// Where its facts come from.
    pub source: String,
    /// When they were read.
    pub read: Date,
    /// The highest number that the source gave.
    pub newest: String,
    /// The latest date of an advisory in the source, which knows of nothing later.
    pub newest_date: Date,
    looked_up: BTreeSet<String>,
    advisories: Vec<Advisory>,
}

/// The facts of one advisory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// Such as `RUSTSEC-2026-0258`.
    pub id: String,
    #[serde(rename = "crate")]
    name: String,
    /// When it was published.
    pub date: Date,
    informational: Option<String>,
    withdrawn: Option<Date>,
    /// The vector of its score, where somebody scored it.
    pub cvss: Option<String>,
    #[serde(default)]
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, package: &Package) -> bool {
        let mut spared = self.patched.iter().chain(&self.unaffected);
        self.name == package.name
            && self.withdrawn.is_none()
            && !spared.any(|range| range.matches(&package.version))
    }

    /// `h2 0.4.15: RUSTSEC-2026-0258, patched in >= 0.4.16`.
    fn says(&self, package: &Package) -> String {
        let ranges: Vec<String> = self.patched.iter().map(VersionReq::to_string).collect();
        let patched = match ranges.as_slice() {
            [] => "patched in no version".to_owned(),
            ranges => format!("patched in {}", ranges.join(" or ")),
        };
        let kind = self.informational.as_ref().or(self.cvss.as_ref());
        let kind = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        let Package { name, version, .. } = package;
        format!("{name} {version}: {}{kind}, {patched}", self.id)
    }
}

/// A lock file of cargo's.
#[derive(Debug, Clone, Deserialize)]
pub struct Lock {
    package: Vec<Package>,
}

#[derive(Debug, Clone, Deserialize)]
struct Package {
    name: String,
    version: Version,
    /// None for what the workspace holds itself.
    source: Option<String>,
}

impl Lock {
    /// Reads one.
    ///
    /// # Errors
    /// The text is no lock file.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.package
            .iter()
            .filter(|package| package.source.is_some())
    }
}

impl Advisories {
    /// The list of this build.
    ///
    /// # Errors
    /// The embedded text is not of its form.
    pub fn embedded() -> Result<Self, toml::de::Error> {
        Self::parse(LIST)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// The text is not of its form.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The vulnerabilities of what is locked, one in a line.
    #[must_use]
    pub fn vulnerabilities(&self, lock: &Lock) -> Vec<String> {
        self.hits(lock, false)
    }

    /// What else is known of it: crates that nobody maintains, or whose types do not hold.
    #[must_use]
    pub fn notices(&self, lock: &Lock) -> Vec<String> {
        self.hits(lock, true)
    }

    fn hits(&self, lock: &Lock, is_told: bool) -> Vec<String> {
        let of = |package| {
            self.advisories
                .iter()
                .filter(move |one| one.informational.is_some() == is_told && one.affects(package))
                .map(move |one| one.says(package))
        };
        lock.foreign().flat_map(of).collect()
    }

    /// The crates of a lock file that nobody looked up.
    #[must_use]
    pub fn unasked<'a>(&self, lock: &'a Lock) -> BTreeSet<&'a str> {
        lock.foreign()
            .map(|package| package.name.as_str())
            .filter(|name| !self.looked_up.contains(*name))
            .collect()
    }

    /// How many days before `today` its knowledge ends; 0 for a list of the future. It ends with
    /// the source's last advisory, however much later that was read.
    #[must_use]
    pub fn days_behind(&self, today: Date) -> u32 {
        let ends = self.newest_date.min(self.read);
        let days = ends.until(today).map_or(i32::MAX, |span| span.get_days());
        u32::try_from(days).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
