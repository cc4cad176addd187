//! The published rates, in every window, scope by scope.

use std::collections::BTreeMap;

use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::{Check, Finding};
use crate::operation::{Call, Outcome};
use crate::rate_window::{Accepted, Stretch, excess, stretches};
use crate::tally::{self, Place, Tally};
use crate::verdict::{Reason, Verdict};

const PHASE: &str = "rate.";
const NEIGHBOUR: &str = "neighbour";
const PRINCIPAL: &str = "principal";
const RATE_LIMIT: &str = "rate_limit_error";

/// What was accepted and refused, by scope and, where the scope is a principal's, by principal.
pub(super) struct Rates {
    offers: BTreeMap<String, BTreeMap<String, Offer>>,
    neighbours: Tally,
    pause: u64,
    least: u64,
}

#[derive(Debug, Default)]
struct Offer {
    accepted: Vec<Accepted>,
    refused: Vec<u64>,
    sent: u64,
}

impl Rates {
    pub(super) fn start(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            offers: BTreeMap::new(),
            neighbours: Tally::new("neighbours", "calls refused to those who kept the limit"),
            pause: rows.nanos("refusal_pause_ms")?,
            least: rows.nanos("stretch_s")?,
        })
    }

    pub(super) fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let Some(scope) = call.phase.strip_prefix(PHASE) else {
            return;
        };
        let is_limited = call
            .failure
            .as_ref()
            .is_some_and(|failure| failure.category == RATE_LIMIT);
        if call.identity.starts_with(NEIGHBOUR) {
            // One that nobody answered was not refused.
            let is_lost = call.outcome == Outcome::Unknown;
            let says = format!("operation {} of a neighbour was refused", call.op);
            let wrong = (call.outcome == Outcome::Refused).then_some(says);
            self.neighbours
                .trial(seen.is_tainted || is_lost, Place::Call(call), wrong);
            return;
        }
        if seen.is_tainted {
            return;
        }
        let who = if scope == PRINCIPAL {
            call.identity.clone()
        } else {
            String::new()
        };
        let offer = self
            .offers
            .entry(scope.to_owned())
            .or_default()
            .entry(who)
            .or_default();
        offer.sent += 1;
        if is_limited {
            offer.refused.push(call.done_at);
        } else if call.outcome == Outcome::Ok {
            offer.accepted.push(Accepted {
                sent: call.sent_at,
                received: call.done_at,
            });
        }
    }

    pub(super) fn conclude(self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        for scope in rows.list("rate_scopes")? {
            self.scope(scope, rows, finding)?;
        }
        let tried = (rows.floor("neighbours")?, self.neighbours.trials());
        let event = "calls of those who kept every limit beside one that is pressed";
        tally::floor(finding, "neighbours", event, tried, Reason::BelowFloor);
        self.neighbours.conclude_if_tried(finding);
        Ok(())
    }

    fn pressed(&self, offer: &Offer) -> Vec<Stretch> {
        stretches(&offer.accepted, &offer.refused, (self.pause, self.least))
    }

    fn scope(&self, scope: &str, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let rate = rows.limit(&format!("rate_{scope}"))?;
        let most = rows.limit(&format!("burst_{scope}"))? + rows.limit("burst_grace")?;
        let share = rows.limit("accepted_share")?;
        let of = self.offers.get(scope);
        let offers: Vec<&Offer> = of.into_iter().flat_map(BTreeMap::values).collect();
        let pressed: Vec<Stretch> = offers
            .iter()
            .flat_map(|offer| self.pressed(offer))
            .collect();
        let longest = pressed
            .iter()
            .map(|stretch| stretch.seconds)
            .fold(0.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds"
        )]
        let count = (rows.floor("window_seconds")?, libm::ceil(longest) as u64);
        let event = format!("seconds under unbroken refusals of scope {scope}");
        tally::floor(
            finding,
            &format!("window.{scope}"),
            &event,
            count,
            Reason::BelowFloor,
        );
        if offers.is_empty() {
            return Ok(());
        }
        let seen = offers
            .iter()
            .map(|offer| excess(&offer.accepted, rate))
            .fold(0.0, f64::max);
        let n: u64 = offers.iter().map(|offer| offer.sent).sum();
        let text = |value: f64| format!("{value:.1} above rate × time");
        let row = (
            format!("rate.{scope}"),
            format!("fullest window of scope {scope}"),
            n,
        );
        judge(finding, row, (text(seen), text(most)), seen <= most);
        if let Some(least) = pressed
            .iter()
            .map(|stretch| let_through(stretch, rate))
            .reduce(f64::min)
        {
            let name = format!("share of the rate let through in scope {scope}");
            let row = (format!("refill.{scope}"), name, n);
            judge(
                finding,
                row,
                (format!("{least:.3}"), format!("≥ {share}")),
                least >= share,
            );
        }
        Ok(())
    }
}

/// What was accepted under unbroken refusals, as a share of what the rate promises.
fn let_through(stretch: &Stretch, rate: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let accepted = stretch.accepted as f64;
    accepted / (rate * stretch.seconds)
}

fn judge(
    finding: &mut Finding,
    (id, name, n): (String, String, u64),
    (measured, limit): (String, String),
    holds: bool,
) {
    let verdict = if holds { Verdict::Pass } else { Verdict::Fail };
    if !holds {
        let says = format!("{name}: {measured}, allowed {limit}");
        finding
            .violations
            .push(Place::Moment(0, "client").violation(&id, says));
    }
    finding.checks.push(Check {
        id,
        name,
        measured,
        limit,
        verdict,
        reason: None,
        n,
    });
}
