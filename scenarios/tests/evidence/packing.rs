//! A record as one file, and what opening it elsewhere refuses.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{Desk, ends, says, verify};

/// A tar of one entry under any name, which the crate itself would refuse to write.
fn tar_of(name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let field = &mut header.as_gnu_mut().expect("a GNU header").name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(0);
    header.set_entry_type(kind);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, std::io::empty()).expect("an entry");
    tar.into_inner().expect("a tar")
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(bytes).expect("written");
    zipped.finish().expect("written")
}

#[test]
fn a_packed_record_opens_elsewhere_with_the_same_verdicts_and_page() {
    let desk = Desk::new();
    let run = desk.record();
    let file = desk.path("run.verify.tar.gz");
    ends(&verify(&["pack", &run, "--out", &file]), 0, "run.verify");
    ends(&verify(&["pack", &run, "--out", &file]), 64, "--out");
    let again = desk.path("again");
    ends(&verify(&["pack", &run, "--out", &again]), 0, "again");
    let packed = std::fs::read(&file).expect("a file");
    assert_eq!(packed, std::fs::read(&again).expect("a file"));

    let there = desk.path("there");
    let opened = verify(&["open", &file, "--into", &there]);
    let judged = verify(&["judge", &run]);
    assert_eq!(opened.status.code(), judged.status.code());
    let verdicts = says(&judged);
    assert!(says(&opened).starts_with(verdicts.trim_end()), "{verdicts}");
    let page = verify(&["report", &run, "--format", "html"]);
    let drawn = std::fs::read(desk.path("there.html")).expect("a page");
    assert_eq!(drawn.trim_ascii(), page.stdout.trim_ascii());
    ends(&verify(&["open", &file, "--into", &there]), 64, "--into");
}

#[test]
fn a_changed_byte_a_foreign_file_and_a_path_that_leads_out_are_refused() {
    let desk = Desk::new();
    let run = desk.record();
    let file = desk.path("run.verify.tar.gz");
    ends(&verify(&["pack", &run, "--out", &file]), 0, "run.verify");
    let packed = std::fs::read(&file).expect("a file");
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut GzDecoder::new(&packed[..]), &mut plain).expect("a tar");
    let spot = plain
        .windows(8)
        .position(|bytes| bytes == b"\"profile")
        .expect("a plan");
    plain[spot + 1] ^= 1;
    let half = packed.split_at(packed.len() / 2).0;
    let cases: [(&str, Vec<u8>); 6] = [
        ("changed", zipped(&plain)),
        ("cut", half.to_vec()),
        ("no archive", b"no archive".to_vec()),
        ("empty", zipped(&[0; 1024])),
        (
            "out",
            zipped(&tar_of("run/../../out", tar::EntryType::Regular)),
        ),
        ("link", zipped(&tar_of("run/link", tar::EntryType::Symlink))),
    ];
    for (name, bytes) in cases {
        let file = desk.path(name);
        std::fs::write(&file, bytes).expect("a file");
        let there = desk.path("there");
        ends(&verify(&["open", &file, "--into", &there]), 5, "refused");
        assert!(!Path::new(&there).exists(), "{name} left something");
        assert!(!Path::new(&desk.path("out")).is_dir(), "{name} led out");
    }
    let none = desk.path("none");
    ends(&verify(&["open", &none]), 64, "verify pack");
    ends(&verify(&["pack", &none]), 64, "there is no record");
}
