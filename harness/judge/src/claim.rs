//! Claims: plain sets of criteria that carry a public word such as `merge-ready`.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::verdict::{Reason, Verdict};

/// The parsed `claims.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Checks that no waiver covers: loss, crossing, secrets, authentication.
    #[serde(default)]
    pub never_waived: Vec<String>,
    /// The claims, weakest first.
    #[serde(rename = "claim")]
    pub rows: Vec<Claim>,
}

/// What a signing key is for; a greater one may do what a lesser one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person's own machine.
    Dev,
    /// The pipeline.
    Ci,
    /// A protected signing job that a person approves.
    Release,
}

/// How sure the gate is of what is running.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum IdentityLevel {
    /// Nothing running was shown.
    #[default]
    Evidence,
    /// The server's own word.
    Claimed,
    /// The executable of the running process was hashed.
    Observed,
}

impl IdentityLevel {
    /// The words people read.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Evidence => "evidence only",
            Self::Claimed => "claimed identity",
            Self::Observed => "observed identity",
        }
    }
}

/// What a claim's name ends with when no live provider was asked.
const SIMULATED: &str = " (simulated providers)";

/// A public statement and what would carry it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Such as `merge-ready`.
    pub id: String,
    /// The statement for people.
    pub text: String,
    /// The profile whose evidence carries it.
    pub profile: String,
    /// The criteria it is the worst of.
    pub criteria: Vec<String>,
    /// Reasons of Inconclusive that do not break it; empty for every claim but `wired`.
    #[serde(default)]
    pub tolerates: Vec<Reason>,
    /// Floors that must be met even where Inconclusive is tolerated, as `V.5/kill.server`.
    #[serde(default)]
    pub floors: Vec<String>,
    /// Checks that must pass even where Inconclusive is tolerated, as `V.6/denied`.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Drivers whose evidence counts; empty is any.
    #[serde(default)]
    pub drivers: Vec<String>,
    /// Criteria that take evidence of any driver, whatever `drivers` says.
    #[serde(default)]
    pub any_driver: Vec<String>,
    /// Stores that must each have evidence; empty is any one.
    #[serde(default)]
    pub stores: Vec<String>,
    /// Age above which evidence no longer counts.
    pub max_age_days: u32,
    /// Whether live round trips to the providers are needed for the full name.
    #[serde(default)]
    pub live_providers: bool,
    /// Criteria that need evidence on one store only, whatever `stores` says.
    #[serde(default)]
    pub any_store: Vec<String>,
    /// The least role that must have signed; None takes unsigned records.
    #[serde(default)]
    pub signed_by: Option<Role>,
    /// How many distinct keys must have signed, where any must.
    #[serde(default = "one")]
    pub keys: usize,
    /// How sure the gate must be of what is running.
    #[serde(default)]
    pub identity: IdentityLevel,
    /// Whether the judge of each record must have passed its own test, within the same days.
    #[serde(default)]
    pub selftest: bool,
}

const fn one() -> usize {
    1
}

/// Whether findings carry a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimVerdict {
    /// The claim.
    pub claim: String,
    /// The worst of what it rests on.
    pub verdict: Verdict,
    /// One sentence for each thing that keeps it from passing; empty for Pass.
    pub because: Vec<String>,
}

impl Claims {
    /// Reads the claims.
    ///
    /// # Errors
    /// Says where the text is not a list of claims.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The claim of that name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Claim> {
        self.rows.iter().find(|claim| claim.id == id)
    }

    /// The claim of a name as people may write it: `NAME (simulated providers)` asks for a claim
    /// that needs live providers without them, and says so in its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Claim> {
        if let Some(claim) = self.find(name) {
            return Some(claim.clone());
        }
        let plain = self.find(name.strip_suffix(SIMULATED)?)?;
        plain.live_providers.then(|| Claim {
            id: name.to_owned(),
            live_providers: false,
            ..plain.clone()
        })
    }

    /// The claim a run of this profile asks for when it names no criteria: the first of its profile
    /// in the order of the file.
    #[must_use]
    pub fn of_profile(&self, profile: &str) -> Option<&Claim> {
        self.rows.iter().find(|claim| claim.profile == profile)
    }
}

impl Claim {
    /// Folds the findings of one run. Evidence of other runs, ages and signatures are the ledger's
    /// matter.
    #[must_use]
    pub fn judge(&self, findings: &[Finding]) -> ClaimVerdict {
        let mut verdicts = Vec::new();
        let mut because = Vec::new();
        for id in &self.criteria {
            let finding = findings.iter().find(|finding| finding.criterion == *id);
            let verdict = finding.map_or(Verdict::Inconclusive, |finding| self.weigh(finding));
            verdicts.push(verdict);
            if verdict != Verdict::Pass {
                let headline = finding.map_or("was not judged", |finding| &finding.headline);
                because.push(format!("{id} {}: {headline}", verdict.word()));
            }
        }
        for (path, verdict) in self.rules(findings) {
            verdicts.push(verdict);
            if verdict != Verdict::Pass {
                because.push(format!("{path} {}", verdict.word()));
            }
        }
        ClaimVerdict {
            claim: self.id.clone(),
            verdict: Verdict::worst(verdicts),
            because,
        }
    }

    /// The claim's own floors and checks, each with what the findings say of it.
    #[must_use]
    pub fn rules<'a>(&'a self, findings: &[Finding]) -> Vec<(&'a str, Verdict)> {
        let floors = self.floors.iter();
        let floors = floors.map(|path| (path.as_str(), floor_verdict(findings, path)));
        let checks = self.checks.iter();
        let checks = checks.map(|path| (path.as_str(), check_verdict(findings, path)));
        floors.chain(checks).collect()
    }

    /// The name under which the claim holds without live providers.
    #[must_use]
    pub fn simulated(&self) -> String {
        format!("{}{SIMULATED}", self.id)
    }

    /// Its criteria that were not decided and that it lets be all the same.
    #[must_use]
    pub fn tolerated(&self, findings: &[Finding]) -> Vec<String> {
        let is_let_be = |id: &&String| {
            let found = findings.iter().find(|finding| finding.criterion == **id);
            found.is_some_and(|finding| {
                finding.verdict != Verdict::Pass && self.weigh(finding) == Verdict::Pass
            })
        };
        self.criteria.iter().filter(is_let_be).cloned().collect()
    }

    /// What a finding counts as under this claim: an Inconclusive for tolerated reasons alone does
    /// not break it.
    #[must_use]
    pub fn weigh(&self, finding: &Finding) -> Verdict {
        let is_tolerated = finding.verdict == Verdict::Inconclusive
            && !finding.reasons.is_empty()
            && finding
                .reasons
                .iter()
                .all(|reason| self.tolerates.contains(reason));
        if is_tolerated {
            Verdict::Pass
        } else {
            finding.verdict
        }
    }
}

fn split<'a>(findings: &'a [Finding], path: &'a str) -> Option<(&'a Finding, &'a str)> {
    let (criterion, id) = path.split_once('/')?;
    let finding = findings
        .iter()
        .find(|finding| finding.criterion == criterion)?;
    Some((finding, id))
}

fn floor_verdict(findings: &[Finding], path: &str) -> Verdict {
    let floor = split(findings, path)
        .and_then(|(finding, id)| finding.floors.iter().find(|floor| floor.id == id));
    match floor {
        Some(floor) if floor.is_met() => Verdict::Pass,
        _ => Verdict::Inconclusive,
    }
}

fn check_verdict(findings: &[Finding], path: &str) -> Verdict {
    split(findings, path)
        .and_then(|(finding, id)| finding.checks.iter().find(|check| check.id == id))
        .map_or(Verdict::Inconclusive, |check| check.verdict)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::finding::Floor;

    fn finding(criterion: &str, verdict: Verdict, reasons: &[Reason]) -> Finding {
        Finding {
            criterion: criterion.to_owned(),
            verdict,
            reasons: reasons.to_vec(),
            headline: "a headline".to_owned(),
            floors: Vec::new(),
            checks: Vec::new(),
            violations: Vec::new(),
            not_tested: Vec::new(),
            series: BTreeMap::new(),
        }
    }

    fn claim(tolerates: &[Reason]) -> Claim {
        Claim {
            id: "wired".to_owned(),
            text: String::new(),
            profile: "smoke".to_owned(),
            criteria: vec!["V.1".to_owned(), "V.5".to_owned()],
            tolerates: tolerates.to_vec(),
            floors: Vec::new(),
            checks: Vec::new(),
            drivers: Vec::new(),
            any_driver: Vec::new(),
            stores: Vec::new(),
            max_age_days: 7,
            live_providers: false,
            any_store: Vec::new(),
            signed_by: None,
            keys: 1,
            identity: IdentityLevel::Evidence,
            selftest: false,
        }
    }

    #[test]
    fn a_claim_without_live_providers_is_asked_for_by_its_longer_name() {
        let mut strong = claim(&[]);
        strong.live_providers = true;
        let claims = Claims {
            never_waived: Vec::new(),
            rows: vec![strong],
        };
        let weaker = claims.named("wired (simulated providers)").unwrap();
        assert!(!weaker.live_providers);
        assert_eq!(weaker.id, "wired (simulated providers)");
        assert!(claims.named("wired").unwrap().live_providers);
        assert!(claims.named("other (simulated providers)").is_none());
    }

    #[test]
    fn a_claim_is_the_worst_of_its_criteria_and_a_missing_one_is_inconclusive() {
        let pass = finding("V.1", Verdict::Pass, &[]);
        let fail = finding("V.5", Verdict::Fail, &[]);
        let other = finding("V.6", Verdict::Fail, &[]);
        let claim = claim(&[]);
        assert_eq!(claim.judge(&[pass.clone(), fail]).verdict, Verdict::Fail);
        assert_eq!(
            claim.judge(&[pass.clone(), other]).verdict,
            Verdict::Inconclusive
        );
        let good = [
            pass.clone(),
            Finding {
                criterion: "V.5".to_owned(),
                ..pass
            },
        ];
        assert_eq!(claim.judge(&good).verdict, Verdict::Pass);
        assert_eq!(claim.judge(&good).because, Vec::<String>::new());
    }

    #[test]
    fn wired_tolerates_named_reasons_only_and_never_an_unmet_named_floor() {
        let pass = finding("V.1", Verdict::Pass, &[]);
        let short = finding("V.5", Verdict::Inconclusive, &[Reason::BelowFloor]);
        let mut claim = claim(&[Reason::BelowFloor]);
        assert_eq!(
            claim.judge(&[pass.clone(), short.clone()]).verdict,
            Verdict::Pass
        );
        let zero = finding(
            "V.5",
            Verdict::Inconclusive,
            &[Reason::BelowFloor, Reason::ZeroSamples],
        );
        assert_eq!(
            claim.judge(&[pass.clone(), zero]).verdict,
            Verdict::Inconclusive
        );
        claim.floors.push("V.5/kill.server".to_owned());
        let bare = [pass.clone(), short.clone()];
        assert_eq!(claim.judge(&bare).verdict, Verdict::Inconclusive);
        let floor = Floor {
            id: "kill.server".to_owned(),
            event: "kills of the server".to_owned(),
            needed: 1,
            seen: 1,
            reason: Reason::FaultNotLanded,
        };
        let met = Finding {
            floors: vec![floor],
            ..short
        };
        assert_eq!(claim.judge(&[pass, met]).verdict, Verdict::Pass);
    }
}
