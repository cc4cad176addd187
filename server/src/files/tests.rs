use super::*;

fn open(folder: &tempfile::TempDir, more: &str) -> FileStore {
    let dir = folder.path().display();
    let config = Config::from_toml(&format!("[files]\ndir = \"{dir}\"\n{more}")).unwrap();
    FileStore::open(&config, None, Metrics::new()).unwrap()
}

fn holder(owner: &str) -> Holder<'_> {
    Holder {
        owner,
        ..Holder::SELF
    }
}

#[tokio::test]
async fn a_file_is_given_back_to_its_owner_alone_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let stored = {
        let store = open(&folder, "");
        store
            .put(holder("ada"), "../a.rs", b"fn a() {}")
            .await
            .unwrap()
    };
    assert!(stored.is_new);
    assert_eq!(
        (stored.held.name.as_str(), &*stored.held.kind),
        ("a.rs", "text/plain")
    );
    let store = open(&folder, "");
    let held = store
        .find(holder("ada"), &stored.held.digest)
        .await
        .unwrap();
    let read = store.read(holder("ada"), &held, 100).await.unwrap();
    assert_eq!(read, b"fn a() {}");
    let foreign = store.find(holder("eve"), &held.digest).await;
    assert!(matches!(foreign, Err(FileError::NotFound)));
    let again = store
        .put(holder("eve"), "b.rs", b"fn a() {}")
        .await
        .unwrap();
    assert!(!again.is_new);
    assert_eq!(store.references(&held.digest).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_damaged_is_never_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "");
    let held = store.put(holder("ada"), "a", b"text").await.unwrap().held;
    std::fs::write(store.0.blobs.path(&held.digest), b"tent").unwrap();
    let read = store.read(holder("ada"), &held, 100).await;
    assert!(matches!(read, Err(FileError::Damaged)), "{read:?}");
    // Storing it again mends it.
    store.put(holder("ada"), "a", b"text").await.unwrap();
    assert!(store.read(holder("ada"), &held, 100).await.is_ok());
}

#[tokio::test]
async fn an_intake_holds_its_bounds_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, "stored_bytes = 10\nset_bytes = 15\n");
    let refused = store.put(holder("ada"), "a", &[b'x'; 11]).await;
    assert!(matches!(refused, Err(FileError::TooLarge { most: 10 })));
    let mut first = store.begin(holder("ada"), 10).await.unwrap();
    let second = store.begin(holder("ada"), 6).await;
    assert!(matches!(second, Err(FileError::OverQuota(_))), "{second:?}");
    assert!(store.begin(holder("eve"), 10).await.is_ok());
    first.take(b"0123456789").await.unwrap();
    assert!(matches!(
        first.take(b"x").await,
        Err(FileError::TooLarge { .. })
    ));
    let wrong = Digest::of(b"other");
    let kept = first.keep("a", Some(&wrong)).await;
    assert!(matches!(kept, Err(FileError::Digest)));
    assert!(store.begin(holder("ada"), 10).await.is_ok());
    let left = std::fs::read_dir(folder.path().join("incoming")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_clean_up_drops_what_is_expired_and_what_nothing_points_at() {
    let folder = tempfile::tempdir().unwrap();
    let text = "retention = \"0s\"\nupload_timeout = \"1ms\"\n";
    let store = open(&folder, text);
    let cancel = CancellationToken::new();
    let held = store.put(holder("ada"), "a", b"text").await.unwrap().held;
    let path = store.0.blobs.path(&held.digest);
    let orphan = store.0.blobs.path(&Digest::of(b"orphan"));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"orphan").unwrap();
    let abandoned = folder.path().join("incoming/half");
    std::fs::write(&abandoned, b"ha").unwrap();
    let earlier = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for path in [&orphan, &abandoned, &path] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(earlier).unwrap();
    }
    // The clock has moved on since.
    let due = FileStore(Arc::new(Inner {
        settings: store.settings().clone(),
        blobs: store.0.blobs.clone(),
        index: store.0.index.clone(),
        router: None,
        coming_in: Semaphore::new(1),
        going_out: Semaphore::new(1),
        storing: Mutex::default(),
        turns: Turnstile::default(),
        audit: OnceLock::new(),
        metrics: Metrics::new(),
        clock: || jiff::Timestamp::now().as_millisecond() + 1000,
    }));
    let dry = due.sweep_expired(true, &cancel).await.unwrap();
    assert_eq!((dry.expired, dry.removed), (1, 0));
    assert!(path.exists());
    let swept = due.sweep_expired(false, &cancel).await.unwrap();
    assert_eq!((swept.expired, swept.removed), (1, 1));
    assert!(!path.exists());
    let swept = due.sweep_orphans(false, &cancel).await.unwrap();
    assert_eq!((swept.orphaned, swept.abandoned), (1, 1));
    assert!(!orphan.exists() && !abandoned.exists());
}
