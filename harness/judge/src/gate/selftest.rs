//! Self-tests on record: a judge that caught every saboteur and left an honest server alone may be
//! believed for a while.

use super::{DAY_S, Question, Row};
use crate::claim::Role;
use crate::refusal::{Refusal, Why};

/// What judges, by its bytes: two of the same digests judge alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JudgeDigests {
    /// SHA-256 (hex) of the harness' executable, which holds the table of saboteurs.
    pub harness: String,
    /// SHA-256 (hex) of the criteria text.
    pub criteria: String,
}

/// A self-test of the whole table that came out as demanded, as a trusted key signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// The judge that was tested.
    pub judge: JudgeDigests,
    /// Its end, seconds since 1970.
    pub at: i64,
    /// The greatest role of those who signed it.
    pub signer: Role,
}

impl SelfTest {
    /// Whether it vouches for this judge, now and for this claim.
    fn vouches(&self, question: &Question<'_>, judge: &JudgeDigests) -> bool {
        let claim = question.claim;
        let oldest = question.now - i64::from(claim.max_age_days) * DAY_S;
        self.judge == *judge
            && (oldest..=question.now).contains(&self.at)
            && claim.signed_by.is_none_or(|role| self.signer >= role)
    }
}

/// What is missing beside a row, where the claim asks for a self-test.
pub(super) fn missing(question: &Question<'_>, row: &Row) -> Option<Refusal> {
    let claim = question.claim;
    let is_vouched = |one: &SelfTest| one.vouches(question, &row.judge);
    if !claim.selftest || question.selftests.iter().any(is_vouched) {
        return None;
    }
    let says = format!(
        "{} was judged by {}, whose self-test is not on record, signed and at most {} days old \
         (verify attest selftest)",
        row.run.as_deref().unwrap_or("the record"),
        row.judge.harness.get(..12).unwrap_or("an unknown harness"),
        claim.max_age_days
    );
    Some(Refusal::new(Why::SelfTest, says))
}
