//! A history is what was said, all of it, in the order said, or an error.

use super::*;

fn figure(name: &str, value: f64) -> Event {
    Event::Figure {
        name: name.to_owned(),
        value,
        unit: "ms".to_owned(),
    }
}

fn clock() -> Now {
    let ticks = AtomicU64::new(0);
    Arc::new(move || ticks.fetch_add(10, Ordering::Relaxed))
}

#[tokio::test]
async fn what_is_recorded_is_read_back_in_the_order_written() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::open(folder.path(), clock()).unwrap();
    let other = recorder.clone();
    recorder.record(figure("a", 1.0));
    other.record_at(5, figure("b", 2.0));
    recorder.record(figure("c", 3.0));
    let written = recorder.close().await.unwrap();
    assert_eq!((written.events, written.lost, written.segments), (3, 0, 1));
    let history = History::in_folder(folder.path());
    let seen: Vec<_> = history.observations().map(|seen| seen.at).collect();
    assert_eq!(seen, [0, 5, 10]);
    assert!(history.broken().is_none());
    assert_eq!(history.observations().count(), 3);
}

// The writer gets no turn between the records: they come from one poll of a one-thread runtime, and
// the bound is far below what a blocking thread can drain meanwhile.
#[tokio::test]
async fn a_full_queue_is_an_error_at_close() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::with_queue(folder.path(), clock(), 1).unwrap();
    let long = "x".repeat(200_000);
    for _ in 0..200 {
        recorder.record(figure(&long, 0.0));
    }
    let Err(HistoryError::Lost(written)) = recorder.close().await else {
        panic!("the loss went unreported");
    };
    assert_eq!(written.lost + written.events, 200);
    assert!(written.lost > 0);
}

#[tokio::test]
async fn a_disk_that_is_full_at_half_time_is_an_error_and_the_first_half_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::open(folder.path(), clock()).unwrap();
    recorder.record(figure("before", 1.0));
    recorder.fill_disk();
    recorder.record(figure("after", 2.0));
    let Err(HistoryError::Segment { cause, .. }) = recorder.close().await else {
        panic!("the refusal went unreported");
    };
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    let history = History::in_folder(folder.path());
    assert_eq!(history.observations().count(), 1);
}

#[tokio::test]
async fn a_record_after_close_is_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::open(folder.path(), clock()).unwrap();
    recorder.close().await.unwrap();
    recorder.record(figure("late", 0.0));
    assert_eq!(recorder.lost(), 1);
    assert!(matches!(recorder.close().await, Err(HistoryError::Closed)));
}

#[tokio::test]
async fn a_second_recorder_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Recorder::open(folder.path(), clock()).unwrap();
    assert!(Recorder::open(folder.path(), clock()).is_err());
    first.close().await.unwrap();
}

#[test]
fn an_unreadable_line_ends_the_reading_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = serde_json::to_string(&Observation {
        at: 1,
        event: figure("a", 1.0),
    })
    .unwrap();
    std::fs::write(
        folder.path().join("history-000.ndjson"),
        format!("{good}\n{{\n{good}\n"),
    )
    .unwrap();
    let history = History::in_folder(folder.path());
    assert_eq!(history.observations().count(), 1);
    let Some(HistoryError::Line { line, .. }) = history.broken() else {
        panic!("the broken line went unnoticed");
    };
    assert_eq!(line, 2);
}
