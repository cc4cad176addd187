//! X8: what the product is made of. The crates of Cargo.lock against the list of advisories, and
//! the images that ours are built from, each to be named by its digest.

use jiff::civil::Date;

use super::asker::{either, pair};
use crate::advisories::{Advisories, Lock};
use crate::binaries::workspace;
use crate::stage::{Stage, Trouble};

const CRATES: (&str, &str) = ("X8.advisories", "Cargo.lock");
const BASES: (&str, &str) = ("X8.bases", "images");
const LOCK: &str = "Cargo.lock";
/// What our images are made from, and the chart, which brings a Redis.
const RECIPES: [&str; 4] = [
    "Dockerfile",
    "deploy/image/redis.Dockerfile",
    "deploy/image/commander.Dockerfile",
    "deploy/helm/exai/values.yaml",
];
const FIXED: &str = "@sha256:";
/// Of a digest, in hexadecimal.
const DIGITS: usize = 64;
/// An image that is empty, so that there is nothing to fix.
const EMPTY: &str = "scratch";
const RENEW: &str = "deploy/advisories.py renews the list (docs/decisions/0050)";
/// A crate of ours in a version with a vulnerability: the list must find it in a copy of the file.
const PLANTED: &str = r#"
[[package]]
name = "h2"
version = "0.4.15"
source = "planted"
"#;

/// Tries X8. A list that ends more than `days` before today leaves it open, and so do crates that
/// nobody looked up: then no good case stands beside it.
///
/// # Errors
/// When the embedded list is not of its form.
pub fn try_all(stage: &Stage, days: f64) -> Result<(), Trouble> {
    let top = workspace();
    let read = |file: &str| std::fs::read_to_string(top.join(file)).ok();
    let recipes: Option<Vec<_>> = RECIPES.iter().map(|file| read(file)).collect();
    let (Some(lock), Some(recipes)) = (read(LOCK), recipes) else {
        stage.not_tested(
            "V.6",
            "X8: there are no sources, whose dependencies it asks about",
        );
        return Ok(());
    };
    let list = Advisories::embedded().map_err(|error| Trouble::Rig(error.to_string()))?;
    let today = jiff::Zoned::now().date();
    let audit = Audit::of(&list, &lock, (today, days))
        .map_err(|error| Trouble::Rig(format!("{LOCK}: {error}")))?;
    for open in audit.open.iter().chain(&audit.notices) {
        stage.not_tested("V.6", format!("X8: {open}"));
    }
    pair(
        stage,
        CRATES,
        (&audit.found, &["none"]),
        (
            audit.open.first().map_or("accepted", String::as_str),
            &["accepted"],
        ),
    );
    let (found, is_seen) = bases(&recipes);
    pair(
        stage,
        BASES,
        (&found, &["by digest"]),
        (
            either(is_seen, "accepted", "a tag was not found"),
            &["accepted"],
        ),
    );
    Ok(())
}

/// What the list makes of a lock file.
struct Audit {
    /// The vulnerabilities, or `none`.
    found: String,
    /// Why `none` would prove nothing.
    open: Vec<String>,
    /// What is known and no vulnerability.
    notices: Vec<String>,
}

impl Audit {
    fn of(
        list: &Advisories,
        lock: &str,
        (today, days): (Date, f64),
    ) -> Result<Self, toml::de::Error> {
        let spoiled = Lock::parse(&format!("{lock}{PLANTED}"))?;
        let lock = Lock::parse(lock)?;
        let found = list.vulnerabilities(&lock);
        let mut open = Vec::new();
        let behind = list.days_behind(today);
        if f64::from(behind) > days {
            let ends = list.newest_date;
            open.push(format!(
                "the list of advisories ends {ends}, {behind} days ago; {RENEW}"
            ));
        }
        let unasked: Vec<&str> = list.unasked(&lock).into_iter().collect();
        if !unasked.is_empty() {
            open.push(format!("nobody looked up {}; {RENEW}", unasked.join(", ")));
        }
        if list.vulnerabilities(&spoiled).len() <= found.len() {
            open.push("a planted version with a vulnerability was not found".to_owned());
        }
        let told = |notice| format!("{notice}: told, and not judged");
        Ok(Self {
            found: if found.is_empty() {
                "none".to_owned()
            } else {
                found.join("; ")
            },
            open,
            notices: list.notices(&lock).into_iter().map(told).collect(),
        })
    }
}

/// Which images are named by a tag that may move, or `by digest`; and whether the same look finds
/// one in each copy whose digests are taken out.
fn bases(recipes: &[String]) -> (String, bool) {
    let loose: Vec<String> = recipes.iter().flat_map(|text| moving(text)).collect();
    let is_seen = recipes.iter().all(|text| {
        let spoiled = text.replace(FIXED, ":");
        spoiled != *text && moving(&spoiled).len() > moving(text).len()
    });
    let found = if loose.is_empty() {
        "by digest".to_owned()
    } else {
        loose.join(", ")
    };
    (found, is_seen)
}

/// The images that a recipe or the chart's values take without their digest.
fn moving(text: &str) -> Vec<String> {
    let mut stages = vec![EMPTY];
    let mut loose = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let mut rest = words.skip_while(|word| first == "FROM" && word.starts_with("--"));
        let image = match first {
            "FROM" | "image:" => rest.next(),
            _ => rest.find_map(|word| word.strip_prefix("--from=")),
        };
        loose.extend(
            image
                .filter(|image| !stages.contains(image) && !is_fixed(image))
                .map(str::to_owned),
        );
        if first == "FROM" {
            stages.extend(
                rest.skip_while(|word| !word.eq_ignore_ascii_case("as"))
                    .nth(1),
            );
        }
    }
    loose
}

fn is_fixed(image: &str) -> bool {
    let digest = image
        .trim_matches('"')
        .split_once(FIXED)
        .map(|(_, digest)| digest);
    digest.is_some_and(|digest| {
        digest.len() == DIGITS && digest.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    fn shipped() -> Vec<String> {
        let text = |file: &&str| std::fs::read_to_string(workspace().join(file)).unwrap();
        RECIPES.iter().map(text).collect()
    }

    fn audit(list: &Advisories, lock: &str, days_on: i64) -> Audit {
        let today = list.newest_date.checked_add(days_on.days()).unwrap();
        Audit::of(list, lock, (today, 180.0)).unwrap()
    }

    #[test]
    fn our_lock_file_passes_and_each_way_of_knowing_too_little_leaves_it_open() {
        let list = Advisories::embedded().unwrap();
        let lock = std::fs::read_to_string(workspace().join(LOCK)).unwrap();
        let ours = audit(&list, &lock, 180);
        assert_eq!((ours.found.as_str(), ours.open), ("none", Vec::new()));
        let [stale] = audit(&list, &lock, 181).open.try_into().unwrap();
        assert!(
            stale.contains("181 days ago") && stale.contains(RENEW),
            "{stale}"
        );
        let newer = format!("{lock}{}", PLANTED.replace("h2", "not-heard-of"));
        let [unasked] = audit(&list, &newer, 0).open.try_into().unwrap();
        assert!(
            unasked.starts_with("nobody looked up not-heard-of;"),
            "{unasked}"
        );
    }

    #[test]
    fn a_vulnerable_version_is_named_with_its_advisory_and_what_is_patched() {
        let list = Advisories::embedded().unwrap();
        let found = audit(&list, PLANTED, 0).found;
        assert_eq!(found, "h2 0.4.15: RUSTSEC-2026-0258, patched in >=0.4.16");
    }

    #[test]
    fn a_list_that_cannot_find_what_is_planted_proves_nothing() {
        let blind = "source = ''\nread = '2026-11-22'\nnewest = ''\nnewest_date = '2026-11-22'\n\
                     looked_up = ['h2']\nadvisories = []\n";
        let blind = Advisories::parse(blind).unwrap();
        let lock = PLANTED.replace("0.4.15", "0.4.16");
        let [open] = audit(&blind, &lock, 0).open.try_into().unwrap();
        assert!(open.contains("was not found"), "{open}");
    }

    #[test]
    fn images_are_taken_by_digest_and_a_tag_is_found_wherever_it_stands() {
        assert_eq!(bases(&shipped()), ("by digest".to_owned(), true));
        let digest = format!("{FIXED}{}", "a1".repeat(32));
        for fixed in [
            format!(
                "FROM --platform=x rust:1{digest} AS build\nFROM scratch\nCOPY --from=build a b"
            ),
            format!("FROM rust:1{digest} AS build\nFROM build as next\nCOPY --from=next a b"),
            format!("redis:\n  image: \"redis:7{digest}\"\nimage:\n  tag: local"),
        ] {
            assert_eq!(moving(&fixed), Vec::<String>::new(), "{fixed}");
        }
        for (loose, image) in [
            ("FROM rust:1 AS build", "rust:1"),
            ("FROM --platform=x rust:1", "rust:1"),
            ("FROM scratch\nCOPY --from=busybox /a /b", "busybox"),
            ("redis:\n  image: redis:7", "redis:7"),
            ("ARG BASE=x\nFROM ${BASE}", "${BASE}"),
            ("FROM rust@sha256:a1b2", "rust@sha256:a1b2"),
        ] {
            assert_eq!(moving(loose), [image], "{loose}");
        }
    }
}
