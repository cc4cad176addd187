use super::*;

use std::sync::Arc;

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Spec {
    let mut spec = Spec::new("shell", Path::new("/bin/sh"), Path::new("/"));
    spec.args = vec!["-c".into(), script.into()];
    spec
}

#[tokio::test]
async fn lines_of_both_streams_are_kept_and_the_exit_code_is_seen() {
    let process = Process::spawn(shell("echo out; echo err >&2; exit 3")).unwrap();
    let ended = tokio::time::timeout(LIMIT, process.wait()).await.unwrap();
    assert_eq!(ended.status.unwrap().code(), Some(3));
    let tail = process.tail();
    assert!(tail.contains("out") && tail.contains("err"), "{tail}");
    assert!(!process.pair().is_alive());
}

#[tokio::test]
async fn the_environment_holds_the_given_pairs_and_nothing_of_ours() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let mut spec = Spec::new("env", Path::new("/usr/bin/env"), Path::new("/"));
    spec.env = vec![("ONLY".to_owned(), "this".to_owned())];
    spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| {
        sink.lock().unwrap().push(line.to_owned());
    })));
    let process = Process::spawn(spec).unwrap();
    tokio::time::timeout(LIMIT, process.wait()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["ONLY=this"]);
}

#[tokio::test]
async fn a_killed_child_is_gone_and_its_pair_is_dead() {
    let process = Process::spawn(shell("exec sleep 600")).unwrap();
    assert!(process.pair().is_alive());
    let ended = process.kill(LIMIT).await.unwrap();
    let status = ended.status.unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9)
    );
    assert!(!process.pair().is_alive());
    assert!(process.signal(Signal::SIGTERM).is_err());
}

#[tokio::test]
async fn a_stopped_child_is_seen_as_stopped() {
    let process = Process::spawn(shell("exec sleep 600")).unwrap();
    process.signal(Signal::SIGSTOP).unwrap();
    tokio::time::timeout(LIMIT, async {
        while !process.pair().is_stopped() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    process.signal(Signal::SIGCONT).unwrap();
}

#[tokio::test]
async fn dropping_a_child_kills_its_descendants_too() {
    let found = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&found);
    let mut spec = shell("sleep 600 & echo $!; wait");
    spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| {
        *sink.lock().unwrap() = line.parse::<u32>().ok();
    })));
    let process = Process::spawn(spec).unwrap();
    let pid = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(pid) = *found.lock().unwrap() {
                return pid;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let (start_ticks, _) = look_up(pid).unwrap();
    drop(process);
    let pair = Pair { pid, start_ticks };
    tokio::time::timeout(LIMIT, async {
        while pair.is_alive() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_missing_executable_is_named() {
    let spec = Spec::new("ghost", Path::new("/no/such/thing"), Path::new("/"));
    let Err(error) = Process::spawn(spec) else {
        panic!("it started");
    };
    assert!(error.to_string().contains("/no/such/thing"), "{error}");
}

#[tokio::test]
async fn as_root_a_child_can_be_nobody() {
    let Some(nobody) = Nobody::when_root() else {
        println!("not run: needs root");
        let required = std::env::var("EXAI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "root");
        assert!(!is_required, "EXAI_REQUIRE names root");
        return;
    };
    let mut spec = shell("id -u; id -g; id -G");
    spec.user = Some(nobody);
    spec.env = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let process = Process::spawn(spec).unwrap();
    tokio::time::timeout(LIMIT, process.wait()).await.unwrap();
    assert_eq!(process.tail(), "65534\n65534\n65534");
}
