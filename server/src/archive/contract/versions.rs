//! Schemas found: none, ours, newer, another program's.

use super::*;

async fn refused(archive: &Archive) -> String {
    match archive.probe().await {
        Err(Fault::Schema(why)) => why,
        other => panic!("not refused as a schema: {other:?}"),
    }
}

pub async fn lost(bench: Bench) {
    let thread = ThreadId::fresh();
    bench
        .archive
        .copy(&[entry("ada", thread, 1, "one")], 5)
        .await
        .unwrap();
    bench
        .sql("ALTER TABLE schema_version RENAME TO aside")
        .await;
    let why = refused(&bench.archive).await;
    assert!(why.contains("missing"), "{why}");
    // Nothing is written while it is missing.
    let copied = bench
        .archive
        .copy(&[entry("ada", thread, 2, "two")], 5)
        .await;
    assert!(matches!(copied, Err(Fault::Schema(_))), "{copied:?}");
    bench
        .sql("ALTER TABLE aside RENAME TO schema_version")
        .await;
    assert_eq!(bench.archive.probe().await, Ok(()));
    assert_eq!(said(&bench.archive, "ada", thread).await, ["one"]);
}

pub async fn others(bench: Bench) {
    bench
        .sql("CREATE TABLE schema_version (id INTEGER, version TEXT)")
        .await;
    bench
        .sql("INSERT INTO schema_version VALUES (1, '1.0.0')")
        .await;
    let why = refused(&bench.archive).await;
    assert!(why.contains("not ours"), "{why}");
    let kept = bench.column("SELECT version FROM schema_version").await;
    assert_eq!(kept, ["1.0.0"]);
}

pub async fn newer(bench: Bench) {
    bench.archive.probe().await.unwrap();
    let known = schema::KNOWN;
    let next = known + 1;
    let added = format!("INSERT INTO schema_version VALUES ({next}, {known}, 0)");
    bench.sql(&added).await;
    let thread = ThreadId::fresh();
    bench.archive.probe().await.unwrap();
    bench
        .archive
        .copy(&[entry("ada", thread, 1, "one")], 5)
        .await
        .unwrap();
    assert_eq!(said(&bench.archive, "ada", thread).await, ["one"]);
    bench
        .sql(&format!(
            "UPDATE schema_version SET oldest = {next} WHERE version = {next}"
        ))
        .await;
    let why = refused(&bench.archive).await;
    assert!(why.contains(&next.to_string()), "{why}");
}

pub async fn previous(bench: Bench) {
    // What the program of version 1 wrote, as it stood there.
    let conversation = "INSERT INTO conversations
            (continuation_id, owner, title, created_ms, updated_ms)
        VALUES ('old', 'ada', 't', 1, 1)
        ON CONFLICT (continuation_id) DO UPDATE SET updated_ms = excluded.updated_ms";
    let message = "INSERT INTO messages (continuation_id, turn, idempotency_key, body)
        VALUES ('old', 1, 'key', 'text') ON CONFLICT (idempotency_key) DO NOTHING";
    bench.another(1).probe().await.unwrap();
    bench.sql(&format!("{conversation}; {message}")).await;
    bench.archive.probe().await.unwrap();
    // It goes on after the migration, and its own check still passes: a rollback works.
    bench.another(1).probe().await.unwrap();
    let second = message.replace("1, 'key'", "2, 'next'");
    bench
        .sql(&format!("{conversation}; {second}; {message}"))
        .await;
    let kept = bench
        .column("SELECT idempotency_key FROM messages ORDER BY turn")
        .await;
    assert_eq!(kept, ["key", "next"]);
}

pub async fn racing(bench: Bench) {
    let programs: Vec<Archive> = (0..4).map(|_| bench.another(schema::KNOWN)).collect();
    let migrated = futures::future::join_all(programs.iter().map(Archive::migrate)).await;
    let mut brought: Vec<i64> = migrated.into_iter().flat_map(Result::unwrap).collect();
    brought.sort_unstable();
    let all: Vec<i64> = (1..=schema::KNOWN).collect();
    assert_eq!(brought, all);
    let text = "SELECT CAST(version AS TEXT) FROM schema_version ORDER BY version";
    let kept: Vec<String> = all.iter().map(i64::to_string).collect();
    assert_eq!(bench.column(text).await, kept);
}

pub async fn commanded(bench: Bench) {
    bench.another(1).probe().await.unwrap();
    let by_command = (schema::KNOWN, Migrate::Command);
    let server = Archive::knowing(bench.home.clone(), bench::guarding(), by_command).unwrap();
    let why = refused(&server).await;
    assert!(why.contains("exai migrate --apply"), "{why}");
    let plan = server.plan().await.unwrap();
    let missing: Vec<i64> = plan.steps.iter().map(|step| step.version).collect();
    assert_eq!((plan.found, missing), (1, vec![2]));
    // Looking changed nothing.
    refused(&server).await;
    assert_eq!(server.migrate().await, Ok(vec![2]));
    assert_eq!(server.probe().await, Ok(()));
    assert_eq!(server.migrate().await, Ok(Vec::new()));
}
