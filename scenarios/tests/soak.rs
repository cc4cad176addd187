//! Short soaks: what they say of themselves, and going on from one that was killed.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use exai_judge::Finding;
use exai_scenarios::soak::checkpoint::{self, Checkpoint};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a checkpoint may take to be there: the build, the boot, and five seconds.
const SOON: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

fn soak(reports: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(["soak", "--quiet", "--reports"]).arg(reports);
    command.args(words);
    command
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The findings of the only record, or of the only other one than `but`.
fn findings(reports: &Path, but: Option<&Path>) -> Vec<Finding> {
    let folder = record(reports, but).expect("a record");
    let text = std::fs::read(folder.join("findings.json")).expect("findings");
    serde_json::from_slice(&text).expect("findings read back")
}

fn record(reports: &Path, but: Option<&Path>) -> Option<PathBuf> {
    let runs = std::fs::read_dir(reports.join("runs")).ok()?;
    let mut runs = runs.filter_map(|run| Some(run.ok()?.path()));
    runs.find(|run| but != Some(run))
}

fn of<'a>(findings: &'a [Finding], criterion: &str) -> &'a Finding {
    let mut found = findings.iter();
    found
        .find(|finding| finding.criterion == criterion)
        .expect("the criterion is judged")
}

/// How long the stream and its quiet points went on.
fn streamed(reports: &Path) -> Duration {
    let history = record(reports, None).expect("a record");
    let history = std::fs::read_to_string(history.join("history-000.ndjson")).expect("a history");
    let marks = history
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line"))
        .filter(|event| event["event"] == "phase")
        .filter(|event| event["phase"] == "stream" || event["phase"] == "quiet");
    let at = |mark: &Value| mark["at"].as_u64().expect("a time");
    let (begins, ends): (Vec<_>, Vec<_>) = marks.partition(|mark| mark["ended"] == false);
    let spans = ends.iter().zip(&begins);
    Duration::from_nanos(spans.map(|(end, begin)| at(end) - at(begin)).sum())
}

fn seen(finding: &Finding, floor: &str) -> u64 {
    let found = finding.floors.iter().find(|one| one.id == floor);
    found.expect("the floor is there").seen
}

#[test]
fn a_soak_of_seconds_says_so_and_finds_the_second_instance_aborted() {
    let reports = tempfile::tempdir().expect("a folder");
    let words = ["--duration", "16s", "--users", "0", "--store", "embedded"];
    let output = soak(reports.path(), &words)
        .output()
        .expect("verify starts");
    assert_eq!(output.status.code(), Some(2), "{}", says(&output));
    let findings = findings(reports.path(), None);
    let v7 = of(&findings, "V.7");
    assert!(
        v7.headline.ends_with("s of 4 h in one piece"),
        "{}",
        v7.headline
    );
    assert_eq!(v7.headline.split(' ').next(), Some("0"), "{}", v7.headline);
    let streamed = streamed(reports.path());
    assert!(
        streamed >= Duration::from_secs(18),
        "{streamed:?} of 16 s and two more"
    );
    for way in ["leak", "starved", "corrupt"] {
        assert_eq!(
            seen(v7, &format!("detector.{way}")),
            0,
            "{way} was not tried"
        );
        let is_told = v7.not_tested.iter().any(|what| what.contains(way));
        assert!(is_told, "{:?}", v7.not_tested);
    }
    let page = std::fs::read_to_string(reports.path().join("soak.html")).expect("the page");
    assert!(page.contains("<h1>16 s of 16 s</h1>"), "{page}");
}

/// A soak that is killed once it has left a checkpoint of at least five seconds.
fn killed(reports: &Path) -> PathBuf {
    let words = ["--duration", "9s", "--users", "0", "--store", "embedded"];
    let mut running = soak(reports, &words)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("verify starts");
    let until = Instant::now() + SOON;
    let folder = loop {
        let folder = record(reports, None);
        let left = folder.as_deref().map(Checkpoint::read);
        match (folder, left) {
            (Some(folder), Some(Ok(left))) if left.measured >= 5 => break folder,
            (folder, left) => {
                let over = running.try_wait().expect("it can be asked");
                assert!(over.is_none(), "it ended: {over:?} {folder:?} {left:?}");
                assert!(Instant::now() < until, "no checkpoint: {folder:?} {left:?}");
            }
        }
        std::thread::sleep(LOOK);
    };
    end(&mut running);
    folder
}

fn end(running: &mut Child) {
    let pid = i32::try_from(running.id()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is killed");
    running.wait().expect("it has ended");
}

#[test]
fn a_killed_soak_is_gone_on_from_and_the_gap_is_stated() {
    let reports = tempfile::tempdir().expect("a folder");
    let first = killed(reports.path());
    assert!(!first.join("findings.json").exists(), "it was not judged");
    let name = first.file_name().expect("a name").to_string_lossy();
    let output = soak(reports.path(), &["--resume", &name]).output();
    let output = output.expect("verify starts");
    assert_eq!(output.status.code(), Some(2), "{}", says(&output));
    let findings = findings(reports.path(), Some(&first));
    let check = of(&findings, "V.7m").checks.iter();
    let duration = check.clone().find(|check| check.id == "duration");
    let told = &duration.expect("the duration").measured;
    let wanted = format!("s from {name}, which measured 5 s");
    assert!(told.contains("resumed after a gap of"), "{told}");
    assert!(told.contains(&wanted), "{told}");
    let second = record(reports.path(), Some(&first)).expect("a second record");
    let left = Checkpoint::read(&second).expect("its checkpoint");
    assert_eq!((left.planned, left.measured), (9, 9), "both runs together");
}

#[test]
fn what_cannot_be_soaked_or_gone_on_from_is_refused_before_anything_starts() {
    let reports = tempfile::tempdir().expect("a folder");
    let whole = reports.path().join("runs/whole");
    std::fs::create_dir_all(&whole).expect("a folder");
    let done = Checkpoint {
        run: "whole".to_owned(),
        at: jiff::Timestamp::now(),
        planned: 60,
        measured: 60,
        users: 0,
        store: "embedded".to_owned(),
        seed: 7,
        server_sha256: String::new(),
        operations: 0,
        criticals: 0,
    };
    done.write(&whole).expect("a checkpoint");
    std::fs::create_dir_all(reports.path().join("runs/torn")).expect("a folder");
    let torn = reports.path().join("runs/torn").join(checkpoint::FILE);
    checkpoint::replace(&torn, "{").expect("a torn checkpoint");
    let cases: [(&[&str], &str); 8] = [
        (&["--duration", "soon"], "30m"),
        (&["--duration", "0s"], "5 s to 24 h"),
        (&["--duration", "48h"], "5 s to 24 h"),
        (&["--store", "tape"], "embedded"),
        (&["--resume", "whole", "--duration", "9s"], "--duration"),
        (&["--resume", "nowhere"], "reports/runs/"),
        (&["--resume", "whole"], "nothing is left"),
        (&["--resume", "torn"], "checkpoint.json"),
    ];
    for (words, hint) in cases {
        let output = soak(reports.path(), words).output().expect("verify starts");
        assert_eq!(
            output.status.code(),
            Some(64),
            "{words:?}: {}",
            says(&output)
        );
        assert!(says(&output).contains(hint), "{words:?}: {}", says(&output));
    }
}
