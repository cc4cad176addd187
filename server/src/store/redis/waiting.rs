//! The archive's queue in Redis: one stream an owner, written by the scripts that change threads,
//! and one set of the owners that may have something waiting.
//!
//! The set lies in another slot than the streams, so no script writes both. An owner is entered
//! before the change and again after a while; only an owner entered long ago whose stream is empty
//! is taken out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Script, Value};

use super::{Keys, Redis};
use crate::store::{Belongings, Purged, StoreError, Ticket, Waiting};

/// Owners whose stream may hold something, by the Unix millisecond of the last entering.
const OWNERS: &str = "exai:waiting";

/// How often something was purged.
const PURGES: &str = "exai:purges";

/// An owner who was entered so recently is not entered again.
const ENTERED: Duration = Duration::from_secs(30);

/// An owner may be taken out so long after the last entering, which leaves room for slow commands
/// and for clocks that differ.
const STALE_MS: i64 = 120_000;

/// Owners remembered as entered; beyond it all are forgotten, which costs one command each.
const REMEMBERED: usize = 10_000;

/// Streams asked in one round trip, and keys looked at in one step of a scan.
const AT_ONCE: usize = 64;

/// Takes an owner out unless entered again meanwhile.
const RETIRE: &str = "local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
    if at and tonumber(at) < tonumber(ARGV[2]) then
      return redis.call('ZREM', KEYS[1], ARGV[1])
    end
    return 0";

/// Removes a stream in which nothing waits.
const CLEAR: &str = "if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end";

type Row = (String, HashMap<String, String>);

/// When each owner was last entered by this process.
#[derive(Default)]
pub(super) struct Entered(Mutex<HashMap<String, Instant>>);

impl Entered {
    fn is_fresh(&self, tag: &str) -> bool {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entered.get(tag).is_some_and(|at| at.elapsed() < ENTERED)
    }

    fn remember(&self, tag: &str) {
        let mut entered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.len() >= REMEMBERED {
            entered.clear();
        }
        entered.insert(tag.to_owned(), Instant::now());
    }
}

impl Redis {
    /// Enters an owner whose stream is about to be written.
    pub(super) async fn enter(&self, keys: &Keys) -> Result<(), StoreError> {
        if self.limits.queue == 0 || self.entered.is_fresh(&keys.tag) {
            return Ok(());
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let mut command = redis::cmd("ZADD");
        command.arg(OWNERS).arg(now_ms()).arg(&keys.tag);
        let _: Value = self
            .link
            .settle(ticket, command.query_async(&mut manager).await)?;
        self.entered.remember(&keys.tag);
        Ok(())
    }

    pub(in crate::store) async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let owners = self.owners().await?;
        let mut found = Vec::new();
        for some in owners.chunks(AT_ONCE) {
            let room = (limit as usize).saturating_sub(found.len());
            if room == 0 {
                break;
            }
            let (mut manager, ticket) = self.link.manager().await?;
            let mut pipe = redis::pipe();
            for (tag, _) in some {
                let mut range = redis::cmd("XRANGE");
                range.arg(Keys::tagged(tag).waiting()).arg("-").arg("+");
                pipe.add_command(range.arg("COUNT").arg(room).clone());
            }
            let streams: Vec<Vec<Row>> = self
                .link
                .settle(ticket, pipe.query_async(&mut manager).await)?;
            for ((tag, entered_ms), rows) in some.iter().zip(streams) {
                if rows.is_empty() && *entered_ms < now_ms() - STALE_MS {
                    self.retire(tag).await?;
                }
                let stream = Keys::tagged(tag).waiting();
                found.extend(rows.into_iter().map(|row| waiting(&stream, row)));
            }
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    pub(in crate::store) async fn backlog(&self) -> Result<u64, StoreError> {
        let owners = self.owners().await?;
        if owners.is_empty() {
            return Ok(0);
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let mut pipe = redis::pipe();
        for (tag, _) in &owners {
            pipe.cmd("XLEN").arg(Keys::tagged(tag).waiting());
        }
        let lengths: Vec<u64> = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        Ok(lengths.iter().sum())
    }

    pub(in crate::store) async fn copied(&self, tickets: &[Ticket]) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        for ticket in tickets {
            if let Ticket::Entry { stream, id } = ticket {
                pipe.cmd("XDEL").arg(stream).arg(id);
            }
        }
        if pipe.is_empty() {
            return Ok(());
        }
        let (mut manager, ticket) = self.link.manager().await?;
        let _: Value = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        Ok(())
    }

    pub(in crate::store) async fn belongings(&self, owner: &str) -> Result<Belongings, StoreError> {
        let keys = Keys::of(owner);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys.index()).arg(0).arg(-1);
        let ids: Vec<String> = self
            .link
            .settle(ticket, range.query_async(&mut manager).await)?;
        let corrupt = |_| StoreError::Corrupt("thread id".into());
        let threads = ids.iter().map(|id| id.parse().map_err(corrupt));
        let threads = threads.collect::<Result<_, _>>()?;
        let mut calls = Vec::new();
        for key in self.scan(&keys.all_calls()).await? {
            let mut read = redis::cmd("HMGET");
            read.arg(key).arg("facts").arg("outcome");
            let (facts, outcome): (Option<String>, Option<String>) = self
                .link
                .settle(ticket, read.query_async(&mut manager).await)?;
            calls.extend(facts.map(|facts| (facts, outcome)));
        }
        Ok(Belongings { threads, calls })
    }

    pub(in crate::store) async fn purges(&self) -> Result<u64, StoreError> {
        let (mut manager, ticket) = self.link.manager().await?;
        let mut read = redis::cmd("GET");
        let count: Option<u64> = self
            .link
            .settle(ticket, read.arg(PURGES).query_async(&mut manager).await)?;
        Ok(count.unwrap_or(0))
    }

    pub(in crate::store) async fn purge(&self, owner: &str) -> Result<Purged, StoreError> {
        let keys = Keys::of(owner);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut length = redis::cmd("XLEN");
        length.arg(keys.waiting());
        let mut purged = Purged {
            waiting: self
                .link
                .settle(ticket, length.query_async(&mut manager).await)?,
            ..Purged::default()
        };
        for key in self.scan(&keys.everything()).await? {
            let mut gone = redis::cmd("DEL");
            let gone: u64 = self
                .link
                .settle(ticket, gone.arg(&key).query_async(&mut manager).await)?;
            if key.starts_with(&keys.thread_named("")) {
                purged.threads += gone;
            } else if key.starts_with(&keys.call_named("")) && !key.ends_with(":alive") {
                purged.calls += gone;
            }
        }
        self.forget_spending(owner).await?;
        let mut counted = redis::cmd("INCR");
        let _: Value = self
            .link
            .settle(ticket, counted.arg(PURGES).query_async(&mut manager).await)?;
        // The append-only file still holds the commands that wrote what is gone.
        let rewritten: redis::RedisResult<Value> =
            redis::cmd("BGREWRITEAOF").query_async(&mut manager).await;
        if let Err(cause) = rewritten {
            tracing::warn!(%cause, "redis was not asked to rewrite its append-only file");
        }
        Ok(purged)
    }

    async fn owners(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let (mut manager, ticket) = self.link.manager().await?;
        let mut range = redis::cmd("ZRANGE");
        range.arg(OWNERS).arg(0).arg(-1).arg("WITHSCORES");
        self.link
            .settle(ticket, range.query_async(&mut manager).await)
    }

    async fn retire(&self, tag: &str) -> Result<(), StoreError> {
        let script = Script::new(RETIRE);
        let mut call = script.key(OWNERS);
        call.arg(tag).arg(now_ms() - STALE_MS);
        let (mut manager, ticket) = self.link.manager().await?;
        let _: Value = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        let script = Script::new(CLEAR);
        let call = script.key(Keys::tagged(tag).waiting());
        let _: Value = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        Ok(())
    }

    pub(super) async fn scan(&self, pattern: &str) -> Result<Vec<String>, StoreError> {
        let (mut cursor, mut found) = (0_u64, Vec::new());
        let (mut manager, ticket) = self.link.manager().await?;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(pattern)
                .arg("COUNT")
                .arg(AT_ONCE * 16);
            let (next, keys): (u64, Vec<String>) = self
                .link
                .settle(ticket, scan.query_async(&mut manager).await)?;
            found.extend(keys);
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }
}

fn waiting(stream: &str, (id, mut fields): Row) -> Waiting {
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    Waiting {
        ticket: Ticket::Entry {
            stream: stream.to_owned(),
            id,
        },
        owner: take("owner"),
        thread: take("thread"),
        // What cannot be read is no turn of any thread, and the archive says so.
        turn: take("turn").parse().unwrap_or(u32::MAX),
        title: take("title"),
        body: take("body"),
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
