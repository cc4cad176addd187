//! The catalogue: every criterion with its floors and limits, read from `criteria.toml`.
//!
//! Checkers hold no number but 0 and 1; each comes from here by name, and a name that the file
//! lacks is a [`Missing`] error, never a silent default.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::hex;

/// The parsed catalogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criteria {
    /// Numbers of the ground the judge stands on: taint, settling, identity.
    ground: Profiles,
    /// The standard tools.
    pub tools: BTreeMap<String, ToolRow>,
    /// What each tool shows of itself; a catalogue that judges no tools has none.
    #[serde(default)]
    pub pinned: BTreeMap<String, Pinned>,
    /// The four wires.
    pub transports: BTreeMap<String, TransportRow>,
    /// The provider faults of `provider-faults.md`.
    pub faults: BTreeMap<String, FaultRow>,
    /// The criteria in the order of the reports.
    #[serde(rename = "criterion")]
    rows: Vec<Row>,
}

/// A tool of the standard profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRow {
    /// Whether the server has it now.
    pub built: bool,
    /// Its proof kind: `keyed`, `memory`, `site`, `twin`, `content`.
    pub proof: String,
    /// `own` when its system instruction differs from every other tool's, else `none`.
    pub instruction: String,
    /// The providers through which it must be proven: `["*"]` is every one the criterion names,
    /// an empty list is a tool that asks none.
    pub providers: Vec<String>,
}

/// What a tool shows of itself, as digests: SHA-256 in hex.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Of its input schema as clients list it, in canonical JSON.
    pub schema: String,
    /// Of the system instructions that providers may receive for it: any of these, and no other.
    /// Empty where it asks no model, or hands on the caller's own.
    pub instructions: Vec<String>,
}

/// A wire of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportRow {
    /// Whether the server speaks it now.
    pub built: bool,
}

/// A provider fault and what a client must do about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRow {
    /// In words.
    pub title: String,
    /// The providers it belongs to.
    pub providers: Vec<String>,
    /// Accepted reactions; each is a set of codes in order, such as `R F`. One must be seen.
    pub reaction: Vec<String>,
    /// Whether the provider goes silent, so that leaving it is judged against the silence limit.
    #[serde(default)]
    pub silent: bool,
}

/// Named numbers and lists of one profile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Seconds the phase may take; None outside the profile tables.
    pub budget_s: Option<u64>,
    /// What must have happened, and how often.
    #[serde(default)]
    pub floors: BTreeMap<String, u64>,
    /// Thresholds, with their unit at the end of the name.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
    /// Closed lists of names.
    #[serde(default)]
    pub lists: BTreeMap<String, Vec<String>>,
}

/// Numbers for all profiles and what each profile changes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    #[serde(default)]
    base: Numbers,
    smoke: Option<Numbers>,
    quick: Option<Numbers>,
    full: Option<Numbers>,
    selftest: Option<Numbers>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    title: String,
    text: String,
    scenario: String,
    #[serde(default)]
    base: Numbers,
    smoke: Option<Numbers>,
    quick: Option<Numbers>,
    full: Option<Numbers>,
    selftest: Option<Numbers>,
}

/// One criterion with the numbers of one profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// Such as `V.4` or `V.8g`.
    pub id: String,
    /// A few words for a table.
    pub title: String,
    /// The requirement.
    pub text: String,
    /// The scenario that exercises it, such as `T.4`.
    pub scenario: String,
    /// The profile its numbers belong to.
    pub profile: String,
    /// The numbers.
    pub numbers: Numbers,
}

/// Why the catalogue could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The text is not the catalogue's shape.
    #[error("could not read criteria.toml: {0}")]
    Shape(#[from] toml::de::Error),
    /// A criterion appears twice.
    #[error("criteria.toml names {0} twice")]
    Twice(String),
    /// No such profile.
    #[error("no profile is called {0}; there are smoke, quick, full and selftest")]
    Profile(String),
}

/// A number or list that a checker needs and the catalogue lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("criteria.toml lacks {kind} {name} of {criterion} in profile {profile}")]
pub struct Missing {
    kind: &'static str,
    name: String,
    criterion: String,
    profile: String,
}

/// The profiles of the catalogue.
pub const PROFILES: [&str; 4] = ["smoke", "quick", "full", "selftest"];

impl Criteria {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// Says where the text is not a catalogue, or which criterion stands twice.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let criteria: Self = toml::from_str(text)?;
        for (index, row) in criteria.rows.iter().enumerate() {
            if criteria.rows[..index]
                .iter()
                .any(|earlier| earlier.id == row.id)
            {
                return Err(CatalogueError::Twice(row.id.clone()));
            }
        }
        Ok(criteria)
    }

    /// The criteria's ids in the order of the reports.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.id.as_str())
    }

    /// Every criterion with the numbers of one profile.
    ///
    /// # Errors
    /// The profile is not one of [`PROFILES`].
    pub fn of_profile(&self, profile: &str) -> Result<Vec<Criterion>, CatalogueError> {
        self.rows
            .iter()
            .map(|row| row.in_profile(profile))
            .collect()
    }

    /// One criterion with the numbers of one profile; None for an unknown id.
    ///
    /// # Errors
    /// The profile is not one of [`PROFILES`].
    pub fn find(&self, id: &str, profile: &str) -> Result<Option<Criterion>, CatalogueError> {
        self.rows
            .iter()
            .find(|row| row.id == id)
            .map(|row| row.in_profile(profile))
            .transpose()
    }

    /// The judge's own numbers in one profile, under the id `ground`.
    ///
    /// # Errors
    /// The profile is not one of [`PROFILES`].
    pub fn ground(&self, profile: &str) -> Result<Criterion, CatalogueError> {
        let ground = &self.ground;
        let changes = pick(
            profile,
            [&ground.smoke, &ground.quick, &ground.full, &ground.selftest],
        )?;
        Ok(Criterion {
            id: "ground".to_owned(),
            title: "the judge's own ground".to_owned(),
            text: String::new(),
            scenario: String::new(),
            profile: profile.to_owned(),
            numbers: ground.base.changed(changes),
        })
    }
}

impl Row {
    fn in_profile(&self, profile: &str) -> Result<Criterion, CatalogueError> {
        let changes = pick(
            profile,
            [&self.smoke, &self.quick, &self.full, &self.selftest],
        )?;
        Ok(Criterion {
            id: self.id.clone(),
            title: self.title.clone(),
            text: self.text.clone(),
            scenario: self.scenario.clone(),
            profile: profile.to_owned(),
            numbers: self.base.changed(changes),
        })
    }
}

fn pick<'a>(
    profile: &str,
    of: [&'a Option<Numbers>; 4],
) -> Result<Option<&'a Numbers>, CatalogueError> {
    let index = PROFILES.iter().position(|known| *known == profile);
    let index = index.ok_or_else(|| CatalogueError::Profile(profile.to_owned()))?;
    Ok(of[index].as_ref())
}

impl Numbers {
    fn changed(&self, by: Option<&Self>) -> Self {
        let mut numbers = self.clone();
        if let Some(by) = by {
            numbers.budget_s = by.budget_s.or(numbers.budget_s);
            numbers.floors.extend(by.floors.clone());
            numbers.limits.extend(by.limits.clone());
            numbers.lists.extend(by.lists.clone());
        }
        numbers
    }
}

impl Criterion {
    /// How often a named event must have happened.
    ///
    /// # Errors
    /// The catalogue does not name it.
    pub fn floor(&self, name: &str) -> Result<u64, Missing> {
        self.numbers
            .floors
            .get(name)
            .copied()
            .ok_or_else(|| self.missing("floor", name))
    }

    /// A named threshold; its unit closes its name.
    ///
    /// # Errors
    /// The catalogue does not name it.
    pub fn limit(&self, name: &str) -> Result<f64, Missing> {
        self.numbers
            .limits
            .get(name)
            .copied()
            .ok_or_else(|| self.missing("limit", name))
    }

    /// A named limit in seconds (`…_s`) or milliseconds (`…_ms`), as nanoseconds.
    ///
    /// # Errors
    /// The catalogue does not name it, or the name closes with neither unit.
    pub fn nanos(&self, name: &str) -> Result<u64, Missing> {
        let scale = if name.ends_with("_ms") {
            NANOS_A_MS
        } else if name.ends_with("_s") {
            NANOS_A_S
        } else {
            return Err(self.missing("time unit in limit", name));
        };
        let nanos = self.limit(name)? * scale;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float to integer cast saturates, and a negative time reads as none"
        )]
        Ok(nanos as u64)
    }

    /// A named limit that counts something.
    ///
    /// # Errors
    /// The catalogue does not name it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float to integer cast saturates, and a negative count reads as none"
    )]
    pub fn count(&self, name: &str) -> Result<u64, Missing> {
        Ok(self.limit(name)? as u64)
    }

    /// A named closed list.
    ///
    /// # Errors
    /// The catalogue does not name it.
    pub fn list(&self, name: &str) -> Result<&[String], Missing> {
        let list = self.numbers.lists.get(name);
        list.map(Vec::as_slice)
            .ok_or_else(|| self.missing("list", name))
    }

    /// SHA-256 (hex) of the requirement with its numbers: what evidence binds.
    #[must_use]
    pub fn text_sha256(&self) -> String {
        hex::sha256(format!("{}\0{}\0{:?}", self.id, self.text, self.numbers).as_bytes())
    }

    pub(crate) fn missing(&self, kind: &'static str, name: &str) -> Missing {
        Missing {
            kind,
            name: name.to_owned(),
            criterion: self.id.clone(),
            profile: self.profile.clone(),
        }
    }
}

/// Nanoseconds of a millisecond, as a float factor.
pub(crate) const NANOS_A_MS: f64 = 1e6;
/// Nanoseconds of a second, as a float factor.
pub(crate) const NANOS_A_S: f64 = 1e9;
