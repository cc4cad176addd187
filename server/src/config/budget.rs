//! `[budget]`: what callers and teams may spend, and which models they may spend it on.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::store::spending::{Amount, Bounds};

/// Billionths in a dollar.
const NANO: u64 = 1_000_000_000;

/// `[budget]` as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    user: Vec<String>,
    team: Vec<String>,
    named: Vec<String>,
    warn_percent: u32,
    call_usd: String,
}

/// What callers and teams may spend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Of each principal that has none of its own.
    pub user: Bounds,
    /// Of each team that has none of its own.
    pub team: Bounds,
    /// By account, such as `user:ann` or `team:core`.
    pub named: BTreeMap<String, Bounds>,
    /// The share of a bound from which replies warn, in percent.
    pub warn_percent: u64,
    /// What one call may cost without being confirmed, in billionths of a dollar; 0 is any.
    pub call_nano_usd: u64,
}

impl Budgets {
    /// The bounds of an account.
    #[must_use]
    pub fn of(&self, account: &str) -> Bounds {
        let own = self.named.get(account).copied();
        own.unwrap_or(match account.starts_with("team:") {
            true => self.team,
            false => self.user,
        })
    }
}

impl Written {
    /// The bounds, or each fault as key and sentence.
    pub(super) fn read(&self) -> Result<Budgets, Vec<(String, String)>> {
        let mut wrong = Vec::new();
        let mut bounds = |key: &str, words: &[&str]| {
            bounds(words).unwrap_or_else(|message| {
                wrong.push((key.to_owned(), message));
                Bounds::default()
            })
        };
        let user: Vec<&str> = self.user.iter().map(String::as_str).collect();
        let team: Vec<&str> = self.team.iter().map(String::as_str).collect();
        let (user, team) = (bounds("budget.user", &user), bounds("budget.team", &team));
        let mut named = BTreeMap::new();
        for row in &self.named {
            let mut words: Vec<&str> = row.split_whitespace().collect();
            let account = if words.is_empty() {
                ""
            } else {
                words.remove(0)
            };
            let own = bounds("budget.named", &words);
            named.insert(account.to_owned(), own);
        }
        let is_account = |name: &str| {
            let parts = name.split_once(':');
            parts.is_some_and(|(kind, name)| matches!(kind, "user" | "team") && !name.is_empty())
        };
        if let Some(name) = named.keys().find(|name| !is_account(name)) {
            let message = format!(
                "{name:?} names no account; write \"user:NAME day_usd=5\" or \"team:NAME …\""
            );
            wrong.push(("budget.named".to_owned(), message));
        }
        if !(1..=100).contains(&self.warn_percent) {
            let message = "must be between 1 and 100".to_owned();
            wrong.push(("budget.warn_percent".to_owned(), message));
        }
        let call_nano_usd = nano_usd(&self.call_usd).unwrap_or_else(|message| {
            wrong.push(("budget.call_usd".to_owned(), message));
            0
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Budgets {
            user,
            team,
            named,
            warn_percent: u64::from(self.warn_percent),
            call_nano_usd,
        })
    }
}

/// Bounds from words such as `day_usd=5.00`.
fn bounds(words: &[&str]) -> Result<Bounds, String> {
    let mut bounds = Bounds::default();
    for word in words {
        let known = "write day_usd=5.00, month_usd=50, day_tokens=1000000 or month_tokens=…";
        let (name, value) = word.split_once('=').ok_or(format!("{word:?}: {known}"))?;
        let of = |period: &mut Amount, unit: &str| match unit {
            "usd" => nano_usd(value).map(|nano| period.nano_usd = nano),
            _ => value
                .parse()
                .map(|tokens| period.tokens = tokens)
                .map_err(|_| format!("{value:?} is not a whole number of tokens")),
        };
        match name {
            "day_usd" => of(&mut bounds.day, "usd")?,
            "month_usd" => of(&mut bounds.month, "usd")?,
            "day_tokens" => of(&mut bounds.day, "tokens")?,
            "month_tokens" => of(&mut bounds.month, "tokens")?,
            _ => return Err(format!("{word:?}: {known}")),
        }
    }
    Ok(bounds)
}

/// Billionths from a decimal number of dollars; nothing is zero.
fn nano_usd(text: &str) -> Result<u64, String> {
    let refused = || format!("{text:?} is not an amount in US dollars such as \"0.50\"");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(part) || part.len() > 9 || text == "." {
        return Err(refused());
    }
    let number = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits.parse::<u64>().map_err(|_| refused()),
    };
    let part = number(&format!("{part:0<9}"))?;
    let whole = number(whole)?.checked_mul(NANO).ok_or_else(refused)?;
    whole.checked_add(part).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(user: &[&str], named: &[&str], call_usd: &str) -> Written {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Written {
            user: list(user),
            team: Vec::new(),
            named: list(named),
            warn_percent: 80,
            call_usd: call_usd.to_owned(),
        }
    }

    #[test]
    fn an_account_has_its_own_bounds_or_those_of_its_kind() {
        let written = written(
            &["day_usd=0.5", "month_tokens=1000"],
            &["user:ann day_usd=2", "team:core month_usd=900.25"],
            "0.01",
        );
        let budgets = written.read().unwrap();
        assert_eq!(budgets.of("user:bob").day.nano_usd, 500_000_000);
        assert_eq!(budgets.of("user:bob").month.tokens, 1000);
        assert_eq!(budgets.of("user:ann").day.nano_usd, 2_000_000_000);
        assert_eq!(budgets.of("user:ann").month.tokens, 0);
        assert_eq!(budgets.of("team:core").month.nano_usd, 900_250_000_000);
        assert_eq!(budgets.of("team:other"), Bounds::default());
        assert_eq!(budgets.call_nano_usd, 10_000_000);
    }

    #[test]
    fn each_fault_names_its_key_and_what_was_written() {
        let cases = [
            (written(&["day_usd=five"], &[], ""), "budget.user", "five"),
            (written(&["week_usd=5"], &[], ""), "budget.user", "week_usd"),
            (written(&["day_tokens=1.5"], &[], ""), "budget.user", "1.5"),
            (written(&[], &["ann day_usd=5"], ""), "budget.named", "ann"),
            (written(&[], &["user:ann 5"], ""), "budget.named", "5"),
            (written(&[], &[], "-1"), "budget.call_usd", "-1"),
            (written(&[], &[], "."), "budget.call_usd", "."),
        ];
        for (written, key, says) in cases {
            let wrong = written.read().unwrap_err();
            assert_eq!(wrong[0].0, key, "{wrong:?}");
            assert!(wrong[0].1.contains(says), "{wrong:?}");
        }
    }
}
