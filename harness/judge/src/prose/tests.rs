//! Status prose is marked, ordinary prose is not.

use std::collections::BTreeMap;

use super::standing::{Stand, Standing, Worth};
use super::*;
use crate::verdict::Verdict;

mod figures;
mod markdown;
mod rules;
mod worth;

/// Statements of the kinds that the 52 false claims were made of, and what each is.
const STATUS: &str = include_str!("status.md");
/// The 52 false claims, one a line in their order, in words of our own.
const ROWS: &str = include_str!("rows.md");
/// Prose of the same vocabulary that explains, demands, asks or warns.
const ORDINARY: &str = include_str!("ordinary.md");

/// A text, and what it claims: the kind's word and the words that claim.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

fn holds(cases: &[Case]) {
    for (text, wanted) in cases {
        let found = read(text);
        let seen: Vec<_> = found
            .iter()
            .map(|one| (one.kind.word(), one.text.as_str()))
            .collect();
        assert_eq!(seen, *wanted, "{text}");
    }
}

#[test]
fn every_sentence_of_a_status_report_is_marked() {
    let missed: Vec<&str> = STATUS
        .lines()
        .filter(|line| !line.trim().is_empty())
        .filter(|line| read(line).is_empty())
        .collect();
    assert!(missed.is_empty(), "not marked:\n{}", missed.join("\n"));
}

#[test]
fn each_of_the_52_false_claims_is_marked_and_worth_what_the_evidence_says() {
    let all = |verdict| {
        let stand = |number: u32| {
            let stand = Stand {
                verdict,
                run: "run".to_owned(),
                expired: false,
                waived: false,
            };
            (format!("V.{number}"), stand)
        };
        Standing {
            criteria: (1..=8).map(stand).collect(),
            carried: BTreeMap::new(),
        }
    };
    let worths = |standing: &Standing, line: &str| -> Vec<Worth> {
        let statements = read(line).into_iter();
        statements.map(|one| standing.weigh(one).worth).collect()
    };
    let (nothing, failed) = (Standing::default(), all(Verdict::Fail));
    let (mut contradicted, mut missed) = (0, Vec::new());
    for (number, line) in (1..).zip(ROWS.lines()) {
        let without = worths(&nothing, line);
        if without.is_empty() {
            missed.push(format!("F{number} {line}"));
        }
        let says = format!("F{number} {line}: {without:?}");
        assert!(without.iter().all(|one| *one == Worth::Unproven), "{says}");
        let against = worths(&failed, line);
        assert!(!against.contains(&Worth::Proven), "F{number} {line}");
        contradicted += usize::from(against.contains(&Worth::Contradicted));
    }
    assert!(missed.is_empty(), "not marked:\n{}", missed.join("\n"));
    assert_eq!(ROWS.lines().count(), 52);
    assert!(
        contradicted >= 20,
        "{contradicted} contradicted by failures"
    );
}

#[test]
fn ordinary_prose_is_not_marked() {
    let marked: Vec<String> = read(ORDINARY)
        .iter()
        .map(|one| format!("{}: {} {:?}", one.line, one.kind.word(), one.text))
        .collect();
    assert!(marked.is_empty(), "marked:\n{}", marked.join("\n"));
}

#[test]
fn every_kind_is_found_and_points_at_its_words() {
    let cases = [
        (
            "It is production-ready.",
            Kind::Readiness,
            7,
            "production-ready",
        ),
        (
            "All containers are healthy.",
            Kind::Totality,
            1,
            "All containers are healthy",
        ),
        ("Circuit breaker active", Kind::State, 9, "breaker active"),
        ("We ran 22/22 tests.", Kind::Count, 8, "22/22"),
        ("Coverage reached 95 %.", Kind::Percentage, 18, "95 %"),
        ("p95 latency 180 ms", Kind::Figure, 1, "p95 latency 180 ms"),
        ("- ✅ Failover", Kind::CheckMark, 3, "✅ Failover"),
        (
            "Multi-model consensus achieved",
            Kind::Opinion,
            13,
            "consensus achieved",
        ),
    ];
    for (text, kind, column, words) in cases {
        let found = read(text);
        let of = found.iter().find(|one| one.kind == kind);
        let of = of.unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert_eq!((of.line, of.column), (1, column), "{text}");
        assert_eq!(of.text, words);
    }
    assert_eq!(Kind::ALL.len(), cases.len());
}

#[test]
fn plain_sentences_of_status_prose_claim() {
    for (text, kind) in [
        ("All 20 tools work.", Kind::Totality),
        ("All eight criteria hold.", Kind::Totality),
        ("No turn is ever lost.", Kind::State),
        ("Failover always succeeds.", Kind::State),
        ("Zero errors in four hours of soak.", Kind::Totality),
        ("The server handles 150 concurrent calls.", Kind::Figure),
        ("exai 0.1.0 is a release-candidate.", Kind::Readiness),
        ("It is merge-ready as of commit abc.", Kind::Readiness),
        ("We are go for launch.", Kind::Readiness),
        ("Green across the board.", Kind::Readiness),
    ] {
        let found: Vec<Kind> = read(text).iter().map(|one| one.kind).collect();
        assert_eq!(found, [kind], "{text}");
    }
    for text in [
        "All tools work on a copy of the file.",
        "Zero errors is the limit.",
        "A release candidate is signed by CI.",
        "The criteria V.1 to V.6 hold in the quick profile.",
    ] {
        assert_eq!(read(text), Vec::new(), "{text}");
    }
}

#[test]
fn code_quotations_questions_and_conditions_claim_nothing() {
    for text in [
        "`production-ready` is a claim",
        "```\nAll tests passing\n```",
        "Is it production-ready?",
        "It is not production-ready.",
        "A release is production-ready when four hours have passed.",
        "[the guide](https://example.com/production-ready)",
        "<!-- fully functional -->",
        "| ☑ | `cargo verify run V.2` |",
        "- [ ] All tests passing",
        "| Failover | 20/20 tools | ☐ |",
        "| Row | Threshold |\n|---|---|\n| Latency | p95 < 200 ms |",
    ] {
        assert_eq!(read(text), Vec::new(), "{text}");
    }
    let quoted = read("<!-- verify: quote -->\nIt is production-ready.\n<!-- verify: end -->\n");
    assert!(quoted.iter().all(|one| one.quoted) && quoted.len() == 1);
    let after = read("<!-- verify: quote -->\na\n<!-- verify: end -->\n\nIt is production-ready.");
    assert!(!after[0].quoted && after[0].line == 5);
}

#[test]
fn a_statement_is_worth_what_the_newest_evidence_says() {
    let stand = |verdict| Stand {
        verdict,
        run: "run".to_owned(),
        expired: false,
        waived: false,
    };
    let of = |stand: Stand| Standing {
        criteria: BTreeMap::from([("V.2".to_owned(), stand)]),
        carried: BTreeMap::new(),
    };
    let worth = |standing: &Standing, text: &str| {
        let statement = read(text).remove(0);
        standing.weigh(statement).worth
    };
    let active = "Circuit breaker active";
    assert_eq!(worth(&Standing::default(), active), Worth::Unproven);
    assert_eq!(worth(&of(stand(Verdict::Pass)), active), Worth::Proven);
    assert_eq!(
        worth(&of(stand(Verdict::Fail)), active),
        Worth::Contradicted
    );
    assert_eq!(
        worth(&of(stand(Verdict::Inconclusive)), active),
        Worth::Unproven
    );
    let old = Stand {
        expired: true,
        ..stand(Verdict::Pass)
    };
    assert_eq!(worth(&of(old), active), Worth::Stale);
    let waived = Stand {
        waived: true,
        ..stand(Verdict::Fail)
    };
    assert_eq!(worth(&of(waived), active), Worth::Waived);
    let merge = Standing {
        carried: BTreeMap::from([("merge-ready".to_owned(), vec!["run".to_owned()])]),
        ..of(stand(Verdict::Pass))
    };
    assert_eq!(worth(&merge, "This build is merge-ready."), Worth::Proven);
    let more = "This build is production-ready.";
    assert_eq!(worth(&merge, more), Worth::Unproven, "of another claim");
    let ready = Standing {
        carried: BTreeMap::from([("production-ready".to_owned(), vec!["run".to_owned()])]),
        ..Standing::default()
    };
    for text in [more, "It is battle-tested."] {
        assert_eq!(worth(&ready, text), Worth::Proven, "{text}");
    }
    let less = "This build is merge-ready.";
    assert_eq!(worth(&Standing::default(), less), Worth::Unproven);
    let count = "7/7 providers connected";
    assert_eq!(worth(&of(stand(Verdict::Pass)), count), Worth::Unproven);
}
