//! The law of provider requests: each one that a simulator received while a criterion ran is of
//! some call: what answered it, or a try that was given up or made again. How many tries are too
//! many is V.2's budget.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::finding::Finding;
use crate::observation::Served;
use crate::operation::{Call, ProofKind};
use crate::tally::{Place, Tally};

/// What simulators received, and what calls planted, by digests of the tracers: a run has as many
/// as a million.
#[derive(Debug, Default)]
pub struct Requests {
    /// When, whether our own rig was at fault, which sequence, and its tracers.
    served: Vec<(u64, bool, String, Vec<u64>)>,
    planted: BTreeSet<u64>,
}

impl Requests {
    /// Takes a request that was received while the criterion ran.
    pub fn serve(&mut self, at: u64, is_tainted: bool, served: &Served) {
        let tracers = served.tracers.iter().map(|tracer| digest(tracer));
        let seq = served.seq.clone();
        self.served.push((at, is_tainted, seq, tracers.collect()));
    }

    /// Takes any call of the run: a server may go on with one for long.
    pub fn call(&mut self, call: &Call) {
        if let ProofKind::Keyed { tracers, .. }
        | ProofKind::Memory { tracers }
        | ProofKind::Twin { tracers } = &call.proof
        {
            let planted = tracers.iter().map(|planted| digest(&planted.text));
            self.planted.extend(planted);
        }
    }

    /// Writes the row, if any request was received.
    pub fn conclude(self, finding: &mut Finding) {
        let mut law = Tally::new("unasked", "provider requests that are of no call");
        for (at, is_tainted, seq, tracers) in &self.served {
            let is_of_some = tracers.iter().any(|tracer| self.planted.contains(tracer));
            let says = format!("request {seq} carries nothing that any call asked");
            let place = Place::Moment(*at, "simulator");
            law.trial(*is_tainted, place, (!is_of_some).then_some(says));
        }
        law.conclude_if_tried(finding);
    }
}

fn digest(tracer: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    tracer.hash(&mut hasher);
    hasher.finish()
}
