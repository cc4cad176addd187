//! What a statement is worth: the newest evidence for the criteria it leans on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kind, Statement};
use crate::verdict::Verdict;

/// The newest evidence for one criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// What it says.
    pub verdict: Verdict,
    /// The run it comes from.
    pub run: String,
    /// Whether it is too old to count.
    pub expired: bool,
    /// Whether somebody waived the criterion.
    pub waived: bool,
}

/// What is on record: criterion to its newest evidence, for one build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Criterion to evidence.
    pub criteria: BTreeMap<String, Stand>,
    /// Claim, such as `merge-ready`, to the runs that carry it; one that nothing carries is absent.
    pub carried: BTreeMap<String, Vec<String>>,
}

/// The claim that a word of readiness makes that names none.
const READY: &str = "production-ready";

/// What a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// Evidence carries it.
    Proven,
    /// Nothing carries it.
    Unproven,
    /// What carried it is too old.
    Stale,
    /// Evidence says otherwise.
    Contradicted,
    /// A person answers for it; that proves nothing.
    Waived,
}

impl Worth {
    /// The word in output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Stale => "stale",
            Self::Contradicted => "contradicted",
            Self::Waived => "waived",
        }
    }
}

/// A statement weighed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// The statement.
    #[serde(flatten)]
    pub statement: Statement,
    /// What it is.
    pub worth: Worth,
    /// The runs that say so.
    pub evidence: Vec<String>,
    /// Why, in one sentence.
    pub says: String,
}

impl Standing {
    /// Weighs a statement. A figure, a count or an opinion is never proven by a verdict: what
    /// carries it is the report that shows it with its samples.
    #[must_use]
    pub fn weigh(&self, statement: Statement) -> Weighed {
        let stands = |wanted: &dyn Fn(&Stand) -> bool| -> Vec<String> {
            let leaned = statement.criteria.iter();
            let found = leaned.filter_map(|id| Some((id, self.criteria.get(id)?)));
            found
                .filter(|(_, stand)| wanted(stand))
                .map(|(id, stand)| format!("{id} in {}", stand.run))
                .collect()
        };
        let failed = stands(&|stand| stand.verdict == Verdict::Fail && !stand.waived);
        let expired = stands(&|stand| stand.expired);
        let waived = stands(&|stand| stand.waived);
        let passed = stands(&|stand| stand.verdict == Verdict::Pass && !stand.expired);
        let all = !statement.criteria.is_empty() && passed.len() == statement.criteria.len();
        let carried = (statement.kind == Kind::Readiness).then(|| self.runs_behind(&statement));
        let (worth, evidence) = if let Some(runs) = carried.flatten() {
            (Worth::Proven, runs)
        } else if !failed.is_empty() {
            (Worth::Contradicted, failed)
        } else if !waived.is_empty() {
            (Worth::Waived, waived)
        } else if !expired.is_empty() {
            (Worth::Stale, expired)
        } else if all
            && matches!(
                statement.kind,
                Kind::State | Kind::CheckMark | Kind::Totality
            )
        {
            (Worth::Proven, passed)
        } else {
            (Worth::Unproven, Vec::new())
        };
        let says = reason(&statement, worth, &evidence);
        Weighed {
            statement,
            worth,
            evidence,
            says,
        }
    }

    /// The runs that carry the claim a statement names, or readiness as a whole where it names
    /// none.
    fn runs_behind(&self, statement: &Statement) -> Option<Vec<String>> {
        let spaced = |text: &str| text.to_lowercase().replace('-', " ");
        let text = spaced(&statement.text);
        let named = self
            .carried
            .iter()
            .find(|(claim, _)| text.contains(&spaced(claim)));
        named
            .map_or_else(|| self.carried.get(READY), |(_, runs)| Some(runs))
            .cloned()
    }
}

fn reason(statement: &Statement, worth: Worth, evidence: &[String]) -> String {
    let runs = evidence.join(", ");
    match worth {
        Worth::Proven => format!("carried by {runs}"),
        Worth::Contradicted => format!("{runs} says otherwise"),
        Worth::Stale => format!("{runs} is too old"),
        Worth::Waived => format!("{runs} is waived, which proves nothing"),
        Worth::Unproven => match statement.kind {
            Kind::Opinion => "an opinion is no evidence; name a run".to_owned(),
            Kind::Count | Kind::Percentage | Kind::Figure => format!(
                "{}; link the report that shows it with its conditions",
                statement.kind.says()
            ),
            _ if statement.criteria.is_empty() => {
                format!("{}; no criterion could carry it", statement.kind.says())
            }
            _ => format!(
                "{}; {} would have to pass",
                statement.kind.says(),
                statement.criteria.join(", ")
            ),
        },
    }
}
