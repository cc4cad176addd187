//! Saboteurs 9, 10, 11 and 11b: threads read wrongly. A turn is chosen when it is acknowledged and
//! stays spoiled in every later read, as a lost or doubled turn would; a stale read spoils that
//! read only.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::Stage;
use crate::impostor::call::Call;

/// How a thread is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// The chosen turn is missing.
    Lost,
    /// The chosen turn stands twice.
    Doubled,
    /// The last turn is not there yet.
    Stale,
    /// The same, in the first read after it was acknowledged and in no later one.
    StaleAtFirst,
}

/// The turns chosen: thread and number. Of [`Spoilt::StaleAtFirst`] those not read yet.
#[derive(Default)]
pub struct Chosen(Mutex<HashSet<(String, u64)>>);

impl Chosen {
    pub fn after(&self, stage: &Stage, how: Spoilt, call: &Call, reply: &mut Value) -> bool {
        if how != Spoilt::Stale {
            self.choose(stage, how, reply);
        }
        let Some(thread) = call.thread() else {
            return false;
        };
        let Some(text) = reply.pointer_mut("/result/contents/0/text") else {
            return false;
        };
        let Some(mut body) = text
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
        else {
            return false;
        };
        let turns = match how {
            Spoilt::Stale => stale(stage, &mut body),
            Spoilt::StaleAtFirst if !self.is_first(thread, &body) => Vec::new(),
            Spoilt::StaleAtFirst => stale(stage, &mut body),
            _ => self.spoil(thread, how, &mut body),
        };
        if turns.is_empty() {
            return false;
        }
        *text = body.to_string().into();
        let mut detail = call.detail();
        detail["turns"] = turns.into();
        stage.record(call.id(), detail);
        true
    }

    /// Counts an acknowledged turn and perhaps chooses it.
    fn choose(&self, stage: &Stage, how: Spoilt, reply: &Value) {
        let acknowledged = reply.pointer("/result/_meta/dev.exai~1reply");
        let Some(acknowledged) = acknowledged else {
            return;
        };
        let thread = acknowledged["continuation_id"].as_str();
        let (Some(thread), Some(turn)) = (thread, acknowledged["turn"].as_u64()) else {
            return;
        };
        if how == Spoilt::StaleAtFirst || stage.trigger.due().is_some() {
            let mut chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            chosen.insert((thread.to_owned(), turn));
        }
    }

    /// Whether nobody has read the last turn since it was acknowledged.
    fn is_first(&self, thread: &str, body: &Value) -> bool {
        let last = body["turns"].as_array().and_then(|turns| turns.last());
        let last = last.and_then(|turn| turn["turn"].as_u64());
        let mut chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|turn| chosen.remove(&(thread.to_owned(), turn)))
    }

    fn spoil(&self, thread: &str, how: Spoilt, body: &mut Value) -> Vec<u64> {
        let chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_chosen = |turn: &Value| {
            turn["turn"]
                .as_u64()
                .filter(|turn| chosen.contains(&(thread.to_owned(), *turn)))
        };
        let Some(turns) = body["turns"].as_array_mut() else {
            return Vec::new();
        };
        let numbers: Vec<u64> = turns.iter().filter_map(is_chosen).collect();
        let copies = |turn: Value| {
            let copies = match (is_chosen(&turn), how) {
                (None, _) => 1,
                (Some(_), Spoilt::Doubled) => 2,
                (Some(_), _) => 0,
            };
            std::iter::repeat_n(turn, copies)
        };
        *turns = std::mem::take(turns).into_iter().flat_map(copies).collect();
        numbers
    }
}

fn stale(stage: &Stage, body: &mut Value) -> Vec<u64> {
    let Some(turns) = body["turns"]
        .as_array_mut()
        .filter(|turns| !turns.is_empty())
    else {
        return Vec::new();
    };
    if stage.trigger.due().is_none() {
        return Vec::new();
    }
    turns
        .pop()
        .and_then(|turn| turn["turn"].as_u64())
        .into_iter()
        .collect()
}
