//! A small history builder: an honest server, its simulators and its witnesses.

mod fault;
mod thread;

use std::collections::BTreeMap;

use exai_judge::Finding;
use exai_judge::criterion::Pinned;
use exai_judge::ground::RIG;
use exai_judge::hex;
use exai_judge::judge::{Judgement, judge};
use exai_judge::observation::{
    Delivered, Event, IdentitySeen, Observation, PhaseMark, Sample, Served,
};
use exai_judge::operation::{Call, FailureSeen, Outcome, Planted, ProofKind, ReplyMeta, Transport};
use exai_judge::tracer;
use exai_judge::{Criteria, RunKey};

pub use fault::proven;

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;
pub const PID: u32 = 4_711;
pub const INSTANCE: &str = "instance-1";
pub const SECOND: &str = "instance-2";

/// The run key of every test.
pub fn key() -> RunKey {
    RunKey::new([42; 32])
}

/// What a test asks of one call; the rest is ordinary.
#[derive(Clone)]
pub struct Ask {
    pub criterion: &'static str,
    pub phase: String,
    pub tool: String,
    pub transport: Transport,
    pub identity: String,
    pub provider: &'static str,
    /// When it is sent.
    pub at: u64,
    /// How long the whole call takes.
    pub takes: u64,
}

impl Ask {
    pub fn new(criterion: &'static str, at: u64) -> Self {
        Self {
            criterion,
            phase: "main".to_owned(),
            tool: "chat".to_owned(),
            transport: Transport::Http2026,
            identity: "ann".to_owned(),
            provider: "kimi",
            at,
            takes: 40 * MS,
        }
    }
}

/// The history so far.
pub struct World {
    pub out: Vec<Observation>,
    next_op: u64,
    next_seq: BTreeMap<&'static str, u64>,
    threads: BTreeMap<String, Vec<(String, String)>>,
}

/// A sample of a process that uses nothing.
pub fn idle(process: &str) -> Event {
    Event::Sample(Sample {
        process: process.to_owned(),
        pid: 1,
        resident_bytes: 0,
        descriptors: 0,
        threads: 0,
        cpu_ms: 0,
        wait_ms: 0,
        connections: None,
    })
}

impl World {
    /// A run whose executable was identified at start.
    pub fn new() -> Self {
        let mut world = Self {
            out: Vec::new(),
            next_op: 1,
            next_seq: BTreeMap::new(),
            threads: BTreeMap::new(),
        };
        world.identify(0, "start", INSTANCE, PID);
        world
    }

    pub fn push(&mut self, at: u64, event: Event) {
        self.out.push(Observation { at, event });
    }

    pub fn identify(&mut self, at: u64, moment: &str, instance: &str, pid: u32) {
        let seen = IdentitySeen {
            place: None,
            moment: moment.to_owned(),
            pid,
            start_ticks: u64::from(pid) * 10,
            running_sha256: hex::sha256(b"exai"),
            expected_sha256: hex::sha256(b"exai"),
            reported_sha256: Some(hex::sha256(b"exai")),
            instance: Some(instance.to_owned()),
            owns_listeners: true,
        };
        self.push(at, Event::Identity(seen));
    }

    /// A second instance behind the same proxy, and a first that knows its place.
    pub fn two(&mut self) {
        for (place, instance, pid) in [(1, INSTANCE, PID), (2, SECOND, PID + 1)] {
            self.identify_at(place, 0, instance, pid);
        }
        self.phase("run", "instances.2", 0, 0);
    }

    /// One of several instances is identified.
    pub fn identify_at(&mut self, place: u32, at: u64, instance: &str, pid: u32) {
        self.identify(at, "start", instance, pid);
        if let Some(Event::Identity(seen)) = self.out.last_mut().map(|last| &mut last.event) {
            seen.place = Some(place);
        }
    }

    pub fn phase(&mut self, criterion: &str, phase: &str, from: u64, until: u64) {
        for (at, ended) in [(from, false), (until, true)] {
            let mark = PhaseMark {
                criterion: criterion.to_owned(),
                phase: phase.to_owned(),
                ended,
            };
            self.push(at, Event::Phase(mark));
        }
    }

    /// A call without proof that was answered.
    pub fn plain(&mut self, ask: &Ask) -> Call {
        let op = self.next_op;
        self.next_op += 1;
        Call {
            op,
            criterion: ask.criterion.to_owned(),
            phase: ask.phase.clone(),
            tool: ask.tool.clone(),
            transport: ask.transport,
            identity: ask.identity.clone(),
            intended_at: ask.at,
            sent_at: ask.at,
            first_byte_at: Some(ask.at + ask.takes),
            done_at: ask.at + ask.takes,
            deadline: 30 * S,
            planned_provider: 0,
            proof: ProofKind::None,
            asked: Vec::new(),
            thread: None,
            repeat: None,
            fault: None,
            reaction: None,
            outcome: Outcome::Ok,
            belongs: Some(true),
            replies: 1,
            status: Some(200),
            failure: None,
            answers: Vec::new(),
            found: Vec::new(),
            body_sha256: None,
            structured: None,
            meta: None,
            turns: None,
            instance: Some(INSTANCE.to_owned()),
            trouble: None,
        }
    }

    /// Writes a finished call into the history.
    pub fn record(&mut self, call: Call) -> u64 {
        let op = call.op;
        self.push(call.done_at, Event::Call(Box::new(call)));
        op
    }

    /// A provider request with these tracers, not yet ended.
    pub fn serve(&mut self, ask: &Ask, at: u64, tracers: &[String]) -> Served {
        let count = self.next_seq.entry(ask.provider).or_default();
        *count += 1;
        let seq = format!("{}.1.{count}", ask.provider);
        let served = Served {
            request_sha256: hex::sha256(format!("body of {seq}").as_bytes()),
            body_sha256: hex::sha256(format!("what {seq} says").as_bytes()),
            max_output: None,
            system_sha256: hex::sha256(format!("instruction of {}", ask.tool).as_bytes()),
            provider: ask.provider.to_owned(),
            model: format!("{}-model", ask.provider),
            key: format!("{}-main", ask.provider),
            stream: false,
            tracers: tracers.to_vec(),
            messages: Vec::new(),
            fault: None,
            seq,
        };
        self.push(at, Event::Served(served.clone()));
        served
    }

    /// The simulator ends a request; the text when it answers.
    pub fn deliver(&mut self, at: u64, seq: &str, outcome: &str, text: Option<&str>) {
        let delivered = Delivered {
            seq: seq.to_owned(),
            first_byte_at: Some(at),
            status: if outcome == "answered" { 200 } else { 503 },
            outcome: outcome.to_owned(),
            answer_sha256: text.map(|text| hex::sha256(text.as_bytes())),
        };
        self.push(at, Event::Delivered(delivered));
    }

    /// A tracer fresh for this operation and slot.
    pub fn tracer(&self, slot: &str) -> String {
        tracer::close(&key(), &format!("words of {} {slot}", self.next_op))
    }

    /// A keyed call answered by its provider; the caller records it.
    pub fn keyed(&mut self, ask: &Ask) -> Call {
        let planted = Planted {
            slot: "prompt".to_owned(),
            text: self.tracer("prompt"),
        };
        let mut call = self.plain(ask);
        let began = ask.at + MS;
        let served = self.serve(ask, began, std::slice::from_ref(&planted.text));
        let text = tracer::answer_text(&key(), &served, &format!("Prose {}.", call.op));
        self.deliver(call.done_at - MS, &served.seq, "answered", Some(&text));
        call.proof = ProofKind::Keyed {
            tracers: vec![planted],
            sets: 1,
        };
        call.answers = tracer::read_answer(&text).into_iter().collect();
        call.meta = Some(ReplyMeta {
            provider: Some(ask.provider.to_owned()),
            model_used: Some(served.model),
            ..ReplyMeta::default()
        });
        call
    }

    /// A keyed call, recorded.
    pub fn chat(&mut self, ask: &Ask) -> u64 {
        let call = self.keyed(ask);
        self.record(call)
    }

    /// A call refused with a typed failure; the caller records it.
    pub fn refused(&mut self, ask: &Ask, category: &str) -> Call {
        let mut call = self.plain(ask);
        call.outcome = Outcome::Refused;
        call.failure = Some(FailureSeen {
            category: category.to_owned(),
            code: "test".to_owned(),
            retryable: false,
            retry_after_ms: None,
            correlation_id: Some(format!("correlation {}", call.op)),
            message: "refused".to_owned(),
        });
        call
    }

    /// The recorded call of an operation, to spoil.
    pub fn call(&mut self, op: u64) -> &mut Call {
        let calls = self
            .out
            .iter_mut()
            .filter_map(|observation| match &mut observation.event {
                Event::Call(call) => Some(&mut **call),
                _ => None,
            });
        calls
            .into_iter()
            .find(|call| call.op == op)
            .expect("the operation is recorded")
    }

    /// The calls of a criterion, in the order recorded.
    pub fn ops(&self, criterion: &str) -> Vec<u64> {
        let calls = self
            .out
            .iter()
            .filter_map(|observation| match &observation.event {
                Event::Call(call) if call.criterion == criterion => Some(call.op),
                _ => None,
            });
        calls.collect()
    }

    /// A sample of the rig itself every four seconds, where a test wrote none.
    fn watch(&mut self, end: u64) {
        let is_rig = |event: &Event| matches!(event, Event::Sample(one) if one.process == RIG);
        if self.out.iter().any(|seen| is_rig(&seen.event)) {
            return;
        }
        for at in (0..end).step_by(4_000_000_000).chain([end]) {
            self.push(at, idle(RIG));
        }
        self.out.sort_by_key(|seen| seen.at);
    }

    /// Judges the history, in the order of time, after a last identification.
    pub fn judge(&self, criteria: &Criteria, profile: &str) -> Judgement {
        let mut history = self.out.clone();
        history.sort_by_key(|observation| observation.at);
        let end = history.last().map_or(0, |last| last.at);
        let mut last = Self {
            out: history,
            ..Self::new()
        };
        last.watch(end);
        last.identify(end, "end", INSTANCE, PID);
        let history = last.out;
        judge(criteria, profile, &key(), || history.iter().cloned())
            .expect("the catalogue is whole")
    }

    /// The finding of one criterion.
    pub fn finding(&self, criteria: &Criteria, profile: &str, criterion: &str) -> Finding {
        let findings = self.judge(criteria, profile).findings;
        let found = findings
            .into_iter()
            .find(|finding| finding.criterion == criterion);
        found.expect("the criterion is judged")
    }
}

/// The committed catalogue as if every tool and transport were built, each tool with the digests
/// that these histories show of it.
pub fn all_built() -> Criteria {
    built(crate::catalogue::criteria())
}

/// The same of another catalogue.
pub fn built(mut criteria: Criteria) -> Criteria {
    for (name, row) in &mut criteria.tools {
        row.built = true;
        let pinned = Pinned {
            schema: hex::sha256(name.as_bytes()),
            instructions: vec![hex::sha256(format!("instruction of {name}").as_bytes())],
        };
        criteria.pinned.insert(name.clone(), pinned);
    }
    criteria
        .transports
        .values_mut()
        .for_each(|row| row.built = true);
    criteria
}
