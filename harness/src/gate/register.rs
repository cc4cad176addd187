//! What people have written down beside the evidence: waivers, and the run last accepted.

use std::path::Path;

use exai_judge::gate::Waiver;
use jiff::Timestamp;
use serde::Deserialize;

use crate::attest::trust::moment;

/// `waivers.toml` and `baseline.toml` of a reports folder.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// Criteria that somebody answers for.
    pub waivers: Vec<Waiver>,
    /// The run last accepted.
    pub baseline: Option<Baseline>,
}

/// The run that later ones are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Its folder's name.
    pub run: String,
    /// Who accepted it.
    pub owner: String,
    /// Until when it is compared with.
    pub until: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWaivers {
    #[serde(default, rename = "waiver")]
    rows: Vec<WrittenWaiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWaiver {
    criterion: String,
    claim: String,
    owner: String,
    approved_by: String,
    reason: String,
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBaseline {
    run: String,
    owner: String,
    until: String,
}

impl Register {
    /// Reads both files of a folder; a file that is not there is empty.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = |name: &str| match std::fs::read_to_string(folder.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{name}: {error}")),
        };
        let waivers = text("waivers.toml")?
            .map(|text| waivers(&text))
            .transpose()?;
        let baseline = text("baseline.toml")?
            .map(|text| baseline(&text))
            .transpose()?;
        Ok(Self {
            waivers: waivers.unwrap_or_default(),
            baseline,
        })
    }
}

fn waivers(text: &str) -> Result<Vec<Waiver>, String> {
    let written: WrittenWaivers =
        toml::from_str(text).map_err(|error| format!("waivers.toml: {error}"))?;
    let waiver = |one: WrittenWaiver| {
        let until = moment(&one.until).ok_or_else(|| no_date("waivers.toml", &one.until))?;
        if one.owner == one.approved_by || one.owner.is_empty() || one.reason.is_empty() {
            return Err(format!(
                "waivers.toml: {} needs an owner, somebody else in approved_by, and a reason",
                one.criterion
            ));
        }
        Ok(Waiver {
            criterion: one.criterion,
            claim: one.claim,
            owner: one.owner,
            approved_by: one.approved_by,
            reason: one.reason,
            until: until.as_second(),
        })
    };
    written.rows.into_iter().map(waiver).collect()
}

fn baseline(text: &str) -> Result<Baseline, String> {
    let written: WrittenBaseline =
        toml::from_str(text).map_err(|error| format!("baseline.toml: {error}"))?;
    let until = moment(&written.until).ok_or_else(|| no_date("baseline.toml", &written.until))?;
    Ok(Baseline {
        run: written.run,
        owner: written.owner,
        until,
    })
}

fn no_date(file: &str, text: &str) -> String {
    format!("{file}: until = {text:?} is no date (2026-12-31)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIVER: &str = "[[waiver]]\ncriterion = \"V.4\"\nclaim = \"merge-ready\"\n\
                          owner = \"ann\"\napproved_by = \"ben\"\nreason = \"slow disk\"\n\
                          until = \"2026-12-31\"\n";

    #[test]
    fn a_waiver_has_an_owner_another_who_agreed_a_reason_and_an_end() {
        let found = waivers(WAIVER).unwrap();
        assert_eq!(found[0].until, 1_798_761_599);
        for (was, is) in [
            ("\"ben\"", "\"ann\""),
            ("2026-12-31", "soon"),
            ("slow disk", ""),
            ("reason", "because"),
        ] {
            assert!(waivers(&WAIVER.replace(was, is)).is_err(), "{is}");
        }
    }

    #[test]
    fn files_that_are_not_there_are_empty_and_broken_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Register::read(folder.path()).unwrap().waivers.is_empty());
        std::fs::write(folder.path().join("baseline.toml"), "run = 1").unwrap();
        let says = Register::read(folder.path()).unwrap_err();
        assert!(says.starts_with("baseline.toml"), "{says}");
    }
}
