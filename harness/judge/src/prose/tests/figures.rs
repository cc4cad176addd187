//! Counts, percentages and figures at their edges: how near a word must stand, what a number is.

use super::holds;

#[test]
fn a_fraction_counts_when_it_is_whole_or_stands_near_what_is_counted() {
    holds(&[
        ("2/2", &[("count", "2/2")]),
        ("1/1", &[]),
        ("1/1 tests", &[("count", "1/1")]),
        ("24/7", &[]),
        ("24/24", &[("count", "24/24")]),
        ("7/7", &[("count", "7/7")]),
        ("0/5 tests", &[]),
        ("6/5 tests", &[]),
        ("3/5", &[]),
        ("3/5 of our tests", &[("count", "3/5")]),
        ("3/5 of our own tests", &[]),
        ("tests we ran 3/5", &[("count", "3/5")]),
        ("tests we ran again 3/5", &[]),
        ("3/5 healthy", &[("count", "3/5")]),
        ("owasp we read it in autumn 8/10", &[("count", "8/10")]),
        ("1000/1000", &[("count", "1000/1000")]),
        ("10000/10000", &[]),
        ("1000/10000 tests", &[]),
        ("10000/9000 tests", &[]),
    ]);
}

#[test]
fn a_count_in_words_needs_both_numbers_and_what_is_counted() {
    holds(&[
        ("9 of 10 tests", &[("count", "9 of 10")]),
        ("9 of the 10 tests", &[("count", "9 of the 10")]),
        ("9 / 10 tests", &[("count", "9 / 10")]),
        ("9 tests of 10", &[("count", "9 tests of 10")]),
        ("9 tests of the 10", &[("count", "9 tests of the 10")]),
        ("9 cats of 10 we saw as tests", &[]),
        ("9 of ten tests", &[]),
        ("nine of 10 tests", &[]),
        ("9 of 10 cats", &[]),
        ("9 in 10 tests", &[]),
        ("we saw 9 of 10 tests", &[("count", "9 of 10")]),
    ]);
}

#[test]
fn an_inventory_is_two_entries_or_more_and_little_else() {
    holds(&[
        (
            "2 providers, 20 models",
            &[("count", "2 providers , 20 models")],
        ),
        ("2 providers", &[]),
        ("2 providers, 20 cats", &[]),
        ("two providers, 20 models", &[]),
        (
            "2 providers and 20 models in a b c d e f",
            &[("count", "2 providers and 20 models")],
        ),
        ("2 providers and 20 models in a b c d e f g", &[]),
        (
            "in a b c d e f 2 providers and 20 models",
            &[("count", "2 providers and 20 models")],
        ),
        ("in a b c d e f g 2 providers and 20 models", &[]),
        (
            "2 providers, 4 databases, 20 models",
            &[("count", "2 providers , 4 databases , 20 models")],
        ),
    ]);
}

#[test]
fn three_limits_in_a_breath_are_a_figure() {
    holds(&[
        ("Rate 1000/100/50 per s", &[("figure", "1000/100/50 per s")]),
        ("limits 10000/1/1 per s", &[("figure", "10000/1/1 per s")]),
        ("limits 100000/1/1 per s", &[]),
        ("limits 1000/100/50 a second", &[]),
        ("1000/100/50 per s", &[]),
        ("Rate 1000/100 per s", &[]),
        ("Rate 4/3/2/1 per s", &[]),
        ("Rate a/b/c per s", &[]),
    ]);
}

#[test]
fn a_percentage_counts_beside_a_good_word_beside_errors_or_as_the_whole() {
    holds(&[
        ("95 % coverage", &[("percentage", "95 %")]),
        ("95 percent coverage", &[("percentage", "95 percent")]),
        ("coverage is 95", &[]),
        ("95 % cats", &[]),
        ("100 % of all our own", &[("percentage", "100 %")]),
        ("100 % of all our own cats", &[]),
        ("a 100 % of all our own", &[("percentage", "100 %")]),
        ("99 % of all", &[]),
        ("error rate 0.1 %", &[("percentage", "0.1 %")]),
        ("under 0.1 % errors", &[("percentage", "0.1 %")]),
        ("0.1 % errors", &[]),
        ("under 0.1 %", &[]),
        ("nan % coverage", &[]),
        ("infinity % coverage", &[]),
        ("1,000 % coverage", &[("percentage", "1,000 %")]),
    ]);
}

#[test]
fn a_word_of_limits_within_five_words_makes_a_figure_a_setting() {
    holds(&[
        ("limit a b c coverage 95 %", &[]),
        ("limit a b c d coverage 95 %", &[("percentage", "95 %")]),
        ("coverage 95 % a b c d limit", &[]),
        ("coverage 95 % a b c d e limit", &[("percentage", "95 %")]),
        ("limit a b c d latency 9 ms", &[]),
        (
            "limit a b c d e latency 9 ms",
            &[("figure", "latency 9 ms")],
        ),
    ]);
}

#[test]
fn a_figure_is_a_number_with_its_unit_within_six_words_of_a_metric() {
    holds(&[
        ("180ms latency", &[("figure", "180ms latency")]),
        ("latency 180ms", &[("figure", "latency 180ms")]),
        (
            "latency a b c d e 180 ms",
            &[("figure", "latency a b c d e 180 ms")],
        ),
        ("latency a b c d e f 180 ms", &[]),
        (
            "180 ms a b c d latency",
            &[("figure", "180 ms a b c d latency")],
        ),
        ("180 ms a b c d e latency", &[]),
        ("1,500.5 s median", &[("figure", "1,500.5 s median")]),
        ("latency 12 cats", &[]),
        ("latency ms 12", &[]),
        ("180 ms", &[]),
        ("latency 12cats", &[]),
    ]);
}

#[test]
fn a_crowd_is_so_many_at_once_that_something_bears() {
    holds(&[
        (
            "The server handles 150+ concurrent calls today",
            &[("figure", "handles 150 + concurrent calls")],
        ),
        (
            "It handles 150+ concurrent calls today",
            &[("figure", "handles 150 + concurrent calls")],
        ),
        (
            "It sustains 9 parallel calls",
            &[("figure", "sustains 9 parallel calls")],
        ),
        ("It sees 9 parallel calls", &[]),
        ("It handles many parallel calls", &[]),
        ("It handles 9 good calls", &[]),
        ("It handles parallel calls", &[]),
    ]);
}

#[test]
fn a_number_and_its_unit_may_be_one_word() {
    holds(&[
        ("latency 1.5s", &[("figure", "latency 1.5s")]),
        ("latency 1,500ms", &[("figure", "latency 1,500ms")]),
        ("latency 15 ms", &[("figure", "latency 15 ms")]),
        ("latency s1.5", &[]),
        ("latency 15", &[]),
        ("9 ms latency", &[("figure", "9 ms latency")]),
    ]);
}
