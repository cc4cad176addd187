//! Tracers that prove where an input went, and the keyed answers that prove it arrived.
//!
//! The simulators hold their own implementation of the same rules; that two agree is the point.
//! Drawing the random bytes is the caller's work: nothing here is left to luck.

use std::collections::BTreeSet;

use crate::hex;
use crate::observation::{Delivered, Served};
use crate::operation::{AnswerSeen, Planted};
use crate::run_key::RunKey;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const MAC_CHARS: usize = 16;
const BITS_A_CHAR: usize = 5;
const WORDS_MIN: usize = 3;
const WORDS_MAX: usize = 8;

/// Syllables of several scripts; a word never mixes two of them.
const SCRIPTS: [[&str; 16]; 5] = [
    [
        "ba", "cor", "den", "fil", "gru", "hem", "jo", "kas", "lum", "mir", "nor", "pel", "quo",
        "rin", "sto", "ven",
    ],
    [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "12", "47", "80", "93", "61", "305",
    ],
    [
        "山", "川", "木", "火", "水", "金", "土", "日", "月", "風", "雨", "雪", "花", "鳥", "石",
        "道",
    ],
    [
        "но", "ва", "ли", "ро", "ме", "ка", "сто", "пе", "ду", "ги", "за", "бу", "ты", "ши", "яр",
        "ель",
    ],
    [
        "שמ", "אר", "תל", "בן", "גן", "דר", "הר", "זמ", "חד", "טל", "יד", "כר", "לב", "מי", "נר",
        "סל",
    ],
];

/// Makes a tracer from 32 random bytes: 3 to 8 words of mixed scripts and the keyed last word.
#[must_use]
pub fn issue(key: &RunKey, random: &[u8; 32]) -> String {
    let mut bytes = random.iter().map(|byte| usize::from(*byte)).cycle();
    let mut draw = |below: usize| bytes.next().unwrap_or_default() % below;
    let count = WORDS_MIN + draw(WORDS_MAX - WORDS_MIN + 1);
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let script = &SCRIPTS[draw(SCRIPTS.len())];
        let syllables = 2 + draw(3);
        words.push(
            (0..syllables)
                .map(|_| script[draw(script.len())])
                .collect::<String>(),
        );
    }
    close(key, &words.join(" "))
}

/// Closes words of the caller's choice with their keyed last word.
///
/// The words are 2 to 8, separated by single spaces; other shapes will not be found.
#[must_use]
pub fn close(key: &RunKey, words: &str) -> String {
    format!("{words} {}", closing_word(key, words))
}

/// Whether the last word is the one the key gives to the words before it.
#[must_use]
pub fn is_genuine(key: &RunKey, tracer: &str) -> bool {
    tracer
        .rsplit_once(' ')
        .is_some_and(|(words, last)| closing_word(key, words) == last)
}

fn closing_word(key: &RunKey, words: &str) -> String {
    let mac = key.mac(format!("tracer\0{words}").as_bytes());
    let bit = |index: usize| (mac[index / 8] >> (7 - index % 8)) & 1;
    let letter = |char: usize| {
        let value = (0..BITS_A_CHAR).fold(0, |value, offset| {
            value * 2 + usize::from(bit(char * BITS_A_CHAR + offset))
        });
        char::from(ALPHABET[value])
    };
    (0..MAC_CHARS).map(letter).collect()
}

/// What a simulator answers for one tracer found in a request for this provider and model.
#[must_use]
pub fn answer_mac(key: &RunKey, provider: &str, model: &str, tracer: &str) -> String {
    hex::encode(&key.mac(format!("{provider}|{model}|{tracer}").as_bytes()))
}

/// What binds an answer to the request as the simulator received it.
#[must_use]
pub fn seal(key: &RunKey, request_sha256: &str, seq: &str) -> String {
    hex::encode(&key.mac(format!("{request_sha256}|{seq}").as_bytes()))
}

/// The first and last line of a keyed answer, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLine {
    /// The journal sequence it names.
    pub seq: String,
    /// One mac for each tracer found.
    pub macs: BTreeSet<String>,
}

/// Reads `answer <seq> <mac> …`; None when the line is anything else.
#[must_use]
pub fn read_line(line: &str) -> Option<AnswerLine> {
    let mut words = line.split(' ');
    if words.next() != Some("answer") {
        return None;
    }
    let seq = words.next().filter(|seq| !seq.is_empty())?.to_owned();
    Some(AnswerLine {
        seq,
        macs: words.map(str::to_owned).collect(),
    })
}

/// The whole text a simulator gives: both lines around the prose, and the closing line.
///
/// `prose` is what stands between; tests and the null server use it, simulators have their own.
#[must_use]
pub fn answer_text(key: &RunKey, served: &Served, prose: &str) -> String {
    let macs = served.tracers.iter().map(|tracer| {
        format!(
            " {}",
            answer_mac(key, &served.provider, &served.model, tracer)
        )
    });
    let line = format!("answer {}{}", served.seq, macs.collect::<String>());
    let above = format!("{line}\n{prose}\n{line}");
    let seal = seal(key, &served.request_sha256, &served.seq);
    let digest = hex::sha256(above.as_bytes());
    format!("{above}\nseal {seal} {digest}")
}

/// Takes the proof lines out of a text answer; None when it has fewer than three lines.
#[must_use]
pub fn read_answer(text: &str) -> Option<AnswerSeen> {
    let (above, seal) = text.rsplit_once('\n')?;
    let (_, last) = above.rsplit_once('\n')?;
    let first = above.split('\n').next()?;
    Some(AnswerSeen {
        first: first.to_owned(),
        last: last.to_owned(),
        seal: seal.to_owned(),
        above_sha256: hex::sha256(above.as_bytes()),
        text_sha256: hex::sha256(text.as_bytes()),
        chars: u64::try_from(text.chars().count()).unwrap_or(u64::MAX),
    })
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It names no journal sequence: not a keyed answer at all.
    NotKeyed,
    /// First and last proof line differ.
    LinesDiffer,
    /// A declared input never reached the provider; the slot is named.
    LostInput(String),
    /// Something reached the provider that this operation did not carry.
    Leak(String),
    /// The closing line does not bind this request and sequence.
    Seal,
    /// The text above the closing line is not the text that was sealed.
    Text,
    /// The simulator sent another text, or none whole.
    NotAsSent,
}

impl Flaw {
    /// The flaw in words, for a sentence that begins "the answer …".
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::NotKeyed => "names no provider request".to_owned(),
            Self::LinesDiffer => "begins and ends with different proofs".to_owned(),
            Self::LostInput(slot) => format!("lacks the input planted in {slot}"),
            Self::Leak(mac) => format!("carries an input that was not its own ({mac})"),
            Self::Seal => "is not sealed over the request the provider received".to_owned(),
            Self::Text => "is not the text that was sealed".to_owned(),
            Self::NotAsSent => "is not the text the provider sent".to_owned(),
        }
    }
}

/// Judges one answer against the journal's entry and the tracers the operation declares.
#[must_use]
pub fn flaws(
    key: &RunKey,
    answer: &AnswerSeen,
    declared: &[Planted],
    entry: (&Served, Option<&Delivered>),
) -> Vec<Flaw> {
    let (served, delivered) = entry;
    let Some(line) = read_line(&answer.first) else {
        return vec![Flaw::NotKeyed];
    };
    let mut flaws = Vec::new();
    if answer.first != answer.last {
        flaws.push(Flaw::LinesDiffer);
    }
    let mac = |tracer: &str| answer_mac(key, &served.provider, &served.model, tracer);
    let wanted: Vec<(String, &Planted)> = declared
        .iter()
        .map(|planted| (mac(&planted.text), planted))
        .collect();
    let lost = wanted.iter().filter(|(mac, _)| !line.macs.contains(mac));
    flaws.extend(lost.map(|(_, planted)| Flaw::LostInput(planted.slot.clone())));
    let is_declared = |mac: &str| wanted.iter().any(|(wanted, _)| wanted == mac);
    let extra = line.macs.iter().filter(|mac| !is_declared(mac));
    flaws.extend(extra.map(|mac| Flaw::Leak(mac.chars().take(MAC_CHARS).collect())));
    let mut closing = answer.seal.split(' ').skip(1);
    if closing.next() != Some(&seal(key, &served.request_sha256, &line.seq)) {
        flaws.push(Flaw::Seal);
    }
    if closing.next() != Some(&answer.above_sha256) {
        flaws.push(Flaw::Text);
    }
    let sent = delivered.and_then(|delivered| delivered.answer_sha256.as_ref());
    if sent.is_some_and(|sent| *sent != answer.text_sha256) {
        flaws.push(Flaw::NotAsSent);
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RunKey {
        RunKey::new([9; 32])
    }

    fn served(tracers: &[&str]) -> Served {
        Served {
            seq: "kimi.1.7".to_owned(),
            provider: "kimi".to_owned(),
            model: "kimi-k2".to_owned(),
            key: "kimi-main".to_owned(),
            stream: false,
            request_sha256: hex::sha256(b"request"),
            body_sha256: String::new(),
            max_output: None,
            system_sha256: hex::sha256(b"system"),
            tracers: tracers.iter().map(|&tracer| tracer.to_owned()).collect(),
            messages: Vec::new(),
            fault: None,
        }
    }

    fn planted(slot: &str, text: &str) -> Planted {
        Planted {
            slot: slot.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_tracer_is_words_and_a_last_word_that_only_the_key_gives() {
        let tracer = issue(&key(), &[3; 32]);
        let words: Vec<_> = tracer.split_whitespace().collect();
        assert!(
            (WORDS_MIN + 1..=WORDS_MAX + 1).contains(&words.len()),
            "{tracer}"
        );
        assert_eq!(words.join(" "), tracer, "single spaces only");
        assert_eq!(words.last().map(|word| word.len()), Some(MAC_CHARS));
        assert!(is_genuine(&key(), &tracer));
        assert!(!is_genuine(&RunKey::new([8; 32]), &tracer));
        assert!(!is_genuine(&key(), "two words"));
    }

    #[test]
    fn the_last_word_is_base32_of_the_first_ten_bytes_of_the_mac() {
        let mac = key().mac(b"tracer\0alpha beta");
        let number = mac[..10]
            .iter()
            .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let spelled: String = (0..16)
            .rev()
            .map(|place| char::from(ALPHABET[(number >> (place * 5) & 31) as usize]))
            .collect();
        assert_eq!(close(&key(), "alpha beta"), format!("alpha beta {spelled}"));
    }

    #[test]
    fn an_untouched_answer_has_no_flaw_and_each_touch_has_its_own() {
        let (one, two) = (close(&key(), "alpha beta"), close(&key(), "gamma 12"));
        let served = served(&[&one, &two]);
        let declared = [planted("prompt", &one), planted("file.0", &two)];
        let text = answer_text(&key(), &served, "Ordinary prose.");
        let judge = |text: &str, declared: &[Planted]| {
            flaws(
                &key(),
                &read_answer(text).unwrap(),
                declared,
                (&served, None),
            )
        };
        assert_eq!(judge(&text, &declared), []);
        let third = [
            declared[0].clone(),
            declared[1].clone(),
            planted("turn.1", "x y"),
        ];
        assert_eq!(judge(&text, &third), [Flaw::LostInput("turn.1".to_owned())]);
        assert!(matches!(judge(&text, &declared[..1])[..], [Flaw::Leak(_)]));
        assert_eq!(
            judge(&text.replace("prose", "prosa"), &declared),
            [Flaw::Text]
        );
        assert_eq!(judge("one\ntwo\nthree", &declared), [Flaw::NotKeyed]);
        let cut = text.replacen("answer kimi.1.7", "answer kimi.1.8", 1);
        assert!(judge(&cut, &declared).contains(&Flaw::LinesDiffer));
    }

    #[test]
    fn an_answer_for_another_request_does_not_carry_the_seal_or_the_text_sent() {
        let one = close(&key(), "alpha beta");
        let served = served(&[&one]);
        let text = answer_text(&key(), &served, "Prose.");
        let other = Served {
            request_sha256: hex::sha256(b"another"),
            ..served.clone()
        };
        let delivered = Delivered {
            seq: served.seq.clone(),
            first_byte_at: None,
            status: 200,
            outcome: "answered".to_owned(),
            answer_sha256: Some(hex::sha256(b"another text")),
        };
        let answer = read_answer(&text).unwrap();
        let found = flaws(
            &key(),
            &answer,
            &[planted("prompt", &one)],
            (&other, Some(&delivered)),
        );
        assert_eq!(found, [Flaw::Seal, Flaw::NotAsSent]);
    }

    #[test]
    fn each_random_byte_draws_the_next_choice_in_turn() {
        // How many words, then of each: its script, how many syllables, and these.
        let drawn = |bytes: &[u8]| {
            let mut random = [0; 32];
            random[..bytes.len()].copy_from_slice(bytes);
            let tracer = issue(&key(), &random);
            tracer.rsplit_once(' ').unwrap().0.to_owned()
        };
        assert_eq!(drawn(&[]), "baba baba baba");
        let three = [0, 0, 1, 1, 2, 15, 1, 0, 3, 4, 2, 2, 0, 1, 2, 3];
        assert_eq!(drawn(&three), "cordenven 34 山川木火");
        let wrapped = [6, 5, 3, 16, 17, 18, 19];
        assert!(drawn(&wrapped).starts_with("bacor "), "all wrap");
        let count = |first: u8| drawn(&[first]).split(' ').count();
        assert_eq!([0, 5, 6, 11].map(count), [3, 8, 3, 8]);
    }

    #[test]
    fn a_flaw_names_the_slot_or_the_input_and_each_says_its_own() {
        let lost = Flaw::LostInput("file.0".to_owned());
        assert_eq!(lost.says(), "lacks the input planted in file.0");
        let leak = Flaw::Leak("abc".to_owned());
        assert!(leak.says().ends_with("(abc)"), "{}", leak.says());
        let rest = [
            Flaw::NotKeyed,
            Flaw::LinesDiffer,
            Flaw::Seal,
            Flaw::Text,
            Flaw::NotAsSent,
        ];
        let told: BTreeSet<String> = [lost, leak].iter().chain(&rest).map(Flaw::says).collect();
        assert_eq!(told.len(), 7);
    }
}
