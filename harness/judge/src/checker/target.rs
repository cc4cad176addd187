//! A server that nobody here wrote, one family of checks at a time. Its catalogue is its own
//! (`scenarios/target.toml`): a check that nothing tried is Inconclusive, unless the harness said
//! that the server gives it no subject.

use std::collections::{BTreeMap, BTreeSet};

use super::{Brief, Checker, Seen};
use crate::bounds;
use crate::criterion::Missing;
use crate::finding::Finding;
use crate::generator::Generator;
use crate::observation::{Case, Event, LoadAccount};
use crate::operation::{Call, Outcome};
use crate::tally::{self, Latency, Place, Tally};
use crate::verdict::Reason;

/// Between the answers that a case accepts.
const OR: char = '|';

/// The checker of the families that send one thing at a time: wire, security, panic.
pub struct Family<'a> {
    brief: Brief<'a>,
    /// In the catalogue's order.
    checks: Vec<(String, Tally)>,
    absent: BTreeSet<String>,
    unknown: BTreeMap<String, u64>,
}

impl<'a> Family<'a> {
    /// Reads its checks.
    ///
    /// # Errors
    /// The catalogue lacks them.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        let rows = brief.criterion.list("checks")?.iter();
        let checks = rows.map(|row| {
            let (id, name) = row.split_once(": ").unwrap_or((row, row));
            (id.to_owned(), Tally::new(id, name))
        });
        Ok(Self {
            brief,
            checks: checks.collect(),
            absent: BTreeSet::new(),
            unknown: BTreeMap::new(),
        })
    }

    fn case(&mut self, seen: &Seen<'_>, case: &Case) {
        let id = &self.brief.criterion.id;
        let Some(rest) = case.id.strip_prefix(id.as_str()) else {
            return;
        };
        let Some(rest) = rest.strip_prefix('.') else {
            return;
        };
        let (check, about) = rest.split_once('.').unwrap_or((rest, ""));
        let Some((_, tally)) = self.checks.iter_mut().find(|(known, _)| known == check) else {
            *self.unknown.entry(check.to_owned()).or_default() += 1;
            return;
        };
        let is_right = case.expected.split(OR).any(|one| one == case.seen);
        let says = || {
            let wanted = case.expected.replace(OR, " or ");
            let about = if about.is_empty() { check } else { about };
            format!(
                "{about} over {}: {} instead of {wanted}",
                case.edge, case.seen
            )
        };
        let place = Place::Moment(seen.at, &case.edge);
        tally.trial(seen.is_tainted, place, (!is_right).then(says));
    }
}

impl Checker for Family<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        match seen.event {
            Event::Case(case) => self.case(seen, case),
            Event::NotApplicable {
                criterion, check, ..
            } if *criterion == self.brief.criterion.id => {
                self.absent.insert(check.clone());
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        let (mut wrong, mut tried) = (0, 0);
        for (id, check) in self.checks {
            wrong += check.count();
            tried += check.trials();
            // What has no subject and was tried all the same still counts.
            if self.absent.contains(&id) {
                check.conclude_if_tried(&mut finding);
            } else {
                check.conclude(&mut finding);
            }
        }
        for (check, count) in self.unknown {
            let event = format!("cases of {check}, a check that the catalogue lacks");
            let id = format!("unknown.{check}");
            let floor = (count.saturating_add(1), count);
            tally::floor(&mut finding, &id, &event, floor, Reason::SchemaInvalid);
        }
        finding.headline = format!("{} of {tried} trials as they should be", tried - wrong);
        finding.conclude();
        Ok(finding)
    }
}

/// The checker of the load smoke.
pub struct Load<'a> {
    brief: Brief<'a>,
    answers: Tally,
    latencies: Vec<(u64, u64)>,
    accounts: Vec<LoadAccount>,
}

impl<'a> Load<'a> {
    /// A load of which nothing is known.
    #[must_use]
    pub fn start(brief: Brief<'a>) -> Self {
        Self {
            brief,
            answers: Tally::new(
                "answers",
                "requests not answered once, whole and by their id",
            ),
            latencies: Vec::new(),
            accounts: Vec::new(),
        }
    }

    fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let wrong = wrong(call).map(|why| format!("{} {}: {why}", call.tool, call.op));
        if wrong.is_none() && !seen.is_tainted {
            self.latencies.push((call.intended_at, call.latency()));
        }
        self.answers
            .trial(seen.is_tainted, Place::Call(call), wrong);
    }
}

fn wrong(call: &Call) -> Option<String> {
    if call.replies > 1 {
        return Some(format!("{} replies", call.replies));
    }
    if call.belongs == Some(false) {
        return Some("the reply of another request".to_owned());
    }
    if call.outcome == Outcome::Ok {
        return None;
    }
    let failure = call.failure.as_ref().map(|failure| failure.message.clone());
    let trouble = call.trouble.clone().or(failure);
    Some(trouble.unwrap_or_else(|| "no result".to_owned()))
}

impl Checker for Load<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = &self.brief.criterion.id;
        match seen.event {
            Event::Call(call) if call.criterion == *id => self.call(seen, call),
            Event::Load(account) if account.criterion == *id => self.accounts.push(account.clone()),
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        let asked = self.answers.trials();
        let count = (rows.floor("calls")?, asked);
        tally::floor(
            &mut finding,
            "calls",
            "requests sent",
            count,
            Reason::BelowFloor,
        );
        self.answers.conclude(&mut finding);
        let latency = Latency {
            id: "p95".to_owned(),
            name: "95th percentile from the intended start".to_owned(),
            quantile: bounds::P95,
            line: rows.nanos("p95_ms")?,
            least: rows.count("least")?,
        };
        latency.conclude(&self.latencies, &mut finding);
        Generator::start(rows)?.conclude(&self.accounts, &mut finding);
        let p95 = finding.checks.iter().find(|check| check.id == "p95");
        let p95 = p95.map_or_else(String::new, |check| check.measured.clone());
        finding.headline = format!("{asked} requests, 95th percentile {p95}");
        finding.conclude();
        Ok(finding)
    }
}

/// The clients' limits that a server passes: they inform, and decide nothing.
pub struct Clients<'a> {
    brief: Brief<'a>,
    passed: Tally,
}

impl<'a> Clients<'a> {
    /// Nothing is known yet.
    #[must_use]
    pub fn start(brief: Brief<'a>) -> Self {
        Self {
            brief,
            passed: Tally::new("limits", "limits of clients that the lists pass"),
        }
    }
}

impl Checker for Clients<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let Event::Case(case) = seen.event else {
            return;
        };
        if case.id.starts_with("clients.") {
            let place = Place::Moment(seen.at, &case.edge);
            let says = (case.seen != case.expected).then(|| case.seen.clone());
            self.passed.trial(seen.is_tainted, place, says);
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let mut finding = tally::blank(&self.brief.criterion.id);
        let (wrong, tried) = (self.passed.count(), self.passed.trials());
        self.passed.conclude(&mut finding);
        finding.headline = format!("{} of {tried} clients find nothing amiss", tried - wrong);
        finding.conclude();
        Ok(finding)
    }
}
