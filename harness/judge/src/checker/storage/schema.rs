//! What starts on a store of a newer schema came to: the program must refuse it, and must serve on
//! the same store once it has its own schema again.

use crate::checker::Seen;
use crate::criterion::{Criterion, Missing};
use crate::finding::Finding;
use crate::tally::{self, Place, Tally};
use crate::verdict::Reason;

/// The figures' unit: 1 when the start served, 0 when the program ended by itself.
const SERVED: &str = "served";
const NEWER: &str = "start on a newer schema";
const RESTORED: &str = "start on its own schema again";

/// The starts of a run.
pub(super) struct Schema {
    newer: Tally,
    tried: u64,
    /// Those after which the same store was served again.
    restored: u64,
}

impl Schema {
    pub(super) fn start() -> Self {
        let name = "starts on a store of a newer schema that served";
        Self {
            newer: Tally::new("schema", name),
            tried: 0,
            restored: 0,
        }
    }

    /// Takes what a start came to; other figures are none of its business.
    pub(super) fn figure(&mut self, seen: &Seen<'_>, name: &str, value: f64, unit: &str) {
        if unit != SERVED {
            return;
        }
        let has_served = value > 0.0;
        match name {
            NEWER => {
                let says = "the server served on a store whose schema is newer than it knows";
                let place = Place::Moment(seen.at, "start");
                let wrong = has_served.then(|| says.to_owned());
                self.newer.trial(seen.is_tainted, place, wrong);
                self.tried += u64::from(!seen.is_tainted);
            }
            RESTORED if has_served && !seen.is_tainted => self.restored += 1,
            _ => {}
        }
    }

    pub(super) fn conclude(self, rows: &Criterion, finding: &mut Finding) -> Result<(), Missing> {
        let count = (rows.floor("schema_starts")?, self.tried.min(self.restored));
        let event = "starts on a store of a newer schema, and on its own again";
        tally::floor(finding, "schema_starts", event, count, Reason::EventNotSeen);
        self.newer.conclude_if_tried(finding);
        Ok(())
    }
}
