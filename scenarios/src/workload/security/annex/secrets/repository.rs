//! X3: what ships, what deploys it and what is written about it holds no literal secret, now or
//! before. Sources and tests are left out: their keys are made up, in the shape of real ones.

use std::path::Path;

use super::super::super::asker::{either, pair};
use crate::binaries::workspace;
use crate::stage::Stage;

const EDGE: &str = "repository";
/// What is looked through, and its history with it.
const PLACES: [&str; 9] = [
    "Dockerfile",
    "docker-compose.test.yml",
    "deploy",
    "docs",
    "reports",
    "README.md",
    "justfile",
    "server/default.toml",
    "server.json",
];
/// Beginnings of keys of known issuers, and how many characters of a key follow.
const SHAPES: [(&str, usize); 6] = [
    ("sk-", 20),
    ("AKIA", 16),
    ("ghp_", 30),
    ("glpat-", 16),
    ("xoxb-", 20),
    ("eyJhbGciOi", 40),
];
/// Split, so that this line is no hit.
const PRIVATE: [&str; 2] = ["-----BEGIN", " PRIVATE KEY-----"];

/// What a search found: a secret's shape, and whether a planted one is found, too.
struct Looked {
    found: Option<&'static str>,
    control: bool,
}

/// Tries X3.
pub async fn try_all(stage: &Stage) {
    let top = workspace();
    let history = history(&top).await;
    // Long looks, which nothing else should wait for: old reports may hold gigabytes.
    let files = tokio::task::spawn_blocking(move || {
        let mut looked = None;
        for place in PLACES {
            look(&top.join(place), &mut looked);
        }
        looked
    });
    let history = tokio::task::spawn_blocking(move || Some(looked(&history?)));
    let (files, history) = tokio::join!(files, history);
    for (id, looked) in [("X3.files", files), ("X3.history", history)] {
        let looked = match looked {
            Ok(Some(looked)) => looked,
            Ok(None) => {
                stage.not_tested("V.6", format!("{id}: there is nothing to look through"));
                continue;
            }
            Err(_) => {
                stage.not_tested("V.6", format!("{id}: the search did not end"));
                continue;
            }
        };
        let control = either(looked.control, "accepted", "planted one not found");
        let word = looked.found.unwrap_or("none");
        pair(
            stage,
            (id, EDGE),
            (word, &["none"]),
            (control, &["accepted"]),
        );
    }
}

/// Looks through one text, and through a copy of it with a planted secret behind.
fn looked(text: &str) -> Looked {
    let planted = format!("{text}\nkey = sk-{}\n", "a1b2c3d4".repeat(4));
    Looked {
        found: literal(text),
        control: literal(&planted).is_some(),
    }
}

/// Looks through each file below a path, one at a time: the first secret is kept, and a search that
/// does not find what was planted.
fn look(path: &Path, sum: &mut Option<Looked>) {
    if let Ok(entries) = std::fs::read_dir(path) {
        for entry in entries.flatten() {
            look(&entry.path(), sum);
        }
    } else if let Ok(bytes) = std::fs::read(path) {
        let one = looked(&String::from_utf8_lossy(&bytes));
        *sum = Some(match sum.take() {
            Some(sum) => Looked {
                found: sum.found.or(one.found),
                control: sum.control && one.control,
            },
            None => one,
        });
    }
}

/// Every version of those places that was ever committed; None without git or its folder.
async fn history(top: &Path) -> Option<String> {
    let mut command = tokio::process::Command::new("git");
    command
        .args([
            "-c",
            "safe.directory=*",
            "log",
            "-p",
            "--no-color",
            "--no-ext-diff",
            "--",
        ])
        .args(PLACES)
        .current_dir(top)
        .stdin(std::process::Stdio::null());
    let output = command.output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The shape of the first literal secret in a text.
fn literal(text: &str) -> Option<&'static str> {
    let key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    for (shape, length) in SHAPES {
        let is_key = |rest: &str| {
            let run: String = rest.chars().take_while(|c| key(*c)).collect();
            let digits = run.chars().filter(char::is_ascii_digit).count();
            // A word in a sentence has no digits, an example of a key says that it is one.
            run.len() >= length && digits >= 4 && !run.contains("...") && !run.contains("example")
        };
        let mut hits = text.match_indices(shape).filter(|(at, _)| {
            let before = text
                .get(..*at)
                .and_then(|before| before.chars().next_back());
            before.is_none_or(|c| !c.is_ascii_alphanumeric())
        });
        if hits.any(|(at, _)| text.get(at + shape.len()..).is_some_and(is_key)) {
            return Some(shape);
        }
    }
    let private = text.match_indices(PRIVATE[0]).any(|(at, _)| {
        let line = text.get(at..).and_then(|rest| rest.lines().next());
        line.is_some_and(|line| line.contains(PRIVATE[1]))
    });
    private.then_some("a private key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_one_file_of_many_is_found_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        for n in 0..4 {
            std::fs::write(folder.path().join(format!("{n}")), "nothing here").unwrap();
        }
        let mut sum = None;
        look(folder.path(), &mut sum);
        let clean = sum.take().unwrap();
        assert_eq!((clean.found, clean.control), (None, true));
        let key = format!("key = sk-{}", "0f9e8d7c".repeat(3));
        std::fs::write(folder.path().join("below/one"), key).unwrap();
        look(folder.path(), &mut sum);
        assert_eq!(sum.unwrap().found, Some("sk-"));
        let mut none = None;
        look(&folder.path().join("missing"), &mut none);
        assert!(none.is_none());
    }

    #[test]
    fn keys_are_found_and_words_and_examples_are_not() {
        let real = format!("x sk-{}", "0f9e8d7c".repeat(3));
        assert_eq!(literal(&real), Some("sk-"));
        let pem = format!("{} EC{}", PRIVATE[0], PRIVATE[1]);
        assert_eq!(literal(&pem), Some("a private key"));
        for plain in [
            "a task-oriented-description-of-many-words",
            "sk-...",
            "export KIMI_API_KEY=sk-your-own-key-goes-right-here",
            "risk-0123456789012345678901234",
        ] {
            assert_eq!(literal(plain), None, "{plain}");
        }
    }
}
