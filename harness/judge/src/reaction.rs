//! What a server did about a provider's fault, against what the fault's row demands.

use crate::journal::Attempt;
use crate::operation::{Call, Outcome};
use crate::proof::Proof;
use crate::tally;

/// One millisecond, ns.
const MILLISECOND: u64 = 1_000_000;

/// A code of `provider-faults.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Retry the same provider within the budget.
    Retry,
    /// Fail over to another provider.
    FailOver,
    /// Never send this request again unchanged.
    NeverAgain,
    /// Partial, flagged; or a whole answer.
    Partial,
    /// Open the breaker or set the quota flag.
    Break,
    /// Normalise silently.
    Normalise,
    /// A configuration error: fail at once, no retry, no failover.
    Configuration,
}

/// What a row accepts: codes, and what the caller and the clock must show beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    codes: Vec<Code>,
    /// What the second request at the provider must differ in.
    change: Option<Change>,
    /// The least time from the faulted attempt to the next one at that provider, ns.
    after: u64,
    /// `category/code` of the failure, where the call may fail.
    failure: Option<String>,
    /// Whether the failure must call itself final.
    is_final: bool,
}

/// How a request that is sent again differs from the one that met the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// In anything that it says.
    Any,
    /// In a larger bound of output tokens.
    Larger,
}

/// Reads alternatives such as `R F | R after 1000 | X : provider_error/content_filtered final`: the
/// codes, the least wait before a retry in milliseconds, and the failure the caller must see.
/// Beside the codes, `changed` and `larger` demand that the provider answers another request: any
/// other, or one with a larger bound of output tokens. Unknown words are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Demand> {
    let alternatives = text.split('|').map(demand);
    alternatives
        .filter(|demand| !demand.codes.is_empty())
        .collect()
}

fn demand(alternative: &str) -> Demand {
    let (codes, failure) = alternative.split_once(':').unwrap_or((alternative, ""));
    let mut words = failure.split_whitespace();
    let wait = codes
        .split_once("after ")
        .and_then(|(_, rest)| rest.trim().parse::<u64>().ok());
    Demand {
        codes: codes.split([' ', ',']).filter_map(code).collect(),
        change: codes.split(' ').find_map(change),
        after: wait.unwrap_or_default() * MILLISECOND,
        failure: words.next().map(str::to_owned),
        is_final: words.next() == Some("final"),
    }
}

fn change(word: &str) -> Option<Change> {
    match word {
        "changed" => Some(Change::Any),
        "larger" => Some(Change::Larger),
        _ => None,
    }
}

fn code(letter: &str) -> Option<Code> {
    match letter.trim() {
        "R" => Some(Code::Retry),
        "F" => Some(Code::FailOver),
        "X" => Some(Code::NeverAgain),
        "P" => Some(Code::Partial),
        "B" => Some(Code::Break),
        "N" => Some(Code::Normalise),
        "C" => Some(Code::Configuration),
        _ => None,
    }
}

/// The id of a fault without its variant: `Z02` of `Z02:1308`.
#[must_use]
pub fn fault_id(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// What was seen of one faulted call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Attempts at the faulted provider, from the faulted one on.
    at_provider: usize,
    /// Of these, with the very same request body.
    unchanged: usize,
    /// Whether the second one had a larger bound of output tokens.
    is_larger: bool,
    /// Attempts at other providers after the fault.
    elsewhere: usize,
    is_whole: bool,
    is_flagged: bool,
    /// A typed failure, whether or not it proves that nothing was done.
    is_failed: bool,
    /// `category/code` of that failure.
    failure: String,
    /// Whether it says that the same call may succeed later.
    is_retryable: bool,
    /// From the faulted attempt's reply to the next attempt at that provider, ns.
    waited: Option<u64>,
}

/// Looks at the attempts of a call in order; None when the fault landed on none of them.
#[must_use]
pub fn observe(call: &Call, attempts: &[&Attempt], proof: &Proof, fault: &str) -> Option<Observed> {
    let hit = |attempt: &&&Attempt| {
        attempt.served.fault.as_deref().map(fault_id) == Some(fault_id(fault))
    };
    let first = attempts.iter().position(|attempt| hit(&attempt))?;
    let faulted = attempts[first];
    let later = &attempts[first..];
    let at_provider: Vec<_> = later
        .iter()
        .filter(|one| one.served.provider == faulted.served.provider)
        .collect();
    let is_same = |one: &&&&Attempt| one.served.body_sha256 == faulted.served.body_sha256;
    let is_flagged = call
        .meta
        .as_ref()
        .is_some_and(|meta| meta.incomplete.is_some());
    let is_typed = call
        .failure
        .as_ref()
        .is_some_and(|failure| !failure.category.is_empty());
    let failure = call.failure.as_ref();
    let again = at_provider.get(1);
    let bounds = again.and_then(|next| next.served.max_output);
    let bounds = bounds.zip(faulted.served.max_output);
    Some(Observed {
        at_provider: at_provider.len(),
        unchanged: at_provider.iter().filter(is_same).count(),
        is_larger: bounds.is_some_and(|(next, first)| next > first),
        elsewhere: later.len() - at_provider.len(),
        is_whole: call.outcome == Outcome::Ok && proof.is_right(),
        is_flagged: call.outcome == Outcome::Ok && is_flagged,
        is_failed: call.outcome != Outcome::Ok && is_typed,
        failure: failure.map_or_else(String::new, |one| format!("{}/{}", one.category, one.code)),
        is_retryable: failure.is_some_and(|failure| failure.retryable),
        waited: again.and_then(|next| waited(faulted, next)),
    })
}

/// From the reply that told of the fault to the next attempt, ns. A simulator notes the first byte
/// before it sends it, and the end some time after: from there a wait would look too short.
fn waited(faulted: &Attempt, next: &Attempt) -> Option<u64> {
    let (ended, delivered) = faulted.ended.as_ref()?;
    let told = delivered.first_byte_at.unwrap_or(*ended);
    Some(next.began.saturating_sub(told))
}

impl Observed {
    /// Whether it is one of the alternatives.
    #[must_use]
    pub fn is_one_of(&self, alternatives: &[Demand]) -> bool {
        alternatives
            .iter()
            .any(|demand| self.is(&demand.codes) && self.shows(demand))
    }

    /// Whether waits and failures are as demanded; a call that was answered has no failure to show.
    fn shows(&self, demand: &Demand) -> bool {
        let is_typed = !self.is_failed
            || demand
                .failure
                .as_ref()
                .is_none_or(|wanted| *wanted == self.failure);
        let is_final = !self.is_failed || !demand.is_final || !self.is_retryable;
        let has_waited = self.waited.is_none_or(|waited| waited >= demand.after);
        is_typed && is_final && has_waited && self.has_changed(demand.change)
    }

    /// Whether the provider answered another request, where one is demanded.
    fn has_changed(&self, change: Option<Change>) -> bool {
        let Some(change) = change else { return true };
        let is_larger = change != Change::Larger || self.is_larger;
        self.at_provider > 1 && self.unchanged == 1 && is_larger && self.is_whole
    }

    fn is(&self, codes: &[Code]) -> bool {
        let has = |code| codes.contains(&code);
        let only_once = self.at_provider == 1;
        if has(Code::Configuration) {
            return only_once && self.elsewhere == 0 && self.is_failed;
        }
        if has(Code::Partial) {
            return self.is_whole || self.is_flagged || self.is_failed;
        }
        if has(Code::Normalise) {
            return only_once && self.elsewhere == 0 && self.is_whole;
        }
        if has(Code::NeverAgain) {
            let elsewhere = if has(Code::FailOver) {
                self.is_whole
            } else {
                self.elsewhere == 0
            };
            return self.unchanged == 1 && elsewhere && (self.is_whole || self.is_failed);
        }
        match (has(Code::Retry), has(Code::FailOver)) {
            (true, true) => self.is_whole,
            (true, false) => self.at_provider > 1 && self.elsewhere == 0 && self.is_whole,
            (false, true) => only_once && self.elsewhere > 0 && self.is_whole,
            (false, false) => self.unchanged == 1,
        }
    }

    /// What was seen, for a sentence that begins "the server …".
    #[must_use]
    pub fn says(&self) -> String {
        let end = if self.is_whole {
            "gave a proven answer".to_owned()
        } else if self.is_flagged {
            "gave a partial answer and said so".to_owned()
        } else if self.is_failed {
            let kind = if self.is_retryable {
                "retryable"
            } else {
                "final"
            };
            format!("gave the {kind} failure {}", self.failure)
        } else {
            "gave no proven answer".to_owned()
        };
        let waited = self.waited.map_or_else(String::new, |waited| {
            format!(" after {}", tally::millis(waited))
        });
        let larger = if self.is_larger {
            ", then with a larger bound"
        } else {
            ""
        };
        format!(
            "tried the provider {} times{waited} ({} unchanged{larger}), others {} times and {end}",
            self.at_provider, self.unchanged, self.elsewhere
        )
    }
}

#[cfg(test)]
mod tests;
