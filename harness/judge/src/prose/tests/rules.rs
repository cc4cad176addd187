//! Each rule at its edges: how far a word may stand away, what ends an assertion, and what turns it
//! into an explanation.

use super::{Kind, holds, read};

#[test]
fn a_check_mark_is_a_mark_or_a_ticked_box_that_neither_explains_nor_cites() {
    holds(&[
        ("✅ Failover", &[("check-mark", "✅ Failover")]),
        ("Failover ✅", &[("check-mark", "✅")]),
        ("- [x] Failover", &[("check-mark", "[ x ] Failover")]),
        ("[y] Failover", &[]),
        ("[ x Failover", &[]),
        ("x ] Failover", &[]),
        ("✅ = shown", &[]),
        ("✅ means shown", &[]),
        ("✅ meant well", &[("check-mark", "✅ meant well")]),
        ("✅ Failover `cargo test failover`", &[]),
    ]);
}

#[test]
fn absence_is_claimed_of_trouble_when_it_is_grave_or_all_that_is_said() {
    holds(&[
        ("no errors", &[("totality", "no errors")]),
        ("no errors seen today", &[]),
        ("0 errors seen today", &[("totality", "0 errors")]),
        ("zero errors in the last run", &[]),
        (
            "- zero errors in the last run",
            &[("totality", "zero errors")],
        ),
        ("- no errors in the last run", &[]),
        ("- two errors in the last run", &[]),
        (
            "no known errors at all today",
            &[("totality", "no known errors")],
        ),
        ("no known cats at all today", &[]),
        (
            "no known errors if built",
            &[("totality", "no known errors")],
        ),
        ("no known errors if built today", &[]),
        ("if built no known errors", &[]),
        ("built with no known errors", &[]),
        ("it has no known errors", &[]),
        ("we have no known errors", &[]),
        (
            "it shows no known errors",
            &[("totality", "no known errors")],
        ),
    ]);
}

#[test]
fn a_totality_names_what_is_counted_and_ends_with_its_state() {
    holds(&[
        (
            "Everything is working",
            &[("totality", "Everything is working")],
        ),
        (
            "Everything is now working",
            &[("totality", "Everything is now working")],
        ),
        ("Everything is now already working", &[]),
        ("Everything else working", &[]),
        ("Everything working here", &[]),
        (
            "All of our last tests passing",
            &[("totality", "All of our last tests passing")],
        ),
        ("All of our very last tests passing", &[]),
        (
            "All tests are now fully passing",
            &[("totality", "All tests are now fully passing")],
        ),
        ("All tests are now already fully passing", &[]),
        ("All tests here passing", &[]),
        ("Many tests here passing", &[]),
        ("All cats passing", &[]),
        (
            "both providers connected",
            &[("totality", "both providers connected")],
        ),
        (
            "every provider connected",
            &[("totality", "every provider connected")],
        ),
    ]);
}

#[test]
fn an_assertion_ends_with_the_text_a_sign_another_state_or_where_it_held() {
    const SAID: &[(&str, &str)] = &[("totality", "All tests passing")];
    holds(&[
        ("All tests passing today", &[]),
        ("All tests passing.", SAID),
        ("All tests passing, we saw", SAID),
        ("All tests passing (we saw)", SAID),
        ("All tests passing — we saw", SAID),
        ("All tests passing and healthy", SAID),
        ("All tests passing & healthy", SAID),
        ("All tests passing / healthy", SAID),
        ("All tests passing and cats", &[]),
        ("All tests passing but healthy", &[]),
        ("All tests passing during a run", SAID),
        ("All tests passing across all nodes", SAID),
        ("All tests passing there across all nodes", &[]),
        ("All tests passing across our nodes", &[]),
    ]);
    let marked = read("All tests passing ✅");
    let kinds: Vec<_> = marked.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::Totality, Kind::CheckMark]);
}

#[test]
fn a_label_is_followed_by_nothing_but_good_states() {
    holds(&[
        ("Status: active", &[("state", "Status : active")]),
        (
            "Status: failover active",
            &[("state", "Status : failover active")],
        ),
        ("Status: active and cats", &[]),
        ("Status: failover", &[]),
        ("Status: cats", &[]),
        ("a b c d e: active", &[("state", "a b c d e : active")]),
        ("a b c d e f: active", &[]),
        (": active", &[]),
        ("cache_valid: true", &[("state", "cache_valid : true")]),
        ("cache_ready: yes", &[("state", "cache_ready : yes")]),
        ("cache_valid: false", &[]),
        ("cache_valid: true enough", &[]),
        ("cache_cold: true", &[]),
    ]);
}

#[test]
fn a_stage_or_a_criterion_is_said_to_be_done() {
    holds(&[
        ("Phase 4 completed", &[("state", "Phase 4 completed")]),
        ("Phase four completed", &[]),
        ("Page 4 completed", &[]),
        ("V.7 passed", &[("state", "V.7 passed")]),
        ("V7g passed", &[("state", "V7g passed")]),
        ("V.9 passed", &[]),
        ("V.0 passed", &[]),
        ("V.7x passed", &[]),
        (
            "Phase 1 & 2 completed",
            &[("state", "Phase 1 & 2 completed")],
        ),
        (
            "Phase 1 and 2 completed",
            &[("state", "Phase 1 and 2 completed")],
        ),
        (
            "Phase 1, 2 completed",
            &[("state", "Phase 1 , 2 completed")],
        ),
        ("Phase 4 cats completed", &[]),
        ("Phase 4 completed today", &[]),
        (
            "Phase 4 is now fully completed",
            &[("state", "Phase 4 is now fully completed")],
        ),
        ("Phase 4 is now already fully completed", &[]),
    ]);
}

#[test]
fn a_part_is_in_a_good_state_without_article_and_verb_or_by_how_much() {
    holds(&[
        ("our own new breaker active", &[("state", "breaker active")]),
        ("our own very new breaker active", &[]),
        (
            "breaker is already fully active",
            &[("state", "breaker is already fully active")],
        ),
        ("breaker is now already fully active", &[]),
        ("breaker there active", &[]),
        ("breaker cache active", &[("state", "breaker cache active")]),
        ("The breaker active", &[]),
        ("The breaker is active", &[]),
        (
            "The breaker has been active",
            &[("state", "breaker has been active")],
        ),
        (
            "The breaker is now active",
            &[("state", "breaker is now active")],
        ),
        ("Breaker is active", &[("state", "Breaker is active")]),
        ("Breaker is active.", &[("state", "Breaker is active")]),
        ("Breaker is active, yes", &[]),
        ("Our breaker is active, yes", &[]),
        ("Breaker active, as we like", &[("state", "Breaker active")]),
        ("Breaker active today", &[]),
    ]);
}

#[test]
fn what_works_over_something_is_said_early_and_briefly() {
    holds(&[
        ("own new api works over tls", &[("state", "api works")]),
        ("our own new api works over tls", &[]),
        ("api works under load", &[]),
        ("api active over tls", &[]),
        ("my api works over a b c d e", &[("state", "api works")]),
        ("my api works over a b c d e f", &[]),
    ]);
}

#[test]
fn what_was_tried_ended_well() {
    holds(&[
        ("The stress script passed", &[("state", "script passed")]),
        ("a b c d script passed", &[("state", "script passed")]),
        ("a b c d e script passed", &[]),
        (
            "script a b c d e f passed",
            &[("state", "script a b c d e f passed")],
        ),
        ("script a b c d e f g passed", &[]),
        ("script passed today", &[]),
        (
            "script passed, a b c d e f g h i",
            &[("state", "script passed")],
        ),
        ("script passed, a b c d e f g h i j", &[]),
        ("script failed", &[]),
    ]);
}

#[test]
fn a_part_or_a_state_is_said_to_be_everywhere() {
    holds(&[
        ("ids across all nodes", &[("state", "ids across all nodes")]),
        ("cats across all nodes", &[]),
        ("across all nodes", &[]),
        (
            "a b c ids across all nodes",
            &[("state", "a b c ids across all nodes")],
        ),
        ("a b c d ids across all nodes", &[]),
        (
            "ids across all nodes a b c d",
            &[("state", "ids across all nodes")],
        ),
        ("ids across all nodes a b c d e", &[]),
        (
            "active across all nodes",
            &[("state", "active across all nodes")],
        ),
    ]);
}

#[test]
fn behaviour_is_claimed_in_a_breath_and_a_graver_claim_swallows_a_state() {
    holds(&[
        (
            "a b c d e f g h i j self healing",
            &[("state", "self healing")],
        ),
        ("a b c d e f g h i j k self healing", &[]),
        (
            "production ready, bug free, flawless",
            &[("readiness", "production ready")],
        ),
        (
            "All tests passing, breaker active",
            &[("totality", "All tests passing")],
        ),
        ("ready for go-live", &[("readiness", "ready for go-live")]),
        ("production-ready-ish", &[]),
        ("fully fully tested", &[("readiness", "fully tested")]),
        ("production", &[]),
    ]);
}

#[test]
fn a_label_may_say_how_much_and_carry_signs_and_marks() {
    holds(&[
        ("Status: now active", &[("state", "Status : now active")]),
        (
            "Status: active, healthy",
            &[("state", "Status : active , healthy")],
        ),
        ("Status: now, active", &[("state", "Status : now , active")]),
    ]);
    let marked = read("Status: active ✅");
    let kinds: Vec<_> = marked.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::CheckMark], "the graver of two");
}

#[test]
fn words_are_looked_for_behind_a_place_and_no_further_than_told() {
    let fragment = crate::prose::fragment::fragments("one two three four").remove(0);
    let find = |at, words, wanted: &str| fragment.find_behind(at, words, |word| word == wanted);
    assert_eq!(find(0, 2, "three"), Some(2));
    assert_eq!(find(0, 1, "three"), None);
    assert_eq!(find(1, 3, "two"), None, "not the place itself");
    assert_eq!(find(1, 9, "one"), None);
    assert_eq!(find(2, 9, "four"), Some(3));
    assert_eq!(find(3, 9, ""), None, "nothing behind the last");
    let between = |from, to| fragment.between(from, to).collect::<Vec<_>>().join(" ");
    assert_eq!(between(0, 3), "two three");
    assert_eq!(between(0, 1), "");
    assert_eq!(fragment.last(), 3);
}
