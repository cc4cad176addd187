//! Sums of usage, by whatever is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Spender, Spending, calendar};
use crate::store::StoreError;
use crate::store::spending::{Amount, Bounds, UsageLine};

/// What lines are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// The principal.
    User,
    /// The team; empty for callers without one.
    Team,
    /// The tool.
    Tool,
    /// Provider and model.
    Model,
    /// The day.
    Day,
}

impl By {
    fn key(self, line: &UsageLine) -> String {
        match self {
            Self::User => line.principal.clone(),
            Self::Team => line.team.clone(),
            Self::Tool => line.tool.clone(),
            Self::Model => format!("{}/{}", line.provider, line.model),
            Self::Day => line.day.clone(),
        }
    }
}

/// One sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// What was put together.
    pub name: String,
    /// Answers.
    pub calls: u64,
    /// Prompt tokens, cached ones included.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
    /// Prompt tokens from a provider's cache.
    pub cached_tokens: u64,
    /// US dollars, as a decimal number: a float would not add up.
    pub cost_usd: String,
    #[serde(skip)]
    nano_usd: u64,
}

/// Sums of lines, the most expensive first.
#[must_use]
pub fn sums(lines: &[UsageLine], by: By) -> Vec<Sum> {
    let mut all: BTreeMap<String, Sum> = BTreeMap::new();
    for line in lines {
        let sum = all.entry(by.key(line)).or_default();
        sum.calls += line.calls;
        sum.input_tokens += line.input;
        sum.output_tokens += line.output;
        sum.cached_tokens += line.cached;
        sum.nano_usd += line.nano_usd;
    }
    let named = all.into_iter().map(|(name, sum)| Sum {
        name,
        cost_usd: usd(sum.nano_usd),
        ..sum
    });
    let mut sums: Vec<Sum> = named.collect();
    sums.sort_by(|a, b| b.nano_usd.cmp(&a.nano_usd).then(a.name.cmp(&b.name)));
    sums
}

/// Dollars as a decimal number without needless zeros.
#[must_use]
pub fn usd(nano: u64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Spending {
    /// What one caller used in the last days, and how far its budgets are.
    ///
    /// # Errors
    /// The store's outage.
    pub async fn report(&self, spender: &Spender, days: u32) -> Result<Value, StoreError> {
        // Callers see what they have used until now.
        self.settle_gathered().await;
        let now = Timestamp::now();
        let mut lines = self.0.store.usage(&calendar::days(now, days)).await?;
        lines.retain(|line| line.principal == spender.principal);
        let mut budgets = Vec::new();
        for account in spender.accounts() {
            budgets.extend(self.budget(&account, now).await?);
        }
        Ok(json!({
            "days": days,
            "by_day": sums(&lines, By::Day),
            "by_tool": sums(&lines, By::Tool),
            "by_model": sums(&lines, By::Model),
            "budgets": budgets,
        }))
    }

    async fn budget(&self, account: &str, now: Timestamp) -> Result<Vec<Value>, StoreError> {
        let bounds = self.0.budgets.get().of(account);
        if bounds == Bounds::default() {
            return Ok(Vec::new());
        }
        let (day, month) = calendar::resets(now);
        let (periods, now_ms) = (calendar::periods(now), now.as_millisecond());
        let spent = self.0.store.spent(account, &periods, now_ms).await?;
        let told = |period: &str, spent: Amount, bound: Amount, reset: Timestamp| {
            (bound != Amount::default()).then(|| {
                json!({
                    "account": account,
                    "period": period,
                    "spent_usd": usd(spent.nano_usd),
                    "bound_usd": (bound.nano_usd > 0).then(|| usd(bound.nano_usd)),
                    "spent_tokens": spent.tokens,
                    "bound_tokens": (bound.tokens > 0).then_some(bound.tokens),
                    "resets_at": reset.to_string(),
                })
            })
        };
        let both = [
            told("day", spent.day, bounds.day, day),
            told("month", spent.month, bounds.month, month),
        ];
        Ok(both.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_and_the_most_expensive_comes_first() {
        let line = |principal: &str, model: &str, nano_usd| UsageLine {
            principal: principal.to_owned(),
            provider: "p".to_owned(),
            model: model.to_owned(),
            calls: 1,
            input: 3,
            nano_usd,
            ..UsageLine::default()
        };
        let lines = [
            line("ann", "a", 1),
            line("bob", "a", 5_000_000_000),
            line("ann", "b", 500_000_000),
        ];
        let users = sums(&lines, By::User);
        let told: Vec<_> = users
            .iter()
            .map(|sum| (&*sum.name, sum.calls, &*sum.cost_usd))
            .collect();
        assert_eq!(told, [("bob", 1, "5"), ("ann", 2, "0.500000001")]);
        assert_eq!(sums(&lines, By::Model)[0].name, "p/a");
        assert_eq!(usd(0), "0");
    }
}
