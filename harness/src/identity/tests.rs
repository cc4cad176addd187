use super::*;

use std::net::TcpListener;

use crate::process::{Process, Spec};

fn sleeper(binary: &Path, env: &[(&str, &str)]) -> Process {
    let mut spec = Spec::new("sleep", binary, Path::new("/"));
    spec.args = vec!["600".into()];
    spec.env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Process::spawn(spec).unwrap()
}

fn expected(subject: &Subject) -> Expected {
    Expected {
        sha256: subject.sha256().to_owned(),
        env: vec![("LANG".to_owned(), "C".to_owned())],
        ports: Vec::new(),
    }
}

fn looked(process: &Process, expected: &Expected) -> IdentitySeen {
    // The kernel shows a child's parent until the child has executed; wait for the new image.
    let pid = process.pair().pid;
    let exe = format!("/proc/{pid}/exe");
    let began = std::time::Instant::now();
    while std::fs::read_link(&exe).ok() == std::env::current_exe().ok() {
        assert!(began.elapsed().as_secs() < 10, "{exe} is still ours");
        std::thread::yield_now();
    }
    look("start", process.pair(), expected, Reported::default())
}

#[tokio::test]
async fn the_running_copy_has_the_hash_of_the_binary_it_was_taken_from() {
    let scratch = Scratch::new(None).unwrap();
    let subject = Subject::take(Path::new("/bin/sleep"), &scratch).unwrap();
    assert_eq!(
        subject.sha256(),
        sha256_of(Path::new("/bin/sleep")).unwrap()
    );
    let mode = std::fs::metadata(subject.path()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o555);
    let process = sleeper(subject.path(), &[("LANG", "C")]);
    let seen = looked(&process, &expected(&subject));
    assert_eq!(seen.running_sha256, seen.expected_sha256);
    assert_ne!(seen.start_ticks, 0);
}

#[tokio::test]
async fn a_foreign_build_runs_and_is_told_apart() {
    let scratch = Scratch::new(None).unwrap();
    let subject = Subject::take(Path::new("/bin/sleep"), &scratch).unwrap();
    let foreign = Subject::foreign(Path::new("/bin/sleep"), &scratch).unwrap();
    let process = sleeper(foreign.path(), &[("LANG", "C")]);
    let seen = looked(&process, &expected(&subject));
    assert_eq!(seen.running_sha256, foreign.sha256());
    assert_ne!(seen.running_sha256, seen.expected_sha256);
}

#[tokio::test]
async fn a_loader_variable_or_another_environment_breaks_the_identity() {
    let scratch = Scratch::new(None).unwrap();
    let subject = Subject::take(Path::new("/bin/sleep"), &scratch).unwrap();
    let process = sleeper(subject.path(), &[("LANG", "C"), ("LD_BIND_NOW", "1")]);
    let seen = looked(&process, &expected(&subject));
    assert!(
        seen.running_sha256.contains("LD_BIND_NOW is set"),
        "{}",
        seen.running_sha256
    );
    assert!(seen.running_sha256.contains("not the one it was given"));
}

#[test]
fn a_listener_is_found_by_its_inode_and_only_in_its_own_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(owners(std::process::id(), port).unwrap().is_sole());
    let foreign = owners(1, port);
    assert!(foreign.is_err() || !foreign.unwrap().is_sole());
    drop(listener);
    assert!(!owners(std::process::id(), port).unwrap().is_sole());
}

#[tokio::test]
async fn a_connection_counts_for_who_holds_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    assert!(connections(std::process::id()).unwrap() >= 2);
    drop((near, far));
    let process = sleeper(Path::new("/bin/sleep"), &[]);
    assert_eq!(connections(process.pair().pid).unwrap(), 0);
    assert!(connections(u32::MAX).is_err());
}

#[test]
fn anonymous_or_deleted_code_is_foreign_and_the_kernels_pages_are_not() {
    let good = "0-1 r-xp 0 08:01 5 /bin/x\n2-3 r-xp 0 00:00 0 [vdso]\n4-5 rw-p 0 00:00 0\n";
    assert_eq!(foreign_code(good), None);
    for bad in ["0-1 rwxp 0 00:00 0", "0-1 r-xp 0 08:01 5 /tmp/x (deleted)"] {
        assert!(foreign_code(bad).is_some(), "{bad}");
    }
}
