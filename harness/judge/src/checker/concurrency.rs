//! V.3: a hundred and more operations in flight at once, and one hot identity past its limit.

use std::collections::BTreeSet;

use super::{Brief, Checker, Seen};
use crate::conservation::Conservation;
use crate::conservation::arrivals::Arrivals;
use crate::conservation::permits::Permits;
use crate::conservation::requests::Requests;
use crate::criterion::{Criterion, Missing};
use crate::crowding;
use crate::finding::Finding;
use crate::generator::Generator;
use crate::longest::Longest;
use crate::observation::{Event, LoadAccount, Sample};
use crate::operation::{Call, Outcome};
use crate::proof::{self, Proof, ProofTallies, Usage};
use crate::rate::Rate;
use crate::series;
use crate::tally::{self, Latency, Place, Tally};
use crate::timeline::Timeline;
use crate::units::{CHART_BIN, MIB};
use crate::verdict::Reason;

const HOT: &str = "hot";
const WARM_UP: &str = "warm-up";
const SERVER: &str = "server";
/// Checks that say how long calls took.
const OF_TIME: &[&str] = &["p95", "p99", "maximum", "unanswered"];
/// Checks that compare the server with what the history tells of calls.
const OF_HISTORY: &[&str] = &["conservation", "permits", "unasked"];
const RATE_LIMIT: &str = "rate_limit_error";

/// The checker of V.3.
pub struct Concurrency<'a> {
    brief: Brief<'a>,
    limits: Limits,
    stays: Vec<Stay>,
    finished: Vec<u64>,
    latencies: Vec<(u64, u64)>,
    /// The same without what the generator was late by.
    own: Vec<(u64, u64)>,
    errors: Rate,
    proofs: ProofTallies,
    usage: Usage,
    sequence: Tally,
    unanswered: Tally,
    slow: Tally,
    healthy: Tally,
    hot_refused: u64,
    conservation: Conservation,
    arrivals: Arrivals,
    permits: Permits,
    requests: Requests,
    loads: Vec<LoadAccount>,
    pids: BTreeSet<u32>,
    samples: u64,
    most_resident: u64,
}

/// A provider request's stay in a simulator.
struct Stay {
    from: u64,
    until: u64,
    transport: &'static str,
    provider: String,
}

struct Limits {
    longest: Longest,
    hold: u64,
    p95: Latency,
    p99: Latency,
    memory_share: f64,
    memory_mib: f64,
    generator: Generator,
}

impl Limits {
    fn read(rows: &Criterion) -> Result<Self, Missing> {
        let latency = |id: &str, quantile: f64| -> Result<Latency, Missing> {
            Ok(Latency {
                id: id.to_owned(),
                name: format!("{id} from the intended start"),
                quantile,
                line: rows.nanos(&format!("{id}_ms"))?,
                least: rows.count(&format!("{id}_least"))?,
            })
        };
        Ok(Self {
            longest: Longest::read(rows)?,
            hold: rows.nanos("hold_s")?,
            p95: latency("p95", crate::bounds::P95)?,
            p99: latency("p99", crate::bounds::P99)?,
            memory_share: rows.limit("memory_share")?,
            memory_mib: rows.limit("memory_mib")?,
            generator: Generator::start(rows)?,
        })
    }
}

impl<'a> Concurrency<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let errors = brief.criterion.limit("errors")?;
        let checks = [
            "belongs",
            "doubled",
            "failure_inside",
            "lost_input",
            "leak",
            "seal",
            "text",
        ];
        Ok(Self {
            limits: Limits::read(brief.criterion)?,
            stays: Vec::new(),
            finished: Vec::new(),
            latencies: Vec::new(),
            own: Vec::new(),
            errors: Rate::new(
                "errors",
                "calls refused, shed, wrong, late or unanswered",
                errors,
            ),
            proofs: ProofTallies::of(&checks),
            usage: Usage::default(),
            sequence: Tally::new("sequence", "answers with another call's provider request"),
            unanswered: Tally::new("unanswered", "calls without a terminal reply"),
            slow: Longest::tally("maximum"),
            healthy: Tally::new(
                "hot_healthy",
                "errors of other identities beside the hot one",
            ),
            hot_refused: 0,
            conservation: Conservation::default(),
            arrivals: Arrivals::default(),
            permits: Permits::default(),
            requests: Requests::default(),
            loads: Vec::new(),
            pids: BTreeSet::new(),
            samples: 0,
            most_resident: 0,
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let is_tainted = seen.is_tainted;
        let place = Place::Call(call);
        let proof = proof::prove(self.brief.key, seen.journal, call);
        self.proofs.note(is_tainted, call, &proof);
        let stolen = self.usage.claim(call, &proof.seqs, u64::MAX);
        let wrong = proof.wrong().or_else(|| stolen.clone());
        self.sequence.trial(is_tainted, place, stolen);
        if call.phase == HOT {
            self.hot(is_tainted, call, wrong);
            return;
        }
        if call.phase == WARM_UP {
            return;
        }
        let is_silent = call.outcome == Outcome::Unknown && call.replies == 0;
        let says = format!(
            "operation {} got no terminal reply: {}",
            call.op,
            proof::why(call)
        );
        self.unanswered
            .trial(is_tainted, place, is_silent.then_some(says));
        let late = self
            .brief
            .ground
            .lateness(call, self.limits.generator.lag());
        let own = call.latency().saturating_sub(late);
        let longest = self.limits.longest;
        longest.trial(&mut self.slow, is_tainted, (call, own));
        self.errors.trial(is_tainted, place, wrong);
        if is_tainted {
            return;
        }
        self.latencies.push((call.intended_at, call.latency()));
        self.own.push((call.intended_at, own));
        self.stay(seen, call, &proof);
    }

    fn stay(&mut self, seen: &Seen<'_>, call: &Call, proof: &Proof) {
        for attempt in seen.journal.attempts(call) {
            self.stays.push(Stay {
                from: attempt.began,
                until: attempt.ended.as_ref().map_or(call.done_at, |(at, _)| *at),
                transport: call.transport.name(),
                provider: attempt.served.provider.clone(),
            });
        }
        if proof.is_right() {
            self.finished.push(call.done_at);
        }
    }

    fn hot(&mut self, is_tainted: bool, call: &Call, wrong: Option<String>) {
        if !call.identity.starts_with(HOT) {
            self.healthy.trial(is_tainted, Place::Call(call), wrong);
            return;
        }
        let limited = call
            .failure
            .as_ref()
            .is_some_and(|failure| failure.category == RATE_LIMIT);
        if limited && call.outcome == Outcome::Refused && !is_tainted {
            self.hot_refused += 1;
        }
    }

    fn sample(&mut self, at: u64, sample: &Sample) {
        let spans = &self.brief.ground.summary.spans;
        let mine = spans
            .iter()
            .filter(|span| span.criterion == self.brief.criterion.id);
        let mut within = mine.map(|span| (span.from, span.until.unwrap_or(u64::MAX)));
        if sample.process == SERVER && within.any(|(from, until)| from <= at && at <= until) {
            self.samples += 1;
            self.pids.insert(sample.pid);
            self.most_resident = self.most_resident.max(sample.resident_bytes);
        }
    }

    fn floors(&self, finding: &mut Finding) -> Result<u64, Missing> {
        let rows = self.brief.criterion;
        let line = Timeline::new(self.stays.iter().map(|stay| (stay.from, stay.until)));
        let (level, begin) = line.held(self.limits.hold);
        let end = begin.saturating_add(self.limits.hold);
        let needed = rows.floor("in_flight")?;
        let event = "provider requests in flight, held in one piece";
        tally::floor(
            finding,
            "in_flight",
            event,
            (needed, level),
            Reason::BelowFloor,
        );
        self.transports(finding, (begin, end))?;
        let meanwhile = |stay: &&Stay| stay.from < end && begin < stay.until;
        let stays = self.stays.iter().filter(meanwhile);
        let providers: BTreeSet<&str> = stays.map(|stay| stay.provider.as_str()).collect();
        let count = (
            rows.floor("providers")?,
            u64::try_from(providers.len()).unwrap_or_default(),
        );
        let event = "providers in use at once";
        tally::floor(finding, "providers", event, count, Reason::EventNotSeen);
        let meanwhile = self
            .finished
            .iter()
            .filter(|done| line.at(done.saturating_sub(1)) + 1 >= needed);
        let meanwhile = u64::try_from(meanwhile.count()).unwrap_or_default();
        let count = (rows.floor("operations")?, meanwhile);
        let event = "operations finished while that many were in flight";
        tally::floor(finding, "operations", event, count, Reason::BelowFloor);
        let count = (rows.floor("hot_refused")?, self.hot_refused);
        let event = "calls of the hot identity refused";
        tally::floor(finding, "hot_refused", event, count, Reason::EventNotSeen);
        let count = (rows.floor("hot_healthy")?, self.healthy.trials());
        let event = "calls of others in the hot phase";
        tally::floor(finding, "hot_healthy", event, count, Reason::BelowFloor);
        tally::floor(
            finding,
            "samples",
            "process samples",
            (1, self.samples),
            Reason::EventNotSeen,
        );
        finding
            .series
            .insert("in_flight".to_owned(), line.chart(CHART_BIN));
        Ok(level)
    }

    fn transports(&self, finding: &mut Finding, piece: (u64, u64)) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let needed = rows.floor("in_flight_transport")?;
        for (transport, row) in &self.brief.criteria.transports {
            let stays = self.stays.iter().filter(|stay| stay.transport == transport);
            let line = Timeline::new(stays.map(|stay| (stay.from, stay.until)));
            let seen = line.median(piece.0, piece.1);
            let reason = if row.built {
                Reason::BelowFloor
            } else {
                Reason::NotTestable
            };
            let id = format!("in_flight.{transport}");
            let event = format!("in flight over {transport} at that time");
            tally::floor(finding, &id, &event, (needed, seen), reason);
            if !row.built {
                finding
                    .not_tested
                    .push(format!("the transport {transport} is not built"));
            }
        }
        Ok(())
    }
}

impl Checker for Concurrency<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = self.brief.criterion.id.as_str();
        match seen.event {
            Event::Call(call) => {
                self.conservation.call(call);
                self.permits.call(call);
                self.requests.call(call);
                if call.criterion == id {
                    self.arrivals.call(call);
                    self.call(seen, call);
                }
            }
            Event::Metrics { mark, values } => {
                let (moment, of) = series::mark(mark);
                if of == Some(id) {
                    self.conservation.scrape(seen.at, moment, values);
                    self.permits.scrape(seen.at, moment, values);
                }
            }
            Event::Served(served) if self.brief.ground.is_within(id, seen.at) => {
                self.requests.serve(seen.at, seen.is_tainted, served);
            }
            Event::Sample(sample) if !seen.is_tainted => self.sample(seen.at, sample),
            Event::Load(load) if load.criterion == id => {
                self.arrivals.account(load);
                if load.phase != HOT {
                    self.loads.push(load.clone());
                }
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        let level = self.floors(&mut finding)?;
        let ground = self.brief.ground;
        let several = u32::try_from(ground.several()).unwrap_or(u32::MAX);
        let Self {
            errors,
            latencies,
            own,
            limits,
            ..
        } = *self;
        let count = errors.trials();
        let bad = errors.count();
        let crowded = self.loads.iter().find_map(|load| ground.crowding.of(load));
        errors.conclude_beside(crowded.as_deref(), &mut finding);
        for line in [&limits.p95, &limits.p99] {
            line.conclude_with(&latencies, &own, &mut finding);
        }
        for tally in [self.slow, self.unanswered, self.sequence] {
            tally.conclude(&mut finding);
        }
        if let Some(crowded) = &crowded {
            crowding::doubt(&mut finding, OF_TIME, crowded);
        }
        self.healthy.conclude_if_tried(&mut finding);
        self.proofs.conclude(&mut finding);
        self.conservation.conclude(&mut finding);
        self.permits.conclude(&mut finding);
        self.requests.conclude(&mut finding);
        self.arrivals.conclude(OF_HISTORY, &mut finding);
        let pids = (self.samples > 0)
            .then(|| f64::from(u32::try_from(self.pids.len()).unwrap_or(u32::MAX)));
        tally::at_most(
            &mut finding,
            ("pid", "server processes seen"),
            (pids, "process"),
            f64::from(several),
        );
        #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^53")]
        let mib = (self.samples > 0).then(|| self.most_resident as f64 / MIB);
        let most = limits.memory_mib * limits.memory_share;
        let tree = ("memory", "resident memory of the process tree");
        tally::at_most(&mut finding, tree, (mib, "MiB"), most);
        limits.generator.conclude(&self.loads, &mut finding);
        finding.headline = format!(
            "{level} in flight held (floor {}), {} of {} calls wrong",
            rows.floor("in_flight")?,
            crate::bounds::grouped(bad),
            crate::bounds::grouped(count)
        );
        finding.conclude();
        Ok(finding)
    }
}
