//! Several instances without their store for a while: one of them at least stays ready.

use std::collections::BTreeMap;

use crate::checker::{Brief, Seen};
use crate::finding::Finding;
use crate::ground::{FaultLife, Ground};
use crate::observation::HealthSeen;
use crate::tally::{self, Place, Tally};
use crate::units;
use crate::verdict::Reason;

/// The phase of a store that is away for long.
pub(super) const PHASE: &str = "outage";

/// Whether a fault belongs to it: its length is no part of the time that other faults may take.
pub(super) fn is_of(ground: &Ground, criterion: &str, life: &FaultLife) -> bool {
    let ends = |until: Option<u64>| until.unwrap_or(ground.summary.until);
    let mut spans = ground.spans(criterion, PHASE);
    spans.any(|span| span.from <= life.first && life.first <= ends(span.until))
}

/// What readiness said meanwhile.
pub(super) struct Outage {
    /// By its place, whether an instance was ready when it was last asked.
    ready: BTreeMap<u32, bool>,
    dark: Tally,
}

impl Outage {
    pub(super) fn start() -> Self {
        Self {
            ready: BTreeMap::new(),
            dark: Tally::new(
                "ready",
                "moments without a ready instance while the store was away",
            ),
        }
    }

    /// Takes a look at one of several instances.
    pub(super) fn health(&mut self, seen: &Seen<'_>, brief: Brief<'_>, health: &HealthSeen) {
        let Some(place) = health.place else { return };
        self.ready.insert(place, health.ready);
        let id = &brief.criterion.id;
        let is_away = |life: &&FaultLife| {
            let healed = life.healed.unwrap_or(brief.ground.summary.until);
            let broken = life.cause.is_some_and(|cause| cause <= seen.at);
            broken && seen.at <= healed && is_of(brief.ground, id, life)
        };
        if brief.ground.faults_of(id).any(|life| is_away(&life)) {
            let is_dark = self.ready.values().all(|ready| !ready);
            let says = "no instance was ready while the store was away".to_owned();
            let place = Place::Moment(seen.at, "health");
            self.dark
                .trial(seen.is_tainted, place, is_dark.then_some(says));
        }
    }

    /// Writes the row with the time that the store was away, and its floor.
    pub(super) fn conclude(self, brief: Brief<'_>, finding: &mut Finding) {
        let lives = brief.ground.faults_of(&brief.criterion.id);
        let lives = lives.filter(|life| is_of(brief.ground, &brief.criterion.id, life));
        let proven: Vec<&FaultLife> = lives.filter(|life| life.is_proven()).collect();
        let away = proven
            .iter()
            .filter_map(|life| life.healed?.checked_sub(life.cause?))
            .sum();
        let seen = u64::try_from(proven.len()).unwrap_or(u64::MAX);
        let event = "long absence of the store, proven and healed";
        tally::floor(finding, PHASE, event, (1, seen), Reason::FaultNotLanded);
        let looked = u64::try_from(self.ready.len()).unwrap_or(u64::MAX);
        let event = "instances asked whether they are ready";
        let count = (brief.ground.several(), looked);
        tally::floor(finding, "asked", event, count, Reason::EventNotSeen);
        self.dark.conclude(finding);
        if let Some(row) = finding.checks.last_mut() {
            row.measured = format!("{}, {:.1} s without it", row.measured, units::seconds(away));
        }
    }
}
