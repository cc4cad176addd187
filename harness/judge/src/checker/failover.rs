//! V.5: each component is killed under traffic; service is sustained again and nothing is lost.

mod at_risk;
mod health;

use std::collections::BTreeMap;

use self::health::HealthLog;
use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::criterion::Missing;
use crate::fault::FaultKind;
use crate::finding::{Check, Finding};
use crate::ground::FaultLife;
use crate::observation::Event;
use crate::operation::{Call, Outcome, ThreadAction};
use crate::proof::{self, Proof};
use crate::recovery_time::{Probe, Window, sustained};
use crate::tally::{self, Place, Tally};
use crate::thread_model::{ThreadModel, ThreadRules};
use crate::units;
use crate::verdict::{Reason, Verdict};

const PROBE: &str = "probe.";
const SERVER: &str = "server";
const STORE: &str = "store";
const EMBEDDED: &str = "embedded";

/// The checker of V.5.
pub struct Failover<'a> {
    brief: Brief<'a>,
    rules: ThreadRules,
    window: Window,
    model: ThreadModel,
    probes: BTreeMap<String, Vec<Probe>>,
    /// Every operation of the workload: (sent, done, whether it appends, whether acknowledged).
    traffic: Vec<Stretch>,
    health: HealthLog,
    doubled: Tally,
}

#[derive(Clone, Copy)]
struct Stretch {
    sent: u64,
    done: u64,
    is_append: bool,
    is_acknowledged: bool,
}

/// One kill and what followed it.
struct Kill<'a> {
    life: &'a FaultLife,
    /// The moment death was proven.
    dead: u64,
    /// The next kill of the same component, or the end of the run.
    until: u64,
}

impl<'a> Failover<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let rows = brief.criterion;
        Ok(Self {
            rules: ThreadRules::read(rows)?,
            window: Window {
                length: rows.nanos("window_s")?,
                least: rows.floor("probes")?,
            },
            model: ThreadModel::default(),
            probes: BTreeMap::new(),
            traffic: Vec::new(),
            health: HealthLog::default(),
            doubled: Tally::new("answered_twice", "requests answered more than once"),
            brief,
        })
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        self.model.call(call, seen.journal, seen.is_tainted);
        let proof = proof::prove(self.brief.key, seen.journal, call);
        let twice = (call.replies > 1).then(|| format!("operation {} was answered twice", call.op));
        self.doubled
            .trial(seen.is_tainted, Place::Call(call), twice);
        let is_append = call
            .thread
            .as_ref()
            .is_some_and(|part| matches!(part.action, ThreadAction::Create | ThreadAction::Append));
        self.traffic.push(Stretch {
            sent: call.sent_at,
            done: call.done_at,
            is_append,
            is_acknowledged: is_append && call.outcome == Outcome::Ok,
        });
        // A probe inside a fault of our own rig neither confirms nor delays.
        if let Some(component) = call.phase.strip_prefix(PROBE).filter(|_| !seen.is_tainted) {
            let is_right = proof.is_right() && self.needs(seen, call, component, &proof);
            let probes = self.probes.entry(component.to_owned()).or_default();
            probes.push(Probe {
                at: call.intended_at,
                is_right,
            });
        }
    }

    /// Whether a right answer shows that this very component works: the provider itself answered,
    /// or an instance that did not exist before the last kill of the server.
    fn needs(&self, seen: &Seen<'_>, call: &Call, component: &str, proof: &Proof) -> bool {
        if component == SERVER {
            let killed = self.kills(SERVER).filter(|life| {
                life.injected
                    .is_some_and(|injected| injected < call.done_at)
            });
            let last = killed.filter_map(|life| life.injected).max();
            let instances = &self.brief.ground.instances;
            let answered = call.instance.as_ref().and_then(|id| instances.get(id));
            // An answer of nobody's shows of no instance that it is up again.
            return last.is_none_or(|last| answered.is_some_and(|(born, _)| *born > last));
        }
        if component == STORE {
            return call.thread.is_some();
        }
        let mut entries = proof.seqs.iter().filter_map(|seq| seen.journal.entry(seq));
        entries.any(|entry| entry.served.provider == component)
    }

    fn kills<'b>(
        &'b self,
        component: &'b str,
    ) -> impl Iterator<Item = &'a FaultLife> + use<'a, 'b> {
        let faults = self.brief.ground.faults_of(&self.brief.criterion.id);
        faults.filter(move |life| {
            life.fault.kind == FaultKind::Kill && life.fault.component == component
        })
    }

    /// Kills whose cause was proven, each with the time until the next.
    fn landed(&self, component: &str) -> Vec<Kill<'a>> {
        let mut kills: Vec<Kill<'a>> = Vec::new();
        for life in self.kills(component) {
            let Some(dead) = life.cause else { continue };
            if let Some(last) = kills.last_mut() {
                last.until = life.injected.unwrap_or(dead);
            }
            kills.push(Kill {
                life,
                dead,
                until: u64::MAX,
            });
        }
        kills
    }

    fn component(&self, component: &str, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let probes = self.sorted(component);
        let limit = rows.nanos("ttsr_s")?;
        let exposure = rows.floor("exposure")?;
        let mut times = Vec::new();
        let mut counted = 0;
        let mut tally = Tally::new(
            &format!("health.{component}"),
            "kills that health did not show",
        );
        for kill in self.landed(component) {
            let end = kill.life.healed.unwrap_or(kill.until).min(kill.until);
            let exposed = probes
                .iter()
                .filter(|probe| kill.dead <= probe.at && probe.at < kill.until);
            let is_exposed = u64::try_from(exposed.count()).is_ok_and(|count| count >= exposure);
            // Whatever befalls our rig after the time is up excuses nobody who is not back by then.
            let in_doubt = end.min(kill.dead.saturating_add(limit));
            if !is_exposed || self.brief.ground.is_tainted(kill.dead, in_doubt) {
                continue;
            }
            counted += u64::from(kill.life.effect.is_some());
            times.push((
                kill.dead,
                sustained(&probes, kill.dead, kill.until, self.window),
            ));
            let others = self.others(component, &kill);
            if let Some(wrong) =
                self.health
                    .shows(rows, component, (kill.dead, end, kill.until), &others)?
            {
                let place = Place::Moment(kill.dead, "health probe");
                tally.trial(false, place, wrong.err());
            }
        }
        let event = format!("kills of {component} with cause, exposure and effect");
        let count = (rows.floor("kills")?, counted);
        tally::floor(
            finding,
            &format!("kill.{component}"),
            &event,
            count,
            Reason::FaultNotLanded,
        );
        for why in self
            .kills(component)
            .filter_map(|life| life.not_landed.as_ref())
        {
            finding
                .not_tested
                .push(format!("a kill of {component}: {why}"));
        }
        self.times(component, &times, limit, finding);
        tally.conclude(finding);
        Ok(())
    }

    fn sorted(&self, component: &str) -> Vec<Probe> {
        let mut probes = self.probes.get(component).cloned().unwrap_or_default();
        probes.sort_by_key(|probe| probe.at);
        probes
    }

    /// Writes the row of the recovery times: one over the limit, or never, fails.
    fn times(
        &self,
        component: &str,
        times: &[(u64, Option<u64>)],
        limit: u64,
        finding: &mut Finding,
    ) {
        let id = format!("ttsr.{component}");
        let mut known: Vec<u64> = times
            .iter()
            .map(|(_, time)| time.unwrap_or(u64::MAX))
            .collect();
        known.sort_unstable();
        let (measured, verdict) = match (known.first(), units::middle(&known), known.last()) {
            (Some(least), Some(middle), Some(most)) => {
                let [least, middle, longest] = [*least, middle, *most].map(took);
                let verdict = if *most < limit {
                    Verdict::Pass
                } else {
                    Verdict::Fail
                };
                (format!("min {least}, p50 {middle}, max {longest}"), verdict)
            }
            _ => ("no kill".to_owned(), Verdict::Inconclusive),
        };
        finding.checks.push(Check {
            id: id.clone(),
            name: format!("time to sustained service after a kill of {component}"),
            measured,
            limit: format!("< {}", tally::millis(limit)),
            verdict,
            reason: (verdict == Verdict::Inconclusive).then_some(Reason::ZeroSamples),
            n: u64::try_from(times.len()).unwrap_or(u64::MAX),
        });
        let mut points = Vec::new();
        let mut number = 0.0;
        for (dead, time) in times {
            number += 1.0;
            let nanos = time.unwrap_or(u64::MAX);
            if nanos >= limit {
                let says = format!(
                    "kill {number} of {component} was survived after: {}",
                    took(nanos)
                );
                let place = Place::Moment(*dead, "probes");
                finding.violations.push(place.violation(&id, says));
            }
            points.extend(time.map(|time| (number, units::seconds(time))));
        }
        finding.series.insert(id, points);
    }

    /// The components that were left alone meanwhile, each with its last death before.
    fn others(&self, component: &str, kill: &Kill<'_>) -> Vec<(&'a str, Option<u64>)> {
        let Ok(all) = self.brief.criterion.list("health_components") else {
            return Vec::new();
        };
        if component == SERVER {
            return Vec::new();
        }
        let faults = self.brief.ground.faults_of(&self.brief.criterion.id);
        let end = kill.life.healed.unwrap_or(kill.until);
        let around: Vec<&FaultLife> = faults
            .filter(|life| life.overlaps(kill.dead, end))
            .collect();
        let is_quiet = |name: &&str| {
            ![component, SERVER].contains(name)
                && !around.iter().any(|life| life.fault.component == **name)
        };
        let last_death = |name: &'a str| {
            let deaths = self.landed(name).into_iter().map(|other| other.dead);
            (name, deaths.filter(|dead| *dead < kill.dead).max())
        };
        let quiet = all.iter().map(String::as_str).filter(is_quiet);
        quiet.map(last_death).collect()
    }
}

fn took(nanos: u64) -> String {
    if nanos == u64::MAX {
        "never".to_owned()
    } else {
        tally::millis(nanos)
    }
}

fn components(brief: Brief<'_>) -> Result<&[String], Missing> {
    let kind = brief.ground.store().unwrap_or(EMBEDDED);
    brief.criterion.list(&format!("components_{kind}"))
}

impl Checker for Failover<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = &self.brief.criterion.id;
        match seen.event {
            Event::Call(call) if call.criterion == *id => self.call(seen, call),
            Event::Health(health) if self.brief.ground.is_within(id, seen.at) => {
                self.health.note(seen.at, health);
            }
            _ => {}
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        for component in components(self.brief)? {
            self.component(component, &mut finding)?;
        }
        let report = std::mem::take(&mut self.model).finish(self.rules);
        at_risk::floors(&self, &report, &mut finding)?;
        let settled = (report.threads.max(1), report.settled);
        let event = "threads read after their last acknowledged turn";
        tally::floor(&mut finding, "settled", event, settled, Reason::BelowFloor);
        report.conclude(&mut finding);
        std::mem::replace(&mut self.doubled, Tally::new("", "")).conclude(&mut finding);
        finding
            .not_tested
            .push("power-loss durability: only process-crash durability is judged here".to_owned());
        let kills = finding
            .floors
            .iter()
            .filter(|floor| floor.id.starts_with("kill."));
        let kills: u64 = kills.map(|floor| floor.seen).sum();
        let plural = if kills == 1 { "" } else { "s" };
        let lost = report
            .anomalies
            .iter()
            .filter(|anomaly| anomaly.name == "lost")
            .count();
        finding.headline = format!(
            "{kills} kill{plural}, {lost} of {} acknowledged turns lost",
            bounds::grouped(report.acknowledged)
        );
        finding.conclude();
        Ok(finding)
    }
}
