//! V.4: threads keep every turn under load and store faults, and the store answers in time.

mod commands;
mod hits;
mod outage;
mod rolling;
mod schema;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use self::commands::Commands;
use self::hits::Hits;
use self::outage::Outage;
use self::rolling::Rolling;
use self::schema::Schema;
use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::ground::FaultLife;
use crate::observation::{Event, HealthSeen};
use crate::operation::{Call, Outcome, ThreadAction};
use crate::proof;
use crate::series;
use crate::tally::{self, Latency, Place, Tally};
use crate::thread_model::{ThreadModel, ThreadReport, ThreadRules};
use crate::verdict::{Reason, Verdict};

const WITH: &str = "with_thread";
const WITHOUT: &str = "without_thread";
const RESTART: &str = "restart";
const STORE: &str = "store";
const RECONNECT: &str = "reconnect";
/// The store the harness sets up when it says nothing else.
const EMBEDDED: &str = "embedded";

/// The checker of V.4.
pub struct Storage<'a> {
    brief: Brief<'a>,
    rules: ThreadRules,
    good_words: &'a [String],
    model: ThreadModel,
    operations: u64,
    after_fault: u64,
    after_restart: u64,
    /// Keys of turns that were sent again after a restart and answered.
    restart_keys: u64,
    /// Service times by phase, in order of intent: (intended, ns).
    with: Vec<(u64, u64)>,
    without: Vec<(u64, u64)>,
    in_window: Vec<(u64, u64)>,
    calm: Tally,
    /// Faults during which health said so.
    degraded: BTreeSet<String>,
    reconnects: Vec<(u64, f64)>,
    /// When store operations began after an unhealed fault, and whether they were right.
    unhealed: BTreeMap<String, (u64, u64)>,
    store_seen: Option<String>,
    hits: Hits,
    commands: Commands,
    schema: Schema,
    rolling: Rolling,
    outage: Outage,
}

impl<'a> Storage<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        Ok(Self {
            rules: ThreadRules::read(brief.criterion)?,
            good_words: brief.criterion.list("good_words")?,
            model: ThreadModel::default(),
            operations: 0,
            after_fault: 0,
            after_restart: 0,
            restart_keys: 0,
            with: Vec::new(),
            without: Vec::new(),
            in_window: Vec::new(),
            calm: Tally::new("calm", "errors outside fault windows"),
            degraded: BTreeSet::new(),
            reconnects: Vec::new(),
            unhealed: BTreeMap::new(),
            store_seen: None,
            commands: Commands::default(),
            hits: Hits::start(brief.criterion, brief.ground.several())?,
            schema: Schema::start(),
            rolling: Rolling::start(),
            outage: Outage::start(),
            brief,
        })
    }

    fn mine(&self) -> impl Iterator<Item = &'a FaultLife> + use<'a> {
        self.brief.ground.faults_of(&self.brief.criterion.id)
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        self.model.call(call, seen.journal, seen.is_tainted);
        let ground = self.brief.ground;
        let proof = proof::prove(self.brief.key, seen.journal, call);
        self.hits.call(seen, call, &proof);
        self.commands.call(call);
        let is_full = call
            .failure
            .as_ref()
            .is_some_and(|failure| failure.code.contains("thread_full"));
        let in_window = ground.is_in_fault_window(call.intended_at.min(call.sent_at), call.done_at);
        if self.rolling.call((seen, call), &proof) {
            // It has rules of its own.
        } else if in_window {
            self.in_window.push((call.intended_at, call.latency()));
        } else {
            let wrong = proof.wrong().filter(|_| !is_full);
            self.calm.trial(seen.is_tainted, Place::Call(call), wrong);
        }
        let is_right = proof.is_right() && call.outcome == Outcome::Ok;
        if call.thread.is_some() {
            self.note_unhealed(call, is_right);
        }
        if !is_right || seen.is_tainted {
            return;
        }
        match call.phase.as_str() {
            WITH if !in_window => self.with.push((call.intended_at, call.service_time())),
            WITHOUT if !in_window => self.without.push((call.intended_at, call.service_time())),
            _ => {}
        }
        let Some(part) = &call.thread else { return };
        self.operations += 1;
        let is_again = call.repeat.is_some() && part.action != ThreadAction::Read;
        self.restart_keys += u64::from(is_again && call.phase.contains(RESTART));
        if part.action == ThreadAction::Read {
            let healed = self.mine().filter_map(|life| life.healed).min();
            self.after_fault += u64::from(healed.is_some_and(|healed| call.sent_at > healed));
            self.after_restart += u64::from(call.phase.contains(RESTART));
        }
    }

    /// Store operations after a fault that never healed: right and wrong ones.
    fn note_unhealed(&mut self, call: &Call, is_right: bool) {
        for life in self.mine().filter(|life| life.healed.is_none()) {
            if life.cause.is_some_and(|cause| call.sent_at > cause) {
                let (right, wrong) = self.unhealed.entry(life.fault.id.clone()).or_default();
                *right += u64::from(is_right);
                *wrong += u64::from(!is_right);
            }
        }
    }

    fn health(&mut self, at: u64, health: &HealthSeen) {
        if let Some(kind) = health.components.get("store_kind") {
            self.store_seen.get_or_insert_with(|| kind.clone());
        }
        let Some(word) = health.components.get(STORE) else {
            return;
        };
        if self.good_words.contains(word) {
            return;
        }
        for life in self.mine().filter(|life| life.overlaps(at, at)) {
            self.degraded.insert(life.fault.id.clone());
        }
    }

    fn floors(&self, report: &ThreadReport, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let mut floor = |id: &str, event: &str, seen: u64| -> Result<(), Missing> {
            tally::floor(
                finding,
                id,
                event,
                (rows.floor(id)?, seen),
                Reason::BelowFloor,
            );
            Ok(())
        };
        floor(
            "operations",
            "store operations acknowledged to clients",
            self.operations,
        )?;
        floor("reads_after_fault", "reads after a fault", self.after_fault)?;
        floor(
            "context_reads",
            "histories as a provider received them",
            report.contexts,
        )?;
        floor("restart_reads", "reads after a restart", self.after_restart)?;
        let tried = |anomaly: &str| report.trials.of(anomaly);
        let event = "turns past a thread's cap that were answered";
        floor("past_cap", event, tried("cap"))?;
        let event = "keys sent again with their words, and answered";
        floor("repeated_keys", event, tried("doubled_by_key"))?;
        let event = "keys sent again with other words, and answered";
        floor("reused_keys", event, tried("reused_key"))?;
        let event = "keys of turns sent again after a restart, and answered";
        floor("restart_keys", event, self.restart_keys)?;
        let degraded = u64::try_from(self.degraded.len()).unwrap_or(u64::MAX);
        floor(
            "degraded",
            "faults during which health said the store is degraded",
            degraded,
        )?;
        let event = "threads read after their last acknowledged turn";
        let settled = (report.threads.max(1), report.settled);
        tally::floor(finding, "settled", event, settled, Reason::BelowFloor);
        let kind = self.brief.ground.store().unwrap_or(EMBEDDED);
        let needed = rows.floor("fault")?;
        for fault in rows.list(&format!("faults_{kind}"))? {
            let of_kind = || self.mine().filter(|life| life.fault.kind.name() == fault);
            let proven = of_kind().filter(|life| life.is_proven()).count();
            let count = (needed, u64::try_from(proven).unwrap_or(u64::MAX));
            let event = format!("{fault} of the {kind} store, proven and healed");
            let id = format!("fault.{fault}");
            tally::floor(finding, &id, &event, count, Reason::FaultNotLanded);
            let why = of_kind().filter_map(|life| life.not_landed.as_ref());
            finding
                .not_tested
                .extend(why.map(|why| format!("{fault} of the store: {why}")));
        }
        Ok(())
    }

    /// How long the store's part of a call takes: the k-th call on a thread minus the k-th without.
    fn paired(&self) -> Vec<(u64, u64)> {
        let sorted = |of: &[(u64, u64)]| {
            let mut of = of.to_vec();
            of.sort_unstable();
            of
        };
        let (with, without) = (sorted(&self.with), sorted(&self.without));
        let pairs = with.iter().zip(&without);
        pairs
            .map(|((at, with), (_, without))| (*at, with.saturating_sub(*without)))
            .collect()
    }

    fn timing(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let pairs = self.paired();
        let count = u64::try_from(pairs.len()).unwrap_or(u64::MAX);
        let event = "pairs of a call with and without a thread";
        let needed = rows.floor("store_samples")?;
        tally::floor(
            finding,
            "store_samples",
            event,
            (needed, count),
            Reason::BelowFloor,
        );
        let latency = |id: &str, name: &str| -> Result<Latency, Missing> {
            Ok(Latency {
                id: id.to_owned(),
                name: name.to_owned(),
                quantile: bounds::P95,
                line: rows.nanos(&format!("{id}_ms"))?,
                least: rows.count(&format!("{id}_least"))?,
            })
        };
        let store = latency(
            "store_p95",
            "store's share of a call, p95, outside fault windows",
        )?;
        store.conclude(&pairs, finding);
        let window = latency("window_p95", "p95 inside fault windows")?;
        window.conclude(&self.in_window, finding);
        windows::share(self.brief, rows.limit("window_share")?, finding);
        self.reconnect(rows, finding)
    }

    /// Seconds from a fault's end to the first right operation, as the nemesis measured each.
    fn reconnect(&self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let most = rows.limit("reconnect_s")?;
        let mut tally = Tally::new(
            "reconnect",
            "faults after which the store was not reached in time",
        );
        for (at, seconds) in &self.reconnects {
            let says =
                format!("the store was reached {seconds:.2} s after its fault, {most} s at most");
            let place = Place::Moment(*at, "nemesis");
            tally.trial(false, place, (*seconds > most).then_some(says));
        }
        for (fault, (right, wrong)) in &self.unhealed {
            let is_lost = *right == 0;
            let says =
                format!("after {fault} the store was never reached again: {wrong} calls failed");
            let place = Place::Moment(self.brief.ground.summary.until, "clients");
            tally.trial(false, place, is_lost.then_some(says));
        }
        tally.conclude_if_tried(finding);
        let proven = self.mine().filter(|life| life.is_proven()).count();
        let proven = u64::try_from(proven).unwrap_or(u64::MAX);
        let timed = u64::try_from(self.reconnects.len()).unwrap_or(u64::MAX);
        let event = "faults after which the way back to the store was timed";
        tally::floor(
            finding,
            "reconnects",
            event,
            (proven, timed),
            Reason::EventNotSeen,
        );
        Ok(())
    }

    /// The store that answers is the one the run names; open where health never named it. Returns
    /// whether it is.
    fn named(&self, finding: &mut Finding) -> bool {
        let named = self.brief.ground.store().unwrap_or(EMBEDDED);
        let seen = self.store_seen.as_deref();
        let is_same = seen == Some(named) || (named == EMBEDDED && seen == Some("sqlite"));
        let open = seen.map_or(Reason::EventNotSeen, |_| Reason::StoreMismatch);
        finding.checks.push(Check {
            id: "store".to_owned(),
            name: "the store in use is the one named".to_owned(),
            measured: seen.unwrap_or("not seen").to_owned(),
            limit: named.to_owned(),
            verdict: if is_same {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            },
            reason: (!is_same).then_some(open),
            n: u64::from(seen.is_some()),
        });
        is_same
    }
}

impl Checker for Storage<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Call(call) if call.criterion == self.brief.criterion.id => self.call(seen, call),
            Event::Health(health) => {
                self.health(seen.at, health);
                self.outage.health(seen, self.brief, health);
            }
            Event::Metrics { mark, values } => {
                let (moment, of) = series::mark(mark);
                if of == Some(self.brief.criterion.id.as_str()) {
                    self.hits.scrape(seen.at, moment, values);
                }
            }
            Event::Figure { name, value, unit }
                if self
                    .brief
                    .ground
                    .is_within(&self.brief.criterion.id, seen.at) =>
            {
                if name.starts_with(RECONNECT) && unit == "s" {
                    self.reconnects.push((seen.at, *value));
                }
                self.schema.figure(seen, name, *value, unit);
                self.commands.figure(seen, name, *value);
            }
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        let report = std::mem::take(&mut self.model).finish(self.rules);
        self.floors(&report, &mut finding)?;
        report.conclude(&mut finding);
        self.timing(&mut finding)?;
        let is_named = self.named(&mut finding);
        self.hits.conclude(self.brief.criterion, &mut finding)?;
        self.schema.conclude(self.brief.criterion, &mut finding)?;
        self.commands.conclude(self.brief, is_named, &mut finding);
        if self.brief.ground.several() > 1 {
            self.rolling.conclude(self.brief, &mut finding);
            self.outage.conclude(self.brief, &mut finding);
        }
        let wrong = report.anomalies.len();
        let calm = std::mem::replace(&mut self.calm, Tally::new("calm", ""));
        calm.conclude(&mut finding);
        finding.headline = format!(
            "{} acknowledged turns in {} threads, {wrong} anomalies; {} store operations",
            bounds::grouped(report.acknowledged),
            bounds::grouped(report.threads),
            bounds::grouped(self.operations)
        );
        finding.conclude();
        Ok(finding)
    }
}
