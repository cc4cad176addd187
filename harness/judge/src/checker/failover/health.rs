//! What the health detail said around a kill.

use std::collections::BTreeMap;

use super::SERVER;
use crate::criterion::{Criterion, Missing};
use crate::observation::HealthSeen;

/// Every health detail read during the workload.
#[derive(Debug, Default)]
pub(super) struct HealthLog(Vec<(u64, Reading)>);

#[derive(Debug, Clone)]
struct Reading {
    is_up: bool,
    words: BTreeMap<String, String>,
}

impl HealthLog {
    pub(super) fn note(&mut self, at: u64, health: &HealthSeen) {
        let is_up = health.status != 0 && health.ready;
        self.0.push((
            at,
            Reading {
                is_up,
                words: health.components.clone(),
            },
        ));
    }

    /// Exactly that component turned red in time after `dead`, none of the others (each with its
    /// own last death before) did until `end`, and it returned before `until`. None without a
    /// reading that could tell.
    pub(super) fn shows(
        &self,
        rows: &Criterion,
        component: &str,
        (dead, end, until): (u64, u64, u64),
        others: &[(&str, Option<u64>)],
    ) -> Result<Option<Result<(), String>>, Missing> {
        let good = rows.list("good_words")?;
        let soon = dead.saturating_add(rows.nanos("health_s")?);
        let during: Vec<_> = self
            .0
            .iter()
            .filter(|(at, _)| dead <= *at && *at <= end)
            .collect();
        if during.is_empty() {
            return Ok(None);
        }
        let turned =
            |(at, reading): &&(u64, Reading)| *at <= soon && reading.is_red(component, good);
        if !during.iter().any(turned) {
            return Ok(Some(Err(format!(
                "health did not show the kill of {component} in time"
            ))));
        }
        let blamed = others
            .iter()
            .find(|(other, killed)| self.is_blamed(other, *killed, (dead, end), good));
        if let Some((other, _)) = blamed {
            let says = format!("health blamed {other} for the kill of {component}");
            return Ok(Some(Err(says)));
        }
        let mut after = self
            .0
            .iter()
            .filter(|(at, _)| end < *at && *at < until)
            .peekable();
        let returned =
            after.peek().is_none() || after.any(|(_, reading)| !reading.is_red(component, good));
        let says = format!("health still blames {component} after it came back");
        Ok(Some(if returned { Ok(()) } else { Err(says) }))
    }

    /// Whether a component was red between two moments for no death of its own. One `killed` before
    /// and not yet green again, such as a provider whose breaker still waits, is excused.
    fn is_blamed(
        &self,
        component: &str,
        killed: Option<u64>,
        (from, to): (u64, u64),
        good: &[String],
    ) -> bool {
        let mut is_excused = false;
        for (at, reading) in self.0.iter().filter(|(at, _)| *at <= to) {
            let is_red = reading.is_red(component, good);
            if *at < from {
                is_excused = is_red && killed.is_some_and(|killed| killed <= *at);
            } else if is_red && !is_excused {
                return true;
            } else {
                is_excused &= is_red;
            }
        }
        false
    }
}

impl Reading {
    fn is_red(&self, component: &str, good: &[String]) -> bool {
        if component == SERVER {
            return !self.is_up;
        }
        let mut named = self
            .words
            .iter()
            .filter(|(name, _)| is_named(name, component));
        named.any(|(_, word)| !good.contains(word))
    }
}

/// `kimi` names `kimi`, `provider.kimi` and `providers.kimi`.
fn is_named(name: &str, component: &str) -> bool {
    name == component || name.rsplit('.').next() == Some(component)
}
