//! Evidence, waivers and decisions in force, to the second; and which profile carries which.

use super::*;

#[test]
fn evidence_a_waiver_and_a_decision_each_hold_to_their_last_second_and_not_one_more() {
    let mut ended = run("1", 7 * 24, PASS);
    let fresh = asked().of(&[ended.clone(), run("0", 9 * 24, PASS)]);
    assert_eq!((fresh.exit, fresh.valid_until), (Exit::Pass, Some(NOW)));
    ended.ended_at -= 1;
    let stale = asked().of(&[ended]);
    assert_eq!((stale.exit, stale.valid_until), (Exit::Refused, None));
    assert!(
        stale.reasons[0].contains("7 days ago, 7 are allowed"),
        "{stale:?}"
    );
    // A failure does not grow stale.
    assert_eq!(asked().of(&[run("1", 9 * 24, FAIL)]).exit, Exit::Fail);
    let mut asked = asked();
    asked.accepts = true;
    for (until, exit) in [(NOW, Exit::Pass), (NOW - 1, Exit::Fail)] {
        asked.waivers = vec![Waiver { until, ..waiver() }];
        assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, exit);
    }
    asked.waivers.clear();
    for (at, until, exit) in [
        (NOW, NOW, Exit::Overridden),
        (NOW - 5, NOW - 1, Exit::Fail),
        (NOW + 1, NOW + 5, Exit::Fail),
    ] {
        let of = decision(Course::Go);
        asked.decisions = vec![Decision { at, until, ..of }];
        assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, exit);
    }
}

#[test]
fn of_several_decisions_the_newest_is_in_force() {
    let mut asked = asked();
    let of = |course, at| Decision {
        at,
        ..decision(course)
    };
    asked.decisions = vec![of(Course::Go, NOW - 5), of(Course::NoGo, NOW - 9)];
    assert_eq!(asked.of(&[run("1", 1, FAIL)]).exit, Exit::Overridden);
    asked.decisions.push(of(Course::NoGo, NOW - 4));
    let no = asked.of(&[run("1", 1, FAIL)]);
    assert_eq!((no.exit, no.valid_until), (Exit::Fail, None));
    assert_eq!(asked.of(&[run("1", 1, PASS)]).exit, Exit::Fail);
    // What the evidence does not carry is told as what it is.
    assert_eq!(asked.of(&[run("1", 1, OPEN)]).exit, Exit::Inconclusive);
    assert_eq!(asked.of(&[]).exit, Exit::Refused);
}

#[test]
fn a_profile_carries_what_asks_as_much_or_less() {
    let of = |profile: &str, needed: &str| {
        let mut asked = asked();
        asked.claim.profile = needed.to_owned();
        let exhibit = Exhibit {
            profile: profile.to_owned(),
            ..run("1", 1, PASS)
        };
        asked.of(&[exhibit]).exit == Exit::Pass
    };
    let ranks = [
        ("selftest", 0),
        ("smoke", 1),
        ("quick", 2),
        ("full", 3),
        ("soak", 3),
    ];
    for (profile, rank) in ranks {
        for (needed, least) in &ranks[1..] {
            assert_eq!(
                of(profile, needed),
                rank >= *least,
                "{profile} for {needed}"
            );
        }
    }
}
