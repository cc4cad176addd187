//! Text in pieces that can claim something: sentences, list items, headings and table cells, each
//! word with its place. What is not prose is blanked out where it stands.

mod token;

use token::{Placed, tokens};

pub use token::Token;

/// A piece of prose.
#[derive(Debug, Clone, Default)]
pub struct Fragment {
    /// Its words and signs.
    pub tokens: Vec<Token>,
    /// Whether it stands in a marked quotation.
    pub quoted: bool,
    /// Whether it is a heading, an item or a cell, where a verb is not expected.
    pub terse: bool,
    /// Whether it is a cell of a table.
    pub cell: bool,
    /// Whether it ends with a question mark.
    pub asks: bool,
    /// Whether its line holds a command that shows what it says.
    pub cites: bool,
    /// Whether it says what is wanted: its box is empty, or its column's heading says so.
    pub demands: bool,
}

/// Stands for a span of code: a word that is no word.
pub const CODE: char = '\u{1}';
/// Begins and ends a quotation.
const QUOTE: &str = "<!-- verify: quote -->";
const END: &str = "<!-- verify: end -->";
/// A command that shows what a line says begins with one of these.
const COMMANDS: [&str; 4] = ["`cargo ", "`verify ", "`just ", "`.ci/run"];

/// A box that nobody has ticked.
const BOXES: [&str; 2] = ["☐", "[ ] "];
/// A column headed by one of these says what is wanted, not what is.
const DEMANDS: [&str; 20] = [
    "acceptance",
    "accepted",
    "needs",
    "needed",
    "requirement",
    "required",
    "must",
    "floor",
    "threshold",
    "limit",
    "target",
    "number",
    "default",
    "expected",
    "criterion",
    "goal",
    "rule",
    "want",
    "wanted",
    "asks",
];

impl Fragment {
    /// Line and column of a token.
    #[must_use]
    pub fn place(&self, at: usize) -> (usize, usize) {
        self.tokens
            .get(at)
            .map_or((1, 1), |one| (one.line, one.column))
    }

    /// The tokens from one to another, both included, as written.
    #[must_use]
    pub fn text(&self, from: usize, to: usize) -> String {
        let tokens = self
            .tokens
            .get(from..=to.min(self.tokens.len().saturating_sub(1)));
        let words = tokens.unwrap_or_default().iter();
        let words: Vec<String> = words.map(|one| readable(&one.raw)).collect();
        words.join(" ")
    }

    /// The lower-case word at a place; empty beyond the end.
    #[must_use]
    pub fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |one| &one.word)
    }

    /// The place of the last token.
    #[must_use]
    pub fn last(&self) -> usize {
        self.tokens.len().saturating_sub(1)
    }

    /// The first of so many words behind a place for which this holds.
    pub fn find_behind(
        &self,
        at: usize,
        words: usize,
        holds: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        let mut behind = (at + 1..self.tokens.len()).take(words);
        behind.find(|at| holds(self.word(*at)))
    }

    /// The words between two places.
    pub fn between(&self, from: usize, to: usize) -> impl Iterator<Item = &str> {
        let tokens = self.tokens.get(from + 1..to).unwrap_or_default();
        tokens.iter().map(|one| one.word.as_str())
    }

    /// Whether any of the words stands in it.
    #[must_use]
    pub fn has(&self, words: &[&str]) -> bool {
        self.tokens
            .iter()
            .any(|one| words.contains(&one.word.as_str()))
    }

    /// Whether these words stand in it one after another, separated by spaces or hyphens; the place
    /// of the first and of the last.
    #[must_use]
    pub fn phrase(&self, phrase: &str) -> Option<(usize, usize)> {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        for start in 0..self.tokens.len() {
            let mut rest = wanted.as_slice();
            let mut at = start;
            while !rest.is_empty() {
                let parts: Vec<&str> = self.word(at).split('-').collect();
                if !rest.starts_with(&parts) {
                    break;
                }
                rest = &rest[parts.len()..];
                at += 1;
            }
            if rest.is_empty() {
                return Some((start, at - 1));
            }
        }
        None
    }
}

/// Spans of code in few characters.
fn readable(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    for character in raw.chars() {
        if character != CODE {
            text.push(character);
        } else if !text.ends_with('`') {
            text.push_str("`…`");
        }
    }
    text
}

/// Splits a text.
#[must_use]
pub fn fragments(text: &str) -> Vec<Fragment> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(line, index + 1);
    }
    reader.close();
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<Fragment>,
    paragraph: Vec<Placed>,
    terse: bool,
    cell: bool,
    cites: bool,
    demands: bool,
    /// Which columns of the table at hand say what is wanted.
    columns: Vec<bool>,
    quoted: bool,
    fence: Option<String>,
    in_comment: bool,
}

impl Reader {
    fn line(&mut self, line: &str, number: usize) {
        let trimmed = line.trim_start();
        let is_fence = trimmed.starts_with("```") || trimmed.starts_with("~~~");
        if let Some(fence) = &self.fence {
            if is_fence && trimmed.starts_with(fence.as_str()) {
                self.fence = None;
            }
            return;
        }
        if is_fence {
            self.close();
            self.fence = trimmed.get(..3).map(str::to_owned);
            return;
        }
        if trimmed.starts_with(QUOTE) || trimmed.starts_with(END) {
            self.close();
            self.quoted = trimmed.starts_with(QUOTE);
            return;
        }
        let placed = self.masked(line, number);
        let starts = starts_piece(trimmed);
        if trimmed.is_empty() || starts != Start::Text {
            self.close();
        }
        self.cites |= COMMANDS.iter().any(|command| line.contains(command));
        self.demands |= BOXES.iter().any(|open| line.contains(open));
        if starts != Start::Row {
            self.columns.clear();
        }
        match starts {
            Start::Text => {
                self.paragraph.extend(placed);
                self.paragraph.push((' ', number, 0));
            }
            Start::Heading => {
                self.terse = true;
                self.paragraph = placed;
                self.close();
            }
            Start::Item => {
                self.terse = true;
                self.paragraph = placed;
                self.paragraph.push((' ', number, 0));
            }
            Start::Row => self.row(&placed),
        }
    }

    /// A row of a table, cell by cell. The first row of a table heads its columns.
    fn row(&mut self, placed: &[Placed]) {
        let cells: Vec<&[Placed]> = placed
            .split(|(character, _, _)| *character == '|')
            .collect();
        if self.columns.is_empty() {
            self.columns = cells.iter().map(|cell| heads_demands(cell)).collect();
        }
        let (cites, demands) = (self.cites, self.demands);
        for (index, cell) in cells.into_iter().enumerate() {
            self.terse = true;
            self.cell = true;
            self.cites = cites;
            self.demands = demands || self.columns.get(index) == Some(&true);
            self.paragraph = cell.to_vec();
            self.close();
        }
    }

    /// The line's characters, with everything that is no prose blanked out.
    fn masked(&mut self, line: &str, number: usize) -> Vec<Placed> {
        let mut characters: Vec<char> = line.chars().collect();
        let mut at = 0;
        while at < characters.len() {
            let rest: String = characters[at..].iter().take(4).collect();
            let end = if self.in_comment || rest.starts_with("<!--") {
                let end = find(&characters, at, "-->");
                self.in_comment = end.is_none();
                end.or(Some(characters.len()))
            } else if rest.starts_with('`') {
                let ticks = characters[at..]
                    .iter()
                    .take_while(|one| **one == '`')
                    .count();
                find(&characters, at + ticks, &"`".repeat(ticks))
            } else if rest.starts_with("](") {
                find(&characters, at, ")")
            } else if rest.starts_with("http") || rest.starts_with("www.") {
                let length = characters[at..]
                    .iter()
                    .take_while(|one| !one.is_whitespace());
                Some(at + length.count())
            } else if rest.starts_with('<') {
                find(&characters, at, ">")
            } else {
                None
            };
            let Some(end) = end else {
                at += 1;
                continue;
            };
            let blank = if rest.starts_with('`') { CODE } else { ' ' };
            for one in &mut characters[at..end] {
                *one = blank;
            }
            at = end;
        }
        let placed = characters.into_iter().enumerate();
        placed
            .map(|(index, one)| (one, number, index + 1))
            .collect()
    }

    /// Ends the paragraph: its sentences become fragments.
    fn close(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        let (terse, cell, cites) = (self.terse, self.cell, self.cites);
        let demands = std::mem::take(&mut self.demands);
        self.terse = false;
        self.cell = false;
        self.cites = false;
        let mut from = 0;
        for at in 0..paragraph.len() {
            let next = paragraph.get(at + 1).map_or(' ', |one| one.0);
            let ends = matches!(paragraph[at].0, '.' | '!' | '?' | ';') && next.is_whitespace();
            if ends || at + 1 == paragraph.len() {
                let mut fragment = Fragment {
                    tokens: tokens(&paragraph[from..=at]),
                    quoted: self.quoted,
                    terse,
                    cell,
                    asks: paragraph[at].0 == '?',
                    cites,
                    demands,
                };
                if fragment.tokens.is_empty() {
                    continue;
                }
                fragment.terse |= fragment.tokens.len() <= 4;
                self.found.push(fragment);
                from = at + 1;
            }
        }
    }
}

fn heads_demands(cell: &[Placed]) -> bool {
    let text: String = cell.iter().map(|one| one.0).collect();
    let text = text.to_lowercase();
    let mut words = text.split(|one: char| !one.is_alphanumeric());
    words.any(|word| DEMANDS.contains(&word))
}

/// The place after a text, from a place on.
fn find(characters: &[char], from: usize, wanted: &str) -> Option<usize> {
    let wanted: Vec<char> = wanted.chars().collect();
    let rest = characters.get(from..)?;
    let at = rest
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(from + at + wanted.len())
}

#[derive(PartialEq, Eq)]
enum Start {
    Text,
    Heading,
    Item,
    Row,
}

fn starts_piece(trimmed: &str) -> Start {
    let digits = trimmed.chars().take_while(char::is_ascii_digit).count();
    let after = trimmed.get(digits..).unwrap_or_default();
    if trimmed.starts_with('#') {
        Start::Heading
    } else if trimmed.starts_with('|') {
        Start::Row
    } else if ["- ", "* ", "+ "]
        .iter()
        .any(|mark| trimmed.starts_with(mark))
        || (digits > 0 && (after.starts_with(". ") || after.starts_with(") ")))
    {
        Start::Item
    } else {
        Start::Text
    }
}
