use super::*;

use std::path::Path;

use crate::history::History;
use crate::process::{Process, Spec};
use crate::supervisor::{Role, Watch};

/// A component that does nothing.
fn sleeping(name: &str, role: Role, recorder: &Recorder) -> Supervisor {
    let watch = Watch {
        name: name.to_owned(),
        role,
        delay: Duration::from_millis(1),
        recorder: recorder.clone(),
    };
    let starter = Box::new(|_life| {
        let mut spec = Spec::new("sleep", Path::new("/bin/sleep"), Path::new("/"));
        spec.args = vec!["600".into()];
        Process::spawn(spec)
    });
    Supervisor::start(watch, starter).unwrap()
}

#[tokio::test]
async fn a_part_of_the_judged_component_counts_with_it_and_has_no_row_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let clock = RunClock::start();
    let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
    let server = sleeping("server", Role::Judged, &recorder);
    let front = sleeping("front", Role::Rig, &recorder);
    let sampler = Sampler::new(clock, recorder.clone(), "server").follow(&server);
    let threads_of = |sampler: &Sampler| {
        let seen = look(clock, sampler.roots(), &[]);
        assert_eq!(seen.processes.len(), 2);
        let used = seen.processes[0].used.as_ref().unwrap();
        used.unwrap().threads
    };
    let connections_of = |place: usize| {
        let seen = look(clock, sampler.roots(), &[]);
        let used = seen.processes[place].used.as_ref().unwrap();
        used.unwrap().connections
    };
    assert_eq!(connections_of(0), Some(0), "the server's are compared");
    assert_eq!(connections_of(1), None, "nobody asks for the rig's");
    assert_eq!(threads_of(&sampler), 1);
    assert_eq!(threads_of(&sampler.with_part(&front)), 2);
}

#[tokio::test]
async fn samples_carry_the_component_and_follow_it_into_its_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let clock = RunClock::start();
    let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
    let server = sleeping("server", Role::Judged, &recorder);
    let sampler = Sampler::new(clock, recorder.clone(), "server").follow(&server);
    let first = server.process().unwrap().pair().pid;
    let root = &sampler.roots()[0];
    assert_eq!((root.name.as_str(), root.pid), ("server", first));
    let stop = CancellationToken::new();
    let running = tokio::spawn(sampler.run(stop.clone()));
    // Closing the recorder under a running sampler would lose lines; stop it at its first sample.
    let began = std::time::Instant::now();
    while std::fs::metadata(folder.path().join("history-000.ndjson"))
        .unwrap()
        .len()
        == 0
    {
        assert!(began.elapsed().as_secs() < 10);
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
    recorder.close().await.unwrap();
    let names: Vec<String> = History::in_folder(folder.path())
        .observations()
        .filter_map(|seen| match seen.event {
            Event::Sample(sample) => Some(sample.process),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["server", "rig"]);
}
