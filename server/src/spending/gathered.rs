//! Settlements that nobody waits for, added up before they are written: a write to the disk for
//! each call would cost more than all else that the server does for it.

use std::sync::{Mutex, PoisonError};

use crate::store::spending::{Settlement, UsageLine};

/// What is to be settled; one settlement for each kind of call and day.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<Vec<Settlement>>);

impl Gathered {
    /// Adds a settlement; whether it is the first, so that somebody must see to it.
    pub fn add(&self, settlement: Settlement) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|one| is_alike(one, &settlement)) {
            Some(one) => {
                join(one, &settlement);
                false
            }
            None => {
                all.push(settlement);
                all.len() == 1
            }
        }
    }

    /// Everything, to be settled by the caller.
    pub fn take(&self) -> Vec<Settlement> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether two can be told as one.
fn is_alike(one: &Settlement, other: &Settlement) -> bool {
    one.accounts == other.accounts
        && one.periods == other.periods
        && one.line.as_ref().map(kind) == other.line.as_ref().map(kind)
}

/// What a line of usage is about; the rest of it is figures.
fn kind(line: &UsageLine) -> [&str; 6] {
    let UsageLine {
        day,
        principal,
        team,
        tool,
        provider,
        model,
        ..
    } = line;
    [day, principal, team, tool, provider, model]
}

fn join(one: &mut Settlement, other: &Settlement) {
    one.amount = one.amount.plus(other.amount);
    one.now_ms = one.now_ms.max(other.now_ms);
    if let (Some(sum), Some(line)) = (&mut one.line, &other.line) {
        sum.calls = sum.calls.saturating_add(line.calls);
        sum.input = sum.input.saturating_add(line.input);
        sum.output = sum.output.saturating_add(line.output);
        sum.cached = sum.cached.saturating_add(line.cached);
        sum.nano_usd = sum.nano_usd.saturating_add(line.nano_usd);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::spending::calendar;
    use crate::store::spending::Amount;

    fn settlement(principal: &str, tool: &str, now_ms: i64) -> Settlement {
        let periods = calendar::periods(jiff::Timestamp::from_millisecond(now_ms).unwrap());
        Settlement {
            id: Uuid::new_v4(),
            accounts: vec![format!("user:{principal}")],
            amount: Amount {
                nano_usd: 7,
                tokens: 5,
            },
            line: Some(UsageLine {
                day: periods.day.clone(),
                principal: principal.to_owned(),
                tool: tool.to_owned(),
                calls: 1,
                input: 3,
                output: 2,
                cached: 1,
                nano_usd: 7,
                ..UsageLine::default()
            }),
            periods,
            now_ms,
        }
    }

    #[test]
    fn what_is_alike_is_added_up_and_nothing_else_is() {
        const DAY_MS: i64 = 86_400_000;
        let gathered = Gathered::default();
        let first = settlement("ann", "chat", 10);
        assert!(gathered.add(first.clone()));
        assert!(!gathered.add(settlement("ann", "chat", 30)));
        assert!(!gathered.add(settlement("ann", "chat", 20)));
        for other in [
            settlement("bob", "chat", 10),
            settlement("ann", "debug", 10),
            settlement("ann", "chat", DAY_MS),
            Settlement {
                line: None,
                ..settlement("ann", "chat", 10)
            },
        ] {
            assert!(!gathered.add(other));
        }
        let all = gathered.take();
        assert_eq!(all.len(), 5);
        let line = all[0].line.clone().unwrap();
        assert_eq!((all[0].id, all[0].now_ms), (first.id, 30));
        assert_eq!((all[0].amount.nano_usd, all[0].amount.tokens), (21, 15));
        let sums = (line.calls, line.input, line.output, line.cached);
        assert_eq!((sums, line.nano_usd), ((3, 9, 6, 3), 21));
        assert!(gathered.take().is_empty());
        assert!(gathered.add(first), "the next one is a first again");
    }
}
