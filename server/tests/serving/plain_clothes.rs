//! The server knows nobody who judges it: no name of the harness, of its simulators or of its
//! saboteurs stands in the binary.

use std::collections::BTreeMap;

/// Crates, programs and words of the judge's alone. The guide, which the binary carries, speaks of
/// `verify` and of simulators; those words are no sign.
const NAMES: [&str; 17] = [
    "exai-judge",
    "exai_judge",
    "exai-harness",
    "exai_harness",
    "exai-mocks",
    "exai_mocks",
    "exai-scenarios",
    "exai_scenarios",
    "exai-containers",
    "mock-provider",
    "impostor",
    "saboteur",
    "nemesis",
    "spoiler",
    "bystander",
    "lost_input",
    "failure_inside",
];

/// Those of the words that stand in these bytes.
fn found<'a>(bytes: &[u8], words: &[&'a str]) -> Vec<&'a str> {
    let mut by_first: BTreeMap<u8, Vec<&'a str>> = BTreeMap::new();
    for word in words {
        by_first.entry(word.as_bytes()[0]).or_default().push(word);
    }
    let mut starts = [false; 256];
    for first in by_first.keys() {
        starts[usize::from(*first)] = true;
    }
    let mut found = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if !starts[usize::from(*byte)] {
            continue;
        }
        let rest = &bytes[at..];
        let here = by_first[byte].iter();
        found.extend(here.filter(|word| rest.starts_with(word.as_bytes())));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn the_binary_holds_no_name_of_those_who_judge_it() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_exai")).unwrap();
    assert_eq!(found(&binary, &NAMES), [""; 0]);
    // The search finds what is there.
    let own = ["exai-instance", "exai_requests_total", "exai_judge"];
    assert_eq!(found(&binary, &own), own[..2]);
}
