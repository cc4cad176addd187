//! Accounts, holds and lines of usage: a hash for each, one script for each change. The keys of one
//! account share a slot; the lines of a day share another.

use std::collections::{BTreeMap, HashMap};

use super::{Keys, Redis, digest};
use crate::store::StoreError;
use crate::store::spending::{
    Amount, Held, Hold, Periods, SETTLED_MS, Settlement, Spent, UsageLine,
};

const DAY_MS: u64 = 86_400_000;

/// How long the sums of a day, of a month and the lines of a day are kept.
const KEPT_MS: [u64; 3] = [3 * DAY_MS, 70 * DAY_MS, 400 * DAY_MS];

/// Names of one account's keys.
struct Account(Keys);

impl Account {
    fn of(account: &str) -> Self {
        Self(Keys::of(account))
    }

    fn sums(&self, period: &str) -> String {
        format!("exai:{{{}}}:spent:{period}", self.0.tag)
    }

    fn holds(&self) -> String {
        format!("exai:{{{}}}:holds", self.0.tag)
    }

    fn mark(&self, id: &str) -> String {
        format!("exai:{{{}}}:settled:{id}", self.0.tag)
    }
}

/// The lines of one day.
fn lines(day: &str) -> String {
    format!("exai:{{usage:{day}}}:lines")
}

impl Redis {
    pub(in crate::store) async fn hold(&self, hold: &Hold) -> Result<Held, StoreError> {
        let keys = Account::of(&hold.account);
        let mut call = self.hold.prepare_invoke();
        call.key(keys.sums(&hold.periods.day))
            .key(keys.sums(&hold.periods.month))
            .key(keys.holds());
        call.arg(hold.id.to_string())
            .arg(hold.amount.nano_usd)
            .arg(hold.amount.tokens)
            .arg(hold.now_ms)
            .arg(hold.expires_ms);
        for bound in [hold.bounds.day, hold.bounds.month] {
            call.arg(bound.nano_usd).arg(bound.tokens);
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let said: Vec<String> = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        match said.split_first() {
            Some((word, _)) if word == "taken" => Ok(Held::Taken),
            Some((word, figures)) if word == "refused" => Ok(Held::Refused(spent(figures)?)),
            _ => Err(StoreError::Corrupt(said.join(" "))),
        }
    }

    pub(in crate::store) async fn settle(
        &self,
        settlement: &Settlement,
    ) -> Result<Vec<Spent>, StoreError> {
        let mut all = Vec::new();
        let id = settlement.id.to_string();
        let (mut manager, ticket) = self.link.manager().await?;
        for account in &settlement.accounts {
            let keys = Account::of(account);
            let mut call = self.settle.prepare_invoke();
            call.key(keys.sums(&settlement.periods.day))
                .key(keys.sums(&settlement.periods.month))
                .key(keys.holds())
                .key(keys.mark(&id));
            call.arg(&id)
                .arg(settlement.amount.nano_usd)
                .arg(settlement.amount.tokens)
                .arg(settlement.now_ms)
                .arg(SETTLED_MS);
            call.arg(KEPT_MS[0]).arg(KEPT_MS[1]);
            let said: Vec<String> = self
                .link
                .settle(ticket, call.invoke_async(&mut manager).await)?;
            all.push(spent(said.get(1..).unwrap_or_default())?);
        }
        if let Some(line) = &settlement.line {
            self.tally(&id, line).await?;
        }
        Ok(all)
    }

    async fn tally(&self, id: &str, line: &UsageLine) -> Result<(), StoreError> {
        let names = [
            &line.principal,
            &line.team,
            &line.tool,
            &line.provider,
            &line.model,
        ];
        let name = serde_json::to_string(&names)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let mut call = self.tally.prepare_invoke();
        let mark = format!("exai:{{usage:{}}}:settled:{id}", line.day);
        call.key(lines(&line.day)).key(mark);
        call.arg(name).arg(SETTLED_MS).arg(KEPT_MS[2]);
        for figure in [
            line.calls,
            line.input,
            line.output,
            line.cached,
            line.nano_usd,
        ] {
            call.arg(figure);
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let _: u32 = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        Ok(())
    }

    pub(in crate::store) async fn spent(
        &self,
        account: &str,
        periods: &Periods,
        now_ms: i64,
    ) -> Result<Spent, StoreError> {
        let keys = Account::of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET")
            .arg(keys.sums(&periods.day))
            .arg(&["n", "t"]);
        pipe.cmd("HMGET")
            .arg(keys.sums(&periods.month))
            .arg(&["n", "t"]);
        pipe.hvals(keys.holds());
        type Sums = (Option<u64>, Option<u64>);
        let (mut manager, ticket) = self.link.manager().await?;
        let (day, month, holds): (Sums, Sums, Vec<String>) = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        let sums = |(nano, tokens): Sums| Amount {
            nano_usd: nano.unwrap_or(0),
            tokens: tokens.unwrap_or(0),
        };
        let mut held = Amount::default();
        for one in holds {
            let mut parts = one.split(':').map(|part| part.parse().unwrap_or(0_u64));
            let mut next = || parts.next().unwrap_or(0);
            let (amount, ends) = (
                Amount {
                    nano_usd: next(),
                    tokens: next(),
                },
                next(),
            );
            if i64::try_from(ends).is_ok_and(|ends| ends > now_ms) {
                held = held.plus(amount);
            }
        }
        Ok(Spent {
            day: sums(day),
            month: sums(month),
            held,
        })
    }

    pub(in crate::store) async fn usage(
        &self,
        days: &[String],
    ) -> Result<Vec<UsageLine>, StoreError> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for day in days {
            pipe.hgetall(lines(day));
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let found: Vec<HashMap<String, u64>> = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        let mut all = Vec::new();
        for (day, fields) in days.iter().zip(found) {
            all.extend(lines_of(day, &fields)?);
        }
        Ok(all)
    }

    /// Removes a caller's own account and lines of usage; a team's sums stay.
    pub(super) async fn forget_spending(&self, owner: &str) -> Result<(), StoreError> {
        let account = Keys::of(&format!("user:{owner}"));
        let (mut manager, ticket) = self.link.manager().await?;
        for key in self.scan(&account.everything()).await? {
            let mut gone = redis::cmd("DEL");
            let _: u64 = self
                .link
                .settle(ticket, gone.arg(&key).query_async(&mut manager).await)?;
        }
        for key in self.scan(&lines("*")).await? {
            let mut read = redis::cmd("HKEYS");
            let fields: Vec<String> = self
                .link
                .settle(ticket, read.arg(&key).query_async(&mut manager).await)?;
            let own = fields.iter().filter(|field| is_of(field, owner));
            for field in own {
                let mut gone = redis::cmd("HDEL");
                let gone = gone.arg(&key).arg(field);
                let _: u64 = self
                    .link
                    .settle(ticket, gone.query_async(&mut manager).await)?;
            }
        }
        Ok(())
    }
}

/// Whether a field of a day's lines is of this principal.
fn is_of(field: &str, principal: &str) -> bool {
    let names = field.get(1..).map(serde_json::from_str::<[String; 5]>);
    matches!(names, Some(Ok(names)) if names[0] == principal)
}

fn lines_of(day: &str, fields: &HashMap<String, u64>) -> Result<Vec<UsageLine>, StoreError> {
    let mut all: BTreeMap<&str, UsageLine> = BTreeMap::new();
    for (field, figure) in fields {
        let corrupt = || StoreError::Corrupt(format!("a line of usage {}", digest(field)));
        let (kind, name) = field.split_at_checked(1).ok_or_else(corrupt)?;
        let line = match all.entry(name) {
            std::collections::btree_map::Entry::Occupied(line) => line.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let names: [String; 5] = serde_json::from_str(name).map_err(|_| corrupt())?;
                let [principal, team, tool, provider, model] = names;
                place.insert(UsageLine {
                    day: day.to_owned(),
                    principal,
                    team,
                    tool,
                    provider,
                    model,
                    ..UsageLine::default()
                })
            }
        };
        match kind {
            "c" => line.calls = *figure,
            "i" => line.input = *figure,
            "o" => line.output = *figure,
            "k" => line.cached = *figure,
            "n" => line.nano_usd = *figure,
            _ => return Err(corrupt()),
        }
    }
    Ok(all.into_values().collect())
}

fn spent(figures: &[String]) -> Result<Spent, StoreError> {
    let numbers: Option<Vec<u64>> = figures.iter().map(|text| text.parse().ok()).collect();
    let Some([dn, dt, mn, mt, hn, ht]) = numbers.as_deref() else {
        return Err(StoreError::Corrupt(format!("sums {}", figures.join(" "))));
    };
    let amount = |nano_usd: &u64, tokens: &u64| Amount {
        nano_usd: *nano_usd,
        tokens: *tokens,
    };
    Ok(Spent {
        day: amount(dn, dt),
        month: amount(mn, mt),
        held: amount(hn, ht),
    })
}
