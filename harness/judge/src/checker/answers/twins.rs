//! Previews beside what a provider received for the chat that followed each.

use std::collections::BTreeMap;

use crate::checker::Seen;
use crate::finding::Finding;
use crate::operation::{Call, Planted, ProofKind};
use crate::proof::Proof;
use crate::tally::{Place, Tally};

/// The provider whose bodies are previewed.
const PROVIDER: &str = "glm";

/// A preview whose chat has not been judged yet.
struct Preview {
    call: Call,
    has_asked: bool,
}

/// The previews of a run. One whose chat never reached the provider proves nothing and counts
/// nowhere; nor does one that a fault of our own rig touched, or whose chat it did.
pub struct Twins {
    open: BTreeMap<String, Preview>,
    tally: Tally,
}

impl Default for Twins {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            tally: Tally::new("twin", "previews of another body than was sent"),
        }
    }
}

impl Twins {
    /// Holds an answered preview until its chat is judged.
    pub fn hold(&mut self, seen: &Seen<'_>, call: &Call, tracers: &[Planted]) {
        let Some(first) = tracers.first() else {
            return;
        };
        let preview = Preview {
            call: call.clone(),
            has_asked: !seen.journal.attempts(call).is_empty(),
        };
        self.open.insert(first.text.clone(), preview);
    }

    /// Compares the preview that `chat` follows with what the provider received; the preview's
    /// call when it was right.
    pub fn settle(&mut self, seen: &Seen<'_>, chat: &Call, proof: &Proof) -> Option<Call> {
        let ProofKind::Keyed { tracers, .. } = &chat.proof else {
            return None;
        };
        let entries = proof.seqs.iter().filter_map(|seq| seen.journal.entry(seq));
        let sent = entries
            .map(|entry| &entry.served)
            .find(|served| served.provider == PROVIDER)?;
        let preview = self.open.remove(&tracers.first()?.text)?;
        let (op, seq) = (preview.call.op, &sent.seq);
        let wrong = match &preview.call.body_sha256 {
            _ if preview.has_asked => Some(format!("the preview {op} asked a provider")),
            None => Some(format!("the preview {op} shows no body")),
            Some(shown) if *shown != sent.body_sha256 => {
                Some(format!("the preview {op} shows another body than {seq}"))
            }
            Some(_) => preview.call.structured.as_ref().and_then(|shown| {
                let is_same = shown.body_sha256.as_ref() == Some(&sent.body_sha256);
                let says = format!("the preview {op} structures another body than {seq}");
                (!is_same).then_some(says)
            }),
        };
        let is_right = wrong.is_none();
        self.tally.trial(false, Place::Call(&preview.call), wrong);
        is_right.then_some(preview.call)
    }

    /// Writes the row.
    pub fn conclude(self, finding: &mut Finding) {
        self.tally.conclude_if_tried(finding);
    }
}
