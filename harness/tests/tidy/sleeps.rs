//! Tests wait for conditions. Which code is of tests, and where it may sleep all the same.

use std::collections::BTreeMap;

/// Looks for a condition again after a pause, until a deadline.
const POLL: &str = "a poll";
/// Takes no time.
const PAUSED: &str = "a paused clock";
/// Files of test code that sleep: how often, and why.
const ALLOWED: [(&str, usize, &str); 16] = [
    ("harness/containers/tests/driver.rs", 1, POLL),
    ("harness/containers/tests/leaf.rs", 1, POLL),
    ("harness/src/load/tests.rs", 2, PAUSED),
    ("harness/src/nemesis/edge.rs", 1, PAUSED),
    (
        "harness/src/nemesis/tests.rs",
        3,
        "a user's pace, and a poll",
    ),
    ("mocks/tests/impostor/company.rs", 1, POLL),
    ("scenarios/tests/soak.rs", 1, POLL),
    ("server/src/archive/contract/keeping.rs", 1, POLL),
    ("server/src/sqlite.rs", 2, "a reader that holds the file"),
    ("server/src/store/contract.rs", 1, POLL),
    ("server/src/transport/body.rs", 1, PAUSED),
    ("server/src/transport/patience.rs", 1, PAUSED),
    ("server/src/transport/preamble.rs", 1, PAUSED),
    ("server/src/transport/stream.rs", 1, PAUSED),
    ("server/tests/serving/provider.rs", 3, "a provider's pace"),
    ("server/tests/serving/together.rs", 1, "a slow store"),
];

const OF_TESTS: &str = "#[cfg(test)]";

/// What is wrong with the sleeps in test code.
pub fn complaints(sources: &[(String, String)]) -> Vec<String> {
    let modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    let mut complaints = Vec::new();
    let mut slept = BTreeMap::new();
    for (name, text) in sources {
        let is_declared = modules.iter().any(|module| {
            let rest = name.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
        let lines = sleeps(text, is_declared || is_of_tests(name));
        let allowed = ALLOWED.iter().find(|(file, ..)| file == name);
        if lines.len() > allowed.map_or(0, |(_, count, _)| *count) {
            complaints.extend(lines.iter().map(|line| {
                format!("{name}:{line}: a sleep in a test, wait for a condition with a deadline")
            }));
        }
        slept.insert(name.as_str(), lines.len());
    }
    for (name, count, _) in ALLOWED {
        let found = slept.get(name).copied().unwrap_or(0);
        if found < count {
            complaints.push(format!(
                "{name}:1: {found} sleeps, take {count} from ALLOWED"
            ));
        }
    }
    complaints
}

/// Whether a whole file is of tests by its name.
fn is_of_tests(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

/// The modules in files of their own that a file declares for tests alone, without their ending.
fn test_modules((name, text): &(String, String)) -> Vec<String> {
    let stem = name.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    let mut found = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == OF_TESTS) {
        let declared = lines.clone().find(|line| !line.starts_with("#["));
        let module = declared.and_then(|line| {
            let rest = line.strip_prefix("pub ").unwrap_or(line);
            rest.strip_prefix("mod ")?.strip_suffix(';')
        });
        found.extend(module.map(|module| format!("{folder}/{module}")));
    }
    found
}

/// The lines that sleep, of a file of tests or of the parts of another that are for tests alone.
pub fn sleeps(text: &str, is_of_tests: bool) -> Vec<usize> {
    let mut found = Vec::new();
    // The closing line of the item for tests that is being read.
    let mut closing: Option<String> = None;
    let mut is_marked = false;
    for (index, line) in text.lines().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if closing.is_none() && line.trim() == OF_TESTS {
            is_marked = true;
        } else if is_marked && line.ends_with('{') {
            closing = Some(format!("{indent}}}"));
            is_marked = false;
        } else if is_marked && line.ends_with(';') {
            is_marked = false;
        }
        if (is_of_tests || closing.is_some()) && is_sleep(line) {
            found.push(index + 1);
        }
        if closing.as_deref() == Some(line) {
            closing = None;
        }
    }
    found
}

/// Whether a line sleeps, outside strings and comments.
fn is_sleep(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let outside: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    outside.match_indices("sleep(").any(|(at, _)| {
        let before = outside[..at].chars().next_back();
        !before.is_some_and(|one| one.is_alphanumeric() || one == '_')
    })
}

#[test]
fn test_code_is_found_wherever_it_stands() {
    let sleeper = "    sleep(PAUSE).await;\n";
    let inline = format!("fn a() {{\n{sleeper}}}\n\n{OF_TESTS}\nmod tests {{\n{sleeper}}}\n");
    assert_eq!(sleeps(&inline, false), [7]);
    assert_eq!(sleeps(&inline, true), [2, 7]);
    let after = format!("{OF_TESTS}\nuse one::Two;\n\nfn a() {{\n{sleeper}}}\n");
    assert_eq!(sleeps(&after, false), Vec::<usize>::new());
    let says = "    // sleep(1)\n    let a = \"sleep(1)\";\n    oversleep(1);\n";
    assert_eq!(sleeps(says, true), Vec::<usize>::new());
    let file = |name: &str, text: String| (name.to_owned(), text);
    let declaring = format!("#![x]\n{OF_TESTS}\n#[path = \"a.rs\"]\nmod contract;\nmod other;\n");
    for (name, module) in [
        ("a/src/store.rs", "a/src/store/contract"),
        ("a/src/lib.rs", "a/src/contract"),
    ] {
        assert_eq!(test_modules(&file(name, declaring.clone())), [module]);
    }
    let both = [
        file("a/src/store.rs", declaring),
        file(
            "a/src/store/contract.rs",
            format!("fn a() {{\n{sleeper}}}\n"),
        ),
        file("a/src/other.rs", format!("fn a() {{\n{sleeper}}}\n")),
    ];
    let found = complaints(&both);
    let is_named = |name: &str| found.iter().any(|one| one.starts_with(name));
    assert!(is_named("a/src/store/contract.rs:2: a sleep"), "{found:?}");
    assert!(!is_named("a/src/other.rs"), "{found:?}");
    assert!(is_named("scenarios/tests/soak.rs:1: 0 sleeps"), "{found:?}");
}
