//! The Redis home: one hash per thread, one script per write.
//!
//! All keys of one owner share a hash tag, so that a script never crosses a slot. Nothing is
//! retried here: a command that timed out may still run, and the caller decides what to do.

mod call;
mod link;
mod lookout;
mod rate;
mod reply;
mod session;
mod spending;
mod waiting;

use std::collections::HashMap;
use std::time::Duration;

use redis::{Script, Value};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{
    Append, Appended, CALL_PREFIX, CallId, Recalled, StoreError, StoredThread, Target, ThreadId,
};
use super::{ThreadLimits, ThreadSummary};
use crate::guard::Guarding;
use link::Link;

/// How long to wait for Redis.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// One attempt to connect.
    pub connect: Duration,
    /// One command.
    pub command: Duration,
}

/// The Redis home.
pub struct Redis {
    link: Link,
    limits: ThreadLimits,
    entered: waiting::Entered,
    append: Script,
    delete: Script,
    call: Script,
    hold: Script,
    settle: Script,
    tally: Script,
    look: Script,
    rates: Script,
}

impl Redis {
    /// Opens the link. A server that cannot be reached is no error: the link keeps trying.
    ///
    /// # Errors
    /// A malformed URL, or `NewerSchema` when the server is reached and says so.
    pub async fn open(
        url: &SecretString,
        clocks: Clocks,
        guarding: Guarding,
        limits: ThreadLimits,
    ) -> Result<Self, StoreError> {
        let link = Link::open(url.expose_secret(), clocks, guarding)?;
        match link.manager().await {
            Err(newer @ StoreError::NewerSchema { .. }) => return Err(newer),
            Err(error) => tracing::warn!(cause = %error, "starting without the store"),
            Ok(_) => {}
        }
        Ok(Self {
            link,
            limits,
            entered: waiting::Entered::default(),
            append: Script::new(include_str!("redis/append.lua")),
            delete: Script::new(include_str!("redis/delete.lua")),
            call: Script::new(include_str!("redis/call.lua")),
            hold: Script::new(include_str!("redis/hold.lua")),
            settle: Script::new(include_str!("redis/settle.lua")),
            tally: Script::new(include_str!("redis/tally.lua")),
            look: Script::new(session::LOOK),
            rates: Script::new(include_str!("redis/rates.lua")),
        })
    }

    pub(super) async fn append(&self, append: &Append) -> Result<Appended, StoreError> {
        let keys = Keys::of(&append.owner);
        let body = serde_json::to_string(&append.exchange)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (mode, title, expected) = match &append.target {
            Target::New { title } => ("new", title.as_str(), -1),
            Target::Existing { expected } => ("existing", "", expected.map_or(-1, i64::from)),
        };
        let (claim_key, digest, reply) = match &append.claim {
            Some((claim, reply)) => (
                keys.claim(&claim.key),
                claim.digest.as_str(),
                reply.as_str(),
            ),
            None => (keys.index(), "", ""),
        };
        let mut call = self.append.prepare_invoke();
        call.key(keys.thread(append.thread))
            .key(keys.index())
            .key(claim_key)
            .key(keys.waiting());
        call.arg(mode)
            .arg(self.limits.exchanges)
            .arg(self.limits.ttl_ms)
            .arg(expected);
        call.arg(body).arg(append.exchange.id.to_string());
        call.arg(append.state.as_deref().unwrap_or("")).arg(title);
        call.arg(append.exchange.created_ms)
            .arg(append.thread.to_string());
        call.arg(digest).arg(reply);
        call.arg(self.limits.queue).arg(&append.owner);
        self.enter(&keys).await?;
        let (mut manager, ticket) = self.link.manager().await?;
        let said: Vec<String> = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        reply::appended(&said, self.limits.exchanges)
    }

    pub(super) async fn read(&self, owner: &str, id: ThreadId) -> Result<StoredThread, StoreError> {
        let key = Keys::of(owner).thread(id);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut pipe = redis::pipe();
        pipe.atomic().hgetall(&key).pttl(&key);
        let (fields, ttl): (HashMap<String, String>, i64) = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        reply::thread(id, &fields, ttl)
    }

    pub(super) async fn delete(&self, owner: &str, id: ThreadId) -> Result<(), StoreError> {
        let keys = Keys::of(owner);
        let mut call = self.delete.prepare_invoke();
        call.key(keys.thread(id))
            .key(keys.index())
            .key(keys.waiting())
            .arg(id.to_string())
            .arg(self.limits.queue)
            .arg(owner);
        self.enter(&keys).await?;
        let (mut manager, ticket) = self.link.manager().await?;
        let gone: u32 = self
            .link
            .settle(ticket, call.invoke_async(&mut manager).await)?;
        if gone == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    pub(super) async fn list(
        &self,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<ThreadSummary>, StoreError> {
        let keys = Keys::of(owner);
        let (mut manager, ticket) = self.link.manager().await?;
        let mut range = redis::cmd("ZREVRANGE");
        range.arg(keys.index()).arg(0).arg(i64::from(limit) - 1);
        let ids: Vec<String> = self
            .link
            .settle(ticket, range.query_async(&mut manager).await)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.cmd("HMGET")
                .arg(keys.thread_named(id))
                .arg(&["title", "n", "updated"]);
        }
        let rows: Vec<(Option<String>, Option<u32>, Option<i64>)> = self
            .link
            .settle(ticket, pipe.query_async(&mut manager).await)?;
        // The index may name a thread that has expired since; it is not there.
        let live = ids
            .into_iter()
            .zip(rows)
            .filter_map(|(id, (title, turns, updated_ms))| {
                Some(ThreadSummary {
                    id,
                    title: title?,
                    turns: turns?,
                    updated_ms: updated_ms?,
                })
            });
        Ok(live.collect())
    }

    pub(super) async fn recall(
        &self,
        owner: &str,
        key: &str,
    ) -> Result<Option<Recalled>, StoreError> {
        let mut command = redis::cmd("HMGET");
        command
            .arg(Keys::of(owner).claim(key))
            .arg(&["digest", "thread", "turn", "reply"]);
        let (mut manager, ticket) = self.link.manager().await?;
        let row: (Option<String>, Option<String>, Option<u32>, Option<String>) = self
            .link
            .settle(ticket, command.query_async(&mut manager).await)?;
        let (Some(digest), Some(thread), Some(turn), Some(reply)) = row else {
            return Ok(None);
        };
        let thread = thread
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("thread id {thread}")))?;
        Ok(Some(Recalled {
            digest,
            thread,
            turn,
            reply,
        }))
    }

    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let (mut manager, ticket) = self.link.manager().await?;
        // A write, because a full or read-only server answers PING all the same.
        let mut command = redis::cmd("SET");
        command.arg("exai:probe").arg("1").arg("PX").arg(60_000);
        let _: Value = self
            .link
            .settle(ticket, command.query_async(&mut manager).await)?;
        Ok(())
    }
}

/// Names of one owner's keys.
struct Keys {
    tag: String,
}

impl Keys {
    fn of(owner: &str) -> Self {
        Self::tagged(&digest(owner))
    }

    fn tagged(tag: &str) -> Self {
        let tag = tag.to_owned();
        Self { tag }
    }

    /// A pattern of all keys of the owner; the tag is hex, so it holds nothing a pattern means.
    fn everything(&self) -> String {
        format!("exai:{{{}}}:*", self.tag)
    }

    fn all_calls(&self) -> String {
        format!(
            "{}????????-????-????-????-????????????",
            self.call_named("")
        )
    }

    fn waiting(&self) -> String {
        format!("exai:{{{}}}:waiting", self.tag)
    }

    fn thread(&self, id: ThreadId) -> String {
        self.thread_named(&id.to_string())
    }

    fn thread_named(&self, id: &str) -> String {
        format!("exai:{{{}}}:thread:{id}", self.tag)
    }

    fn index(&self) -> String {
        format!("exai:{{{}}}:threads", self.tag)
    }

    fn call(&self, id: CallId) -> String {
        format!("exai:{{{}}}:{id}", self.tag)
    }

    fn call_named(&self, id: &str) -> String {
        format!("exai:{{{}}}:{CALL_PREFIX}{id}", self.tag)
    }

    fn claim(&self, key: &str) -> String {
        format!("exai:{{{}}}:claim:{}", self.tag, digest(key))
    }
}

/// The first 128 bits of SHA-256, in hex: names and keys of callers never enter a key name.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
