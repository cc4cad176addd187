use super::*;

use std::fs;
use std::time::{Duration, Instant};

use crate::process::{Process as Child, Spec};

fn shell(line: &str) -> Child {
    let mut spec = Spec::new("shell", Path::new("/bin/sh"), Path::new("/"));
    spec.args = vec!["-c".into(), line.into()];
    Child::spawn(spec).unwrap()
}

fn pid(number: u32) -> i32 {
    i32::try_from(number).unwrap()
}

/// Waits for a value, and shows the last thing seen when it does not come.
async fn until<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(seen) => assert!(began.elapsed() < Duration::from_secs(10), "{seen}"),
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn our_own_usage_is_plausible_and_a_process_that_is_not_there_uses_nothing() {
    let used = usage(std::process::id(), Scope::Alone).unwrap().unwrap();
    assert!(used.resident_bytes > 100_000, "{used:?}");
    assert!(used.descriptors >= 3 && used.threads >= 1, "{used:?}");
    let gone = usage(u32::MAX / 4, Scope::WithConnections);
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn threads_that_must_share_one_processor_are_seen_to_wait_for_it() {
    let spin = "while :; do :; done";
    let three = format!("({spin}) & ({spin}) & ({spin}) & wait");
    let process = shell(&format!("taskset -pc 0 $$ > /dev/null; {three}"));
    let before = usage(process.pair().pid, Scope::WithConnections);
    let before = before.unwrap().unwrap();
    until(|| {
        let now = usage(process.pair().pid, Scope::WithConnections);
        let now = now.unwrap().unwrap();
        (now.wait_ms > before.wait_ms + 100)
            .then_some(())
            .ok_or(format!("{before:?} {now:?}"))
    })
    .await;
    process.kill(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn the_memory_of_descendants_is_counted_with_the_process() {
    let process = shell("sleep 600 & sleep 600 & echo up; wait");
    let root = process.pair().pid;
    until(|| {
        let tree = usage(root, Scope::WithConnections).unwrap().unwrap();
        let alone = usage(root, Scope::Alone).unwrap().unwrap();
        let whole = tree.threads == 3 && alone.threads == 1;
        let more = tree.resident_bytes > alone.resident_bytes;
        (whole && more)
            .then_some(())
            .ok_or(format!("{tree:?} {alone:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_child_that_ends_between_the_list_and_its_own_files_uses_nothing() {
    let process = shell("sleep 600 & wait; exec sleep 600");
    let root = pid(process.pair().pid);
    let table = Table::of(Path::new(PROC));
    let listed = until(|| {
        let found = table.descendants(root).unwrap();
        let first = found.iter().next().copied();
        let named = first.and_then(|one| fs::read_to_string(format!("/proc/{one}/comm")).ok());
        let is_there = named.as_deref() == Some("sleep\n");
        is_there
            .then_some(found.clone())
            .ok_or(format!("{found:?}"))
    })
    .await;
    let before = table
        .sum((root, Scope::WithConnections), &listed)
        .unwrap()
        .unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(*listed.iter().next().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    until(|| {
        let after = table
            .sum((root, Scope::WithConnections), &listed)
            .unwrap()
            .unwrap();
        let is_alone = after.threads == before.threads - 1;
        is_alone.then_some(()).ok_or(format!("{after:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_tree_whose_children_come_and_go_is_read_all_the_time() {
    let process = shell("while :; do /bin/true; done");
    let root = process.pair().pid;
    let mut last = 0;
    for _ in 0..300 {
        let used = usage(root, Scope::WithConnections).unwrap().unwrap();
        assert!(used.resident_bytes > 0 && used.descriptors > 0, "{used:?}");
        last = used.cpu_ms;
    }
    // The time of the many that ended is in the sum: each of them alone used next to nothing.
    until(|| {
        let now = usage(root, Scope::WithConnections).unwrap().unwrap();
        (now.cpu_ms > last + 50)
            .then_some(())
            .ok_or(format!("{now:?}"))
    })
    .await;
}

/// A process table of one process, the test's own, whose files may be spoiled.
fn table() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    let entry = folder.path().join("77");
    fs::create_dir_all(entry.join("fd")).unwrap();
    for file in ["stat", "status"] {
        fs::copy(format!("/proc/self/{file}"), entry.join(file)).unwrap();
    }
    let table = Table::of(folder.path());
    (folder, table)
}

#[test]
fn an_entry_that_cannot_be_read_is_unknown_and_not_zero() {
    let (folder, table) = table();
    let entry = folder.path().join("77");
    let used = table
        .sum((77, Scope::WithConnections), &BTreeSet::new())
        .unwrap()
        .unwrap();
    assert!(used.resident_bytes > 0, "{used:?}");
    let status = fs::read_to_string(entry.join("status")).unwrap();
    let without: String = status
        .lines()
        .filter(|line| !line.starts_with("RssAnon"))
        .fold(String::new(), |text, line| text + line + "\n");
    fs::write(entry.join("status"), without).unwrap();
    let error = table
        .sum((77, Scope::WithConnections), &BTreeSet::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("could not read process 77"), "{error}");
    assert!(error.contains("states no memory"), "{error}");
    fs::write(entry.join("status"), &status).unwrap();
    fs::remove_dir(entry.join("fd")).unwrap();
    assert!(
        table
            .sum((77, Scope::WithConnections), &BTreeSet::new())
            .is_err(),
        "no descriptors"
    );
}

#[test]
fn one_unreadable_child_makes_the_whole_tree_unknown() {
    let (folder, table) = table();
    let child = folder.path().join("78");
    fs::create_dir_all(&child).unwrap();
    fs::create_dir_all(child.join("stat")).unwrap();
    let error = table.descendants(77).unwrap_err();
    assert!(matches!(error, Unreadable::List(_)), "{error}");
    let error = table
        .sum((77, Scope::WithConnections), &BTreeSet::from([78]))
        .unwrap_err();
    assert!(
        matches!(error, Unreadable::Process { pid: 78, .. }),
        "{error}"
    );
}

#[test]
fn a_zombie_uses_nothing() {
    let (folder, table) = table();
    let stat = fs::read_to_string(folder.path().join("77/stat")).unwrap();
    let dead = stat.replacen(") R ", ") Z ", 1).replacen(") S ", ") Z ", 1);
    assert_ne!(stat, dead);
    fs::write(folder.path().join("77/stat"), dead).unwrap();
    fs::remove_file(folder.path().join("77/status")).unwrap();
    assert_eq!(
        table
            .sum((77, Scope::WithConnections), &BTreeSet::new())
            .unwrap(),
        None
    );
}

#[test]
fn what_shows_nobody_its_descriptors_counts_by_its_table_where_it_may() {
    let denied = || Err(ProcError::PermissionDenied(None));
    assert_eq!(descriptors(Ok(7), 64, Scope::Closed).unwrap(), 7);
    assert_eq!(descriptors(denied(), 64, Scope::Closed).unwrap(), 64);
    for scope in [Scope::Alone, Scope::WithConnections] {
        assert!(descriptors(denied(), 64, scope).is_err());
    }
    let gone = Err(ProcError::NotFound(None));
    assert!(descriptors(gone, 64, Scope::Closed).is_err());
}
