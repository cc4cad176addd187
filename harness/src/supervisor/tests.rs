use super::*;

use std::path::Path;

use crate::clock::RunClock;
use crate::history::History;
use crate::process::Spec;

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &'static str) -> Starter {
    Box::new(move |number| {
        let mut spec = Spec::new("shell", Path::new("/bin/sh"), Path::new("/"));
        spec.args = vec![
            "-c".into(),
            script.into(),
            "sh".into(),
            number.to_string().into(),
        ];
        Process::spawn(spec)
    })
}

fn watch(role: Role, recorder: &Recorder) -> Watch {
    Watch {
        name: "thing".to_owned(),
        role,
        delay: Duration::from_millis(5),
        recorder: recorder.clone(),
    }
}

fn recorder(folder: &Path) -> Recorder {
    Recorder::open(folder, RunClock::start().as_now()).unwrap()
}

async fn events(recorder: Recorder, folder: &Path) -> Vec<Event> {
    recorder.close().await.unwrap();
    let history = History::in_folder(folder);
    history.observations().map(|seen| seen.event).collect()
}

#[tokio::test]
async fn a_killed_component_comes_back_as_another_process_and_nobody_complains() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let thing = Supervisor::start(watch(Role::Judged, &recorder), shell("exec sleep 600")).unwrap();
    let (old, ended) = thing.kill(LIMIT).await.unwrap();
    assert!(!old.is_alive());
    assert!(ended.status.is_some());
    let next = thing.next_life(1, LIMIT).await.unwrap();
    assert_ne!(next.pair(), old);
    assert!(next.pair().is_alive());
    thing.stop(LIMIT).await.unwrap();
    assert!(!next.pair().is_alive());
    assert_eq!(events(recorder, folder.path()).await, []);
}

#[tokio::test]
async fn an_end_nobody_ordered_is_critical_for_the_server_and_a_rig_fault_for_the_rest() {
    let wanted = [
        (Role::Judged, vec!["unordered_exit"]),
        (Role::Rig, vec!["thing_down", "thing_back"]),
    ];
    for (role, wanted) in wanted {
        let folder = tempfile::tempdir().unwrap();
        let recorder = recorder(folder.path());
        let script = "test $1 = 1 && exit 7; exec sleep 600";
        let thing = Supervisor::start(watch(role, &recorder), shell(script)).unwrap();
        thing.next_life(1, LIMIT).await.unwrap();
        // The life is announced just before the last word; stopping joins neither.
        thing.hold(LIMIT).await.unwrap();
        thing.release();
        thing.next_life(2, LIMIT).await.unwrap();
        let found = events(recorder, folder.path()).await;
        assert_eq!(names(&found), wanted);
    }
}

fn names(found: &[Event]) -> Vec<&str> {
    let name = |event| match event {
        &Event::Critical { ref what, .. } | &Event::Rig { ref what, .. } => what.as_str(),
        other => panic!("{other:?}"),
    };
    found.iter().map(name).collect()
}

#[tokio::test]
async fn an_end_nobody_ordered_is_told_though_no_life_follows_before_the_run_ends() {
    for (role, wanted) in [(Role::Judged, "unordered_exit"), (Role::Rig, "thing_down")] {
        let folder = tempfile::tempdir().unwrap();
        let heard = nanos(LIMIT);
        let recorder = Recorder::open(folder.path(), Arc::new(move || heard)).unwrap();
        let late = Watch {
            delay: LIMIT,
            ..watch(role, &recorder)
        };
        let thing = Supervisor::start(late, shell("exit 7")).unwrap();
        let mut lives = thing.lives();
        lives.wait_for(|life| life.process.is_none()).await.unwrap();
        // It has ended already; nothing is left to stop but the wait for the next life.
        thing.stop(LIMIT).await.unwrap_err();
        recorder.close().await.unwrap();
        let seen: Vec<_> = History::in_folder(folder.path()).observations().collect();
        let [seen] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(names(std::slice::from_ref(&seen.event)), [wanted]);
        // What the loss did to others before we heard of it is the rig's fault, too.
        let before = if role == Role::Rig { nanos(NOTICE) } else { 0 };
        assert_eq!(heard - seen.at, before);
    }
}

#[tokio::test]
async fn a_held_component_stays_down_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let thing = Supervisor::start(watch(Role::Judged, &recorder), shell("exec sleep 600")).unwrap();
    thing.hold(LIMIT).await.unwrap();
    let back = thing.next_life(1, Duration::from_millis(50)).await;
    assert!(matches!(back, Err(SupervisorError::NotBack { .. })));
    thing.release();
    thing.next_life(1, LIMIT).await.unwrap();
}

#[tokio::test]
async fn dropping_the_supervisor_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let thing = Supervisor::start(watch(Role::Rig, &recorder), shell("exec sleep 600")).unwrap();
    let pair = thing.process().unwrap().pair();
    drop(thing);
    tokio::time::timeout(LIMIT, async {
        while pair.is_alive() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_silent_life_is_spoken_for_by_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let script = "[ $1 = 1 ] && echo no room && exit 3; exec sleep 600";
    let thing = Supervisor::start(watch(Role::Judged, &recorder), shell(script)).unwrap();
    thing.next_life(1, LIMIT).await.unwrap();
    assert_eq!(thing.tail(), "no room");
}
