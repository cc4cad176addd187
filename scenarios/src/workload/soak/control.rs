//! The detector's proof: a second instance of the same binary, on a store of its own, is made to
//! leak, aborted, starved of descriptors and given a corrupt store. The collectors that watch the
//! first instance watch it too, under a name of its own; whether they told is for the judge.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use exai_harness::client::{Client, Exchange, Http, HttpTarget, Identity, Revision};
use exai_harness::runkey;
use exai_harness::server::Settings;
use exai_harness::token::Signature;
use exai_harness::topology::{Launcher, RestartPolicy, Setup, Spoil, StoreKind, Topology};
use exai_mocks::plan::Plan;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Errand, not_tested};
use crate::soak::live::Shared;
use crate::stage::{GREETING, Stage};

const CONTROL: &str = "control";
/// The second instance comes when the first one's stream has begun.
const AFTER: Duration = Duration::from_secs(1);
/// The ways, and for how many seconds of soak each asks: the time it takes and room behind it.
const WAYS: [(&str, u64); 4] = [
    ("aborted", 8),
    ("leak", 30),
    ("starved", 60),
    ("corrupt", 60),
];
/// How long the leak is watched: the reductions of the catalogue's `control_*` and a second.
const LEAKING: Duration = Duration::from_millis(14_500);
/// Between two requests that each leave memory behind.
const LEAKS_EVERY: Duration = Duration::from_millis(50);
/// How long the collectors may take to tell: liveness is called silent after ten seconds.
const TOLD: Duration = Duration::from_secs(16);
/// How long a life may take to be gone or to be ready.
const LIFE: Duration = Duration::from_secs(15);
/// Fewer descriptors than a listening server holds already.
const STARVED: &str = "--nofile=4:4";

/// Breaks the second instance in each way for which the soak is long enough; what cannot be done is
/// not tested, and the floor of it stays unmet.
pub(super) async fn run(
    stage: &Stage,
    errand: &Errand<'_>,
    over: &CancellationToken,
    live: &Shared,
) {
    let (fit, short): (Vec<_>, Vec<_>) = WAYS
        .iter()
        .partition(|(_, needs)| *needs <= errand.plan.seconds);
    for (way, needs) in short {
        let seconds = errand.plan.seconds;
        let says = format!("the second instance, {way}: needs {needs} s of soak, not {seconds} s");
        not_tested(stage, &says);
    }
    if fit.is_empty() {
        return;
    }
    let proving = async {
        tokio::time::sleep(AFTER).await;
        prove(stage, errand, live, fit.iter().map(|(way, _)| *way)).await
    };
    if let Some(Err(why)) = over.run_until_cancelled(proving).await {
        not_tested(stage, &format!("the second instance: {why}"));
    }
}

async fn prove(
    stage: &Stage,
    errand: &Errand<'_>,
    live: &Shared,
    ways: impl Iterator<Item = &'static str>,
) -> Result<(), String> {
    let topology = second(stage, errand).await?;
    for way in ways {
        stage.begin(CONTROL, way);
        let done = match way {
            "leak" => leak(stage, &topology).await,
            "aborted" => abort(&topology, live).await,
            "starved" => starve(&topology, live).await,
            _ => corrupt(&topology, live).await,
        };
        stage.end(CONTROL, way);
        if let Err(why) = done {
            not_tested(stage, &format!("the second instance, {way}: {why}"));
        }
    }
    // It was broken on purpose: how it ends is nobody's matter.
    let _broken = topology.stop().await;
    Ok(())
}

/// The same binary on the embedded store, behind an impostor that leaks.
async fn second(stage: &Stage, errand: &Errand<'_>) -> Result<Topology, String> {
    let setup = Setup {
        binaries: errand.binaries.clone(),
        store: StoreKind::Embedded,
        instances: 1,
        key: runkey::draw().map_err(|error| error.to_string())?,
        plan: Plan {
            seed: stage.seed,
            ..Plan::default()
        },
        spoil: Some(Spoil {
            name: "leak".to_owned(),
            edge: "client".to_owned(),
            every: 1,
            offset: 0,
        }),
        launcher: Launcher::Honest,
        settings: Settings::default(),
        restart: RestartPolicy::default(),
        log: None,
        clock: errand.clock,
        recorder: stage
            .recorder
            .of_control()
            .without(stage.damage.swallowed()),
        stop: stage.stop.clone(),
    };
    Topology::start(setup)
        .await
        .map_err(|error| error.to_string())
}

/// Requests through the impostor, each of which leaves memory behind in the instance's tree.
async fn leak(stage: &Stage, topology: &Topology) -> Result<(), String> {
    let target = HttpTarget {
        address: topology.public(),
        host: topology.public().to_string(),
        path: "/mcp".to_owned(),
        revision: Revision::V2026,
        connections: 2,
        redial: true,
    };
    let name = "leaker".to_owned();
    let token = topology
        .credentials()
        .token(&name, &["user"], Signature::Hs256);
    let identity = Identity::numbered(name, 320).with_bearer(token);
    let clock = stage.recorder.clone();
    let now = std::sync::Arc::new(move || clock.now());
    let client = Client::Http(Http::new(target, identity, now));
    client
        .greet(GREETING)
        .await
        .map_err(|error| error.to_string())?;
    let version = || {
        let call = json!({"name": "version", "arguments": {}});
        client.request("tools/call", call, GREETING)
    };
    let until = Instant::now() + LEAKING;
    answered(&version().await)?;
    while Instant::now() < until {
        tokio::time::sleep(LEAKS_EVERY).await;
        version().await;
    }
    Ok(())
}

/// Whether a call did what was asked: requests that are turned away leave memory behind as well,
/// and would prove the detector on something that nobody does.
fn answered(exchange: &Exchange) -> Result<(), String> {
    let is_failure = |result: &Value| result["isError"] == true;
    match (exchange.result(), exchange.status) {
        (Some(result), _) if !is_failure(result) => Ok(()),
        (Some(_), _) => Err("the first call failed".to_owned()),
        (None, Some(status)) => Err(format!("the first call got status {status}")),
        (None, None) => {
            let why = exchange.trouble.as_deref().unwrap_or("no answer");
            Err(format!("the first call got {why}"))
        }
    }
}

/// SIGABRT that nobody ordered.
async fn abort(topology: &Topology, live: &Shared) -> Result<(), String> {
    let supervisor = topology.server().supervisor();
    let number = supervisor.lives().borrow().number;
    let process = supervisor.process().map_err(|error| error.to_string())?;
    let before = live.with(|live| live.control);
    process
        .signal(Signal::SIGABRT)
        .map_err(|error| error.to_string())?;
    told(live, before).await;
    back(topology, number).await
}

/// No descriptor left to accept a connection with.
async fn starve(topology: &Topology, live: &Shared) -> Result<(), String> {
    let supervisor = topology.server().supervisor();
    let number = supervisor.lives().borrow().number;
    let pid = supervisor
        .process()
        .map_err(|error| error.to_string())?
        .pair()
        .pid;
    let before = live.with(|live| live.control);
    let mut prlimit = Command::new("prlimit");
    prlimit
        .args(["--pid", &pid.to_string(), STARVED])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // As the instance's own user: another's limits are not even root's to set everywhere.
    if let Some(user) = topology.user() {
        prlimit.uid(user.uid).gid(user.gid);
    }
    let starved = prlimit.status().await;
    match starved {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("prlimit ended with {status}")),
        Err(error) => return Err(format!("prlimit (apt-get install util-linux): {error}")),
    }
    told(live, before).await;
    // A life that has ended by itself meanwhile needs no order.
    let _ended = supervisor.kill(LIFE).await;
    back(topology, number).await
}

/// Another text where the store's file was, and a start on it.
async fn corrupt(topology: &Topology, live: &Shared) -> Result<(), String> {
    let file = topology.server().store_file();
    let before = live.with(|live| live.control);
    let supervisor = topology.server().supervisor();
    supervisor
        .hold(LIFE)
        .await
        .map_err(|error| error.to_string())?;
    let spoiled = spoil(&file);
    supervisor.release();
    spoiled.map_err(|error| format!("{}: {error}", file.display()))?;
    told(live, before).await;
    Ok(())
}

/// Keeps the file's owner and length; what was in its log is gone.
fn spoil(file: &Path) -> std::io::Result<()> {
    let length = usize::try_from(std::fs::metadata(file)?.len()).unwrap_or(usize::MAX);
    std::fs::write(file, vec![0xa5; length.max(4_096)])?;
    for log in ["-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(log);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Waits until the collectors have told, or as long as they may take.
async fn told(live: &Shared, before: u64) {
    let until = Instant::now() + TOLD;
    while Instant::now() < until && live.with(|live| live.control) == before {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn back(topology: &Topology, number: u64) -> Result<(), String> {
    let server = topology.server();
    let next = server.supervisor().next_life(number, LIFE).await;
    next.map_err(|error| error.to_string())?;
    server
        .wait_ready(LIFE)
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_with_a_result_proves_that_the_second_instance_works() {
        let got = |status, reply: Value| Exchange {
            status,
            reply: Some(reply),
            ..Exchange::default()
        };
        let right = got(Some(200), json!({"id": 1, "result": {"content": []}}));
        assert_eq!(answered(&right), Ok(()));
        for wrong in [
            got(Some(200), json!({"id": 1, "result": {"isError": true}})),
            got(Some(401), json!({"id": null, "error": {"code": -32_000}})),
            Exchange::default(),
        ] {
            assert!(answered(&wrong).is_err(), "{wrong:?}");
        }
    }
}
