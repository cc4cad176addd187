use super::ledger::Entry;
use super::*;

/// A queue, and a length that no file of most tests reaches.
const LIMITS: (usize, u64) = (8, 1 << 20);

fn count(path: &Path) -> u64 {
    verify(path, None).unwrap().end.count
}

fn deed(resource: &str) -> Deed {
    Deed {
        correlation_id: "c".into(),
        principal: "alice".into(),
        source: "127.0.0.1".into(),
        transport: "http".into(),
        action: "tools/call".into(),
        resource: resource.into(),
        reason: "role".into(),
    }
}

async fn record(path: &Path, resources: &[&str]) {
    let (audit, writer) = Audit::open(path, LIMITS, Health::new(&[])).await.unwrap();
    for resource in resources {
        audit.record(deed(resource)).await;
    }
    drop(audit);
    writer.await.unwrap();
}

#[tokio::test]
async fn the_chain_goes_on_after_a_restart_and_an_edit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a", "b"]).await;
    record(&path, &["c"]).await;
    assert_eq!(count(&path), 3);

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"b\"", "\"x\"")).unwrap();
    assert!(matches!(verify(&path, None), Err(Broken::Chain(_, 2))));

    let without_second: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(i, _)| *i != 1)
        .map(|(_, line)| line)
        .collect();
    std::fs::write(&path, without_second.join("\n") + "\n").unwrap();
    assert!(matches!(verify(&path, None), Err(Broken::Chain(_, 2))));
    assert!(Audit::open(&path, LIMITS, Health::new(&[])).await.is_err());
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a"]).await;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"time\":\"20");
    std::fs::write(&path, text).unwrap();
    let first = Audit::open(&path, LIMITS, Health::new(&[])).await.unwrap();
    assert_eq!(count(&path), 1);
    assert!(Audit::open(&path, LIMITS, Health::new(&[])).await.is_err());
    drop(first);
}

#[tokio::test]
async fn client_text_cannot_forge_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a\n{\"decision\":\"allow\"}\u{202e}\u{1b}[2J"]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
    assert_eq!(count(&path), 1);
}

#[tokio::test]
async fn a_field_that_was_added_is_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a"]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen('{', "{\"by\":\"me\",", 1)).unwrap();
    assert!(matches!(verify(&path, None), Err(Broken::Chain(_, 1))));
}

#[tokio::test]
async fn bytes_without_a_line_s_end_are_not_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    std::fs::write(&path, vec![b' '; 1 << 20]).unwrap();
    assert!(matches!(verify(&path, None), Err(Broken::Chain(_, 1))));
    assert!(Audit::open(&path, LIMITS, Health::new(&[])).await.is_err());
}

fn entry(resource: &str) -> Entry {
    Entry {
        time: "2026-01-01T00:00:00Z".into(),
        deed: deed(resource),
        decision: Decision::Deny,
    }
}

/// Twelve lines in files of at most two, written by two processes one after the other; the older
/// files, the anchor after the fifth line, and the last.
fn rotated(path: &Path) -> (Vec<std::path::PathBuf>, Anchor, Anchor) {
    let mut fifth = Anchor::default();
    let mut last = Anchor::default();
    for half in 0..2 {
        let mut ledger = Ledger::open(path, 500).unwrap();
        for n in 1..=6 {
            ledger.append(&entry(&format!("{half} {n}"))).unwrap();
            last = ledger.end().clone();
            if last.count == 5 {
                fifth = last.clone();
            }
        }
    }
    let older = aside::older(path).unwrap();
    (
        older.into_iter().map(|(_, file)| file).collect(),
        fifth,
        last,
    )
}

#[test]
fn the_chain_goes_on_from_file_to_file_and_none_is_read_whole_at_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let (older, fifth, last) = rotated(&path);
    assert_eq!(older.len(), 5, "{older:?}");
    let whole = verify(&path, Some(&fifth)).unwrap();
    assert_eq!((whole.files, &whole.end), (6, &last));
    assert_eq!(last.count, 12);
    // Each by itself; the oldest may be away.
    for file in &older {
        verify(file, None).unwrap();
    }
    std::fs::remove_file(&older[0]).unwrap();
    assert_eq!(verify(&path, Some(&fifth)).unwrap().end, last);
    let first = Anchor {
        count: 1,
        ..Anchor::default()
    };
    let away = verify(&path, Some(&first));
    assert!(matches!(away, Err(Broken::Away(2, 1))), "{away:?}");
    // One between is not.
    std::fs::remove_file(&older[2]).unwrap();
    let broken = verify(&path, None);
    assert!(
        matches!(&broken, Err(Broken::Chain(file, 1)) if *file == older[3]),
        "{broken:?}"
    );
    // A start reads its own file alone, or the one before when that is empty.
    std::fs::write(&older[1], "spoiled").unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Ledger::open(&path, 500).unwrap().end().count, 10);
}

#[test]
fn lines_that_were_cut_off_the_end_or_written_anew_are_found_by_an_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut ledger = Ledger::open(&path, 1 << 20).unwrap();
    let mut anchor = Anchor::default();
    for resource in ["a", "b", "c"] {
        ledger.append(&entry(resource)).unwrap();
        anchor = ledger.end().to_string().parse().unwrap();
    }
    drop(ledger);
    assert_eq!(verify(&path, Some(&anchor)).unwrap().end, anchor);
    let text = std::fs::read_to_string(&path).unwrap();
    let two: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&path, two.concat()).unwrap();
    assert_eq!(count(&path), 2);
    let short = verify(&path, Some(&anchor));
    assert!(matches!(short, Err(Broken::Short(2, 3))), "{short:?}");
    Ledger::open(&path, 1 << 20)
        .unwrap()
        .append(&entry("x"))
        .unwrap();
    assert_eq!(count(&path), 3);
    let other = verify(&path, Some(&anchor));
    assert!(matches!(other, Err(Broken::Other(3))), "{other:?}");
    for wrong in ["3", "3:abc", "x:", &format!("-1:{}", anchor.hash)] {
        assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
    }
}

#[test]
fn a_file_that_cannot_be_set_aside_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let mut ledger = Ledger::open(&path, 500).unwrap();
    ledger.append(&entry("a")).unwrap();
    ledger.append(&entry("b")).unwrap();
    // Its next name is taken by a folder.
    std::fs::create_dir(dir.path().join("audit.jsonl.2")).unwrap();
    ledger.append(&entry("c")).unwrap();
    assert_eq!(ledger.end().count, 3);
    std::fs::remove_dir(dir.path().join("audit.jsonl.2")).unwrap();
    assert_eq!(count(&path), 3);
}
