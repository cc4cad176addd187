//! The program on pipes, line by line, for lines that no client would write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use exai_harness::client::request::initialize;
use exai_harness::client::software::Software;
use exai_harness::client::{Request, Revision};
use exai_harness::process::Process;
use exai_harness::server::Settings;
use exai_harness::server::beside::Other;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::stage::{Stage, Trouble};

/// An answer takes this long at most.
const ANSWER: Duration = Duration::from_secs(15);

/// A process on pipes; dropping it kills the process.
pub struct Pipe {
    process: Process,
    work: PathBuf,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Pipe {
    /// Starts `exai VERB` with these settings and variables.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        stage: &Stage,
        verb: &str,
        (name, settings, variables): (&str, &Settings, &[(&str, &str)]),
    ) -> Result<Self, Trouble> {
        let other = Other {
            name,
            settings,
            variables,
        };
        let (process, work) = stage.ground.piped(other, verb)?;
        let pipes = process.take_stdin().zip(process.take_stdout());
        let (input, output) = pipes.ok_or_else(|| Trouble::Rig(format!("{name} has no pipes")))?;
        Ok(Self {
            process,
            work,
            input,
            output: BufReader::new(output),
        })
    }

    /// Greets as a client of 2025-11-25 does; whether it was answered.
    pub async fn greet(&mut self) -> bool {
        let said = self.greet_as(Revision::V2025.name()).await;
        said["result"].is_object()
    }

    /// Greets as a client of this version does; the answer.
    pub async fn greet_as(&mut self, version: &str) -> Value {
        let software = Software::numbered(1);
        let mut first = initialize(software).message(Some(0), Revision::V2025, software);
        first["params"]["protocolVersion"] = version.into();
        self.say(&first).await;
        let answer = self.hear_id(&json!(0)).await;
        let done = Request::new("notifications/initialized", Value::Null);
        self.say(&done.message(None, Revision::V2025, software))
            .await;
        answer
    }

    /// Its working directory.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Its last log lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// The most memory that its process ever held, KiB; None when it has ended.
    #[must_use]
    pub fn peak_kib(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.process.pair().pid);
        let status = std::fs::read_to_string(path).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// Writes bytes; one that has gone shows in what is heard.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(ANSWER, self.input.write_all(bytes)).await;
    }

    /// Writes a message in one line.
    pub async fn say(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    /// Calls a tool under an id.
    pub async fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        let request = Request::tool(tool, &arguments);
        let message = request.message(Some(id), Revision::V2025, Software::numbered(1));
        self.say(&message).await;
    }

    /// Calls a tool and waits for its answer.
    pub async fn ask(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.call(id, tool, arguments).await;
        self.hear_id(&json!(id)).await
    }

    /// The next message that answers something; null when none comes.
    pub async fn hear(&mut self) -> Value {
        loop {
            let mut line = String::new();
            match timeout(ANSWER, self.output.read_line(&mut line)).await {
                Ok(Ok(length)) if length > 0 => {}
                _ => return Value::Null,
            }
            let said: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
            if said.get("method").is_none() {
                return said;
            }
        }
    }

    async fn hear_id(&mut self, id: &Value) -> Value {
        loop {
            let said = self.hear().await;
            if said.is_null() || said["id"] == *id {
                return said;
            }
        }
    }
}

/// `accepted`, or the code of a tool's failure or of a refusal.
#[must_use]
pub fn word(said: &Value) -> String {
    if said.is_null() {
        return "no answer".to_owned();
    }
    let tool = said["result"]["structuredContent"]["error"]["code"].as_str();
    let wire = said["error"]["data"]["code"].as_str();
    let number = said["error"]["code"].as_i64().map(|code| code.to_string());
    let code = tool.or(wire).map(str::to_owned);
    code.or(number).unwrap_or_else(|| "accepted".to_owned())
}
