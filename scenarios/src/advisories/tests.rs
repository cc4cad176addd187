//! What the list makes of a lock file: versions at the edges of a range, and the list as it is.

use std::path::Path;
use std::process::Command;

use jiff::civil::date;

use super::*;

const KNOWN: &str = r#"
source = "a test"
read = "2026-03-01"
newest = "RUSTSEC-2026-0009"
newest_date = "2026-02-20"
looked_up = ["alpha", "beta", "gamma", "delta"]
[[advisories]]
id = "RUSTSEC-2026-0001"
crate = "alpha"
date = "2026-01-01"
patched = [">= 1.2.3", "^0.9.4"]
unaffected = ["< 0.5"]
cvss = "CVSS:3.1/AV:N"
[[advisories]]
id = "RUSTSEC-2026-0002"
crate = "beta"
date = "2026-01-02"
withdrawn = "2026-01-03"
[[advisories]]
id = "RUSTSEC-2026-0003"
crate = "gamma"
date = "2026-01-04"
informational = "unmaintained"
[[advisories]]
id = "RUSTSEC-2026-0004"
crate = "delta"
date = "2026-01-05"
"#;

fn known() -> Advisories {
    Advisories::parse(KNOWN).unwrap()
}

fn locked(packages: &[(&str, &str)]) -> Lock {
    let package = |(name, version): &(&str, &str)| {
        let source = "registry+somewhere";
        format!("[[package]]\nname = {name:?}\nversion = {version:?}\nsource = {source:?}\n")
    };
    Lock::parse(&packages.iter().map(package).collect::<String>()).unwrap()
}

#[test]
fn a_version_is_hit_unless_a_range_names_it_patched_or_unaffected() {
    for (version, is_hit) in [
        ("1.2.2", true),
        ("1.2.3", false),
        ("2.0.0", false),
        ("0.9.3", true),
        ("0.9.4", false),
        ("0.10.0", true),
        ("0.5.0", true),
        ("0.4.9", false),
        ("1.2.3-rc.1", true),
        ("1.2.2+build", true),
    ] {
        let hits = known().vulnerabilities(&locked(&[("alpha", version)]));
        assert_eq!(hits.len(), usize::from(is_hit), "{version}: {hits:?}");
    }
}

#[test]
fn a_hit_names_the_crate_its_version_the_advisory_its_score_and_what_is_patched() {
    let lock = locked(&[("alpha", "1.0.0"), ("delta", "3.0.0")]);
    let wanted = [
        "alpha 1.0.0: RUSTSEC-2026-0001 (CVSS:3.1/AV:N), patched in >=1.2.3 or ^0.9.4",
        "delta 3.0.0: RUSTSEC-2026-0004, patched in no version",
    ];
    assert_eq!(known().vulnerabilities(&lock), wanted);
}

#[test]
fn a_withdrawn_advisory_hits_nothing_and_one_with_a_kind_is_told_apart() {
    let lock = locked(&[("beta", "1.0.0"), ("gamma", "1.0.0")]);
    assert!(known().vulnerabilities(&lock).is_empty());
    let told = "gamma 1.0.0: RUSTSEC-2026-0003 (unmaintained), patched in no version";
    assert_eq!(known().notices(&lock), [told]);
}

#[test]
fn a_crate_that_nobody_looked_up_is_named_and_one_of_our_own_is_not_asked_about() {
    let mut lock = locked(&[("epsilon", "1.0.0"), ("alpha", "2.0.0")]);
    assert_eq!(known().unasked(&lock), BTreeSet::from(["epsilon"]));
    lock.package[0].source = None;
    assert!(known().unasked(&lock).is_empty());
    let ours = Lock::parse("[[package]]\nname = \"delta\"\nversion = \"3.0.0\"\n").unwrap();
    assert!(known().vulnerabilities(&ours).is_empty());
}

#[test]
fn the_age_counts_from_the_last_advisory_of_the_source_not_from_the_day_of_reading() {
    let list = known();
    assert_eq!(list.days_behind(date(2026, 2, 20)), 0);
    assert_eq!(list.days_behind(date(2026, 3, 2)), 10);
    assert_eq!(list.days_behind(date(2027, 2, 20)), 365);
    assert_eq!(list.days_behind(date(2025, 1, 1)), 0);
    let ahead = Advisories {
        newest_date: date(2026, 12, 31),
        ..list
    };
    assert_eq!(
        ahead.days_behind(date(2026, 3, 2)),
        1,
        "a date of the future"
    );
}

#[test]
fn every_locked_crate_was_looked_up_and_none_has_a_known_vulnerability() {
    let list = Advisories::embedded().unwrap();
    let lock = Lock::parse(include_str!("../../../Cargo.lock")).unwrap();
    let how = "renew the list: deploy/advisories.py, docs/decisions/0050";
    assert_eq!(list.unasked(&lock), BTreeSet::new(), "{how}");
    assert_eq!(list.vulnerabilities(&lock), Vec::<String>::new());
    assert!(list.newest_date <= list.read && list.newest.starts_with("RUSTSEC-"));
}

#[test]
fn the_list_hits_what_it_is_there_for() {
    let list = Advisories::embedded().unwrap();
    let lock = locked(&[
        ("h2", "0.4.15"),
        ("rustls", "0.23.44"),
        ("rmcp", "1.3.9"),
        ("rustls-webpki", "0.103.12"),
        ("hyper", "0.13.9"),
    ]);
    let hits = list.vulnerabilities(&lock).join("\n");
    for id in [
        "2026-0258",
        "2026-0285",
        "2026-0189",
        "2026-0104",
        "2021-0020",
    ] {
        assert!(hits.contains(id), "{id} in {hits}");
    }
    let patched = locked(&[("hyper", "0.13.10"), ("rustls-webpki", "0.103.13")]);
    let hits = list.vulnerabilities(&patched).join("\n");
    assert!(
        !hits.contains("2021-0020") && !hits.contains("2026-0104"),
        "{hits}"
    );
}

/// A page as RustSec's database has it.
fn page(folder: &Path, name: &str, id: &str, more: &str, versions: &str) {
    let folder = folder.join("crates").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let head = format!("id = \"{id}\"\npackage = \"{name}\"\ndate = \"2026-12-08\"\n{more}");
    let text = format!("```toml\n[advisory]\n{head}\n[versions]\n{versions}\n```\n\n# Words\n");
    std::fs::write(folder.join(format!("{id}.md")), text).unwrap();
}

#[test]
fn the_script_writes_the_list_from_a_checkout_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let patched = "patched = [\">= 99.0.0\"]\nunaffected = [\"< 0.4.0\"]";
    let score = "cvss = \"CVSS:3.1/AV:N\"";
    page(folder.path(), "h2", "RUSTSEC-2026-9001", score, patched);
    let gone = "withdrawn = \"2026-12-09\"\ninformational = \"unsound\"";
    page(
        folder.path(),
        "tokio",
        "RUSTSEC-2026-9002",
        gone,
        "patched = []",
    );
    page(folder.path(), "h2", "RUSTSEC-0000-0000", "", "patched = []");
    page(
        folder.path(),
        "not-heard-of",
        "RUSTSEC-2026-9003",
        "",
        "patched = []",
    );
    let script = crate::binaries::workspace().join("deploy/advisories.py");
    let mut command = Command::new(script);
    let printed = command.arg(folder.path()).arg("a test").output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let list = Advisories::parse(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    let ids: Vec<_> = list.advisories.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["RUSTSEC-2026-9001", "RUSTSEC-2026-9002"]);
    assert_eq!(
        (list.source.as_str(), list.newest.as_str()),
        ("a test", "RUSTSEC-2026-9003")
    );
    let lock = Lock::parse(include_str!("../../../Cargo.lock")).unwrap();
    assert_eq!(list.unasked(&lock), BTreeSet::new());
    let [hit] = list.vulnerabilities(&lock).try_into().unwrap();
    assert!(hit.starts_with("h2 ") && hit.ends_with("(CVSS:3.1/AV:N), patched in >=99.0.0"));
    assert!(list.notices(&lock).is_empty(), "a withdrawn one is told");
}
