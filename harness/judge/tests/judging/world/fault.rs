//! Faults in a history: of components with their proofs, and of provider requests.

use exai_judge::fault::{Fault, FaultKind, Step};
use exai_judge::hex;
use exai_judge::observation::{Event, Served};
use exai_judge::operation::{Call, ProofKind};
use exai_judge::tracer;

use super::{Ask, MS, World};

impl World {
    pub fn fault(&mut self, id: &str, component: &str, kind: FaultKind, steps: &[(u64, Step)]) {
        let fault = Fault {
            id: id.to_owned(),
            component: component.to_owned(),
            kind,
        };
        for (at, step) in steps {
            self.push(
                *at,
                Event::Fault {
                    fault: fault.clone(),
                    step: step.clone(),
                },
            );
        }
    }

    /// Writes a finished call into the history, and that the rig was short of CPU for as long.
    pub fn record_tainted(&mut self, call: Call) {
        let rig = Event::Rig {
            what: "cpu".to_owned(),
            until: call.done_at,
            detail: String::new(),
        };
        self.push(call.sent_at, rig);
        self.record(call);
    }

    /// A provider request of a call's own tracers that met a fault; gives when it ended.
    pub fn hit(&mut self, ask: &Ask, call: &Call, fault: &str, times: (u64, u64)) -> u64 {
        let ProofKind::Keyed { tracers, .. } = &call.proof else {
            panic!("keyed calls only")
        };
        let tracers: Vec<String> = tracers.iter().map(|planted| planted.text.clone()).collect();
        let mut served = self.serve(ask, times.0, &tracers);
        self.out.pop();
        served.fault = Some(fault.to_owned());
        served.request_sha256 = hex::sha256(format!("body of call {}", call.op).as_bytes());
        let seq = served.seq.clone();
        self.push(times.0, Event::Served(served));
        self.deliver(times.1, &seq, "faulted", None);
        times.1
    }

    /// The journal entry that answered a call, to spoil.
    pub fn entry(&mut self, op: u64) -> &mut Served {
        let first = self.call(op).answers[0].first.clone();
        let seq = tracer::read_line(&first).unwrap().seq;
        let served = self
            .out
            .iter_mut()
            .filter_map(|observation| match &mut observation.event {
                Event::Served(served) => Some(served),
                _ => None,
            });
        served
            .into_iter()
            .find(|served| served.seq == seq)
            .expect("the entry is in the journal")
    }
}

/// Proven steps of a fault: injected, cause, effect, healed.
pub fn proven(injected: u64, healed: u64) -> Vec<(u64, Step)> {
    vec![
        (injected, Step::Injected),
        (
            injected + MS,
            Step::Cause {
                proof: "gone".to_owned(),
            },
        ),
        (
            injected + 2 * MS,
            Step::Effect {
                proof: "refused".to_owned(),
            },
        ),
        (healed, Step::Healed),
    ]
}
