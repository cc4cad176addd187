//! Breakers over hours: one that keeps calls from a provider that is well is stuck.

use std::collections::BTreeMap;

use crate::breaker_life::{Want, kept_away};
use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::ground::Ground;
use crate::operation::{Call, Outcome, Transport};
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// Calls of the stream that name a model of one provider stand under this and the provider's name.
const WANTING: &str = "stream.";

/// By provider, the calls that wanted it.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    wants: BTreeMap<String, Vec<Want>>,
}

impl Breakers {
    pub(super) fn call(&mut self, seen: &Seen<'_>, call: &Call) {
        let Some(provider) = call.phase.strip_prefix(WANTING) else {
            return;
        };
        // A process on a pipe has breakers of its own.
        if call.transport == Transport::Stdio {
            return;
        }
        let attempts = seen.journal.attempts(call);
        let came = attempts
            .iter()
            .any(|attempt| attempt.served.provider == provider);
        let meta = call.meta.as_ref();
        let answered_by = meta.and_then(|meta| meta.provider.as_deref());
        // Its own answer without a line of its journal: a hole there, not a call kept away.
        let is_hole = !came && call.outcome == Outcome::Ok && answered_by == Some(provider);
        if seen.is_tainted || is_hole {
            return;
        }
        let wants = self.wants.entry(provider.to_owned()).or_default();
        wants.push(Want {
            sent: call.sent_at,
            done: call.done_at,
            came,
        });
    }

    /// A stuck breaker is a critical error; that calls reached as many providers is a floor.
    pub(super) fn conclude(
        self,
        rows: &Criterion,
        ground: &Ground,
        (critical, finding): (&mut Tally, &mut Finding),
    ) -> Result<(), Missing> {
        let most = rows.nanos("breaker_stuck_s")?;
        let mut reached = 0;
        for (provider, mut wants) in self.wants {
            wants.sort_by_key(|want| want.sent);
            reached += u64::from(wants.iter().any(|want| want.came));
            let faults = ground.summary.faults.iter();
            // The provider itself, and the link to it, as in `server-kimi`.
            let own = faults.filter(|life| {
                let mut parts = life.fault.component.split('-');
                parts.any(|part| part == provider)
            });
            let ill: Vec<(u64, u64)> = own
                .filter_map(|life| Some((life.injected?, life.until)))
                .collect();
            match kept_away(&wants, &ill, most) {
                None => critical.good(false),
                Some((from, waited)) => {
                    let waited = tally::millis(waited);
                    let says = format!("breaker_stuck: nothing came to {provider} for {waited}");
                    critical.bad(false, Place::Moment(from, "simulators"), says);
                }
            }
        }
        let count = (rows.floor("wanted")?, reached);
        let event = "providers that calls asked for by name and reached";
        tally::floor(finding, "wanted", event, count, Reason::DurationShort);
        Ok(())
    }
}
