//! Turns a simulator's journal lines into observations, and notices when one is missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use exai_judge::Event;
use exai_judge::observation::{Delivered, MessageSeen, Served};
use exai_mocks::journal::{Began, Ended, Entry, Outcome};
use exai_mocks::plan::Plan;
use tokio::sync::watch;

use crate::clock::RunClock;
use crate::history::Recorder;

/// How much longer than planned a simulator may take until its first byte, ns. A busy machine wakes
/// it late by some milliseconds; beyond this it is not what the plan says.
const GRACE: u64 = 1_000_000_000;
/// Of this many lines one is lost, where the journal has holes.
const LOSES_EVERY: u64 = 100;

/// One simulator's journal over all its lives.
pub(super) struct Journal {
    clock: RunClock,
    recorder: Recorder,
    ready: watch::Sender<u64>,
    /// What it was to do.
    plan: watch::Receiver<Plan>,
    /// Per life: requests seen, and the highest number among them.
    seen: Mutex<BTreeMap<u64, (u64, u64)>>,
    /// Requests under way that no fault is planned for: when they began and when the first byte
    /// was due, ns on the run's clock.
    due: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Lines so far, where some are lost.
    holes: Option<AtomicU64>,
}

impl Journal {
    pub(super) fn new(
        clock: RunClock,
        recorder: Recorder,
        ready: watch::Sender<u64>,
        plan: watch::Receiver<Plan>,
    ) -> Self {
        Self {
            clock,
            recorder,
            ready,
            plan,
            seen: Mutex::default(),
            due: Mutex::default(),
            holes: None,
        }
    }

    /// The same, on whose way to us lines are lost.
    pub(super) fn with_holes(self) -> Self {
        Self {
            holes: Some(AtomicU64::new(0)),
            ..self
        }
    }

    fn is_lost(&self) -> bool {
        let count = |lines: &AtomicU64| lines.fetch_add(1, Ordering::Relaxed) + 1;
        let lines = self.holes.as_ref().map(count);
        lines.is_some_and(|lines| lines.is_multiple_of(LOSES_EVERY))
    }

    /// Takes one line.
    pub(super) fn read(&self, line: &str) {
        if self.is_lost() {
            return;
        }
        match serde_json::from_str(line) {
            Ok(Entry::Ready(ready)) => {
                // Whatever the life before had begun it will not end.
                let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                due.clear();
                self.ready.send_replace(ready.epoch);
            }
            Ok(Entry::Began(began)) => {
                self.count(&began.seq);
                let at = self.clock.place(began.at);
                self.expect(&began, at);
                self.recorder.record_at(at, Event::Served(served(began)));
            }
            Ok(Entry::Ended(ended)) => {
                let at = self.clock.place(ended.at);
                let delivered = self.delivered(ended);
                self.blame(&delivered, at);
                self.recorder.record_at(at, Event::Delivered(delivered));
            }
            Err(error) => self.recorder.record(Event::Rig {
                what: "journal_gap".to_owned(),
                until: self.recorder.now(),
                detail: format!("could not read a journal line: {error}"),
            }),
        }
    }

    /// Notes when the first byte of a reply is due by the plan. A planned fault has its own times.
    fn expect(&self, began: &Began, at: u64) {
        if began.fault.is_none() {
            let planned = self.plan.borrow().first_byte_ms.saturating_mul(1_000_000);
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            due.insert(began.seq.clone(), (at, at.saturating_add(planned)));
        }
    }

    /// A simulator that was slower than its plan is our own trouble, for all who waited meanwhile.
    fn blame(&self, delivered: &Delivered, until: u64) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((from, due)) = due.remove(&delivered.seq) else {
            return;
        };
        // Where the server gave up waiting there is no first byte.
        let late = delivered.first_byte_at.unwrap_or(until).saturating_sub(due);
        if late > GRACE {
            let (seq, late) = (&delivered.seq, late / 1_000_000);
            let event = Event::Rig {
                what: "simulator_slow".to_owned(),
                until,
                detail: format!("the first byte of {seq} came {late} ms after it was planned"),
            };
            self.recorder.record_at(from, event);
        }
    }

    fn count(&self, seq: &str) {
        let mut parts = seq.rsplit('.').map(str::parse::<u64>);
        if let (Some(Ok(number)), Some(Ok(epoch))) = (parts.next(), parts.next()) {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let life = seen.entry(epoch).or_default();
            life.0 += 1;
            life.1 = life.1.max(number);
        }
    }

    /// Numbers below the highest that never came, in the last life: an earlier one was killed, and
    /// what it had not yet written by then is no hole.
    pub(super) fn missing(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.last_key_value();
        last.map_or(0, |(_, (count, top))| top.saturating_sub(*count))
    }

    fn delivered(&self, ended: Ended) -> Delivered {
        let outcome = match ended.outcome {
            Outcome::Answered => "answered",
            Outcome::Refused => "refused",
            Outcome::Faulted => "faulted",
            Outcome::ClientClosed => "client_closed",
        };
        Delivered {
            seq: ended.seq,
            first_byte_at: ended.first_byte_at.map(|at| self.clock.place(at)),
            status: ended.status,
            outcome: outcome.to_owned(),
            answer_sha256: ended.answer_sha256,
        }
    }
}

fn served(began: Began) -> Served {
    let provider = began.seq.split('.').next().unwrap_or_default().to_owned();
    let tracers = began.tracers.into_iter().map(|tracer| tracer.text);
    let bounds = ["max_completion_tokens", "max_tokens"];
    let max_output = bounds
        .iter()
        .find_map(|name| began.params.get(*name)?.as_u64());
    let messages = began.messages.into_iter().map(|message| MessageSeen {
        role: message.role,
        sha256: message.sha256,
    });
    Served {
        provider,
        seq: began.seq,
        model: began.model,
        key: began.key,
        stream: began.stream,
        request_sha256: began.request_sha256,
        body_sha256: began.body_sha256,
        max_output,
        system_sha256: began.system_sha256,
        tracers: tracers.collect(),
        messages: messages.collect(),
        fault: began.fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::history::History;

    #[tokio::test]
    async fn lines_become_observations_and_a_missing_request_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let clock = RunClock::start();
        let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
        let (ready, is_ready) = watch::channel(0);
        let (_plan, plan) = watch::channel(Plan::default());
        let journal = Journal::new(clock, recorder.clone(), ready, plan);
        let at = crate::clock::monotonic();
        for number in [1, 3] {
            journal.read(&format!(
                r#"{{"kind":"began","seq":"kimi.2.{number}","at":{at},"key":"k","model":"m",
                "path":"/v1","stream":false,"request_sha256":"aa","body_bytes":1,
                "system_sha256":"bb","tracers":[{{"text":"a b","slot":"system"}}],
                "messages":[{{"role":"user","sha256":"cc","tracers":["a b"]}}],"params":{{}},
                "fault":"K02","rule":"r"}}"#
            ));
        }
        journal.read(&format!(
            r#"{{"kind":"ended","seq":"kimi.2.1","at":{at},"status":429,"outcome":"faulted",
            "bytes_sent":3}}"#
        ));
        journal.read(&format!(
            r#"{{"kind":"ready","provider":"kimi","epoch":2,"url":"u","control":"c","pid":1,
            "at":{at}}}"#
        ));
        journal.read("half a li");
        assert_eq!(*is_ready.borrow(), 2);
        assert_eq!(journal.missing(), 1);
        recorder.close().await.unwrap();
        let history = History::in_folder(folder.path());
        let events: Vec<Event> = history.observations().map(|seen| seen.event).collect();
        let [
            Event::Served(first),
            Event::Served(_),
            Event::Delivered(end),
            Event::Rig { what, .. },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((first.provider.as_str(), first.tracers.len()), ("kimi", 1));
        assert_eq!(first.fault.as_deref(), Some("K02"));
        assert_eq!((end.status, end.outcome.as_str()), (429, "faulted"));
        assert_eq!(what, "journal_gap");
    }

    /// A journal of its own, what it is told, and the rig's troubles in it.
    async fn troubles(first_byte_ms: u64, tell: impl Fn(&Journal, u64)) -> Vec<(String, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let clock = RunClock::start();
        let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
        let plan = Plan {
            first_byte_ms,
            ..Plan::default()
        };
        let (_plan, plan) = watch::channel(plan);
        let journal = Journal::new(clock, recorder.clone(), watch::channel(0).0, plan);
        tell(&journal, crate::clock::monotonic());
        recorder.close().await.unwrap();
        let history = History::in_folder(folder.path());
        let rig = |seen: exai_judge::Observation| match seen.event {
            Event::Rig { what, until, .. } => Some((what, (until - seen.at) / 1_000_000)),
            _ => None,
        };
        history.observations().filter_map(rig).collect()
    }

    fn began(seq: &str, at: u64, fault: &str) -> String {
        format!(
            r#"{{"kind":"began","seq":"{seq}","at":{at},"key":"k","model":"m","path":"/v1",
            "stream":false,"request_sha256":"aa","body_bytes":1,"system_sha256":"bb",
            "tracers":[],"messages":[],"params":{{}},"fault":{fault},"rule":null}}"#
        )
    }

    #[tokio::test]
    async fn a_simulator_slower_than_its_plan_is_our_trouble_and_one_with_a_fault_is_not() {
        let ended = |seq: &str, first: &str, at: u64| {
            format!(
                r#"{{"kind":"ended","seq":"{seq}","at":{at},"first_byte_at":{first},"status":200,
                "outcome":"answered","bytes_sent":3}}"#
            )
        };
        let ms = 1_000_000;
        let found = troubles(400, |journal, at| {
            let answer = |seq: &str, fault: &str, first: Option<u64>, end: u64| {
                journal.read(&began(seq, at, fault));
                let first = first.map_or("null".to_owned(), |ms_| (at + ms_ * ms).to_string());
                journal.read(&ended(seq, &first, at + end * ms));
            };
            answer("kimi.1.1", "null", Some(1_400), 1_500);
            answer("kimi.1.2", "null", Some(1_401), 1_500);
            answer("kimi.1.3", "null", None, 9_000);
            answer("kimi.1.4", "\"K02\"", Some(9_000), 9_000);
        });
        let slow = |lasted| ("simulator_slow".to_owned(), lasted);
        assert_eq!(found.await, [slow(1_500), slow(9_000)]);
    }
}
