//! One provider request serves one call, and its lawful repeats.

use std::collections::BTreeMap;

use crate::operation::Call;

/// Which call used which journal sequence first: one provider request serves one call.
#[derive(Debug, Default)]
pub struct Usage {
    first: BTreeMap<String, Use>,
}

#[derive(Debug, Clone)]
struct Use {
    op: u64,
    group: u64,
    identity: String,
    is_exact: bool,
    sent_at: u64,
}

impl Usage {
    /// Claims a call's sequences; a sentence for the first that another call used unlawfully.
    ///
    /// Lawful is an exact repeat by the same principal within the time to live.
    pub fn claim(&mut self, call: &Call, seqs: &[String], replay_ttl: u64) -> Option<String> {
        let repeat = call.repeat.as_ref();
        let mine = Use {
            op: call.op,
            group: repeat.map_or(call.op, |repeat| repeat.of),
            identity: call.identity.clone(),
            is_exact: repeat.is_none_or(|repeat| repeat.exact && repeat.same_principal),
            sent_at: call.sent_at,
        };
        let mut wrong = None;
        for seq in seqs {
            let Some(first) = self.first.get(seq) else {
                self.first.insert(seq.clone(), mine.clone());
                continue;
            };
            let is_lawful = first.group == mine.group
                && first.identity == mine.identity
                && first.is_exact
                && mine.is_exact
                && mine.sent_at.abs_diff(first.sent_at) <= replay_ttl;
            if !is_lawful && wrong.is_none() {
                let (op, other) = (mine.op, first.op);
                wrong = Some(format!(
                    "operation {op} was answered with {seq}, which answered operation {other}"
                ));
            }
        }
        wrong
    }
}
