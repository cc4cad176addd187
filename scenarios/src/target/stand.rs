//! The judge's place before a foreign server: one question at a time, everything that comes back
//! looked through, and a fresh process wherever the last one died.

use std::time::Duration;

use exai_harness::client::Software;
use exai_harness::history::Recorder;
use exai_harness::report::secrets::Secrets;
use exai_harness::target::pipe::Log;
use exai_harness::target::{Door, End, Heard};
use exai_judge::Event;
use exai_judge::observation::Case;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::TargetFile;
use super::reach::Reach;
use crate::stage::Trouble;

/// What only a stack trace says.
const TRACES: [&str; 5] = [
    "Traceback (most recent call last)",
    "\\n    at ",
    "panicked at ",
    "goroutine 1 [",
    "stack backtrace:",
];
/// How long what has no answer is listened to; what comes later comes with the next answer.
const QUIET: Duration = Duration::from_millis(50);
/// Pings without an answer after which a server is taken for dead: slow is not dead.
const PATIENCE: usize = 3;
/// How often a server is started again before the judge gives up.
const LIVES: u32 = 40;
/// Lines that are no message, told one by one up to this many.
const NOISE_TOLD: usize = 5;

/// The place.
pub struct Stand<'a> {
    /// The server.
    pub reach: &'a Reach,
    /// What may be done to it.
    pub file: &'a TargetFile,
    /// What it said on standard error.
    pub log: Log,
    /// Where everything seen is said.
    pub recorder: &'a Recorder,
    door: Option<Door>,
    until: Instant,
    stop: &'a CancellationToken,
    secrets: Secrets,
    number: u64,
    lives: u32,
    noise: usize,
    /// Whether the server said that its list of tools changes.
    pub told_of_change: bool,
}

impl<'a> Stand<'a> {
    /// A place before a server that is not started yet.
    #[must_use]
    pub fn open(
        reach: &'a Reach,
        file: &'a TargetFile,
        recorder: &'a Recorder,
        (until, stop): (Instant, &'a CancellationToken),
    ) -> Self {
        Self {
            reach,
            file,
            log: Log::default(),
            recorder,
            door: None,
            until,
            stop,
            secrets: Secrets::none(),
            number: 0,
            lives: 0,
            noise: 0,
            told_of_change: false,
        }
    }

    /// The same place, where these must not come back.
    #[must_use]
    pub fn guarding(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// How long one request may take.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        Duration::from_secs(self.file.server.wait_s)
    }

    /// The wire, as reports name it.
    #[must_use]
    pub const fn edge(&self) -> &'static str {
        self.reach.wire()
    }

    /// Whether the time is over, or somebody pressed Ctrl-C.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.until
    }

    /// The way to the server, where one is open.
    #[must_use]
    pub const fn door(&self) -> Option<&Door> {
        self.door.as_ref()
    }

    /// Starts the server and greets it; what it answered to the handshake.
    ///
    /// # Errors
    /// When it does not start, or died too often.
    pub async fn enter(&mut self) -> Result<Heard, Trouble> {
        self.lives += 1;
        if self.lives > LIVES {
            let says = format!("the server died {LIVES} times; the rest was not tried");
            return Err(Trouble::Server(says));
        }
        // The first way is closed before the second opens: a server may hold a lock.
        self.door = None;
        let mut door = self.reach.open(&self.log)?;
        // A program that is only starting may take its time.
        let wait = self.wait().max(Duration::from_secs(20));
        let heard = door.greet(Software::numbered(0), wait).await;
        self.door = Some(door);
        self.look_through(&heard, "initialize");
        Ok(heard)
    }

    /// Leaves the server: how long it took to end after its input did; None when it did not.
    pub async fn leave(&mut self, limit: Duration) -> Option<Duration> {
        match self.door.take() {
            Some(Door::Pipe(pipe)) => pipe.leave(limit).await,
            _ => Some(Duration::ZERO),
        }
    }

    /// An id of its own for the next request.
    pub fn id(&mut self) -> Value {
        self.number += 1;
        json!(self.number)
    }

    /// Asks a method under an id of its own.
    ///
    /// # Errors
    /// As [`Stand::enter`].
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Heard, Trouble> {
        let id = self.id();
        self.ask_as(&id, method, params).await
    }

    /// Asks a method under this id.
    ///
    /// # Errors
    /// As [`Stand::enter`].
    pub async fn ask_as(
        &mut self,
        id: &Value,
        method: &str,
        params: Value,
    ) -> Result<Heard, Trouble> {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let text = message.to_string();
        let about = match params["name"].as_str() {
            Some(name) => format!("{method} {name}"),
            None => method.to_owned(),
        };
        self.send(text.as_bytes(), Some(id), &about).await
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// As [`Stand::enter`].
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Heard, Trouble> {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Sends bytes as they are and looks through all that comes back.
    ///
    /// # Errors
    /// As [`Stand::enter`].
    pub async fn send(
        &mut self,
        bytes: &[u8],
        id: Option<&Value>,
        about: &str,
    ) -> Result<Heard, Trouble> {
        if self.door.is_none() {
            self.enter().await?;
        }
        let wait = if id.is_some() { self.wait() } else { QUIET };
        let Some(door) = &self.door else {
            let says = "the server could not be reached".to_owned();
            return Err(Trouble::Server(says));
        };
        let heard = door.send(bytes, id, wait).await;
        self.look_through(&heard, about);
        if matches!(heard.end, Some(End::Closed | End::Absent)) && self.edge() == "stdio" {
            self.door = None;
        }
        Ok(heard)
    }

    /// Whether the server answers a plain request: `answered`, or what came instead. One that did
    /// not is started anew for what follows.
    ///
    /// # Errors
    /// As [`Stand::enter`].
    pub async fn probe(&mut self) -> Result<String, Trouble> {
        let had_died = self.door.is_none();
        if had_died {
            self.enter().await?;
            return Ok("closed".to_owned());
        }
        let mut word = String::new();
        for _ in 0..PATIENCE {
            let heard = self.ask("ping", json!({})).await?;
            if heard.reply().is_some() {
                return Ok("answered".to_owned());
            }
            word = heard.word();
            if word != "silence" {
                break;
            }
        }
        self.enter().await?;
        Ok(word)
    }

    fn look_through(&mut self, heard: &Heard, about: &str) {
        let text = heard.text();
        self.told_of_change |= heard
            .messages
            .iter()
            .any(|message| message["method"] == "notifications/tools/list_changed");
        if self.edge() == "stdio" {
            for line in &heard.noise {
                self.noise += 1;
                if self.noise <= NOISE_TOLD {
                    let seen = format!("{line:?}");
                    self.case("wire.pure.standard output", "messages only", &seen);
                }
            }
            if heard.noise.is_empty() && !heard.messages.is_empty() {
                self.case(
                    "wire.pure.standard output",
                    "messages only",
                    "messages only",
                );
            }
        }
        if heard.messages.is_empty() {
            return;
        }
        let secret = self.secrets.scan("reply", &text).err();
        let seen = secret.map_or("none", |_| "a planted secret");
        self.case(
            &format!("security.secret.the reply to {about}"),
            "none",
            seen,
        );
        if matches!(heard.word().as_str(), "result" | "silence") {
            return;
        }
        let trace = TRACES.iter().find(|words| text.contains(**words));
        let seen = trace.map_or_else(|| "none".to_owned(), |words| format!("{words:?}"));
        self.case(
            &format!("security.trace.the reply to {about}"),
            "none",
            &seen,
        );
    }

    /// Looks through what the server wrote to standard error.
    pub fn look_through_log(&self) {
        let secret = self.secrets.scan("standard error", &self.log.text()).err();
        let seen = secret.map_or("none", |_| "a planted secret");
        self.case("security.secret.standard error", "none", seen);
    }

    /// Records one trial: `expected` may hold alternatives with `|` between them.
    /// A secret that came back is not written down once more.
    pub fn case(&self, id: &str, expected: &str, seen: &str) {
        let is_secret = self.secrets.scan("case", seen).is_err();
        let seen = if is_secret { "a planted secret" } else { seen };
        self.recorder.record(Event::Case(Case {
            id: id.to_owned(),
            edge: self.edge().to_owned(),
            good: false,
            expected: expected.to_owned(),
            seen: seen.chars().take(200).collect(),
            audited: false,
            correlation_id: None,
            code: None,
            claimed: None,
        }));
    }

    /// Records a check that has no subject here.
    pub fn absent(&self, criterion: &str, check: &str, why: &str) {
        self.recorder.record(Event::NotApplicable {
            criterion: criterion.to_owned(),
            check: check.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Records what was left out.
    pub fn not_tested(&self, criterion: &str, what: String) {
        let criterion = criterion.to_owned();
        self.recorder.record(Event::NotTested { criterion, what });
    }
}

/// What a refusal may look like: any JSON-RPC error, a tool's own failure, a refusing status.
#[must_use]
pub fn refusal(heard: &Heard) -> String {
    let word = heard.word();
    let is_code = word.parse::<i64>().is_ok_and(|code| code != 0);
    if is_code || word == "isError" {
        "refused".to_owned()
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use exai_harness::clock::RunClock;
    use exai_harness::target::PipeTarget;

    use super::*;

    async fn trouble(program: &str) -> Trouble {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(folder.path(), RunClock::start().as_now()).unwrap();
        let file = format!("[server]\nstdio = [{program:?}]");
        let file: TargetFile = toml::from_str(&file).unwrap();
        let reach = Reach::Pipe(PipeTarget {
            command: vec![program.to_owned()],
            env: std::collections::BTreeMap::new(),
            cwd: folder.path().to_path_buf(),
        });
        let stop = CancellationToken::new();
        let until = Instant::now() + Duration::from_secs(60);
        let mut stand = Stand::open(&reach, &file, &recorder, (until, &stop));
        loop {
            if let Err(trouble) = stand.enter().await {
                return trouble;
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_dies_too_often_or_is_no_program_is_no_trouble_of_ours() {
        for (program, says) in [("/bin/false", "died 40 times"), ("/etc/passwd", "passwd")] {
            let trouble = trouble(program).await;
            assert!(matches!(trouble, Trouble::Server(_)), "{trouble:?}");
            assert!(trouble.to_string().contains(says), "{trouble}");
        }
    }
}
