//! Pages of an answer that is too long for one result.
//!
//! A thread keeps every answer whole, and a page is cut from it when somebody asks for the page's
//! address, as a resource or as the `continuation_id` of a call. An answer of a tool that keeps no
//! thread gets one of its own when it is too long.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::call::{About, Kept, Reply, untraced_fields};
use super::registry::{Found, Registry, Tool};
use super::run::Run;
use super::surroundings::Settings;
use crate::config::Limits;
use crate::failure::Failure;
use crate::store::{Exchange, StoreError, StoredThread, ThreadId};
use crate::thread::{Committed, Receipt, Threads, Turn};

/// What the address of a page begins with.
pub const PREFIX: &str = "exai://result/";

/// Characters kept free on each page for the footer and the note about the other pages.
const NOTE_CHARS: usize = 1600;

/// One page of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The thread that holds the answer.
    pub thread: ThreadId,
    /// The exchange, from 1.
    pub turn: u32,
    /// The page, from 1.
    pub page: usize,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, turn, page } = self;
        write!(f, "{PREFIX}{thread}.{turn}?page={page}")
    }
}

impl FromStr for Address {
    type Err = StoreError;

    /// Reads an address; without a page it is the first.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let parse = || {
            let rest = text.strip_prefix(PREFIX)?;
            let (place, page) = rest.split_once("?page=").unwrap_or((rest, "1"));
            let (thread, turn) = place.split_once('.')?;
            Some(Self {
                thread: thread.parse().ok()?,
                turn: turn.parse().ok()?,
                page: page.parse().ok().filter(|page| *page > 0)?,
            })
        };
        parse().ok_or(StoreError::NotFound)
    }
}

/// Characters of one result, its tokens counted as four characters each.
#[must_use]
pub fn limit(limits: &Limits) -> usize {
    limits.result_chars.min(limits.result_tokens * 4)
}

/// Characters of one page. As JSON a text is longer, twice as long at most where it is prose.
#[must_use]
pub fn size(settings: &Settings) -> usize {
    let room = limit(&settings.limits).saturating_sub(NOTE_CHARS);
    let room = if settings.tools.structured {
        room / 2
    } else {
        room
    };
    room.max(1)
}

/// How many pages a text has; an empty one has one.
#[must_use]
pub fn count(text: &str, size: usize) -> usize {
    text.chars().count().div_ceil(size).max(1)
}

/// One page of a text, from 1; empty past the end.
#[must_use]
pub fn cut(text: &str, size: usize, page: usize) -> String {
    let rest = after(text, page.saturating_sub(1).saturating_mul(size));
    let past = after(rest, size);
    rest.strip_suffix(past).unwrap_or(rest).to_owned()
}

/// What follows so many characters. No character is shorter than a byte, so that a short text needs
/// no counting.
fn after(text: &str, characters: usize) -> &str {
    if text.len() <= characters {
        return "";
    }
    let at = text.char_indices().nth(characters).map(|(at, _)| at);
    at.and_then(|at| text.get(at..)).unwrap_or_default()
}

/// The answer at an address, with the thread that holds it.
///
/// # Errors
/// `NotFound` for another principal's, for what is gone, and for a page that is not there; an
/// outage of the store.
pub async fn read(
    threads: &Threads,
    owner: &str,
    address: Address,
    size: usize,
) -> Result<(StoredThread, Exchange), StoreError> {
    let thread = threads.read(owner, &address.thread.to_string()).await?;
    let place = (address.turn as usize).checked_sub(1);
    let exchange = place.and_then(|place| thread.exchanges.get(place)).cloned();
    let exchange = exchange.filter(|one| address.page <= count(&one.assistant, size));
    exchange
        .map(|exchange| (thread, exchange))
        .ok_or(StoreError::NotFound)
}

/// Answers a call whose `continuation_id` is the address of a page: nobody is asked, and nothing is
/// added to the thread.
///
/// # Errors
/// See [`read`].
pub async fn turn_to(run: &Run<'_>, handle: &str) -> Result<Reply, Failure> {
    let address: Address = handle.parse()?;
    let size = size(&run.around.settings);
    let threads = &run.around.threads;
    let (thread, exchange) = read(threads, run.owner(), address, size).await?;
    let elapsed = u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let receipt = Receipt {
        thread: address.thread,
        turn: address.turn,
        turns_left: threads.turns_left(thread.exchanges.len()),
        ttl_seconds: thread.ttl_ms / 1000,
    };
    Ok(Reply {
        page: address.page,
        about: Some(about(receipt, untraced_fields(elapsed))),
        ..Reply::of_text(exchange.assistant)
    })
}

/// Puts an answer that is too long and in no thread into one of its own. Where that fails the first
/// page is all there is, and says so.
pub async fn kept(run: &Run<'_>, reply: Reply) -> Reply {
    let size = size(&run.around.settings);
    if reply.about.is_some() || count(&reply.text, size) == 1 {
        return reply;
    }
    let turn = Turn {
        tool: run.tool.name,
        user: format!("A long answer of {}", run.tool.name),
        attached: String::new(),
        assistant: reply.text.clone(),
        thoughts: Vec::new(),
        model: String::new(),
        provider: run.tool.row.provider.clone().unwrap_or_default(),
        state: None,
        is_strict: false,
        reply: String::new(),
        correlation_id: run.call.caller.correlation_id.to_string(),
    };
    let threads = &run.around.threads;
    let stored = async {
        let conversation = threads.open(run.owner(), None).await?;
        threads.commit(&conversation, turn, None).await
    };
    let about = match stored.await {
        Ok(Committed::Stored(receipt) | Committed::Replayed(receipt, _)) => {
            Some(about(receipt, Map::new()))
        }
        Err(failure) => {
            tracing::warn!(code = failure.code, "a long answer could not be kept");
            None
        }
    };
    Reply { about, ..reply }
}

fn about(receipt: Receipt, trace: Map<String, Value>) -> About {
    let kept = Kept {
        trace,
        ..Kept::default()
    };
    About {
        receipt,
        replayed: false,
        kept,
    }
}

/// A call that brings another page, but for its `continuation_id`: the same tool where it takes
/// one, else `chat`. Every required argument has a value that fits and that nobody reads.
#[must_use]
pub fn call(registry: &Registry, tool: &Tool) -> Option<Value> {
    let takes_handle =
        |tool: &Tool| properties(tool).is_some_and(|p| p.contains_key("continuation_id"));
    let tool = match registry.find("chat") {
        _ if takes_handle(tool) => tool,
        Found::Tool(chat) => chat,
        Found::Hidden(_) | Found::Unknown => return None,
    };
    let known = properties(tool)?;
    let filled = tool.row.required.iter().map(|name| {
        let value = known.get(name).map_or(Value::Null, filler);
        (name.clone(), value)
    });
    let arguments: Map<String, Value> = filled.collect();
    Some(json!({ "tool": tool.name, "arguments": arguments }))
}

fn properties(tool: &Tool) -> Option<&Map<String, Value>> {
    tool.input.get("properties").and_then(Value::as_object)
}

/// A value that a schema takes.
fn filler(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => "next page".into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(1.into()),
        Some("boolean") => false.into(),
        Some("array") => json!([]),
        _ => json!({}),
    }
}

/// Cuts JSON to so many characters and keeps its shape: every field stays, the longest texts and
/// lists lose their ends.
#[must_use]
pub fn shortened(value: Value, most: usize) -> Value {
    if length(&value) <= most {
        return value;
    }
    match value {
        Value::String(text) => shortened_text(&text, most),
        Value::Array(items) => {
            let mut room = most.saturating_sub(2);
            let mut kept = Vec::new();
            for item in items {
                let item = shortened(item, room.saturating_sub(1));
                // What has no long text in it cannot be made to fit.
                let Some(left) = room.checked_sub(length(&item) + 1) else {
                    break;
                };
                room = left;
                kept.push(item);
            }
            kept.into()
        }
        Value::Object(fields) => shortened_fields(fields, most).into(),
        other => other,
    }
}

fn shortened_text(text: &str, most: usize) -> Value {
    let mut room = most.saturating_sub(3);
    let fits = |c: &char| {
        // As JSON writes it.
        let taken = length(&Value::from(c.to_string())) - 2;
        let fits = taken <= room;
        room = room.saturating_sub(taken);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}…").into()
}

/// Short fields stay whole; what they leave is shared by the others.
fn shortened_fields(fields: Map<String, Value>, most: usize) -> Map<String, Value> {
    let frame = |name: &str| length(&Value::from(name)) + 2;
    let names: usize = fields.keys().map(|name| frame(name)).sum();
    let mut room = most.saturating_sub(names + 2);
    let mut sizes: Vec<(usize, &String)> = fields.iter().map(|(n, v)| (length(v), n)).collect();
    sizes.sort_unstable();
    let mut shares = Map::new();
    for (n, (size, name)) in sizes.iter().enumerate() {
        let share = (*size).min(room / (sizes.len() - n));
        room -= share;
        shares.insert((*name).clone(), share.into());
    }
    let share_of = |name: &str| shares[name].as_u64().map_or(0, |share| share as usize);
    let cut = |(name, value): (String, Value)| {
        let share = share_of(&name);
        (name, shortened(value, share))
    };
    fields.into_iter().map(cut).collect()
}

/// Characters of a value as JSON writes it.
#[must_use]
pub fn length(value: &Value) -> usize {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.chars().count();
            Ok(())
        }
    }
    let mut count = Count(0);
    // It counts and cannot fail; nor can a value whose keys are all text.
    let _ = fmt::write(&mut count, format_args!("{value}"));
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_text_joined_are_the_text() {
        let text: String = (0..1000_u32).filter_map(char::from_u32).collect();
        for size in [1, 7, 999, 1000, 1001] {
            let pages = count(&text, size);
            let joined: String = (1..=pages).map(|page| cut(&text, size, page)).collect();
            assert_eq!(joined, text, "{size}");
            assert_eq!(cut(&text, size, pages + 1), "");
            assert_ne!(cut(&text, size, pages), "");
        }
        assert_eq!((count("", 5), cut("", 5, 1)), (1, String::new()));
    }

    #[test]
    fn an_address_is_read_as_it_is_written_and_nothing_else_is_one() {
        let address = Address {
            thread: ThreadId::fresh(),
            turn: 3,
            page: 2,
        };
        assert_eq!(address.to_string().parse(), Ok(address));
        let first = Address { page: 1, ..address };
        let bare = first.to_string().replace("?page=1", "");
        assert_eq!(bare.parse(), Ok(first));
        for bad in [
            "exai://result/".to_owned(),
            format!("exai://result/{}", address.thread),
            format!("{address}x"),
            address.to_string().replace("page=2", "page=0"),
            address.to_string().replace("page=2", "page=-1"),
            address.to_string().replace("result", "thread"),
        ] {
            assert_eq!(bad.parse::<Address>(), Err(StoreError::NotFound), "{bad}");
        }
    }

    #[test]
    fn cut_json_has_its_fields_and_fits() {
        let long = "\"\n\u{1f642}".repeat(3000);
        let items: Vec<Value> = (0..500)
            .map(|n| json!({"n": n, "text": "x".repeat(50)}))
            .collect();
        let whole = json!({"name": "a", "count": 7, "deep": {"text": long, "small": true},
            "list": items, "messages": [{"role": "user", "content": long}]});
        for most in [400, 5000, 20_000] {
            let cut = shortened(whole.clone(), most);
            assert!(length(&cut) <= most, "{} > {most}", length(&cut));
            assert_eq!((&cut["name"], &cut["count"]), (&json!("a"), &json!(7)));
            assert_eq!(cut["deep"]["small"], true, "{cut}");
            assert!(cut["deep"]["text"].as_str().unwrap().ends_with('…'));
            let list = cut["list"].as_array().unwrap();
            assert!(list.len() < 500);
        }
        assert_eq!(shortened(whole.clone(), 1_000_000), whole);
    }
}
