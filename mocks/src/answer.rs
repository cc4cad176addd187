//! The keyed answer: what a simulator says when nothing is wrong.

use crate::tracer::{RunKey, sha256_hex};

/// What an answer is made from.
#[derive(Debug)]
pub struct Basis<'a> {
    /// The vendor's word.
    pub provider: &'a str,
    /// The model as named in the request.
    pub model: &'a str,
    /// The journal sequence.
    pub seq: &'a str,
    /// Hex digest of the body as received.
    pub request_sha256: &'a str,
    /// Tracers in order of appearance.
    pub tracers: &'a [&'a str],
    /// Lines between the keyed ones.
    pub prose: &'a str,
}

/// Writes the answer text: the keyed line, prose, the keyed line again, and the seal.
#[must_use]
pub fn compose(key: &RunKey, basis: &Basis<'_>) -> String {
    let mut line = format!("answer {}", basis.seq);
    for tracer in basis.tracers {
        line.push(' ');
        line.push_str(&key.answer(basis.provider, basis.model, tracer));
    }
    let above = format!("{line}\n{}\n{line}", basis.prose);
    let seal = key.seal(basis.request_sha256, basis.seq);
    format!("{above}\nseal {seal} {}", sha256_hex(above.as_bytes()))
}

const WORDS: [&str; 48] = [
    "the", "plan", "holds", "when", "each", "part", "is", "small", "and", "tests", "come", "first",
    "a", "queue", "needs", "bound", "before", "it", "grows", "because", "memory", "will", "not",
    "wait", "café", "naïve", "ordering", "of", "writes", "matters", "more", "than", "speed", "in",
    "this", "case", "数据", "一致", "so", "check", "every", "edge", "then", "measure", "again",
    "✓", "slowly", "today",
];

/// Ordinary lines of about `words` words, the same for the same seed and number. They never quote
/// the request.
#[must_use]
pub fn prose(seed: u64, number: u64, words: u32) -> String {
    let mut state = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(words as usize * 7);
    for place in 0..words.max(1) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 27;
        if place > 0 {
            text.push(if place % 14 == 0 { '\n' } else { ' ' });
        }
        let index = usize::try_from(mixed % WORDS.len() as u64).unwrap_or(0);
        text.push_str(WORDS[index]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::hex;

    #[test]
    fn an_answer_verifies_by_the_contract_alone() {
        let key = RunKey::new([3; 32]);
        let tracers = ["red fox aaaaaaaaaaaaaaaa", "blue owl bbbbbbbbbbbbbbbb"];
        let text = compose(
            &key,
            &Basis {
                provider: "kimi",
                model: "kimi-k3",
                seq: "kimi.1.9",
                request_sha256: "ab",
                tracers: &tracers,
                prose: "one\ntwo",
            },
        );
        let lines: Vec<&str> = text.lines().collect();
        let keyed = format!(
            "answer kimi.1.9 {} {}",
            hex(&key.sign(&["kimi|kimi-k3|red fox aaaaaaaaaaaaaaaa"])),
            hex(&key.sign(&["kimi|kimi-k3|blue owl bbbbbbbbbbbbbbbb"]))
        );
        assert_eq!(lines[0], keyed);
        assert_eq!(lines[lines.len() - 2], keyed);
        let (above, last) = text.rsplit_once('\n').unwrap();
        let seal = hex(&key.sign(&["ab|kimi.1.9"]));
        assert_eq!(
            last,
            format!("seal {seal} {}", sha256_hex(above.as_bytes()))
        );
    }

    #[test]
    fn prose_repeats_for_its_seed_only_and_has_the_length_asked_for() {
        assert_eq!(prose(1, 2, 30), prose(1, 2, 30));
        assert_ne!(prose(1, 2, 30), prose(1, 3, 30));
        assert_ne!(prose(1, 2, 30), prose(2, 2, 30));
        assert_eq!(prose(1, 2, 300).split_whitespace().count(), 300);
        assert!(prose(1, 2, 30).contains('\n'));
    }
}
