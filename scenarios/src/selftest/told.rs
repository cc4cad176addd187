//! What a history tells of the operations of a run, and which of them a spoiled exchange was.

use std::collections::{BTreeMap, BTreeSet};

use exai_judge::journal::Journal;
use exai_judge::operation::ProofKind;
use exai_judge::{Call, Event, Observation, Transport};
use serde_json::Value;

use crate::account::Spoiled;

/// The operations of a run, and what a spoiled exchange is known by.
#[derive(Default)]
pub(super) struct Told {
    calls: Vec<Call>,
    /// Digest of a request as a simulator received it, to when each such came and its sequence.
    served: BTreeMap<String, Vec<(u64, String)>>,
    /// Sequence to the operations that caused the request or had its answer.
    caused: BTreeMap<String, Vec<usize>>,
    /// When our own rig was at fault: from, until.
    rig: Vec<(u64, u64)>,
}

impl Told {
    pub(super) fn by(history: impl Iterator<Item = Observation>) -> Self {
        let mut told = Self::default();
        let mut journal = Journal::default();
        for seen in history {
            match seen.event {
                Event::Call(call) => told.calls.push(*call),
                Event::Served(served) => {
                    journal.serve(seen.at, &served);
                    let equal = told.served.entry(served.request_sha256).or_default();
                    equal.push((seen.at, served.seq));
                }
                Event::Rig { until, .. } => told.rig.push((seen.at, until)),
                _ => {}
            }
        }
        for (index, call) in told.calls.iter().enumerate() {
            for attempt in journal.attempts(call) {
                let seq = attempt.served.seq.clone();
                told.caused.entry(seq).or_default().push(index);
            }
        }
        told
    }

    pub(super) fn is_tainted(&self, call: &Call) -> bool {
        let mut rig = self.rig.iter();
        rig.any(|(from, until)| *from <= call.done_at && call.sent_at <= *until)
    }

    /// The operations that an exchange spoiled on `edge` was, each as the ones it may have been:
    /// several where equal ones were under way at once. None where no operation of the history was.
    pub(super) fn spoiled(&self, edge: &str, spoiled: &Spoiled) -> Vec<Vec<&Call>> {
        let text = |member: &str| spoiled.detail[member].as_str();
        match text("sent_sha256").or_else(|| text("request_sha256")) {
            Some(digest) => self
                .caused(digest, spoiled.at)
                .map(|call| vec![call])
                .collect(),
            None => vec![self.asked(edge, spoiled)],
        }
    }

    /// The provider edge: those that caused the request of this digest, or had its answer. Of equal
    /// requests, which several callers may send, the one that came nearest to that moment.
    fn caused(&self, digest: &str, at: u64) -> impl Iterator<Item = &Call> {
        let equal = self.served.get(digest).into_iter().flatten();
        let nearest = equal.min_by_key(|(came, _)| came.abs_diff(at));
        let caused = nearest.and_then(|(_, seq)| self.caused.get(seq));
        let caused = caused.into_iter().flatten();
        caused.filter_map(|index| self.calls.get(*index))
    }

    /// The edge of clients: the same tool or method over a wire of that edge, under way then, and
    /// with the same tracers where it carries any. One that carries none is rather an operation
    /// that planted none, such as a call to be refused.
    fn asked(&self, edge: &str, spoiled: &Spoiled) -> Vec<&Call> {
        let detail = &spoiled.detail;
        let name = detail["tool"].as_str().or(detail["method"].as_str());
        let codes: BTreeSet<&str> = detail["codes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let thread = detail["thread"].as_str().and_then(|id| self.thread(id));
        let is_it = |call: &&Call| {
            let is_there = wires(edge).contains(&call.transport);
            let is_then = call.sent_at <= spoiled.at && spoiled.at <= call.done_at;
            let own = call.thread.as_ref().map(|part| part.thread.as_str());
            let is_of = thread.is_none() || thread == own;
            is_there && is_then && is_of && Some(call.tool.as_str()) == name
        };
        let (keyed, other): (Vec<&Call>, Vec<&Call>) =
            self.calls.iter().filter(is_it).partition(|call| {
                let planted = planted(call);
                !codes.is_empty() && codes.is_subset(&planted)
            });
        if !keyed.is_empty() {
            return keyed;
        }
        let is_bare = |call: &&Call| planted(call).is_empty();
        let bare: Vec<&Call> = other.iter().copied().filter(is_bare).collect();
        if bare.is_empty() && codes.is_empty() {
            return other;
        }
        bare
    }

    /// The judge's name of the thread that the server calls `id`.
    fn thread(&self, id: &str) -> Option<&str> {
        let is_it = |call: &&Call| {
            let meta = call.meta.as_ref();
            meta.is_some_and(|meta| meta.continuation_id.as_deref() == Some(id))
        };
        let mut of = self.calls.iter().filter(is_it);
        of.find_map(|call| Some(call.thread.as_ref()?.thread.as_str()))
    }

    /// The operations whose turns an exchange about a thread spoiled, turn by turn.
    pub(super) fn turns(&self, spoiled: &Spoiled) -> Vec<Vec<&Call>> {
        let detail = &spoiled.detail;
        let Some(thread) = detail["thread"].as_str().and_then(|id| self.thread(id)) else {
            return Vec::new();
        };
        let own = |call: &&Call| {
            let own = call.thread.as_ref().map(|part| part.thread.as_str());
            own == Some(thread)
        };
        let key = |call: &Call| call.thread.as_ref().and_then(|part| part.key.clone());
        let of = |turn: u64| {
            let is_told = |call: &&Call| {
                let told = call.meta.as_ref().and_then(|meta| meta.turn);
                told.map(u64::from) == Some(turn)
            };
            let told = self.calls.iter().filter(own).find(is_told);
            // All attempts with one key are one turn.
            let keyed = told.and_then(key);
            let is_it = |call: &&Call| keyed.is_some() && key(call) == keyed;
            self.calls.iter().filter(own).filter(is_it).collect()
        };
        let turns = detail["turns"].as_array().into_iter().flatten();
        turns.filter_map(Value::as_u64).map(of).collect()
    }
}

/// The wires whose messages an impostor on that edge reads.
fn wires(edge: &str) -> &'static [Transport] {
    match edge {
        "client" => &[Transport::Http2025, Transport::Http2026],
        "websocket" => &[Transport::WebSocket],
        "stdio" => &[Transport::Stdio],
        _ => &[],
    }
}

/// The codes of the tracers that an operation's request may carry; none where its proof does not
/// tell.
fn planted(call: &Call) -> BTreeSet<&str> {
    let (ProofKind::Keyed { tracers, .. } | ProofKind::Twin { tracers }) = &call.proof else {
        return BTreeSet::new();
    };
    let codes = tracers.iter().filter_map(|planted| {
        let (_, code) = planted.text.rsplit_once(' ')?;
        Some(code)
    });
    codes.collect()
}
