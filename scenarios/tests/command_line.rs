//! The command line from outside: exit codes, and where words go.

#![expect(clippy::expect_used, reason = "a test without its ground has failed")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn verify(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(words)
        .output()
        .expect("verify starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_users_mistake_ends_with_64_and_names_what_is_accepted() {
    let cases: [(&[&str], &str); 8] = [
        (&["run", "--no-such-flag"], "--no-such-flag"),
        (&["run", "V.9"], "V.1"),
        (&["run", "--profile", "huge"], "quick"),
        (&["run", "--store", "tape"], "embedded"),
        (&["run", "--seed", "seven"], "seven"),
        (&["run", "--claim", "perfect"], "merge-ready"),
        (&["explain", "V.99"], "V.1"),
        (&["selftest", "no-such-row"], "Known"),
    ];
    for (words, hint) in cases {
        let output = verify(words);
        assert_eq!(code(&output), 64, "{words:?}: {}", says(&output));
        assert!(
            says(&output).contains(hint),
            "{words:?} says {:?}",
            says(&output)
        );
        assert!(
            output.stdout.is_empty(),
            "{words:?} wrote to standard output"
        );
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for words in [["--help"], ["--version"]] {
        assert_eq!(code(&verify(&words)), 0);
    }
}

#[test]
fn every_command_takes_quiet() {
    let help = String::from_utf8(verify(&["--help"]).stdout).expect("text");
    let (_, commands) = help.split_once("Commands:\n").expect("commands");
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !["", "help"].contains(name)).collect();
    assert!(
        names.contains(&"selftest") && names.contains(&"ledger"),
        "{names:?}"
    );
    for name in names {
        let output = verify(&[name, "--quiet", "--help"]);
        assert_eq!(code(&output), 0, "{name}: {}", says(&output));
    }
}

#[test]
fn a_machine_without_an_engine_is_told_what_to_install_before_anything_starts() {
    let reports = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "V.5", "--driver", "container", "--reports"])
        .arg(reports.path())
        .env("DOCKER_HOST", "unix:///no/such/engine.sock")
        .output()
        .expect("verify starts");
    let said = says(&output);
    assert_eq!(code(&output), 64, "{said}");
    assert!(said.contains("unix:///no/such/engine.sock"), "{said}");
    assert!(said.contains("apt-get install docker.io"), "{said}");
    assert!(!said.contains("Compiling"), "something was built: {said}");
    let begun = std::fs::read_dir(reports.path()).expect("ours").count();
    assert_eq!(begun, 0, "a run was begun");
}

#[test]
fn a_saboteur_on_an_edge_is_refused_in_containers() {
    let output = verify(&[
        "run",
        "V.1",
        "--driver",
        "container",
        "--spoil",
        "none@client",
    ]);
    assert_eq!(code(&output), 64, "{}", says(&output));
    assert!(says(&output).contains("local driver"), "{}", says(&output));
}

#[test]
fn a_missing_redis_is_said_before_anything_starts() {
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "V.4", "--store", "redis"])
        .env("PATH", "")
        .output()
        .expect("verify starts");
    assert_eq!(code(&output), 64, "{}", says(&output));
    assert!(
        says(&output).contains("apt-get install redis-server"),
        "{}",
        says(&output)
    );
}

#[test]
fn a_conformance_suite_that_is_missing_or_another_is_said_before_anything_is_built() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let missing = verify(&["conformance", "--suite", path]);
    assert_eq!(code(&missing), 64, "{}", says(&missing));
    assert!(says(&missing).contains("npm install"), "{}", says(&missing));
    let modules = folder.path().join("node_modules");
    let suite = modules.join("@modelcontextprotocol/conformance");
    std::fs::create_dir_all(&suite).expect("a folder");
    std::fs::create_dir_all(modules.join("node/bin")).expect("a folder");
    std::fs::write(modules.join("node/bin/node"), "").expect("a file");
    std::fs::write(suite.join("package.json"), r#"{"version": "0.1.16"}"#).expect("a file");
    let other = verify(&["conformance", "--suite", path]);
    assert_eq!(code(&other), 64, "{}", says(&other));
    assert!(says(&other).contains("0.1.16"), "{}", says(&other));
    let absent = verify(&["conformance", "--fixtures", "/no/such/build"]);
    assert_eq!(code(&absent), 64, "{}", says(&absent));
    assert!(
        says(&absent).contains("/no/such/build"),
        "{}",
        says(&absent)
    );
}

#[test]
fn a_server_that_is_no_file_is_refused_before_anything_is_built() {
    let output = verify(&["run", "V.1", "--server", "/no/such/exai"]);
    assert_eq!(code(&output), 64, "{}", says(&output));
}

#[test]
fn a_build_that_fails_is_a_harness_error_and_nothing_is_judged() {
    let reports = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "V.1", "--store", "embedded", "--reports"])
        .arg(reports.path())
        .env("RUSTC", "/no/such/rustc")
        .output()
        .expect("verify starts");
    assert_eq!(code(&output), 3, "{}", says(&output));
    assert!(says(&output).contains("the build failed"));
    let left = std::fs::read_dir(reports.path()).expect("a folder").count();
    assert_eq!(left, 0, "a run that never began left a record");
}

/// Both signals, each on a run in full swing: the record is readable and says what ended it, and no
/// process of the rig outlives the command.
#[test]
fn a_signal_ends_a_run_with_its_own_exit_code_a_readable_record_and_no_child_left() {
    for (signal, name, exit) in [("-INT", "SIGINT", 130), ("-TERM", "SIGTERM", 143)] {
        let world = open_folder();
        let reports = world.path().join("reports");
        let (code, says) = signalled(signal, world.path(), &reports);
        assert_eq!(code, Some(exit), "{says}");
        assert_eq!(processes_below(world.path()), Vec::<String>::new());
        let latest = std::fs::read(reports.join("latest/report.json")).expect("a report");
        let report: Value = serde_json::from_slice(&latest).expect("JSON");
        assert_eq!(report["run"]["cut_short"], name);
        assert_eq!(report["claim"]["exit_code"], exit);
        assert_eq!(report["opening"]["go"], false);
        let runs = std::fs::read_dir(reports.join("runs")).expect("runs");
        let record = runs.flatten().next().expect("a record").path();
        let judged = verify(&["judge", record.to_str().expect("a path")]);
        assert!(
            [1, 2].contains(&self::code(&judged)),
            "{}",
            self::says(&judged)
        );
    }
}

/// Runs V.4 for as long as it takes to load the store, then sends `signal`.
fn signalled(signal: &str, world: &Path, reports: &Path) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "V.4", "--profile", "smoke", "--store", "embedded"])
        .arg("--reports")
        .arg(reports)
        .env("TMPDIR", world)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("verify starts");
    let lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
    let mut said = String::new();
    for line in lines.map_while(Result::ok) {
        if line.contains("V.4 begun") {
            let id = child.id().to_string();
            let sent = Command::new("kill").args([signal, &id]).status();
            assert!(sent.expect("kill starts").success());
        }
        said.push_str(&line);
        said.push('\n');
    }
    (child.wait().expect("an end").code(), said)
}

/// The command lines of processes that name something below `folder`.
fn processes_below(folder: &Path) -> Vec<String> {
    let below = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(&below)).collect()
}

/// A folder that the user the server runs as may read.
fn open_folder() -> tempfile::TempDir {
    let mut folder = tempfile::Builder::new();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    folder.permissions(readable).tempdir().expect("a folder")
}

#[test]
fn a_record_that_is_not_there_is_a_mistake_and_one_that_is_no_record_is_refused() {
    assert_eq!(code(&verify(&["judge", "/no/such/run"])), 64);
    let empty = tempfile::tempdir().expect("a folder");
    let path = empty.path().to_str().expect("a path");
    assert_eq!(code(&verify(&["judge", path])), 5);
    assert_eq!(code(&verify(&["report", path, "--format", "html"])), 5);
    assert_eq!(code(&verify(&["report", path, "--format", "paper"])), 64);
}

#[test]
fn lists_are_json_when_asked_and_name_their_schema() {
    let cases = [
        (vec!["list", "--budget", "--json"], "exai-verify-list/1"),
        (vec!["doctor", "--json"], "exai-verify-doctor/1"),
    ];
    for (words, schema) in cases {
        let output = verify(&words);
        assert_eq!(code(&output), 0, "{words:?}: {}", says(&output));
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value["schema"], schema);
    }
}

#[test]
fn an_explanation_shows_floors_and_limits() {
    let output = verify(&["explain", "V.4"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(code(&output), 0);
    assert!(text.contains("must happen"), "{text}");
    assert!(text.contains("smoke    quick     full selftest"), "{text}");
    let rows = text.lines().filter(|line| line.contains("store_p95_ms"));
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 1, "a column for each profile: {text}");
    assert_eq!(rows[0].matches(" 100").count(), 4, "{text}");
}

/// Somebody without rights of his own: root may read everything.
const NOBODY: u32 = 65_534;

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

#[test]
fn no_process_of_the_same_user_looks_into_the_one_that_draws_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open_to_all).expect("a folder for everybody");
    let copy = folder.path().join("verify");
    std::fs::copy(env!("CARGO_BIN_EXE_verify"), &copy).expect("a copy");
    let mut holder = unprivileged(&copy);
    holder.args([
        "hold-lock",
        "--hold-ms",
        "50",
        "--rest-ms",
        "50",
        "--for-ms",
        "60000",
    ]);
    holder.arg(folder.path().join("store"));
    let file = unprivileged(Path::new("/bin/sh"))
        .args(["-c", ": > store"])
        .current_dir(folder.path())
        .status();
    assert!(file.expect("a shell").success());
    let mut child = holder
        .stdout(Stdio::piped())
        .spawn()
        .expect("verify starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let held = lines.next().expect("a first hold").expect("a line");
    let may = |file: &str| {
        let script = format!(": < /proc/{}/{file}", child.id());
        let mut shell = unprivileged(Path::new("/bin/sh"));
        let done = shell.args(["-c", &script]).output().expect("a shell");
        done.status.success()
    };
    let read = ["cmdline", "environ", "maps", "mem", "fd/1"].map(may);
    child.kill().expect("verify is there");
    child.wait().expect("verify ends");
    assert_eq!(read, [true, false, false, false, false], "{held}");
}
