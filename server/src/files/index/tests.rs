use super::*;
use crate::config::Config;

fn held(text: &str, name: &str) -> Held {
    Held {
        digest: Digest::of(text.as_bytes()),
        name: name.to_owned(),
        kind: "text/plain".to_owned(),
        bytes: text.len() as u64,
    }
}

fn files(text: &str) -> Files {
    Config::from_toml(text).unwrap().files
}

fn open(folder: &tempfile::TempDir) -> Index {
    Index::open(&folder.path().join("index.sqlite")).unwrap()
}

#[tokio::test]
async fn a_content_is_found_by_its_holders_alone_and_counted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (index, limits) = (open(&folder), files(""));
    let one = held("text", "a.txt");
    let added = index.add("ada", &one, &limits, 1).await.unwrap();
    assert_eq!((added.is_new, added.is_reference), (true, true));
    let again = index.add("ada", &one, &limits, 2).await.unwrap();
    assert_eq!((again.is_new, again.is_reference), (false, false));
    assert_eq!(index.find("eve", &one.digest, 3).await.unwrap(), None);
    index
        .add("eve", &held("text", "b.txt"), &limits, 3)
        .await
        .unwrap();
    let of_eve = index.find("eve", &one.digest, 4).await.unwrap();
    assert_eq!(of_eve.unwrap().name, "b.txt");
    assert_eq!(index.references(&one.digest).await.unwrap(), 2);
    assert_eq!(index.release("ada", &one.digest).await.unwrap(), (1, 1));
    assert_eq!(index.find("ada", &one.digest, 5).await.unwrap(), None);
    assert!(index.unheld().await.unwrap().is_empty());
    assert_eq!(index.release("eve", &one.digest).await.unwrap(), (1, 0));
    assert_eq!(index.unheld().await.unwrap(), [Unheld(one.digest)]);
}

#[tokio::test]
async fn the_bounds_of_a_day_and_of_the_whole_hold_and_pass() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder);
    let limits = files("[files]\nday_files = 2\nday_bytes = 100\n");
    for text in ["one", "two"] {
        index
            .add("ada", &held(text, "a"), &limits, 0)
            .await
            .unwrap();
    }
    let third = held("three", "a");
    let refused = index.add("ada", &third, &limits, 1).await.unwrap_err();
    assert!(refused.to_string().contains("2 files"), "{refused}");
    // What is there already is no new file, and another caller has a day of its own.
    index
        .add("ada", &held("one", "a"), &limits, 1)
        .await
        .unwrap();
    index.add("eve", &third, &limits, 1).await.unwrap();
    index.add("ada", &third, &limits, DAY_MS + 1).await.unwrap();
    let big = index.room("eve", 101, &limits, 1).await.unwrap_err();
    assert!(big.to_string().contains("100 bytes"), "{big}");
    let text = "[files]\nstored_bytes = 20\ntotal_bytes = 20\nset_bytes = 20\n";
    let small = files(text);
    assert!(index.room("zoe", 9, &small, 1).await.is_ok());
    assert!(index.room("zoe", 10, &small, 1).await.is_err());
}

#[tokio::test]
async fn one_process_makes_a_copy_and_a_clean_up_and_the_store_keeps_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder), open(&folder));
    assert_eq!(one.store(), other.store());
    let digest = Digest::of(b"text");
    assert_eq!(
        one.begin_copy("kimi", &digest, 1).await.unwrap(),
        Begun::Mine
    );
    let Begun::Others(mut copy) = other.begin_copy("kimi", &digest, 2).await.unwrap() else {
        panic!("two are making one copy");
    };
    assert_eq!((copy.pid, copy.begun_ms), (std::process::id(), 1));
    copy.file_id = Some("f".to_owned());
    one.finish_copy(&copy).await.unwrap();
    let ready = other.begin_copy("kimi", &digest, 3).await.unwrap();
    assert_eq!(ready, Begun::Ready(copy));
    let now = jiff::Timestamp::now().as_millisecond() + 100;
    let claims = [
        one.claim_sweep(10, now).await,
        other.claim_sweep(10, now + 5).await,
    ];
    assert_eq!(claims.map(Result::unwrap), [true, false]);
    assert!(other.claim_sweep(10, now + 10).await.unwrap());
}
