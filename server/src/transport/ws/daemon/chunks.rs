//! The pieces of a streamed answer: numbered, and together exactly the answer.

/// What was sent of an answer so far.
#[derive(Debug, Default)]
pub struct Chunks {
    sent: String,
    next: u64,
}

/// How the pieces stand to the whole answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are the answer.
    Whole,
    /// They are its beginning; this is the rest.
    Rest(String),
    /// They are something else: another provider took over.
    Other,
}

impl Chunks {
    /// The number of the next piece; the first is 0.
    pub fn number(&mut self, piece: &str) -> u64 {
        self.sent.push_str(piece);
        let number = self.next;
        self.next += 1;
        number
    }

    /// Compares what was sent with the answer.
    pub fn against(&self, whole: &str) -> Standing {
        match whole.strip_prefix(self.sent.as_str()) {
            Some("") => Standing::Whole,
            Some(rest) => Standing::Rest(rest.to_owned()),
            None => Standing::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_answer_its_beginning_or_something_else() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.against("answer"), Standing::Rest("answer".into()));
        assert_eq!((chunks.number("an"), chunks.number("swer")), (0, 1));
        assert_eq!(chunks.against("answer"), Standing::Whole);
        assert_eq!(chunks.against("answers"), Standing::Rest("s".into()));
        assert_eq!(chunks.against("anthem"), Standing::Other);
    }
}
