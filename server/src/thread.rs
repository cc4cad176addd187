//! A conversation: begun, continued by its handle, appended to when its answer is whole.
//!
//! Two calls may run on one thread at once. Each asks its model with the history it found, and the
//! store gives them consecutive numbers in the order in which they end; both exchanges are kept. A
//! workflow step, whose meaning depends on the steps before it, is appended strictly instead: it is
//! refused when another append came first. A call that fails leaves nothing behind.

mod title;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::archive::{Archive, Archived, Fault};
use crate::failure::Failure;
use crate::router::ask::{Message, Speaker, Thoughts};
use crate::store::{
    Append, Appended, Claim, Exchange, Recalled, Store, StoreError, StoredThread, Target, ThreadId,
    ThreadLimits, ThreadSummary,
};
pub use title::title_of;

/// Waits before an append that met an outage is sent again. The exchange carries its own id, so
/// sending it twice stores it once.
const APPEND_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// An append is not sent again after this; the caller's own clocks go on.
const APPEND_PATIENCE: Duration = Duration::from_secs(3);

/// The conversations of all principals.
#[derive(Debug, Clone)]
pub struct Threads {
    store: Store,
    archive: Option<Archive>,
    limits: ThreadLimits,
    clock: fn() -> i64,
}

/// One conversation as a call found it.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Its handle; fresh when the conversation is new.
    pub id: ThreadId,
    /// Whether it begins with this call.
    pub is_new: bool,
    /// What was said before, oldest first.
    pub exchanges: Vec<Exchange>,
    /// What a workflow kept, as JSON text.
    pub state: Option<String>,
    owner: String,
}

/// What a call adds.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The tool called.
    pub tool: &'static str,
    /// The caller's message, exactly as sent.
    pub user: String,
    /// File contents as shown to the model; empty when none.
    pub attached: String,
    /// The answer.
    pub assistant: String,
    /// What the model thought, to be sent back to it with the next turn.
    pub thoughts: Vec<Value>,
    /// The model that answered, or empty.
    pub model: String,
    /// The provider that answered, or empty.
    pub provider: String,
    /// Replaces the workflow state when given.
    pub state: Option<String>,
    /// Refuse when another append came first.
    pub is_strict: bool,
    /// The reply to keep under the claim, as JSON text.
    pub reply: String,
    /// The call's id, as in log, reply and metric.
    pub correlation_id: String,
}

/// How an append ended, as the caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The thread's handle.
    pub thread: ThreadId,
    /// The number of the exchange, from 1.
    pub turn: u32,
    /// Exchanges that still fit.
    pub turns_left: u32,
    /// Seconds until the thread expires.
    pub ttl_seconds: u64,
}

/// What became of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Kept.
    Stored(Receipt),
    /// The idempotency key was answered by another call meanwhile; its reply counts.
    Replayed(Receipt, String),
}

impl Threads {
    /// Conversations in `store`, on the system's clock.
    #[must_use]
    pub fn new(store: Store, limits: ThreadLimits) -> Self {
        Self {
            store,
            archive: None,
            limits,
            clock: || jiff::Timestamp::now().as_millisecond(),
        }
    }

    /// Names archived copies of threads that ended.
    #[must_use]
    pub fn with_archive(mut self, archive: Option<Archive>) -> Self {
        self.archive = archive;
        self
    }

    /// The store beneath, for health.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Finds the conversation to go on with, or begins one. `latest` is the thread that was
    /// appended to last.
    ///
    /// # Errors
    /// `thread_not_found`, `thread_expired` when the archive holds it, `thread_full`, or an outage
    /// of the store.
    pub async fn open(&self, owner: &str, handle: Option<&str>) -> Result<Conversation, Failure> {
        let id = match handle {
            None => {
                return Ok(Conversation {
                    id: ThreadId::fresh(),
                    is_new: true,
                    exchanges: Vec::new(),
                    state: None,
                    owner: owner.to_owned(),
                });
            }
            Some("latest") => self.latest(owner).await?,
            Some(text) => text.parse().map_err(|_| StoreError::NotFound)?,
        };
        let thread = match self.store.read(owner, id, (self.clock)()).await {
            Err(StoreError::NotFound) => return Err(self.ended(owner, id).await),
            read => read?,
        };
        if thread.exchanges.len() >= self.limits.exchanges as usize {
            return Err(StoreError::Full {
                cap: self.limits.exchanges,
            }
            .into());
        }
        Ok(Conversation {
            id,
            is_new: false,
            exchanges: thread.exchanges,
            state: thread.state,
            owner: owner.to_owned(),
        })
    }

    /// Keeps a turn whose answer is whole.
    ///
    /// # Errors
    /// `thread_full` or `thread_moved` when others appended meanwhile, `thread_not_found` when the
    /// thread ended meanwhile, or an outage, after which the turn may or may not have been kept.
    pub async fn commit(
        &self,
        conversation: &Conversation,
        turn: Turn,
        claim: Option<Claim>,
    ) -> Result<Committed, Failure> {
        let append = self.append_of(conversation, turn, claim);
        let thread = append.thread;
        match self.append(&append).await? {
            Appended::Stored { turn } => Ok(Committed::Stored(self.receipt(
                thread,
                turn,
                self.limits.ttl_ms,
            ))),
            Appended::Replayed(recalled) => self.replay(&conversation.owner, recalled).await,
        }
    }

    /// Looks an idempotency key up before any work is done.
    ///
    /// # Errors
    /// `idempotency_key_reused` when it was used with other arguments, or an outage.
    pub async fn recall(&self, owner: &str, claim: &Claim) -> Result<Option<Committed>, Failure> {
        match self.store.recall(owner, &claim.key, (self.clock)()).await? {
            None => Ok(None),
            Some(recalled) if recalled.digest != claim.digest => Err(StoreError::KeyReused.into()),
            Some(recalled) => self.replay(owner, recalled).await.map(Some),
        }
    }

    /// Reads a thread back. A read does not prolong its life.
    ///
    /// # Errors
    /// `thread_not_found` or an outage.
    pub async fn read(&self, owner: &str, handle: &str) -> Result<StoredThread, StoreError> {
        let id = handle.parse().map_err(|_| StoreError::NotFound)?;
        self.store.read(owner, id, (self.clock)()).await
    }

    /// The archived copy of a thread; `None` when there is none, or no archive.
    ///
    /// # Errors
    /// An outage of the archive.
    pub async fn archived(&self, owner: &str, handle: &str) -> Result<Option<Archived>, Fault> {
        let (Some(archive), Ok(id)) = (&self.archive, handle.parse()) else {
            return Ok(None);
        };
        archive.read(owner, id).await
    }

    /// Deletes a thread for good.
    ///
    /// # Errors
    /// `thread_not_found` or an outage.
    pub async fn delete(&self, owner: &str, handle: &str) -> Result<(), StoreError> {
        let id = handle.parse().map_err(|_| StoreError::NotFound)?;
        self.store.delete(owner, id, (self.clock)()).await
    }

    /// Lists the owner's threads, the last appended first.
    ///
    /// # Errors
    /// An outage.
    pub async fn list(&self, owner: &str, limit: u32) -> Result<Vec<ThreadSummary>, StoreError> {
        self.store.list(owner, limit, (self.clock)()).await
    }

    /// Milliseconds that what is kept lives after its last change.
    #[must_use]
    pub const fn ttl_ms(&self) -> u64 {
        self.limits.ttl_ms
    }

    /// Exchanges that still fit after `turns`.
    #[must_use]
    pub fn turns_left(&self, turns: usize) -> u32 {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        self.limits.exchanges.saturating_sub(turns)
    }

    /// What a caller is told of a thread that is not in the store.
    async fn ended(&self, owner: &str, id: ThreadId) -> Failure {
        match self.archived(owner, &id.to_string()).await {
            Ok(Some(copy)) => expired(&copy),
            Ok(None) => StoreError::NotFound.into(),
            Err(cause) => {
                tracing::warn!(%cause, "the archive was not asked for an ended thread");
                StoreError::NotFound.into()
            }
        }
    }

    async fn latest(&self, owner: &str) -> Result<ThreadId, StoreError> {
        let newest = self
            .list(owner, 1)
            .await?
            .into_iter()
            .next()
            .ok_or(StoreError::NotFound)?;
        newest
            .id
            .parse()
            .map_err(|_| StoreError::Corrupt("thread id".into()))
    }

    fn append_of(&self, conversation: &Conversation, turn: Turn, claim: Option<Claim>) -> Append {
        let target = if conversation.is_new {
            Target::New {
                title: title_of(&turn.user),
            }
        } else {
            let held = u32::try_from(conversation.exchanges.len()).unwrap_or(u32::MAX);
            Target::Existing {
                expected: turn.is_strict.then_some(held),
            }
        };
        Append {
            owner: conversation.owner.clone(),
            thread: conversation.id,
            target,
            exchange: Exchange {
                id: Uuid::new_v4(),
                tool: turn.tool.to_owned(),
                user: turn.user,
                attached: turn.attached,
                assistant: turn.assistant,
                thoughts: turn.thoughts,
                model: turn.model,
                provider: turn.provider,
                correlation_id: turn.correlation_id,
                created_ms: (self.clock)(),
            },
            state: turn.state,
            claim: claim.map(|claim| (claim, turn.reply)),
        }
    }

    /// Appends, and after an outage sends the same exchange again, since its answer is paid for.
    async fn append(&self, append: &Append) -> Result<Appended, StoreError> {
        let started = Instant::now();
        let mut waits = APPEND_AGAIN.iter();
        loop {
            match self.store.append(append).await {
                Err(StoreError::Unavailable(cause)) => match waits.next() {
                    Some(wait) if started.elapsed() < APPEND_PATIENCE => {
                        tokio::time::sleep(*wait).await;
                    }
                    _ => return Err(StoreError::Unavailable(cause)),
                },
                settled => return settled,
            }
        }
    }

    async fn replay(&self, owner: &str, recalled: Recalled) -> Result<Committed, Failure> {
        let thread = self
            .store
            .read(owner, recalled.thread, (self.clock)())
            .await?;
        let mut receipt = self.receipt(recalled.thread, recalled.turn, thread.ttl_ms);
        receipt.turns_left = self.turns_left(thread.exchanges.len());
        Ok(Committed::Replayed(receipt, recalled.reply))
    }

    fn receipt(&self, thread: ThreadId, turn: u32, ttl_ms: u64) -> Receipt {
        Receipt {
            thread,
            turn,
            turns_left: self.turns_left(turn as usize),
            ttl_seconds: ttl_ms / 1000,
        }
    }
}

/// Where the archived copies are read.
pub const ARCHIVE_PREFIX: &str = "exai://archive/";

fn expired(copy: &Archived) -> Failure {
    let (id, turns) = (&copy.id, copy.exchanges.len());
    Failure::validation(
        "/continuation_id",
        format!(
            "This thread has expired. Its {turns} exchanges are archived: read the resource \
             {ARCHIVE_PREFIX}{id}. To go on, call again without continuation_id and open with \
             what still matters."
        ),
    )
    .with_code("thread_expired")
}

impl Conversation {
    /// What the model is shown: every earlier exchange in order, files with their messages.
    #[must_use]
    pub fn history(&self) -> Vec<Message> {
        self.exchanges.iter().flat_map(messages_of).collect()
    }

    /// As [`Conversation::history`], without the exchanges of one tool.
    #[must_use]
    pub fn history_without(&self, tool: &str) -> Vec<Message> {
        self.exchanges
            .iter()
            .filter(|one| one.tool != tool)
            .flat_map(messages_of)
            .collect()
    }
}

fn messages_of(one: &Exchange) -> [Message; 2] {
    let message = |speaker, text, thoughts| Message {
        speaker,
        text,
        images: Vec::new(),
        thoughts,
    };
    let thoughts = (!one.thoughts.is_empty()).then(|| Thoughts {
        provider: one.provider.clone(),
        model: one.model.clone(),
        blocks: one.thoughts.clone(),
    });
    [
        message(Speaker::User, format!("{}{}", one.user, one.attached), None),
        message(Speaker::Assistant, one.assistant.clone(), thoughts),
    ]
}

#[cfg(test)]
mod tests;
