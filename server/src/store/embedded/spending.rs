//! Accounts, holds and lines of usage, each change inside a transaction of the writer.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Embedded, sqlite_error};
use crate::store::StoreError;
use crate::store::spending::{
    Amount, Held, Hold, Periods, SETTLED_MS, Settlement, Spent, UsageLine,
};

/// Old rows removed beside one change; bounds the work and keeps the file from growing.
const SWEEP: u32 = 8;

impl Embedded {
    pub(in crate::store) async fn hold(&self, hold: &Hold) -> Result<Held, StoreError> {
        let taken = hold.clone();
        self.write(move |connection| self::hold(connection, &taken))
            .await
    }

    pub(in crate::store) async fn settle(
        &self,
        settlement: &Settlement,
    ) -> Result<Vec<Spent>, StoreError> {
        let settlement = settlement.clone();
        self.write(move |connection| settle(connection, &settlement))
            .await
    }

    pub(in crate::store) async fn spent(
        &self,
        account: &str,
        periods: &Periods,
        now_ms: i64,
    ) -> Result<Spent, StoreError> {
        let (account, periods) = (account.to_owned(), periods.clone());
        self.ask(move |connection| spent(connection, &account, &periods, now_ms))
            .await
    }

    pub(in crate::store) async fn usage(
        &self,
        days: &[String],
    ) -> Result<Vec<UsageLine>, StoreError> {
        let days = days.to_vec();
        self.ask(move |connection| usage(connection, &days)).await
    }
}

/// Takes a hold, or says what keeps it from being taken.
pub(super) fn hold(connection: &Connection, hold: &Hold) -> Result<Held, StoreError> {
    let found = spent(connection, &hold.account, &hold.periods, hold.now_ms)?;
    if found.refuses(hold.amount, &hold.bounds) {
        return Ok(Held::Refused(found));
    }
    run(
        connection,
        "INSERT OR REPLACE INTO holds (account, id, nano, tokens, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            hold.account,
            hold.id.to_string(),
            whole(hold.amount.nano_usd),
            whole(hold.amount.tokens),
            hold.expires_ms
        ],
    )?;
    run(
        connection,
        "DELETE FROM holds WHERE rowid IN
         (SELECT rowid FROM holds WHERE expires_ms <= ?1 LIMIT ?2)",
        params![hold.now_ms, SWEEP],
    )?;
    Ok(Held::Taken)
}

/// Ends a hold and charges what was spent, once.
pub(super) fn settle(
    connection: &Connection,
    settlement: &Settlement,
) -> Result<Vec<Spent>, StoreError> {
    let (id, now_ms) = (settlement.id.to_string(), settlement.now_ms);
    let kept_ms = i64::try_from(SETTLED_MS).unwrap_or(i64::MAX);
    run(
        connection,
        "DELETE FROM settled WHERE rowid IN
         (SELECT rowid FROM settled WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)",
        params![now_ms.saturating_sub(kept_ms), SWEEP],
    )?;
    let is_first = run(
        connection,
        "INSERT OR IGNORE INTO settled (id, at_ms) VALUES (?1, ?2)",
        params![id, now_ms],
    )? > 0;
    if is_first {
        for account in &settlement.accounts {
            run(
                connection,
                "DELETE FROM holds WHERE account = ?1 AND id = ?2",
                params![account, id],
            )?;
            charge(connection, account, settlement)?;
        }
        if let Some(line) = &settlement.line {
            add(connection, line)?;
        }
    }
    let accounts = settlement.accounts.iter();
    accounts
        .map(|account| spent(connection, account, &settlement.periods, now_ms))
        .collect()
}

fn charge(
    connection: &Connection,
    account: &str,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let amount = settlement.amount;
    if amount == Amount::default() {
        return Ok(());
    }
    for period in [&settlement.periods.day, &settlement.periods.month] {
        run(
            connection,
            "INSERT INTO spent (account, period, nano, tokens) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, period)
             DO UPDATE SET nano = nano + ?3, tokens = tokens + ?4",
            params![
                account,
                period,
                whole(amount.nano_usd),
                whole(amount.tokens)
            ],
        )?;
    }
    Ok(())
}

fn add(connection: &Connection, line: &UsageLine) -> Result<(), StoreError> {
    let text = "INSERT INTO usage
         (day, principal, team, tool, provider, model, calls, input, output, cached, nano)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (day, principal, team, tool, provider, model) DO UPDATE SET
         calls = calls + ?7, input = input + ?8, output = output + ?9, cached = cached + ?10,
         nano = nano + ?11";
    let values = params![
        line.day,
        line.principal,
        line.team,
        line.tool,
        line.provider,
        line.model,
        whole(line.calls),
        whole(line.input),
        whole(line.output),
        whole(line.cached),
        whole(line.nano_usd)
    ];
    run(connection, text, values).map(drop)
}

/// What an account has spent, and what is held.
pub(super) fn spent(
    connection: &Connection,
    account: &str,
    periods: &Periods,
    now_ms: i64,
) -> Result<Spent, StoreError> {
    let of = |period: &str| {
        let text = "SELECT nano, tokens FROM spent WHERE account = ?1 AND period = ?2";
        amount(connection, text, params![account, period])
    };
    let held = "SELECT coalesce(sum(nano), 0), coalesce(sum(tokens), 0) FROM holds
         WHERE account = ?1 AND expires_ms > ?2";
    Ok(Spent {
        day: of(&periods.day)?,
        month: of(&periods.month)?,
        held: amount(connection, held, params![account, now_ms])?,
    })
}

fn amount(
    connection: &Connection,
    text: &str,
    values: impl rusqlite::Params,
) -> Result<Amount, StoreError> {
    let found = connection.prepare_cached(text).and_then(|mut statement| {
        statement
            .query_row(values, |row| {
                Ok(Amount {
                    nano_usd: unsigned(row.get(0)?),
                    tokens: unsigned(row.get(1)?),
                })
            })
            .optional()
    });
    Ok(found.map_err(sqlite_error)?.unwrap_or_default())
}

/// The lines of some days.
pub(super) fn usage(
    connection: &Connection,
    days: &[String],
) -> Result<Vec<UsageLine>, StoreError> {
    let mut lines = Vec::new();
    let text = "SELECT day, principal, team, tool, provider, model, calls, input, output, cached,
         nano FROM usage WHERE day = ?1";
    let mut statement = connection.prepare_cached(text).map_err(sqlite_error)?;
    for day in days {
        let rows = statement
            .query_map([day], |row| {
                let number = |place: usize| row.get(place).map(unsigned);
                Ok(UsageLine {
                    day: row.get(0)?,
                    principal: row.get(1)?,
                    team: row.get(2)?,
                    tool: row.get(3)?,
                    provider: row.get(4)?,
                    model: row.get(5)?,
                    calls: number(6)?,
                    input: number(7)?,
                    output: number(8)?,
                    cached: number(9)?,
                    nano_usd: number(10)?,
                })
            })
            .map_err(sqlite_error)?;
        for row in rows {
            lines.push(row.map_err(sqlite_error)?);
        }
    }
    Ok(lines)
}

fn run(
    connection: &Connection,
    text: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(text)
        .and_then(|mut statement| statement.execute(values))
        .map_err(sqlite_error)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
