//! A record is read back as written, or refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::runkey;

fn name() -> RunName {
    RunName {
        utc: "20261121T044336Z".to_owned(),
        commit7: "ce125c9".to_owned(),
        seed: 7,
    }
}

/// A finished run in a folder of its own.
fn finished() -> (tempfile::TempDir, PathBuf) {
    let runs = tempfile::tempdir().unwrap();
    let key = runkey::draw().unwrap();
    let plan = json!({"seed": 7, "criteria": ["V.1"], "profile": "quick"});
    let evidence = Evidence::create(runs.path(), &name(), &plan, &key).unwrap();
    let line = "{\"at\":1,\"event\":\"figure\",\"name\":\"a\",\"value\":1.5,\"unit\":\"ms\"}\n";
    evidence
        .write("history-000.ndjson", &line.repeat(3))
        .unwrap();
    evidence.reveal(&key).unwrap();
    let criteria = BTreeMap::from([("V.1".to_owned(), "ab".repeat(32))]);
    evidence
        .seal(
            &json!([{"criterion": "V.1"}]),
            &json!({"verdict": "PASS"}),
            criteria,
        )
        .unwrap();
    let folder = evidence.folder().to_path_buf();
    (runs, folder)
}

#[test]
fn a_finished_run_is_read_back_as_written() {
    let (_runs, folder) = finished();
    let record = Evidence::open(&folder).unwrap();
    assert_eq!(record.plan["profile"], "quick");
    assert_eq!(record.history.observations().count(), 3);
    assert_eq!(record.key.commitment(), record.intent.key_commitment);
    assert!(record.digests.criteria.contains_key("V.1"));
    assert_eq!(folder.file_name().unwrap(), "20261121T044336Z-ce125c9-7");
}

#[test]
fn the_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let (_runs, folder) = finished();
    assert_eq!(
        std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn only_the_committed_key_can_be_revealed() {
    let runs = tempfile::tempdir().unwrap();
    let key = runkey::draw().unwrap();
    let evidence = Evidence::create(runs.path(), &name(), &json!({}), &key).unwrap();
    let other = runkey::draw().unwrap();
    assert!(matches!(
        evidence.reveal(&other),
        Err(EvidenceError::WrongKey)
    ));
    assert!(Evidence::create(runs.path(), &name(), &json!({}), &key).is_err());
}

fn refused_file(folder: &Path) -> String {
    match Evidence::open(folder) {
        Err(EvidenceError::Refused { file, .. }) => file,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_unfinished_run_an_added_and_a_removed_file_are_refused() {
    let (_runs, folder) = finished();
    std::fs::write(folder.join("extra.txt"), "x").unwrap();
    assert_eq!(refused_file(&folder), "extra.txt");
    std::fs::remove_file(folder.join("extra.txt")).unwrap();
    std::fs::remove_file(folder.join("findings.json")).unwrap();
    assert_eq!(refused_file(&folder), "findings.json");
    std::fs::remove_file(folder.join("digests.json")).unwrap();
    assert_eq!(refused_file(&folder), "digests.json");
}

#[test]
fn a_key_swapped_together_with_its_digest_is_refused() {
    let (_runs, folder) = finished();
    let other = runkey::draw().unwrap();
    std::fs::write(
        folder.join(KEY),
        text_of(&RevealedKey {
            key: other.to_hex(),
        }),
    )
    .unwrap();
    std::fs::remove_file(folder.join(DIGESTS)).unwrap();
    let forged = Digests::of_folder(&folder, &name().folder(), BTreeMap::new()).unwrap();
    std::fs::write(folder.join(DIGESTS), text_of(&forged)).unwrap();
    let refused = Evidence::open(&folder).unwrap_err().to_string();
    assert!(refused.contains("save 1 committed"), "{refused}");
}

/// Changes one file of a finished run and opens it.
fn opened_after(
    which: usize,
    at: prop::sample::Index,
    change: impl Fn(&mut Vec<u8>, usize),
) -> (PathBuf, Result<Record, EvidenceError>) {
    let (_runs, folder) = finished();
    let listing = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 7);
    let path = files.swap_remove(which % files.len());
    let mut bytes = std::fs::read(&path).unwrap();
    let index = at.index(bytes.len());
    change(&mut bytes, index);
    std::fs::write(&path, bytes).unwrap();
    let opened = Evidence::open(&folder);
    (path, opened)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_flipped_bit_of_any_file_is_refused(
        which in 0_usize..100,
        at in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let (path, opened) = opened_after(which, at, |bytes, index| bytes[index] ^= 1 << bit);
        prop_assert!(matches!(opened, Err(EvidenceError::Refused { .. })), "{}", path.display());
    }

    #[test]
    fn any_dropped_or_doubled_byte_is_refused(
        which in 0_usize..100,
        at in any::<prop::sample::Index>(),
        doubled: bool,
    ) {
        let (path, opened) = opened_after(which, at, |bytes, index| {
            let byte = bytes[index];
            if doubled {
                bytes.insert(index, byte);
            } else {
                bytes.remove(index);
            }
        });
        prop_assert!(matches!(opened, Err(EvidenceError::Refused { .. })), "{}", path.display());
    }
}
