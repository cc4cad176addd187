//! Turns a simulator's journal lines into observations, and notices when one is missing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use exai_judge::Event;
use exai_judge::observation::{Delivered, MessageSeen, Served};
use exai_mocks::journal::{Began, Ended, Entry, Outcome};
use tokio::sync::watch;

use crate::clock::RunClock;
use crate::history::Recorder;

/// One simulator's journal over all its lives.
pub(super) struct Journal {
    clock: RunClock,
    recorder: Recorder,
    ready: watch::Sender<u64>,
    /// Per life: requests seen, and the highest number among them.
    seen: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl Journal {
    pub(super) const fn new(
        clock: RunClock,
        recorder: Recorder,
        ready: watch::Sender<u64>,
    ) -> Self {
        Self {
            clock,
            recorder,
            ready,
            seen: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes one line.
    pub(super) fn read(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Entry::Ready(ready)) => {
                self.ready.send_replace(ready.epoch);
            }
            Ok(Entry::Began(began)) => {
                self.count(&began.seq);
                let at = self.clock.place(began.at);
                self.recorder.record_at(at, Event::Served(served(began)));
            }
            Ok(Entry::Ended(ended)) => {
                let at = self.clock.place(ended.at);
                let event = Event::Delivered(self.delivered(ended));
                self.recorder.record_at(at, event);
            }
            Err(error) => self.recorder.record(Event::Rig {
                what: "journal_gap".to_owned(),
                until: self.recorder.now(),
                detail: format!("could not read a journal line: {error}"),
            }),
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
        let journal = Journal::new(clock, recorder.clone(), ready);
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
}
