use super::*;

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
    let (audit, writer) = Audit::open(path, 8, Health::new(&[])).await.unwrap();
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
    assert_eq!(verify(&path).unwrap().count, 3);

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"b\"", "\"x\"")).unwrap();
    assert!(matches!(verify(&path), Err(Broken::Chain(2))));

    let without_second: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(i, _)| *i != 1)
        .map(|(_, line)| line)
        .collect();
    std::fs::write(&path, without_second.join("\n") + "\n").unwrap();
    assert!(matches!(verify(&path), Err(Broken::Chain(2))));
    assert!(Audit::open(&path, 8, Health::new(&[])).await.is_err());
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a"]).await;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"time\":\"20");
    std::fs::write(&path, text).unwrap();
    let first = Audit::open(&path, 8, Health::new(&[])).await.unwrap();
    assert_eq!(verify(&path).unwrap().count, 1);
    assert!(Audit::open(&path, 8, Health::new(&[])).await.is_err());
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
    assert_eq!(verify(&path).unwrap().count, 1);
}

#[tokio::test]
async fn a_field_that_was_added_is_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    record(&path, &["a"]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen('{', "{\"by\":\"me\",", 1)).unwrap();
    assert!(matches!(verify(&path), Err(Broken::Chain(1))));
}

#[tokio::test]
async fn bytes_without_a_line_s_end_are_not_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    std::fs::write(&path, vec![b' '; 1 << 20]).unwrap();
    assert!(matches!(verify(&path), Err(Broken::Chain(1))));
    assert!(Audit::open(&path, 8, Health::new(&[])).await.is_err());
}
