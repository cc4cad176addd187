//! What a server did about a provider's fault, against what the fault's row demands.

use crate::journal::Attempt;
use crate::operation::{Call, Outcome};
use crate::proof::Proof;

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

/// Reads alternatives such as `R F | X`; unknown letters are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Vec<Code>> {
    let codes = |alternative: &str| {
        let letters = alternative
            .split([' ', ','])
            .filter_map(|letter| match letter.trim() {
                "R" => Some(Code::Retry),
                "F" => Some(Code::FailOver),
                "X" => Some(Code::NeverAgain),
                "P" => Some(Code::Partial),
                "B" => Some(Code::Break),
                "N" => Some(Code::Normalise),
                "C" => Some(Code::Configuration),
                _ => None,
            });
        letters.collect::<Vec<_>>()
    };
    text.split('|')
        .map(codes)
        .filter(|codes| !codes.is_empty())
        .collect()
}

/// The id of a fault without its variant: `Z02` of `Z02:1308`.
#[must_use]
pub fn fault_id(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// What was seen of one faulted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Attempts at the faulted provider, from the faulted one on.
    at_provider: usize,
    /// Of these, with the very same request body.
    unchanged: usize,
    /// Attempts at other providers after the fault.
    elsewhere: usize,
    is_whole: bool,
    is_flagged: bool,
    /// A typed failure, whether or not it proves that nothing was done.
    is_failed: bool,
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
    let is_same = |one: &&&&Attempt| one.served.request_sha256 == faulted.served.request_sha256;
    let is_flagged = call
        .meta
        .as_ref()
        .is_some_and(|meta| meta.incomplete.is_some());
    let is_typed = call
        .failure
        .as_ref()
        .is_some_and(|failure| !failure.category.is_empty());
    Some(Observed {
        at_provider: at_provider.len(),
        unchanged: at_provider.iter().filter(is_same).count(),
        elsewhere: later.len() - at_provider.len(),
        is_whole: call.outcome == Outcome::Ok && proof.is_right(),
        is_flagged: call.outcome == Outcome::Ok && is_flagged,
        is_failed: call.outcome != Outcome::Ok && is_typed,
    })
}

impl Observed {
    /// Whether it is one of the alternatives.
    #[must_use]
    pub fn is_one_of(self, alternatives: &[Vec<Code>]) -> bool {
        alternatives.iter().any(|codes| self.is(codes))
    }

    fn is(self, codes: &[Code]) -> bool {
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
    pub fn says(self) -> String {
        let end = if self.is_whole {
            "gave a proven answer"
        } else if self.is_flagged {
            "gave a partial answer and said so"
        } else if self.is_failed {
            "gave a typed failure"
        } else {
            "gave no proven answer"
        };
        format!(
            "tried the provider {} times ({} unchanged), others {} times and {end}",
            self.at_provider, self.unchanged, self.elsewhere
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Observed = Observed {
        at_provider: 1,
        unchanged: 1,
        elsewhere: 0,
        is_whole: true,
        is_flagged: false,
        is_failed: false,
    };
    const FAILED: Observed = Observed {
        is_whole: false,
        is_failed: true,
        ..WHOLE
    };

    #[test]
    fn each_code_accepts_its_own_reaction_and_refuses_its_neighbours() {
        let retried = Observed {
            at_provider: 2,
            unchanged: 2,
            ..WHOLE
        };
        let moved = Observed {
            elsewhere: 1,
            ..WHOLE
        };
        let repaired = Observed {
            at_provider: 2,
            unchanged: 1,
            ..WHOLE
        };
        let flagged = Observed {
            is_whole: false,
            is_flagged: true,
            ..WHOLE
        };
        let silent = Observed {
            is_whole: false,
            ..WHOLE
        };
        let table: [(&str, &[Observed], &[Observed]); 9] = [
            ("R", &[retried], &[WHOLE, moved, FAILED, silent]),
            ("F", &[moved], &[WHOLE, retried, FAILED]),
            ("R F", &[retried, moved, WHOLE], &[FAILED, silent, flagged]),
            ("X", &[FAILED, repaired], &[retried, moved, silent]),
            ("X B F", &[moved], &[FAILED, retried]),
            ("P", &[WHOLE, flagged, FAILED], &[silent]),
            ("N", &[WHOLE], &[retried, moved, FAILED, flagged]),
            ("C", &[FAILED], &[WHOLE, moved, retried]),
            ("X | N", &[FAILED, WHOLE], &[retried]),
        ];
        for (codes, right, wrong) in table {
            let alternatives = parse(codes);
            for seen in right {
                assert!(
                    seen.is_one_of(&alternatives),
                    "{codes} accepts {}",
                    seen.says()
                );
            }
            for seen in wrong {
                assert!(
                    !seen.is_one_of(&alternatives),
                    "{codes} refuses {}",
                    seen.says()
                );
            }
        }
        assert!(!WHOLE.is_one_of(&parse("")));
    }
}
