//! The report as findings and history give it, around what only the run itself could tell: drawn
//! when a run ends, and again whenever its record is read.

use exai_harness::evidence::ledger::Trend;
use exai_harness::report::facts::{ClaimAsked, CriterionText, Identity, RunFacts, Signature};
use exai_harness::report::model::{NotTested, Previous};
use exai_harness::report::{Report, build};
use exai_judge::Finding;
use exai_judge::claim::Claim;
use exai_judge::criterion::Criteria;
use exai_judge::judge::is_tier;

use crate::catalogue;
use crate::conclude::Sidelines;

/// What no history holds.
pub struct Told {
    /// The run and its conditions.
    pub run: RunFacts,
    /// What was judged, and by what.
    pub identity: Identity,
    /// A run to compare with.
    pub previous: Option<Previous>,
    /// The runs of this kind before this one.
    pub before: Trend,
}

/// What was asked of a run.
pub struct Asked<'a> {
    /// The catalogue.
    pub criteria: &'a Criteria,
    /// The profile in it whose numbers count.
    pub profile: &'a str,
    /// The claim.
    pub claim: &'a Claim,
    /// The criteria that were named; empty for all.
    pub named: &'a [String],
}

impl Asked<'_> {
    /// Draws the report.
    #[must_use]
    pub fn draw(&self, told: Told, mut findings: Vec<Finding>, aside: Sidelines) -> Report {
        let texts = self.criteria.of_profile(self.profile).unwrap_or_default();
        aside.plots.add_to(&mut findings, &texts);
        let claim = self.narrowed();
        let printed = printed(&claim, &told.run);
        let asked = ClaimAsked::answered(&claim, &claim.judge(&findings), printed);
        let mut not_tested = aside.not_tested;
        not_tested.extend(left_out(self.claim, &claim));
        Report::build(build::Evidence {
            run: told.run,
            identity: Identity {
                merkle_root: None,
                observations: aside.observations,
                ..told.identity
            },
            claim: asked,
            texts: texts
                .into_iter()
                .map(|row| CriterionText {
                    line: catalogue::line_of(&row.id),
                    id: row.id,
                    title: row.title,
                    text: row.text,
                })
                .collect(),
            findings,
            not_tested,
            not_applicable: aside.not_applicable,
            figures: aside.figures,
            signature: Signature::Unsigned,
            previous: told.previous,
            before: told.before,
        })
    }

    /// A run that names criteria answers for exactly those, under the claim's rules about them, and
    /// never under the claim's own name. Where the claim rests on tiers, their criterion's name
    /// asks for them.
    fn narrowed(&self) -> Claim {
        let mut claim = self.claim.clone();
        if self.named.is_empty() {
            return claim;
        }
        let has = |name: &str| claim.criteria.iter().any(|of| of == name);
        let names = |name: &str, id: &str| id == name || (is_tier(name, id) && !has(name));
        let is_named = |id: &str| self.named.iter().any(|name| names(name, id));
        let asks_for_some = claim.criteria.iter().any(|id| is_named(id));
        let named = self.named.join(", ");
        let whole = &claim.id;
        let id = if asks_for_some {
            format!("what {whole} asks of {named}")
        } else {
            format!("what is asked of {named} outside {whole}")
        };
        let asked = |id: &&str| is_named(id) && (!asks_for_some || has(id));
        let criteria = self.criteria.ids().filter(asked);
        let criteria = criteria.map(str::to_owned).collect();
        let is_about = |path: &String| path.split('/').next().is_some_and(is_named);
        claim.floors.retain(is_about);
        claim.checks.retain(is_about);
        claim.criteria = criteria;
        claim.id = id;
        claim
    }
}

/// A claim's name with the conditions it holds under.
fn printed(claim: &Claim, run: &RunFacts) -> String {
    let (id, driver, store) = (&claim.id, &run.driver, run.ground());
    run.target.as_ref().map_or_else(
        || format!("{id} ({driver} driver, {store} store, simulated providers)"),
        |target| format!("{id} ({target} over {driver})"),
    )
}

/// The criteria of a claim that its narrowed form does not ask for.
fn left_out<'a>(whole: &'a Claim, narrowed: &'a Claim) -> impl Iterator<Item = NotTested> + 'a {
    let asked = |id: &&String| !narrowed.criteria.contains(id);
    whole.criteria.iter().filter(asked).map(|id| NotTested {
        criterion: id.clone(),
        what: "not selected for this run".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_some_criteria_never_speaks_in_the_claims_own_name() {
        let criteria = catalogue::criteria().unwrap();
        let claim = catalogue::named("merge-ready").unwrap();
        let named = ["V.3".to_owned()];
        let asked = |named| Asked {
            criteria: &criteria,
            profile: "quick",
            claim: &claim,
            named,
        };
        let narrow = asked(&named).narrowed();
        assert_eq!(narrow.id, format!("what {} asks of V.3", claim.id));
        assert_eq!(narrow.criteria, ["V.3"]);
        let outside = ["V.5p".to_owned()];
        let narrow_outside = asked(&outside).narrowed();
        let told = format!("what is asked of V.5p outside {}", claim.id);
        assert_eq!(narrow_outside.id, told);
        assert_eq!(narrow_outside.criteria, ["V.5p"]);
        let missing: Vec<NotTested> = left_out(&claim, &narrow).collect();
        assert_eq!(missing.len(), claim.criteria.len() - 1);
        assert_eq!(asked(&[]).narrowed().id, claim.id);
    }

    #[test]
    fn a_criterion_whose_tiers_a_claim_rests_on_is_asked_by_its_tiers_beside_others_too() {
        let criteria = catalogue::criteria().unwrap();
        let cases: [(&str, &[&str], &[&str]); 6] = [
            ("release-candidate", &["V.8"], &["V.8g", "V.8t"]),
            (
                "release-candidate",
                &["V.3", "V.8"],
                &["V.3", "V.8g", "V.8t"],
            ),
            ("release-candidate", &["V.8t"], &["V.8t"]),
            ("merge-ready", &["V.3", "V.8"], &["V.3", "V.8g"]),
            ("production-ready", &["V.3", "V.8"], &["V.3", "V.8"]),
            ("release-candidate", &["V.7", "V.7m"], &["V.7m"]),
        ];
        for (claim, named, decide) in cases {
            let claim = catalogue::named(claim).unwrap();
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            let asked = Asked {
                criteria: &criteria,
                profile: &claim.profile,
                claim: &claim,
                named: &named,
            };
            assert_eq!(asked.narrowed().criteria, decide, "{} {named:?}", claim.id);
        }
    }
}
