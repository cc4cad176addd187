//! The server on pipes: a process of its own for each client, on the same configuration and store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Server, ServerError, log, reported};
use crate::client::Client;
use crate::identity::Expected;
use crate::process::{Pair, Process, Stdout};
use crate::supervisor::SupervisorError;

/// How long a server on pipes may take to say who it is.
const SAY: Duration = Duration::from_secs(2);

impl Server {
    /// Starts `exai stdio` on pipes under `wrapper`, if there is one: an executable and its
    /// arguments, to which the server's command line is appended.
    ///
    /// # Errors
    /// When it does not start.
    pub fn on_pipes(&self, wrapper: Option<&[String]>) -> Result<Process, ServerError> {
        let number = self.pipes.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("stdio-{number}");
        let mut spec = self.files.spec(&name, "stdio", &self.files.config);
        if let Some([program, rest @ ..]) = wrapper {
            let inner = std::mem::replace(&mut spec.program, PathBuf::from(program));
            let own = std::mem::take(&mut spec.args);
            spec.args = rest.iter().map(Into::into).collect();
            spec.args.push(inner.into());
            spec.args.extend(own);
        }
        spec.stdin = true;
        spec.stdout = Stdout::Piped;
        let recorder = self.recorder.clone();
        spec.on_stderr = Some(Arc::new(move |line: &str| log::heed(line, &recorder)));
        Ok(self.files.beside(spec)?)
    }

    /// Who answers a client on pipes, by the kernel and by its own word; recorded. With
    /// `is_wrapped` the process on the pipes is a wrapper and its child the server. Nothing for a
    /// client on another wire.
    ///
    /// # Errors
    /// When nothing runs there.
    pub async fn identify_on_pipes(
        &self,
        client: &Client,
        is_wrapped: bool,
    ) -> Result<(), ServerError> {
        let Client::Stdio(pipes) = client else {
            return Ok(());
        };
        let outer = pipes.pair();
        let pair = if is_wrapped {
            outer.and_then(child_of)
        } else {
            outer
        };
        let gone = || SupervisorError::NotRunning("the server on pipes".to_owned());
        let pair = pair.ok_or_else(gone)?;
        let at = self.recorder.now();
        let arguments = json!({"name": "version", "arguments": {}});
        let said = client.request("tools/call", arguments, SAY).await;
        let said = said.result().map(|result| &result["structuredContent"]);
        let expected = Expected {
            ports: Vec::new(),
            ..self.expected.clone()
        };
        let reported = reported(said.unwrap_or(&Value::Null));
        let seen = self.look("pipe", pair, expected, reported).await?;
        // It has a process of its own, which is none of several instances behind a proxy.
        self.note(at, seen, None);
        Ok(())
    }
}

/// The process that `parent` started, where it started one.
fn child_of(parent: Pair) -> Option<Pair> {
    let parent = i32::try_from(parent.pid).ok()?;
    let all = procfs::process::all_processes().ok()?;
    let mut stats = all.flatten().filter_map(|process| process.stat().ok());
    let child = stats.find(|stat| stat.ppid == parent)?;
    Some(Pair {
        pid: u32::try_from(child.pid).ok()?,
        start_ticks: child.starttime,
    })
}
