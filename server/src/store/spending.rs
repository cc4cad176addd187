//! What was spent and by whom: accounts with holds, and one line of usage for each day and kind of
//! call.
//!
//! A hold is taken before a provider is asked and settled after it answered, each in one atomic
//! step of the home, so that instances that share it overspend by at most one hold. A hold whose
//! process died ends by itself. A settlement may be repeated: its id counts once.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a settlement's id is remembered, in milliseconds.
pub(super) const SETTLED_MS: u64 = 3_600_000;

/// Money and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Billionths of a US dollar.
    pub nano_usd: u64,
    /// Tokens in and out.
    pub tokens: u64,
}

impl Amount {
    /// Both sums; saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nano_usd: self.nano_usd.saturating_add(other.nano_usd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// What an account may spend in a day and in a month; zero is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// In one day, UTC.
    pub day: Amount,
    /// In one month, UTC.
    pub month: Amount,
}

/// The two periods a time falls into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    /// Such as `2026-11-21`.
    pub day: String,
    /// Such as `2026-11`.
    pub month: String,
}

/// What an account has spent, and what running calls may still spend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// In the day.
    pub day: Amount,
    /// In the month.
    pub month: Amount,
    /// Held by running calls.
    pub held: Amount,
}

impl Spent {
    /// Whether a hold of `wanted` is refused: a bound that it would count against is reached by
    /// what is spent and held. What costs nothing counts against no bound of money.
    #[must_use]
    pub const fn refuses(&self, wanted: Amount, bounds: &Bounds) -> bool {
        is_reached(self.day.plus(self.held), wanted, bounds.day)
            || is_reached(self.month.plus(self.held), wanted, bounds.month)
    }
}

/// Whether a bound is reached for a call of this size.
#[must_use]
pub const fn is_reached(so_far: Amount, wanted: Amount, bound: Amount) -> bool {
    let money = bound.nano_usd > 0 && wanted.nano_usd > 0 && so_far.nano_usd >= bound.nano_usd;
    let tokens = bound.tokens > 0 && wanted.tokens > 0 && so_far.tokens >= bound.tokens;
    money || tokens
}

/// A hold to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Such as `user:ann` or `team:core`.
    pub account: String,
    /// Of the call; settles the hold later.
    pub id: Uuid,
    /// The most the call may spend.
    pub amount: Amount,
    /// What the account may spend.
    pub bounds: Bounds,
    /// Today.
    pub periods: Periods,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Unix milliseconds from which the hold counts no more.
    pub expires_ms: i64,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It was taken.
    Taken,
    /// A bound is reached; what was spent and held by others.
    Refused(Spent),
}

/// The end of a hold, and what was really spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The hold's id, or a fresh one where none was taken.
    pub id: Uuid,
    /// Accounts that are charged.
    pub accounts: Vec<String>,
    /// What was spent; nothing for a call that was not answered.
    pub amount: Amount,
    /// Today.
    pub periods: Periods,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// The line that is added to; `None` for a call that was not answered.
    pub line: Option<UsageLine>,
}

/// What one kind of call used in one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// UTC, such as `2026-11-21`.
    pub day: String,
    /// The verified principal.
    pub principal: String,
    /// Its team; empty where it has none.
    pub team: String,
    /// The tool that asked.
    pub tool: String,
    /// The provider row that answered.
    pub provider: String,
    /// The model that answered; empty where there is none.
    pub model: String,
    /// Answers.
    pub calls: u64,
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Generated tokens.
    pub output: u64,
    /// Prompt tokens from a provider's cache.
    pub cached: u64,
    /// Billionths of a US dollar.
    pub nano_usd: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_reached_by_what_is_spent_and_held_and_free_calls_reach_none_of_money() {
        let amount = |nano_usd, tokens| Amount { nano_usd, tokens };
        let bounds = Bounds {
            day: amount(100, 0),
            month: amount(0, 1000),
        };
        let spent = |day, month, held| Spent { day, month, held };
        let cases = [
            (
                spent(amount(99, 0), amount(0, 0), amount(0, 0)),
                (7, 7),
                false,
            ),
            (
                spent(amount(60, 0), amount(0, 0), amount(40, 0)),
                (7, 7),
                true,
            ),
            (
                spent(amount(100, 0), amount(0, 0), amount(0, 0)),
                (0, 7),
                false,
            ),
            (
                spent(amount(0, 0), amount(0, 999), amount(0, 1)),
                (0, 7),
                true,
            ),
            (
                spent(amount(0, 0), amount(0, 999), amount(0, 0)),
                (0, 7),
                false,
            ),
        ];
        for (spent, (nano, tokens), wanted) in cases {
            assert_eq!(
                spent.refuses(amount(nano, tokens), &bounds),
                wanted,
                "{spent:?}"
            );
        }
    }
}
