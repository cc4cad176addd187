//! The goose users: a process of its own that adds load in closed loops. They measure nothing that
//! is judged; latency and availability come from the stream.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exai_harness::process::{Process, Spec, Stdout};
use exai_judge::units;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Errand, not_tested};
use crate::stage::{Person, Stage};

/// The first user's number.
const FIRST: usize = 330;
/// Tokens live an hour.
const FRESH_EVERY: Duration = Duration::from_secs(1_800);
/// How long the users may take to end when told to.
const LIMIT: Duration = Duration::from_secs(20);

/// What the users' process says of itself, each line replacing the one before.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Told {
    /// Calls so far.
    calls: u64,
    /// Calls without a right result.
    wrong: u64,
    /// Its own resident memory, bytes.
    resident_bytes: u64,
}

/// Lets the users work until `over`; at quiet points they rest.
pub(super) async fn run(
    stage: &Stage,
    errand: &Errand<'_>,
    over: &CancellationToken,
    quiet: watch::Receiver<bool>,
) {
    if errand.plan.users == 0 {
        not_tested(
            stage,
            "goose users beside the stream: none were asked for (--users 0)",
        );
        return;
    }
    let worked = match &errand.users {
        Ok(program) => work(stage, errand, program, over, quiet).await,
        Err(why) => Err(why.clone()),
    };
    if let Err(why) = worked {
        not_tested(stage, &format!("goose users beside the stream: {why}"));
    }
}

async fn work(
    stage: &Stage,
    errand: &Errand<'_>,
    program: &std::path::Path,
    over: &CancellationToken,
    mut quiet: watch::Receiver<bool>,
) -> Result<(), String> {
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let kept = Arc::clone(&told);
    let mut spec = Spec::new("users", program, std::path::Path::new("/"));
    spec.stdin = true;
    spec.stdout = Stdout::Lines(Some(Arc::new(move |line: &str| {
        if let Ok(said) = serde_json::from_str(line) {
            // The first and the last: memory at both ends.
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(1);
            kept.push(said);
        }
    })));
    let process = Process::spawn(spec).map_err(|error| error.to_string())?;
    let mut orders = process.take_stdin().ok_or("its input is taken")?;
    let mut ended = process.until_ended();
    let mut fresh = tokio::time::interval(FRESH_EVERY);
    loop {
        let order = tokio::select! {
            () = over.cancelled() => break,
            _ = ended.wait_for(Option::is_some) => {
                return Err(format!("they ended early; last lines:\n{}", process.tail()));
            }
            _ = fresh.tick() => config(stage, errand),
            changed = quiet.changed() => match changed {
                Ok(()) => json!({"quiet": *quiet.borrow_and_update()}),
                Err(_stream_over) => break,
            },
        };
        let line = format!("{order}\n");
        let sent = orders.write_all(line.as_bytes()).await;
        sent.map_err(|error| format!("they take no orders: {error}"))?;
    }
    drop(orders);
    let done = tokio::time::timeout(LIMIT, process.wait()).await;
    done.map_err(|_elapsed| format!("they did not end within {LIMIT:?}"))?;
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    figures(stage, &told);
    Ok(())
}

/// Who the users are, with tokens as of now, and where the server is.
fn config(stage: &Stage, errand: &Errand<'_>) -> Value {
    let count = usize::try_from(errand.plan.users).unwrap_or(usize::MAX);
    let users = (0..count).map(|index| {
        let person = Person {
            role: "goose",
            number: FIRST + index,
        };
        let identity = stage.ground.identity(person);
        json!({"name": identity.name, "number": person.number, "bearer": identity.bearer})
    });
    json!({
        "address": stage.ground.public().to_string(),
        "seconds": errand.plan.seconds,
        "users": users.collect::<Vec<_>>(),
    })
}

fn figures(stage: &Stage, told: &[Told]) {
    let (Some(first), Some(last)) = (told.first(), told.last()) else {
        return;
    };
    stage.figure("calls of the goose users", last.calls as f64, "count");
    stage.figure(
        "calls of the goose users without a right result",
        last.wrong as f64,
        "count",
    );
    for (when, told) in [("at the begin", first), ("at the end", last)] {
        let name = format!("resident memory of the goose users, {when} of the soak");
        stage.figure(name, told.resident_bytes as f64 / units::MIB, "MiB");
    }
}
