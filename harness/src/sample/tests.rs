use super::*;

use std::path::Path;

use crate::history::History;
use crate::process::{Process, Spec};
use crate::supervisor::{Role, Watch};

#[tokio::test]
async fn samples_carry_the_component_and_follow_it_into_its_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let clock = RunClock::start();
    let recorder = Recorder::open(folder.path(), clock.as_now()).unwrap();
    let watch = Watch {
        name: "server".to_owned(),
        role: Role::Judged,
        delay: Duration::from_millis(1),
        recorder: recorder.clone(),
    };
    let starter = Box::new(|_life| {
        let mut spec = Spec::new("server", Path::new("/bin/sleep"), Path::new("/"));
        spec.args = vec!["600".into()];
        Process::spawn(spec)
    });
    let server = Supervisor::start(watch, starter).unwrap();
    let sampler = Sampler::new(clock, recorder.clone(), "server").follow(&server);
    let first = server.process().unwrap().pair().pid;
    assert_eq!(sampler.roots()[0], ("server".to_owned(), first));
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
