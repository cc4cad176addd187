//! What a caller is told whose budget is spent, or nearly.

use std::time::Duration;

use jiff::Timestamp;

use super::calendar;
use crate::config::Budgets;
use crate::failure::{Category, Failure};
use crate::store::spending::{Amount, Bounds, Spent, is_reached};

/// When to look again while running calls hold the rest.
const SOON: Duration = Duration::from_secs(1);

/// One bound of an account, and how far it is.
struct Line<'a> {
    period: &'a str,
    spent: Amount,
    bound: Amount,
    reset: Timestamp,
}

fn lines<'a>(bounds: &Bounds, spent: &Spent, now: Timestamp) -> [Line<'a>; 2] {
    let (day, month) = calendar::resets(now);
    [
        Line {
            period: "month",
            spent: spent.month,
            bound: bounds.month,
            reset: month,
        },
        Line {
            period: "day",
            spent: spent.day,
            bound: bounds.day,
            reset: day,
        },
    ]
}

/// The refusal of a call that a bound forbids; the month's comes first, as its reset is later.
pub(super) fn exceeded(
    (account, bounds): (&str, &Bounds),
    (spent, wanted): (&Spent, Amount),
    now: Timestamp,
) -> Failure {
    let lines = lines(bounds, spent, now);
    let reached = lines
        .iter()
        .find(|line| is_reached(line.spent, wanted, line.bound));
    let who = named(account);
    let Some(line) = reached else {
        let reset = calendar::resets(now).0;
        let message = format!(
            "What is left of the budget of {who} is held by calls that are running. Try again when \
             they have ended; the day's budget resets at {reset}."
        );
        let failure = Failure::new(Category::RateLimitError, "budget_held", message);
        return failure.with_retry_after(SOON);
    };
    let wait = line.reset.duration_since(now);
    let wait = Duration::try_from(wait).unwrap_or(SOON);
    let message = format!(
        "The budget of {who} for this {} is spent ({}). It resets at {}. Ask the operator for \
         more, or name a model that costs nothing.",
        line.period,
        told(line.spent, line.bound),
        line.reset
    );
    Failure::new(Category::RateLimitError, "budget_exceeded", message).with_retry_after(wait)
}

/// One line for each bound of which the configured share is spent.
pub(super) fn warnings(
    (account, bounds): (&str, &Bounds),
    spent: &Spent,
    budgets: &Budgets,
    now: Timestamp,
) -> Vec<String> {
    let lines = lines(bounds, spent, now);
    let near = lines.iter().filter_map(|line| {
        let share = share(line.spent, line.bound);
        (share >= budgets.warn_percent).then(|| {
            format!(
                "budget: {share} % of the {}'s budget of {} is spent ({}); it resets at {}",
                line.period,
                named(account),
                told(line.spent, line.bound),
                line.reset
            )
        })
    });
    near.collect()
}

/// The larger share of money and tokens, in percent, rounded down.
fn share(spent: Amount, bound: Amount) -> u64 {
    let of = |spent: u64, bound: u64| match bound {
        0 => 0,
        _ => u128::from(spent) * 100 / u128::from(bound),
    };
    let most = of(spent.nano_usd, bound.nano_usd).max(of(spent.tokens, bound.tokens));
    u64::try_from(most).unwrap_or(u64::MAX)
}

fn told(spent: Amount, bound: Amount) -> String {
    let mut parts = Vec::new();
    if bound.nano_usd > 0 {
        let (spent, bound) = (
            super::report::usd(spent.nano_usd),
            super::report::usd(bound.nano_usd),
        );
        parts.push(format!("{spent} of {bound} US dollars"));
    }
    if bound.tokens > 0 {
        parts.push(format!("{} of {} tokens", spent.tokens, bound.tokens));
    }
    parts.join(", ")
}

/// `user:ann` as `user ann`.
fn named(account: &str) -> String {
    account.replacen(':', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(nano_usd: u64, tokens: u64) -> Amount {
        Amount { nano_usd, tokens }
    }

    #[test]
    fn a_refusal_names_what_is_spent_and_when_it_resets() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let bounds = Bounds {
            day: amount(500_000_000, 0),
            month: amount(0, 1000),
        };
        let spent = |day, month, held| Spent { day, month, held };
        let say = |spent: &Spent| exceeded(("user:ann", &bounds), (spent, amount(1, 1)), now);
        let day = say(&spent(
            amount(512_000_000, 9),
            amount(512_000_000, 9),
            amount(0, 0),
        ));
        assert_eq!(day.code, "budget_exceeded");
        assert!(day.message.contains("user ann for this day"), "{day}");
        assert!(day.message.contains("0.512 of 0.5 US dollars"), "{day}");
        assert!(day.message.contains("2026-11-22T00:00:00Z"), "{day}");
        assert_eq!(day.retry_after, Some(Duration::from_secs(12 * 3600)));
        let month = say(&spent(amount(0, 0), amount(0, 1000), amount(0, 0)));
        assert!(month.message.contains("2026-12-01T00:00:00Z"), "{month}");
        let held = say(&spent(amount(0, 0), amount(0, 0), amount(500_000_000, 0)));
        assert_eq!((held.code, held.retry_after), ("budget_held", Some(SOON)));
    }

    #[test]
    fn a_warning_comes_at_the_configured_share_and_not_before() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let budgets = Budgets {
            warn_percent: 80,
            ..Budgets::default()
        };
        let bounds = Bounds {
            day: amount(1000, 0),
            month: Amount::default(),
        };
        let say = |nano| {
            let spent = Spent {
                day: amount(nano, 0),
                ..Spent::default()
            };
            warnings(("team:core", &bounds), &spent, &budgets, now)
        };
        assert!(say(799).is_empty());
        let said = say(800);
        assert!(
            said[0].starts_with("budget: 80 % of the day's budget of team core"),
            "{said:?}"
        );
    }
}
