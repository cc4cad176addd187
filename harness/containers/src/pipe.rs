//! `containers pipe`: a program in a container that is up, on the pipes of this process. The first
//! line of standard error names the program's process; then its own lines follow. Ends as it ends.

use std::process::ExitCode;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use exai_harness::engine::wire::{Errand, PIPED};
use futures::StreamExt as _;
use tokio::io::{AsyncWriteExt as _, stderr, stdin, stdout};

use crate::engine::Engine;
use crate::trouble::Trouble;

/// The most that is read from the engine at once, bytes.
const CHUNK: usize = 64 * 1024;
/// Looks for the program's process id; an engine that has started it knows it at once.
const LOOKS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs the errand that `text` holds as JSON.
pub(crate) async fn run(text: &str) -> ExitCode {
    match carry_out(text).await {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            eprintln!("containers: {trouble}; {}", trouble.fix);
            ExitCode::from(3)
        }
    }
}

async fn carry_out(text: &str) -> Result<u8, Trouble> {
    let errand: Errand = serde_json::from_str(text).map_err(|error| {
        Trouble::new(
            format!("could not read an errand: {error}"),
            "hand it on as JSON: {\"container\": ID, \"command\": [WORD, …], …}",
        )
    })?;
    let docker = Engine::connect(std::env::var("DOCKER_HOST").ok())
        .await?
        .docker;
    let failed = |error: bollard::errors::Error| {
        Trouble::engine("run a program in", &errand.container, &error)
    };
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(errand.env.clone()),
        cmd: Some(errand.command.clone()),
        user: (!errand.user.is_empty()).then(|| errand.user.clone()),
        working_dir: (!errand.cwd.is_empty()).then(|| errand.cwd.clone()),
        ..ExecConfig::default()
    };
    let made = docker.create_exec(&errand.container, config).await;
    let id = made.map_err(failed)?.id;
    let options = StartExecOptions {
        output_capacity: Some(CHUNK),
        ..StartExecOptions::default()
    };
    let started = docker.start_exec(&id, Some(options)).await;
    let StartExecResults::Attached { mut output, input } = started.map_err(failed)? else {
        return Err(Trouble::new("the engine lent no pipes", "report this"));
    };
    tell_pid(&docker, &id).await?;
    let feeding = tokio::spawn(feed(input));
    while let Some(Ok(chunk)) = output.next().await {
        // Whoever reads may have gone; the program ends with its input then.
        let _unread = match chunk {
            LogOutput::StdErr { message } => pass(stderr(), &message).await,
            other => pass(stdout(), &other.into_bytes()).await,
        };
    }
    feeding.abort();
    let ended = docker.inspect_exec(&id).await.map_err(failed)?;
    Ok(u8::try_from(ended.exit_code.unwrap_or(0)).unwrap_or(u8::MAX))
}

async fn tell_pid(docker: &bollard::Docker, id: &str) -> Result<(), Trouble> {
    for _ in 0..LOOKS {
        let seen = docker.inspect_exec(id).await;
        let seen = seen.map_err(|error| Trouble::engine("look at", "a program", &error))?;
        if let Some(pid) = seen.pid.filter(|pid| *pid > 0) {
            eprintln!("{PIPED}{pid}");
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Trouble::new(
        "the engine names no process of a program that it runs",
        "look at the engine's own log",
    ))
}

async fn feed(mut input: impl tokio::io::AsyncWrite + Unpin) {
    // Whichever side ends first, the other learns it by the end of its stream.
    let _ended = tokio::io::copy(&mut stdin(), &mut input).await;
    let _ended = input.shutdown().await;
}

async fn pass(mut to: impl tokio::io::AsyncWrite + Unpin, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
