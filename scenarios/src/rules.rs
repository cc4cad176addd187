//! The committed catalogue as the gate's rules: texts, durations, and the judge.

use std::collections::BTreeMap;

use exai_harness::evidence::Record;
use exai_harness::evidence::ledger::Trend;
use exai_harness::report::Report;
use exai_judge::Finding;
use exai_judge::claim::Claim;
use exai_judge::criterion::Criteria;
use exai_judge::judge::Handicap;
use serde_json::Value;

use crate::cli::Ending;
use crate::drawing::{Asked, Told};
use crate::target::book;
use crate::{catalogue, conclude};

/// Criteria whose names promise a duration, and the profile that holds its limit.
const SOAKS: [(&str, &str); 2] = [("V.7", "full"), ("V.7m", "full")];

/// The catalogue, read once.
pub struct Catalogue {
    text: &'static str,
    criteria: Criteria,
}

impl Catalogue {
    /// Reads the embedded catalogue.
    ///
    /// # Errors
    /// [`Ending::Bug`]: the embedded text is ours.
    pub fn read() -> Result<Self, Ending> {
        Ok(Self {
            text: catalogue::CRITERIA,
            criteria: catalogue::criteria()?,
        })
    }

    /// A claim and the catalogue it rests on: of claims.toml, or that of `verify target`.
    ///
    /// # Errors
    /// [`Ending::Usage`] for an unknown claim, [`Ending::Bug`]: the embedded texts are ours.
    pub fn under(claim: &str) -> Result<(Self, Claim), Ending> {
        if claim != book::CLAIM {
            return Ok((Self::read()?, catalogue::named(claim)?));
        }
        let of_targets = Self {
            text: book::CRITERIA,
            criteria: book::criteria()?,
        };
        Ok((of_targets, book::claim()?))
    }

    /// The catalogue by which records of a profile are judged.
    ///
    /// # Errors
    /// [`Ending::Bug`]: the embedded texts are ours.
    pub fn of_profile(profile: &str) -> Result<Self, Ending> {
        if profile == book::PROFILE {
            return Ok(Self::under(book::CLAIM)?.0);
        }
        Self::read()
    }

    /// SHA-256 (hex) of the criteria text.
    #[must_use]
    pub fn sha256(&self) -> String {
        exai_judge::hex::sha256(self.text.as_bytes())
    }

    /// The profile whose numbers count for records that name this one.
    fn inside<'a>(&self, profile: &'a str) -> &'a str {
        if self.text == book::CRITERIA && profile == book::PROFILE {
            return book::NUMBERS;
        }
        profile
    }

    /// Criterion to SHA-256 (hex) of its text in a profile; empty for a profile that there is not.
    #[must_use]
    pub fn texts(&self, profile: &str) -> BTreeMap<String, String> {
        conclude::criteria_texts(&self.criteria, self.inside(profile)).unwrap_or_default()
    }

    /// Criterion to the seconds it must have lasted.
    #[must_use]
    pub fn least_seconds(&self) -> BTreeMap<String, u64> {
        let limit = |(id, profile): &(&str, &str)| {
            let row = self.criteria.find(id, profile).ok()??;
            let seconds = row.numbers.limits.get("duration_s")?;
            // The catalogue holds whole seconds.
            Some(((*id).to_owned(), *seconds as u64))
        };
        SOAKS.iter().filter_map(limit).collect()
    }

    /// Judges a record again: what its plan set out to judge.
    ///
    /// # Errors
    /// In words, when the record cannot be judged.
    pub fn judge(&self, record: &Record, profile: &str) -> Result<Vec<Finding>, String> {
        self.judge_with(record, profile, &Handicap::default())
    }

    /// As [`Catalogue::judge`], with deliberate damage to the judge.
    ///
    /// # Errors
    /// As [`Catalogue::judge`].
    pub fn judge_with(
        &self,
        record: &Record,
        profile: &str,
        handicap: &Handicap,
    ) -> Result<Vec<Finding>, String> {
        let under = (&self.criteria, self.inside(profile));
        let found = conclude::judge_with(under, &record.key, handicap, &record.history)
            .map_err(|error| error.to_string())?;
        let named = self.named(record);
        let is_named = |one: &Finding| catalogue::is_named(&named, &one.criterion);
        Ok(found.into_iter().filter(is_named).collect())
    }

    /// The criteria that a record's plan names; a target's plan names all there are.
    fn named(&self, record: &Record) -> Vec<String> {
        let named = record.plan["criteria"].as_array();
        let named = named.filter(|_| self.text != book::CRITERIA);
        let words = named.into_iter().flatten().filter_map(Value::as_str);
        words.map(str::to_owned).collect()
    }

    /// Draws a record's report again from its findings and its history. What `told` says of the run
    /// itself and of other runs stays: no history holds it.
    ///
    /// # Errors
    /// In words, when the plan asks for a claim that there is not.
    pub fn draw(
        &self,
        record: &Record,
        told: &Report,
        findings: &[Finding],
    ) -> Result<Report, String> {
        let claim = if self.text == book::CRITERIA {
            book::claim()
        } else {
            catalogue::named(record.plan["claim"].as_str().unwrap_or_default())
        };
        let asked = Asked {
            criteria: &self.criteria,
            profile: self.inside(&told.run.profile),
            claim: &claim.map_err(|error| error.to_string())?,
            named: &self.named(record),
        };
        let about = Told {
            run: told.run.clone(),
            identity: told.identity.clone(),
            previous: None,
            before: Trend::default(),
        };
        let aside = conclude::sidelines(&record.history);
        let mut drawn = asked.draw(about, findings.to_vec(), aside);
        drawn.set_beside(told.comparison.clone(), told.trend.clone());
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_bears_its_name_by_its_seconds() {
        let least = Catalogue::read().unwrap().least_seconds();
        assert_eq!(least["V.7"], 14_400);
        assert_eq!(least["V.7m"], 1_800);
    }
}
