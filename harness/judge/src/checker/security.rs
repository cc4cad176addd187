//! V.6: every attack refused as specified beside its good case, every denial audited once.

mod audit;
mod healthy;
mod rates;
mod retries;

use std::collections::{BTreeMap, BTreeSet};

use self::audit::AuditBook;
use self::healthy::Healthy;
use self::rates::Rates;
use self::retries::Retries;
use super::{Brief, Checker, Seen};
use crate::conservation::denials::Denials;
use crate::criterion::Missing;
use crate::finding::Finding;
use crate::observation::{Case, Event};
use crate::series;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

const CANARY: &str = "canary";
const CANARIES: &str = "canaries";

/// The checker of V.6.
pub struct Security<'a> {
    brief: Brief<'a>,
    /// Attacks by row and edge: how many were tried.
    attacks: BTreeMap<(String, String), u64>,
    accepted: BTreeSet<(String, String)>,
    /// Good cases by their own id and edge: whether one was accepted.
    controls: BTreeMap<(String, String), bool>,
    tried_rows: BTreeSet<String>,
    forged: u64,
    denied: Tally,
    canary: Tally,
    searched: u64,
    audit: AuditBook,
    denials: Denials,
    rates: Rates,
    retries: Retries,
    healthy: Healthy,
}

impl<'a> Security<'a> {
    /// Reads its numbers.
    ///
    /// # Errors
    /// The catalogue lacks one.
    pub fn start(brief: Brief<'a>) -> Result<Self, Missing> {
        Ok(Self {
            attacks: BTreeMap::new(),
            accepted: BTreeSet::new(),
            controls: BTreeMap::new(),
            tried_rows: BTreeSet::new(),
            forged: 0,
            denied: Tally::new("denied", "attacks not refused as specified"),
            canary: Tally::new("canary", "secrets seen in a reply, log, metric or report"),
            searched: 0,
            audit: AuditBook::start(brief.criterion)?,
            denials: Denials::default(),
            rates: Rates::start(brief.criterion)?,
            retries: Retries::start(brief.criterion)?,
            healthy: Healthy::start(brief.criterion)?,
            brief,
        })
    }

    fn case(&mut self, seen: &Seen<'_>, case: &Case) -> Result<(), Missing> {
        let place = (row_of(&case.id).to_owned(), case.edge.clone());
        let is_right = case.seen == case.expected;
        self.audit.reply(seen.at, seen.is_tainted, case);
        self.denials.case(seen.at, case);
        if case.good {
            let control = (case.id.clone(), case.edge.clone());
            let is_accepted = self.controls.entry(control).or_default();
            if is_right && !seen.is_tainted {
                *is_accepted = true;
                self.accepted.insert(place);
            }
            return Ok(());
        }
        let says = format!(
            "{} over {}: {} instead of {}",
            case.id, case.edge, case.seen, case.expected
        );
        let at = Place::Moment(seen.at, &case.edge);
        self.denied
            .trial(seen.is_tainted, at, (!is_right).then_some(says));
        if seen.is_tainted {
            return Ok(());
        }
        let is_forged = self.brief.criterion.list("forged_rows")?.contains(&place.0);
        self.forged += u64::from(is_forged && is_right);
        self.tried_rows.insert(place.0.clone());
        *self.attacks.entry(place).or_default() += 1;
        Ok(())
    }

    /// Rows that must be tried at each of several places, with a good case at the same.
    fn everywhere(
        &self,
        (rows, places): (&str, &str),
        finding: &mut Finding,
    ) -> Result<(), Missing> {
        let criterion = self.brief.criterion;
        let all = |row: &String| {
            let places = criterion.list(places)?.iter();
            Ok(places
                .map(|place| (row.clone(), place.clone()))
                .collect::<Vec<_>>())
        };
        let wanted: Result<Vec<_>, Missing> = criterion.list(rows)?.iter().map(all).collect();
        let wanted = wanted?.concat();
        let is_tried = |place: &&(String, String)| {
            self.attacks.contains_key(*place) && self.accepted.contains(*place)
        };
        let tried = wanted.iter().filter(is_tried).count();
        let mut event = format!("rows tried at each of the {places}");
        if let Some((row, place)) = wanted.iter().find(|place| !is_tried(place)) {
            event = format!("{event}, without {row} at {place}");
        }
        let counted = (count(wanted.len()), count(tried));
        tally::floor(finding, places, &event, counted, Reason::EventNotSeen);
        Ok(())
    }

    /// Each good case was accepted once at least: one that waits for something may be refused
    /// before, and that of another variant of its row says nothing for it.
    fn good_cases(&self, finding: &mut Finding) {
        let accepted = self.controls.values().filter(|is_accepted| **is_accepted);
        let counted = (count(self.controls.len()), count(accepted.count()));
        let mut event = "good cases accepted".to_owned();
        let refused = self.controls.iter().find(|(_, is_accepted)| !**is_accepted);
        if let Some(((id, edge), _)) = refused {
            event = format!("{event}, without {id} at {edge}");
        }
        let reason = Reason::ControlNotFired;
        tally::floor(finding, "good_cases", &event, counted, reason);
    }

    fn floors(&self, finding: &mut Finding) -> Result<(), Missing> {
        let rows = self.brief.criterion;
        let tried: u64 = self.attacks.values().sum();
        let (audited, kinds) = self.audit.counts();
        let counted = [
            ("cases", "attacks tried", tried),
            ("forged", "forged tokens refused", self.forged),
            (
                "canaries",
                "searches for the planted secrets",
                self.searched,
            ),
            ("denials_audited", "denials with their audit line", audited),
            ("denial_kinds", "kinds of denial audited", kinds),
        ];
        for (id, event, seen) in counted {
            let count = (rows.floor(id)?, seen);
            let reason = if seen == 0 {
                Reason::EventNotSeen
            } else {
                Reason::BelowFloor
            };
            tally::floor(finding, id, event, count, reason);
        }
        let accepted = self
            .attacks
            .iter()
            .filter(|(place, _)| self.accepted.contains(*place));
        let paired = (tried.max(1), accepted.map(|(_, count)| *count).sum());
        let event = "attacks whose paired good case was accepted";
        tally::floor(finding, "controls", event, paired, Reason::ControlNotFired);
        self.good_cases(finding);
        for row in rows.list("rows")? {
            let count = (1, u64::from(self.tried_rows.contains(row)));
            let event = format!("attacks of row {row}");
            tally::floor(
                finding,
                &format!("row.{row}"),
                &event,
                count,
                Reason::EventNotSeen,
            );
        }
        self.everywhere(("at_entrances", "entrances"), finding)?;
        self.everywhere(("on_edges", "edges"), finding)?;
        Ok(())
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// `J4` of `J4.NONE`.
fn row_of(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

impl Checker for Security<'_> {
    fn observe(&mut self, seen: &Seen<'_>) {
        let id = &self.brief.criterion.id;
        match seen.event {
            Event::Case(case) => {
                if let Err(missing) = self.case(seen, case) {
                    self.denied
                        .bad(true, Place::Moment(seen.at, "judge"), missing.to_string());
                }
            }
            Event::Audit(line) => self.audit.line(seen.at, line),
            Event::Call(call) => {
                self.audit.call(seen.is_tainted, call);
                self.denials.call(call);
                if call.criterion == *id {
                    self.rates.call(seen, call);
                    self.retries.call(seen, call);
                    self.healthy.call(self.brief.key, seen, call);
                }
            }
            Event::Metrics { mark, values } => {
                let (moment, of) = series::mark(mark);
                if of == Some(id.as_str()) {
                    self.denials.scrape(seen.at, moment, values);
                }
            }
            Event::Critical {
                what,
                detail,
                control: false,
            } if what == CANARY => {
                let place = Place::Moment(seen.at, "canary search");
                self.canary.bad(seen.is_tainted, place, detail.clone());
            }
            Event::Figure { name, .. } if name.starts_with(CANARIES) => {
                self.searched += 1;
                self.canary.good(seen.is_tainted);
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Result<Finding, Missing> {
        let rows = self.brief.criterion;
        let mut finding = tally::blank(&rows.id);
        self.floors(&mut finding)?;
        let (wrong, tried) = (self.denied.count(), self.denied.trials());
        self.denied.conclude(&mut finding);
        self.canary.conclude_if_tried(&mut finding);
        self.audit.conclude(&mut finding);
        if !rows.list("rate_scopes")?.is_empty() {
            let event = "scrapes of the counter around the pressed rates";
            let count = (1 + 1, self.denials.scrapes());
            tally::floor(&mut finding, "scrapes", event, count, Reason::EventNotSeen);
        }
        self.denials.conclude(&mut finding);
        self.rates.conclude(rows, &mut finding)?;
        self.healthy.conclude(rows, &mut finding)?;
        self.retries.conclude(rows, &mut finding)?;
        finding.headline = format!(
            "{} of {tried} attacks refused, {} rows of the battery",
            tried - wrong,
            self.tried_rows.len()
        );
        finding.conclude();
        Ok(finding)
    }
}
