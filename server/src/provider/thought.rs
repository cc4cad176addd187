//! The blocks in which a model thinks, as they come: bounded while they grow, and kept whole or not
//! at all, for half of them would be refused when they go back.

use serde_json::Value;

/// Largest thoughts of one answer that are kept, in bytes as JSON.
const THOUGHT_BYTES: usize = 256 * 1024;

/// The thoughts of an answer under way.
#[derive(Debug, Default)]
pub struct ThoughtDraft {
    closed: Vec<Value>,
    open: Option<Value>,
    /// What came so far, in bytes: never more than the same as JSON.
    bytes: usize,
    is_lost: bool,
}

impl ThoughtDraft {
    /// Takes whole blocks, in place of what came before.
    pub fn replace(&mut self, blocks: Vec<Value>) {
        *self = Self::default();
        for block in blocks {
            self.open(block);
            self.close();
        }
    }

    /// Begins a block.
    pub fn open(&mut self, block: Value) {
        self.is_lost |= self.open.is_some();
        self.note(block.to_string().len());
        self.open = (!self.is_lost).then_some(block);
    }

    /// Adds text to a field of the block that is open; where none is, nothing.
    pub fn grow(&mut self, field: &str, more: &str) {
        if more.is_empty() || self.open.is_none() {
            return;
        }
        self.note(more.len());
        let Some(block) = &mut self.open else {
            return;
        };
        match block.get_mut(field) {
            Some(Value::String(held)) => held.push_str(more),
            _ => block[field] = more.into(),
        }
    }

    /// Ends the block that is open, if one is.
    pub fn close(&mut self) {
        self.closed.extend(self.open.take());
    }

    /// The blocks, if their provider will take them back: each ended, each signed or sealed, and
    /// together within the bound; else none.
    #[must_use]
    pub fn finish(self) -> Vec<Value> {
        let holds = |block: &Value, field: &str| {
            let text = block.get(field).and_then(Value::as_str);
            text.is_some_and(|text| !text.is_empty())
        };
        let is_whole = |block: &Value| holds(block, "signature") || holds(block, "data");
        let blocks = self.closed;
        let size: usize = blocks.iter().map(|block| block.to_string().len()).sum();
        let is_kept = !self.is_lost && self.open.is_none() && size <= THOUGHT_BYTES;
        if is_kept && blocks.iter().all(is_whole) {
            blocks
        } else {
            Vec::new()
        }
    }

    /// Over the bound, all is let go at once, and nothing more is taken.
    fn note(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.is_lost || self.bytes > THOUGHT_BYTES {
            self.is_lost = true;
            self.closed = Vec::new();
            self.open = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn block() -> Value {
        json!({"type": "thinking", "thinking": "", "signature": "5e"})
    }

    /// The thoughts after one block that grew piece by piece to `bytes` as JSON.
    fn grown(bytes: usize) -> ThoughtDraft {
        let mut thinking = ThoughtDraft::default();
        thinking.open(block());
        let mut left = bytes - block().to_string().len();
        while left > 0 {
            let piece = left.min(1000);
            thinking.grow("thinking", &"x".repeat(piece));
            left -= piece;
        }
        thinking
    }

    #[test]
    fn thoughts_are_kept_to_the_bound_and_dropped_whole_beyond_it() {
        let mut most = grown(THOUGHT_BYTES);
        most.close();
        let kept = most.finish();
        assert_eq!(kept[0].to_string().len(), THOUGHT_BYTES);
        let mut more = grown(THOUGHT_BYTES + 1);
        more.open(block());
        more.close();
        assert_eq!(more.finish(), Vec::<Value>::new());
    }

    #[test]
    fn what_is_over_the_bound_is_let_go_before_the_end() {
        let mut thinking = grown(THOUGHT_BYTES);
        thinking.close();
        thinking.open(block());
        assert!(thinking.open.is_none() && thinking.closed.is_empty());
        thinking.grow("thinking", &"x".repeat(THOUGHT_BYTES));
        assert!(thinking.open.is_none() && thinking.closed.is_empty());
    }

    #[test]
    fn escapes_count_in_the_bound() {
        let mut thinking = ThoughtDraft::default();
        thinking.open(block());
        // One byte as text, two as JSON.
        thinking.grow("thinking", &"\n".repeat(THOUGHT_BYTES * 2 / 3));
        thinking.close();
        assert_eq!(thinking.finish(), Vec::<Value>::new());
    }

    #[test]
    fn a_block_that_never_ended_or_is_not_signed_loses_all() {
        let mut unended = ThoughtDraft::default();
        unended.open(block());
        unended.close();
        unended.open(block());
        assert_eq!(unended.finish(), Vec::<Value>::new());
        let mut unsigned = ThoughtDraft::default();
        unsigned.replace(vec![block(), json!({"type": "thinking", "thinking": "a"})]);
        assert_eq!(unsigned.finish(), Vec::<Value>::new());
        let mut whole = ThoughtDraft::default();
        whole.replace(vec![block(), block()]);
        assert_eq!(whole.finish(), [block(), block()]);
    }
}
