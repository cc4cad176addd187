//! A harness that is killed outright leaves nothing up: the leaf outlives it for just as long as it
//! takes to clean up.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use exai_harness::engine::Engine;
use exai_harness::engine::wire::{Answer, Carried, Order, Plan};
use exai_harness::redis::which;

use super::{eventually, inspected, is_absent};

/// What the harness that will be killed says before the id of its container.
const UP: &str = "up: ";
/// Set in the process that is to be killed.
const ROLE: &str = "HOLDS_A_CONTAINER";

async fn hold() {
    let engine = Engine::start(Path::new(env!("CARGO_BIN_EXE_containers"))).expect("it starts");
    let built = engine.order(Order::Build {
        image: "cat".to_owned(),
        files: vec![Carried {
            from: which("cat").expect("every system has it"),
            to: "/bin/cat".to_owned(),
        }],
    });
    let Ok(Answer::Image { id, .. }) = built.await else {
        return;
    };
    let plan = Plan {
        name: "exai-orphan".to_owned(),
        image: id,
        command: vec!["/bin/cat".to_owned()],
        input: true,
        ..Plan::default()
    };
    let plan = Box::new(plan);
    let Ok(Answer::Life(life)) = engine.order(Order::Up { plan }).await else {
        return;
    };
    println!("{UP}{}", life.id);
    std::future::pending::<()>().await;
}

/// The same test in another process is the harness that is killed.
#[tokio::test]
async fn a_harness_killed_outright_leaves_no_container() {
    if std::env::var_os(ROLE).is_some() {
        return hold().await;
    }
    if is_absent() {
        return;
    }
    let mut harness = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "--nocapture"])
        .arg("orphan::a_harness_killed_outright_leaves_no_container")
        .env(ROLE, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(harness.stdout.take().expect("piped")).lines();
    let mut lines = lines.map(|line| line.expect("text"));
    let id = lines.find_map(|line| Some(line.split_once(UP)?.1.to_owned()));
    let id = id.expect("it puts one up");
    assert!(inspected(&id).is_some(), "it is up");
    harness.kill().expect("SIGKILL");
    harness.wait().expect("it ends");
    eventually("the end of the orphan", || inspected(&id).is_none());
}
