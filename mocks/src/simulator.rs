//! One simulated vendor: its keys, its plan, its counters. It turns a request into a reply and
//! writes both ends of it into the journal.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::arrival;
use crate::beside;
use crate::clock::monotonic_ns;
use crate::connection::{self, Played};
use crate::desk::{Decision, Desk};
use crate::journal::{Began, Ended, Entry, Outcome, Ready};
use crate::key::{KeyError, KeyRow, KeyTable, Permit};
use crate::plan::{Plan, PlanError};
use crate::provider::{Provider, Route};
use crate::recorder::Recorder;
use crate::reply::Reply;
use crate::request::Request;
use crate::rulebook::Rulebook;
use crate::shelf::Shelf;
use crate::tracer::{RunKey, RunKeyError};

/// What a simulator is told on standard input, in one line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 64 hexadecimal digits.
    pub run_key: String,
    /// Which life of this simulator it is, from 1.
    pub epoch: u64,
    /// The key table.
    pub keys: Vec<KeyRow>,
    /// The first plan.
    #[serde(default)]
    pub plan: Plan,
}

/// Settings that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The run key is malformed.
    #[error(transparent)]
    RunKey(#[from] RunKeyError),
    /// A key row could not exist.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The plan does not fit the vendor.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A plan in force.
#[derive(Debug)]
pub struct Installed {
    /// As given.
    pub plan: Plan,
    /// Its rules with their counters.
    pub rules: Rulebook,
    /// When it was installed.
    pub since: Instant,
}

/// The simulator.
pub struct Simulator {
    provider: Provider,
    epoch: u64,
    key: RunKey,
    keys: KeyTable,
    installed: Mutex<Arc<Installed>>,
    recorder: Recorder,
    counters: Counters,
    shelf: Shelf,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    other: AtomicU64,
}

/// A request being answered.
pub struct Turn {
    /// What to play.
    pub reply: Reply,
    /// The journal's part; `None` for what is not journalled.
    record: Option<Record>,
    _permit: Option<Permit>,
}

struct Record {
    seq: String,
    outcome: Outcome,
    reason: Option<String>,
    answer_sha256: Option<String>,
}

impl Simulator {
    /// Builds a simulator that writes its journal through `recorder`.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn new(
        provider: Provider,
        settings: Settings,
        recorder: Recorder,
    ) -> Result<Self, SettingsError> {
        settings.plan.check(provider)?;
        Ok(Self {
            provider,
            epoch: settings.epoch,
            key: RunKey::from_hex(&settings.run_key)?,
            keys: KeyTable::new(provider, settings.keys)?,
            installed: Mutex::new(Arc::new(install(settings.plan))),
            recorder,
            counters: Counters::default(),
            shelf: Shelf::default(),
        })
    }

    /// Replaces the plan; all rule counters start again.
    ///
    /// # Errors
    /// When the plan does not fit the vendor; the one in force stays.
    pub fn replace(&self, plan: Plan) -> Result<(), PlanError> {
        plan.check(self.provider)?;
        let mut slot = self
            .installed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(install(plan));
        Ok(())
    }

    fn installed(&self) -> Arc<Installed> {
        Arc::clone(
            &self
                .installed
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Says in the journal that both listeners are open.
    pub async fn ready(&self, public: SocketAddr, control: SocketAddr) {
        let entry = Entry::Ready(Ready {
            provider: self.provider,
            epoch: self.epoch,
            url: format!("http://{public}{}", self.provider.base_path()),
            control: format!("http://{control}"),
            pid: std::process::id(),
            at: monotonic_ns(),
        });
        self.recorder.record(entry).await;
    }

    /// Accepts connections until it is dropped.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, _) = arrival::next(&listener).await;
            // The connection owns itself and ends with the process.
            tokio::spawn(connection::serve(socket, Arc::clone(&self)));
        }
    }

    /// Decides on a request and writes its beginning.
    pub async fn begin(&self, request: Request) -> Turn {
        let at = monotonic_ns();
        let route = Route::of(self.provider, &request.path).filter(|_| request.method == "POST");
        let Some(route) = route else {
            self.counters.other.fetch_add(1, Ordering::Relaxed);
            let reply = beside::beside((self.provider, &self.keys), &request, |key| {
                self.shelf.answer(key, &request, unix_seconds())
            });
            return Turn {
                reply,
                record: None,
                _permit: None,
            };
        };
        let number = self.counters.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let flying = self.counters.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.counters.peak.fetch_max(flying, Ordering::Relaxed);
        let installed = self.installed();
        let desk = Desk {
            provider: self.provider,
            route,
            run_key: &self.key,
            keys: &self.keys,
            installed: &installed,
            seq: format!("{}.{}.{number}", self.provider, self.epoch),
            number,
            unix: unix_seconds(),
        };
        let decision = desk.decide(&request);
        let record = Record {
            seq: desk.seq,
            outcome: decision.outcome,
            reason: decision.reason.clone(),
            answer_sha256: decision.answer_sha256.clone(),
        };
        let began = began(&record.seq, at, request, &decision);
        self.recorder.record(Entry::Began(began)).await;
        Turn {
            reply: decision.reply,
            record: Some(record),
            _permit: decision.permit,
        }
    }

    /// Writes the end of a request.
    pub async fn end(&self, turn: Turn, played: Played) {
        let Some(record) = turn.record else { return };
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        let left = played.client_closed;
        let outcome = match record.outcome {
            Outcome::Faulted => Outcome::Faulted,
            _ if left => Outcome::ClientClosed,
            outcome => outcome,
        };
        let faulted_and_left = left && outcome == Outcome::Faulted;
        let ended = Ended {
            seq: record.seq,
            at: monotonic_ns(),
            first_byte_at: played.first_byte_at,
            status: turn.reply.status,
            outcome,
            reason: record
                .reason
                .or_else(|| faulted_and_left.then(|| "client_closed".to_owned())),
            answer_sha256: record.answer_sha256.filter(|_| !left),
            bytes_sent: played.bytes,
        };
        self.recorder.record(Entry::Ended(ended)).await;
    }

    /// Requests seen, in flight and at most in flight; `other` counts what is not journalled.
    #[must_use]
    pub fn counters(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = self.installed().rules.tally();
        let rules: Map<String, Value> = tally
            .into_iter()
            .map(|(id, matched, fired)| (id, json!({"matched": matched, "fired": fired})))
            .collect();
        json!({
            "in_flight": read(&self.counters.in_flight),
            "peak": read(&self.counters.peak),
            "requests": read(&self.counters.requests),
            "other": read(&self.counters.other),
            "files": self.shelf.counters(),
            "rules": rules,
        })
    }

    /// Journal entries after a number.
    #[must_use]
    pub fn journal(&self, after: u64) -> Value {
        self.recorder.since(after)
    }

    /// Who this is.
    #[must_use]
    pub fn probe(&self) -> Value {
        json!({"provider": self.provider, "epoch": self.epoch, "at": monotonic_ns()})
    }
}

fn install(plan: Plan) -> Installed {
    Installed {
        rules: Rulebook::new(&plan),
        plan,
        since: Instant::now(),
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn began(seq: &str, at: u64, request: Request, decision: &Decision) -> Began {
    Began {
        seq: seq.to_owned(),
        at,
        key: decision.key_id.clone(),
        model: decision.model.clone(),
        path: request.path,
        stream: decision.stream,
        request_sha256: decision.request_sha256.clone(),
        body_sha256: decision.seen.body_sha256.clone(),
        body_bytes: request.body.len() as u64,
        system_sha256: decision.seen.system_sha256.clone(),
        tracers: decision.seen.tracers.clone(),
        messages: decision.seen.messages.clone(),
        params: decision.params.clone(),
        fault: decision.fault.clone(),
        rule: decision.rule.clone(),
    }
}
