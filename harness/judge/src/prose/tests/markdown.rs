//! What of a Markdown text is prose, where a sentence begins and ends, and which place it names.

use super::read;

/// Line, column and words of each statement.
fn places(text: &str) -> Vec<(usize, usize, String)> {
    let found = read(text).into_iter();
    found.map(|one| (one.line, one.column, one.text)).collect()
}

fn said(line: usize, column: usize) -> Vec<(usize, usize, String)> {
    vec![(line, column, "All tests passing".to_owned())]
}

#[test]
fn a_sentence_runs_over_lines_and_ends_at_its_sign_or_at_an_empty_line() {
    assert_eq!(places("One.\n\n  All tests\npassing"), said(3, 3));
    assert_eq!(places("All tests\n\npassing"), []);
    for sign in [".", "!", "?", ";"] {
        let text = format!("We saw it{sign} All tests passing");
        assert_eq!(places(&text), said(1, 12), "{sign}");
        let inside = format!("We saw it{sign}x All tests passing");
        assert_eq!(places(&inside).len(), 1, "{sign}");
    }
    assert_eq!(places("Is it so? All tests passing"), said(1, 11));
    assert_eq!(places("We saw it. All tests passing?"), []);
    assert_eq!(places("All tests passing here: x"), []);
    let two = places("- production-ready\n- All tests passing");
    assert_eq!(two[1], (2, 3, "All tests passing".to_owned()));
    assert_eq!(two.len(), 2);
}

#[test]
fn headings_items_and_rows_begin_a_piece_of_their_own() {
    for begin in ["# ", "- ", "* ", "+ ", "1. ", "12. ", "3) "] {
        let text = format!("All tests\n{begin}passing");
        assert_eq!(places(&text), [], "{begin}");
        let text = format!("{begin}zero errors in the last run");
        assert_eq!(places(&text).len(), 1, "an item says it all: {begin}");
    }
    for begin in ["1.", "-", "(a) ", "1: ", ". ", ") "] {
        let text = format!("{begin}zero errors in the last run");
        assert_eq!(places(&text), [], "plain text: {begin}");
    }
    assert_eq!(places("# All tests\npassing"), [], "a heading is one line");
    assert_eq!(places("- All tests\n  passing"), said(1, 3));
    assert_eq!(places("- a\n\nzero errors in the last run"), []);
}

#[test]
fn fences_end_with_their_own_sign() {
    for (open, other) in [("```", "~~~"), ("~~~", "```")] {
        let text = format!("{open}\n{other}\nAll tests passing\n{open}\n\nAll tests passing");
        assert_eq!(places(&text), said(6, 1), "{open}");
        assert_eq!(
            places(&format!("All tests\n{open}\nx\n{open}\npassing")),
            []
        );
        let inside = format!("{open}\nAll tests passing\n  {open}\nAll tests passing");
        assert_eq!(places(&inside), said(4, 1), "{open}");
    }
}

#[test]
fn comments_code_links_and_tags_are_no_prose() {
    assert_eq!(places("<!-- x --> All tests passing"), said(1, 12));
    assert_eq!(places("<!-- x\nAll tests passing\n--> x"), []);
    assert_eq!(places("<!-- x\n\nAll tests passing.\n\n-->"), []);
    assert_eq!(places("<!-- a > All tests passing. -->"), []);
    let after = "<!-- x\nAll tests passing\n-->\n\nAll tests passing";
    assert_eq!(places(after), said(5, 1));
    assert_eq!(places("`All tests passing` it prints"), []);
    assert_eq!(places("``All ` tests passing`` it prints"), []);
    assert_eq!(places("` All tests passing"), said(1, 3), "no span");
    assert_eq!(places("[so](All,production-ready) it is"), []);
    assert_eq!(places("[production-ready](x) it is").len(), 1);
    assert_eq!(places("[a] (b production-ready c)").len(), 1, "no link");
    assert_eq!(places("http://x,production-ready it is"), []);
    assert_eq!(places("www.x,production-ready it is"), []);
    assert_eq!(places("see http://x production-ready").len(), 1);
    assert_eq!(places("<a production-ready> it is"), []);
    assert_eq!(places("1 < 2 production-ready").len(), 1);
    assert_eq!(places("production-ready > all else").len(), 1);
}

#[test]
fn a_span_of_code_is_told_as_one() {
    let told = |text: &str| read(text).remove(0).text;
    assert_eq!(told("✅ works in `a b c` now"), "✅ works in `…` now");
    assert_eq!(told("✅ `a` `b`"), "✅ `…` `…`");
}

#[test]
fn a_command_and_an_empty_box_speak_for_their_own_piece_alone() {
    for command in ["`cargo test x`", "`verify run`", "`just ci`", "`.ci/run`"] {
        assert_eq!(places(&format!("✅ x {command}")), [], "{command}");
        let next = format!("- ✅ x {command}\n- ✅ y");
        assert_eq!(places(&next).len(), 1, "{command}");
    }
    let cited = "All tests passing, see `cargo test x`";
    assert_eq!(places(cited), said(1, 1), "a sentence still claims");
    assert_eq!(places(&format!("| {cited} |")), [], "a cell is shown");
    assert_eq!(places("| All tests passing |"), said(1, 3));
    for open in ["☐", "[ ]"] {
        assert_eq!(places(&format!("{open} All tests passing")), []);
        let next = format!("{open} a\n\nAll tests passing");
        assert_eq!(places(&next), said(3, 1), "{open}");
    }
}

#[test]
fn a_column_that_demands_claims_nothing_and_its_neighbour_does() {
    let table = |first: &str, second: &str| {
        places(&format!(
            "| {first} | {second} |\n|---|---|\n| passed | passed |"
        ))
    };
    let columns = |first, second| -> Vec<usize> {
        let found = table(first, second).into_iter();
        found.map(|(_, column, _)| column).collect()
    };
    assert_eq!(columns("Check", "Result"), [3, 12]);
    assert_eq!(columns("Required", "Result"), [12]);
    assert_eq!(columns("Check", "The limit (ms)"), [3]);
    assert_eq!(columns("Unlimited", "Result"), [3, 12]);
    let next = "| Required |\n|---|\n| passed |\n\n| Result |\n|---|\n| passed |";
    assert_eq!(places(next), [(7, 3, "passed".to_owned())]);
    assert_eq!(places("| passed today |"), [], "more than the state");
    assert_eq!(places("passed"), [], "no cell");
}

#[test]
fn words_keep_what_stands_inside_them() {
    let told = |text: &str| read(text).into_iter().next().map(|one| one.text);
    let whole = |text: &str| assert_eq!(told(text).as_deref(), Some(text));
    whole("✅ a-b a.b a/b a'b a_b 1,000 é");
    assert_eq!(told("✅ a,b").as_deref(), Some("✅ a , b"));
    assert_eq!(told("✅ 1,b").as_deref(), Some("✅ 1 , b"));
    assert_eq!(told("✅ a,1").as_deref(), Some("✅ a , 1"));
    assert_eq!(told("✅ a- b").as_deref(), Some("✅ a b"));
    assert_eq!(told("✅ *a* _b_ \"c\"").as_deref(), Some("✅ a b c"));
    assert_eq!(told("✅ a\nb").as_deref(), Some("✅ a b"));
}

#[test]
fn a_sentence_begins_behind_the_sign_of_the_one_before() {
    let found = places("We saw it. Zero errors over 3 hours");
    assert_eq!(found, [(1, 12, "Zero errors".to_owned())]);
    assert_eq!(places("We saw zero errors over 3 hours"), []);
}
