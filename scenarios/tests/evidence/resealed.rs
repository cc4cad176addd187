//! Records that are whole in every byte and say what their history does not give.

use std::path::Path;

use exai_harness::evidence::Evidence;
use exai_harness::report::Report;
use exai_harness::report::files::Format;
use exai_scenarios::selftest::resealed::{FORGERIES, forge};

use super::{Desk, ends, says, verify};

#[test]
fn a_resealed_forgery_is_refused_by_whoever_reads_a_record() {
    for forgery in &FORGERIES {
        let desk = Desk::new();
        let run = desk.record();
        forge(Path::new(&run), forgery).expect(forgery.0);
        let file = desk.path("run.verify.tar.gz");
        let there = desk.path("there");
        // The bytes are whole, which is all that packing promises.
        ends(&verify(&["pack", &run, "--out", &file]), 0, "");
        let reads: [&[&str]; 5] = [
            &["judge", &run],
            &["open", &file, "--into", &there],
            &["report", &run, "--format", "terminal"],
            &["run", "--again", &run],
            &[
                "gate",
                "--claim",
                "merge-ready",
                "--reports",
                &desk.path("reports"),
            ],
        ];
        for words in reads {
            let output = verify(words);
            assert_eq!(
                output.status.code(),
                Some(5),
                "{} by {words:?}: {}",
                forgery.0,
                says(&output)
            );
        }
        assert!(!Path::new(&there).exists(), "{} was opened", forgery.0);
    }
}

#[test]
fn a_report_that_was_edited_is_refused_and_the_record_gives_the_same_one_again() {
    let desk = Desk::new();
    let run = desk.record();
    let record = Evidence::open(Path::new(&run)).expect("a record");
    let mut report: Report = serde_json::from_value(record.report).expect("a report");
    report.identity.merkle_root = Some(record.digests.root);
    let text = Format::Junit.render(&report).expect("JUnit");
    let file = desk.write("junit.xml", &text);
    let check = ["report", &run, "--format", "junit", "--check"];
    let checked = |file: &str| verify(&[&check[..], &[file]].concat());
    ends(&checked(&file), 0, "is what the record gives");
    desk.write("junit.xml", &text.replace("V.4", "V.5"));
    ends(&checked(&file), 5, "report differs");
    ends(&checked("/no/such/file"), 64, "/no/such/file");
}
