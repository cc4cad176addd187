//! Which criteria a statement leans on, and what their evidence makes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Statement;
use super::super::standing::{Stand, Standing, Weighed, Worth};
use super::{Kind, read};
use crate::verdict::Verdict;

fn statement(text: &str) -> Statement {
    read(text).remove(0)
}

#[test]
fn a_statement_leans_on_what_it_names_or_else_on_the_topics_of_its_words() {
    let of = |text: &str| statement(text).criteria.join(" ");
    assert_eq!(of("V.7 passed, breaker active"), "V.7");
    assert_eq!(of("V7m passed"), "V.7m");
    assert_eq!(of("V.1 & V.8t passed"), "V.1 V.8t");
    assert_eq!(of("Circuit breaker active"), "V.2");
    assert_eq!(of("Database healthy"), "V.4 V.5");
    assert_eq!(of("It is bug free"), "V.1 V.2 V.3 V.4 V.5 V.6 V.7 V.8");
    assert_eq!(of("Signed off by Ann"), "");
}

fn stand(verdict: Verdict, run: &str) -> Stand {
    Stand {
        verdict,
        run: run.to_owned(),
        expired: false,
        waived: false,
    }
}

/// Weighs a statement that leans on V.4 and V.5.
fn weigh(kind: Kind, four: Option<Stand>, five: Option<Stand>) -> Weighed {
    let stands = [("V.4", four), ("V.5", five)].into_iter();
    let stands = stands.filter_map(|(id, stand)| Some((id.to_owned(), stand?)));
    let standing = Standing {
        criteria: stands.collect(),
        carried: BTreeMap::from([(
            "production-ready".to_owned(),
            vec!["a whole run".to_owned()],
        )]),
    };
    standing.weigh(Statement {
        kind,
        ..statement("Database healthy")
    })
}

#[test]
fn every_criterion_must_pass_and_the_runs_are_named() {
    let pass = |run| Some(stand(Verdict::Pass, run));
    let both = weigh(Kind::State, pass("r1"), pass("r2"));
    assert_eq!(both.worth, Worth::Proven);
    assert_eq!(both.says, "carried by V.4 in r1, V.5 in r2");
    for kind in [Kind::CheckMark, Kind::Totality] {
        assert_eq!(weigh(kind, pass("1"), pass("2")).worth, Worth::Proven);
    }
    for other in [None, Some(stand(Verdict::Inconclusive, "r2"))] {
        let half = weigh(Kind::State, pass("r1"), other);
        assert_eq!((half.worth, half.evidence.len()), (Worth::Unproven, 0));
        let says = "a part said to be in a good state; V.4, V.5 would have to pass";
        assert_eq!(half.says, says);
    }
    let ready = weigh(Kind::Readiness, pass("r1"), None);
    assert_eq!(ready.says, "carried by a whole run");
    let none = Standing::default().weigh(statement("It is bug free"));
    assert_eq!(none.worth, Worth::Unproven);
}

#[test]
fn a_failure_weighs_more_than_a_waiver_and_a_waiver_more_than_age() {
    let pass = stand(Verdict::Pass, "r1");
    let fail = stand(Verdict::Fail, "r2");
    let aged = Stand {
        expired: true,
        ..pass.clone()
    };
    let waived = Stand {
        waived: true,
        ..fail.clone()
    };
    let worth = |four: &Stand, five: &Stand| {
        let weighed = weigh(Kind::State, Some(four.clone()), Some(five.clone()));
        (weighed.worth, weighed.says)
    };
    let told = |worth, says: &str| (worth, says.to_owned());
    let contradicted = told(Worth::Contradicted, "V.5 in r2 says otherwise");
    assert_eq!(worth(&pass, &fail), contradicted);
    assert_eq!(worth(&aged, &fail), contradicted);
    let waiver = told(Worth::Waived, "V.5 in r2 is waived, which proves nothing");
    assert_eq!(worth(&pass, &waived), waiver);
    assert_eq!(worth(&aged, &waived), waiver);
    let stale = told(Worth::Stale, "V.4 in r1 is too old");
    assert_eq!(worth(&aged, &stand(Verdict::Pass, "r3")), stale);
}

#[test]
fn why_nothing_carries_it_depends_on_what_it_is() {
    let nothing = Standing::default();
    let says = |text: &str| nothing.weigh(statement(text)).says;
    let opinion = "an opinion is no evidence; name a run";
    assert_eq!(says("Signed off by Ann"), opinion);
    let figure = "a latency or rate without its samples; \
                  link the report that shows it with its conditions";
    assert_eq!(says("p95 latency 9 ms"), figure);
    let mark = "a check mark without the command that shows it; no criterion could carry it";
    assert_eq!(says("✅ cats"), mark);
}

#[test]
fn each_word_is_the_one_that_is_written_to_records() {
    let written = |value: serde_json::Value| value.as_str().map(str::to_owned);
    for kind in Kind::ALL {
        let value = serde_json::to_value(kind).unwrap();
        assert_eq!(written(value).as_deref(), Some(kind.word()));
    }
    let worths = [
        Worth::Proven,
        Worth::Unproven,
        Worth::Stale,
        Worth::Contradicted,
        Worth::Waived,
    ];
    for worth in worths {
        let value = serde_json::to_value(worth).unwrap();
        assert_eq!(written(value).as_deref(), Some(worth.word()));
    }
    let says: BTreeSet<_> = Kind::ALL.map(Kind::says).into();
    assert_eq!(says.len(), Kind::ALL.len(), "each says its own");
}
