//! Words, numbers and signs with their places.

use super::CODE;

/// A word, a number or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As written.
    pub raw: String,
    /// In lower case, hyphens kept.
    pub word: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One character with its place.
pub(super) type Placed = (char, usize, usize);

/// Words keep inner hyphens, points, slashes and apostrophes; every other sign stands alone, but
/// marks of emphasis, quotation and lists are dropped.
pub(super) fn tokens(characters: &[Placed]) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let (character, line, column) = characters[at];
        let start = at;
        if is_word(character) {
            while at < characters.len() && is_inside(characters, at) && characters[at].1 == line {
                at += 1;
            }
        } else {
            at += 1;
            if character.is_whitespace() || DROPPED.contains(&character) {
                continue;
            }
        }
        let raw: String = characters[start..at].iter().map(|one| one.0).collect();
        found.push(Token {
            word: raw.to_lowercase(),
            raw,
            line,
            column,
        });
    }
    found
}

const DROPPED: [char; 12] = [
    '*', '_', '"', '“', '”', '#', '-', '•', '\u{fe0f}', '~', '«', '»',
];

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == CODE
}

/// Whether a character belongs to the word it follows.
fn is_inside(characters: &[Placed], at: usize) -> bool {
    let here = characters[at].0;
    let next = characters.get(at + 1).map_or(' ', |one| one.0);
    is_word(here)
        || (matches!(here, '-' | '.' | '/' | '\'' | '’' | '_' | ',') && {
            let before = at.checked_sub(1).map_or(' ', |at| characters[at].0);
            let number = before.is_ascii_digit() && next.is_ascii_digit();
            is_word(before) && is_word(next) && (here != ',' || number)
        })
}
