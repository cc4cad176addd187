//! Answers given lately and those being made, so that equal calls of one principal are paid once.
//!
//! Only a call whose arguments say everything is shared: none that goes on with a thread, reads a
//! path or asks for the web as it is now. A failure and half an answer are not kept, so whoever
//! waited for one asks anew. Nor is an answer that another provider had to give: who asks later may
//! find the first one well again. Held in memory and bounded; an idempotency key is the durable
//! form, and its calls stay out of this.
//!
//! With `tools.semantic_ttl` calls are equal that mean the same, however they are written: see
//! [`meaning`].

mod meaning;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::{Reply, Shared};
use super::catalogue::Kind;
use super::claim;
use super::run::Run;
use crate::config::Tools;

/// Bytes that a kept reply counts for besides its JSON, its key and its spelling: a slot in each of
/// the two tables, which double as they grow, and what the allocator adds.
const PLACE: usize = 512;

/// A call that may be answered together with others.
#[derive(Debug)]
pub struct Question {
    /// Principal, tool and arguments, or what these mean.
    pub key: String,
    /// The arguments as they are written.
    spelling: String,
    /// Whether an answer from before it was asked will do.
    may_be_old: bool,
}

impl Question {
    /// The call as a question; `None` when it must be asked on its own.
    #[must_use]
    pub fn of(run: &Run<'_>) -> Option<Self> {
        let arguments = run.arguments();
        let is_own = run.call.is_fresh
            || run.call.arguments.contains_key("continuation_id")
            || reads_paths(run);
        let is_shared = match run.tool.row.kind {
            Kind::Chat | Kind::Consensus | Kind::ToolChat | Kind::WebSearch | Kind::Intent => true,
            // Each workflow goes on in a thread of its own; reviews have their own memory, by
            // content.
            _ => false,
        };
        let is_searching =
            run.tool.row.kind == Kind::WebSearch || arguments.flag("use_websearch", false);
        if is_own || !is_shared {
            return None;
        }
        let spelling = claim::digest(run.tool.name, &run.call.arguments);
        let is_semantic = !run.around.settings.tools.semantic_ttl.is_zero();
        let meaning = is_semantic.then(|| meaning::digest(run)).flatten();
        Some(Self {
            key: format!(
                "{}\0\0{}",
                run.owner(),
                meaning.as_ref().unwrap_or(&spelling)
            ),
            spelling,
            // What the web says may have changed.
            may_be_old: !is_searching,
        })
    }
}

/// Whether the answer depends on something that may change without the arguments.
fn reads_paths(run: &Run<'_>) -> bool {
    let arguments = run.arguments();
    let is_path = |item: &Value| {
        item.as_str()
            .is_some_and(|text| !text.starts_with("data:") && !text.starts_with("exai://file/"))
    };
    let files = ["files", "images", "relevant_files"];
    let has_path = |name: &&str| arguments.items(name).iter().any(is_path);
    files.iter().any(has_path)
}

/// Where an answer comes from, and its JSON.
type Kept = (Shared, Arc<[u8]>);

#[derive(Debug)]
struct Entry {
    given: Instant,
    bytes: usize,
    spelling: String,
    /// Whether it answers later calls, not only those that wait for it.
    is_kept: bool,
    /// The reply as JSON, in one piece. As a value it takes some thirty small ones, several times
    /// the bytes, and lets the allocator give none of the pages between them back.
    json: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<String, Entry>,
    /// Keys in the order in which they were given.
    order: VecDeque<(Instant, String)>,
    bytes: usize,
}

/// Answers given lately by this process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Results {
    shelf: Arc<Mutex<Shelf>>,
    most_bytes: usize,
    ttl: Duration,
    semantic_ttl: Duration,
}

impl Results {
    /// As many bytes, for as long, as the configuration says.
    #[must_use]
    pub fn new(settings: &Tools) -> Self {
        Self {
            shelf: Arc::default(),
            most_bytes: settings.result_bytes,
            ttl: settings.result_ttl,
            semantic_ttl: settings.semantic_ttl,
        }
    }

    /// The answer to an equal question that was given since `asked`, or lately, at `now`.
    #[must_use]
    pub fn find(&self, question: &Question, asked: Instant, now: Instant) -> Option<Reply> {
        let (shared, json) = self.kept(question, asked, now)?;
        // Outside the lock, since an answer may be long.
        let reply: Reply = serde_json::from_slice(&json).ok()?;
        Some(Reply {
            shared: Some(shared),
            ..reply
        })
    }

    fn kept(&self, question: &Question, asked: Instant, now: Instant) -> Option<Kept> {
        let shelf = self.lock();
        let entry = shelf.entries.get(&question.key)?;
        let age = now.saturating_duration_since(entry.given);
        let shared = if entry.given >= asked {
            Shared::Inflight
        } else if !question.may_be_old || !entry.is_kept {
            return None;
        } else if entry.spelling == question.spelling && age < self.ttl {
            Shared::Cache
        } else if age < self.semantic_ttl {
            Shared::Meaning
        } else {
            return None;
        };
        Some((shared, Arc::clone(&entry.json)))
    }

    /// Whether calls are compared by what they mean.
    #[must_use]
    pub const fn is_semantic(&self) -> bool {
        !self.semantic_ttl.is_zero()
    }

    /// Forgets every answer.
    pub fn clear(&self) {
        *self.lock() = Shelf::default();
    }

    /// Keeps a whole answer; the oldest go.
    pub fn keep(&self, question: Question, reply: &Reply, now: Instant) {
        let Ok(json) = serde_json::to_vec(reply) else {
            return;
        };
        let bytes = json.len() + 2 * question.key.len() + question.spelling.len() + PLACE;
        if bytes > self.most_bytes || is_cut(reply) {
            return;
        }
        let mut shelf = self.lock();
        shelf.forget(&question.key);
        shelf.trim(
            self.most_bytes - bytes,
            now,
            self.ttl.max(self.semantic_ttl),
        );
        shelf.bytes += bytes;
        shelf.order.push_back((now, question.key.clone()));
        let entry = Entry {
            given: now,
            bytes,
            spelling: question.spelling,
            is_kept: !is_second_choice(reply),
            json: json.into(),
        };
        shelf.entries.insert(question.key, entry);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn forget(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Drops what is too old, and the oldest until `room` bytes are left at most.
    fn trim(&mut self, room: usize, now: Instant, ttl: Duration) {
        while let Some((given, key)) = self.order.front() {
            let is_current = self.entries.get(key).is_some_and(|e| e.given == *given);
            let is_old = now.saturating_duration_since(*given) >= ttl;
            if is_current && !is_old && self.bytes <= room {
                return;
            }
            let Some((_, key)) = self.order.pop_front() else {
                return;
            };
            if is_current {
                self.forget(&key);
            }
        }
    }
}

/// Whether the provider ended before the answer did, as a trace or the provider's own word tells.
fn is_cut(reply: &Reply) -> bool {
    let trace = reply.about.as_ref().map(|about| &about.kept.trace);
    let why = trace.and_then(|trace| trace.get("incomplete"));
    let own = reply.structured.as_ref();
    let finish = own.and_then(|structured| structured.get("finish_reason"));
    why.is_some_and(|why| !why.is_null()) || finish.is_some_and(|finish| finish == "length")
}

/// Whether a provider failed before another one answered.
fn is_second_choice(reply: &Reply) -> bool {
    let trace = reply.about.as_ref().map(|about| &about.kept.trace);
    trace.and_then(|trace| trace.get("failover")) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests;
