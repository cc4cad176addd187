//! Removes a `<think>` block that a model put at the start of its text, also across pieces.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Where the text stands.
#[derive(Debug, Default)]
enum State {
    /// The start, kept back while it may still become the opening tag.
    #[default]
    Start,
    /// Inside the block, with the tail that may become the closing tag.
    Inside,
    /// After the block, before the answer's first character.
    After,
    /// In the answer.
    Passing,
}

/// The filter's state between two pieces of text.
#[derive(Debug, Default)]
pub struct ThinkFilter {
    state: State,
    kept: String,
    hidden: bool,
}

impl ThinkFilter {
    /// Takes the next piece and returns what may be shown.
    pub fn push(&mut self, piece: &str) -> String {
        if matches!(self.state, State::Passing) {
            return piece.to_owned();
        }
        self.kept.push_str(piece);
        if matches!(self.state, State::Start) {
            let start = self.kept.trim_start();
            if let Some(inside) = start.strip_prefix(OPEN) {
                self.kept = inside.to_owned();
                self.state = State::Inside;
                self.hidden = true;
            } else if OPEN.starts_with(start) {
                return String::new();
            } else {
                return self.pass();
            }
        }
        if matches!(self.state, State::Inside) {
            let Some(at) = self.kept.find(CLOSE) else {
                self.forget_thought();
                return String::new();
            };
            self.kept = self.kept[at + CLOSE.len()..].to_owned();
            self.state = State::After;
        }
        if self.kept.trim_start().is_empty() {
            return String::new();
        }
        self.kept = self.kept.trim_start().to_owned();
        self.pass()
    }

    /// The text has ended: returns what was kept back in vain.
    pub fn finish(&mut self) -> String {
        match self.state {
            State::Start => self.pass(),
            _ => String::new(),
        }
    }

    /// Whether a block was removed.
    #[must_use]
    pub const fn has_hidden(&self) -> bool {
        self.hidden
    }

    fn pass(&mut self) -> String {
        self.state = State::Passing;
        std::mem::take(&mut self.kept)
    }

    /// Keeps only the tail that may be the start of the closing tag.
    fn forget_thought(&mut self) {
        let mut from = self.kept.len().saturating_sub(CLOSE.len());
        while !self.kept.is_char_boundary(from) {
            from -= 1;
        }
        self.kept.drain(..from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered<'a>(pieces: impl IntoIterator<Item = &'a str>) -> String {
        let mut filter = ThinkFilter::default();
        let mut shown: String = pieces.into_iter().map(|piece| filter.push(piece)).collect();
        shown.push_str(&filter.finish());
        shown
    }

    #[test]
    fn a_leading_thought_is_removed_and_a_later_one_is_text() {
        let cases = [
            ("<think>a</think>\n\nb", "b"),
            ("b <think>a</think>", "b <think>a</think>"),
            ("  <thin", "  <thin"),
            ("<think>never closed", ""),
            ("", ""),
            ("<b>", "<b>"),
        ];
        for (text, wanted) in cases {
            assert_eq!(filtered([text]), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_split_shows_the_same_text(text in "(<think>|</think>|<|a|é| |\n){0,12}") {
            let mut buffer = [0; 4];
            let mut filter = ThinkFilter::default();
            let mut shown = String::new();
            for c in text.chars() {
                shown.push_str(&filter.push(c.encode_utf8(&mut buffer)));
            }
            shown.push_str(&filter.finish());
            prop_assert_eq!(shown, filtered([text.as_str()]));
        }
    }
}
