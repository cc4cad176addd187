//! The program on pipes: lines without end, ids used twice, paths and names that would be commands,
//! and a bridge before a stranger.

use std::path::Path;
use std::time::Duration;

use exai_harness::process::Nobody;
use exai_harness::server::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::asker::{Asker, either, pair, prompt, tell, tool_message};
use super::super::pipe::{Pipe, word};
use super::super::stand_in::{Says, StandIn, VARIABLE};
use super::{KEY, asking, downgrades, unhurried};
use crate::stage::{Person, Stage, Trouble};
use exai_harness::raw::socket::Heard;

const STDIO: &str = "stdio";
const WEBSOCKET: &str = "websocket";
const BRIDGE: &str = "bridge";
/// The longest line, and one byte more (B3).
const LINE: usize = 16 * 1024 * 1024 + 1;
/// Memory at its highest, for a line that is refused.
const PEAK_KIB: u64 = 128 * 1024;
/// How long a stranger waits for a token.
const STRANGER: Duration = Duration::from_secs(8);
/// A process that must end does so within this.
const END: Duration = Duration::from_secs(10);

/// Tries B3, B9, B15, B16 and X10.
///
/// # Errors
/// When the rig cannot start a process.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    tokio::try_join!(lines(stage), ids(stage), paths(stage), strangers(stage))?;
    Ok(())
}

fn plain(stage: &Stage, name: &str) -> Result<Pipe, Trouble> {
    Pipe::start(stage, "stdio", (name, &Settings::default(), &[]))
}

/// B3: a line over the limit, and then an ordinary one.
async fn lines(stage: &Stage) -> Result<(), Trouble> {
    let mut pipe = plain(stage, "pipe-lines")?;
    downgrades::on_pipe(stage, &mut pipe).await;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..LINE.div_ceil(piece.len()) {
        pipe.write(&piece).await;
    }
    pipe.write(b"\n").await;
    let bad = word(&pipe.hear().await);
    let bad = match pipe.peak_kib() {
        Some(peak) if peak <= PEAK_KIB => bad,
        peak => format!("{bad}, {peak:?} KiB"),
    };
    let good = word(&pipe.ask(2, "version", json!({})).await);
    pair(
        stage,
        ("B3", STDIO),
        (&bad, &["line_too_long"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// B9: one id twice in flight, on pipes and on a WebSocket.
async fn ids(stage: &Stage) -> Result<(), Trouble> {
    let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
    let settings = provider.settings();
    let own = ("pipe-ids", &settings, &[(VARIABLE, KEY)][..]);
    let mut pipe = Pipe::start(stage, "stdio", own)?;
    pipe.greet().await;
    pipe.call(5, "chat", prompt("first")).await;
    until(|| provider.waiting() == 1).await;
    let second = word(&pipe.ask(5, "version", json!({})).await);
    provider.open();
    let first = word(&pipe.hear().await);
    pair(
        stage,
        ("B9", STDIO),
        (&second, &["id_in_use"]),
        (&first, &["accepted"]),
    );
    let provider = StandIn::start(Says::Text("an answer".to_owned()), false).await?;
    let beside = asking(stage, ("beside-ids", &provider), &unhurried()).await?;
    let asker = Asker::user(stage, 950).before(&beside);
    let mut socket = match asker.socket(END * 3).await {
        Ok(socket) => socket,
        Err(reply) => return Err(Trouble::Server(format!("no upgrade: {}", reply.word()))),
    };
    socket.say(&tool_message("chat", &prompt("first"))).await;
    until(|| provider.waiting() == 1).await;
    socket.say(&tool_message("version", &json!({}))).await;
    let second = said(socket.hear().await);
    provider.open();
    let first = loop {
        match socket.hear().await {
            Heard::Message(notice) if notice["id"].is_null() => {}
            other => break said(other),
        }
    };
    pair(
        stage,
        ("B9", WEBSOCKET),
        (&second, &["id_in_use"]),
        (&first, &["accepted"]),
    );
    Ok(())
}

fn said(heard: Heard) -> String {
    match heard {
        Heard::Message(said) => word(&said),
        other => format!("{other:?}"),
    }
}

async fn until(holds: impl Fn() -> bool) {
    let until = Instant::now() + END;
    while !holds() && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
    }
}

/// B15 and B16: what a call names is data, and stays inside the working directory.
async fn paths(stage: &Stage) -> Result<(), Trouble> {
    let mut pipe = plain(stage, "pipe-paths")?;
    let work = pipe.work().to_owned();
    pipe.greet().await;
    if let Err(error) = repository(&work).await {
        stage.not_tested("V.6", format!("B15: no repository: {error}"));
    } else {
        commands(stage, &mut pipe, &work).await;
    }
    destinations(stage, &mut pipe, &work).await;
    Ok(())
}

fn review(more: Value) -> Value {
    let mut step = json!({"step": "look", "step_number": 1, "total_steps": 2,
        "next_step_required": true, "findings": "none"});
    if let (Some(step), Some(more)) = (step.as_object_mut(), more.as_object()) {
        step.extend(more.clone());
    }
    step
}

async fn commands(stage: &Stage, pipe: &mut Pipe, work: &Path) {
    let mark = work.join("mark");
    let touch = format!("touch {}", mark.display());
    let names = [
        (
            "B15.option",
            "compare_to",
            format!("--output={}", mark.display()),
        ),
        ("B15.upload", "compare_to", format!("--upload-pack={touch}")),
        ("B15.shell", "compare_to", format!("$({touch})")),
        ("B15.ticks", "compare_to", format!("`{touch}`")),
        ("B15.semicolon", "compare_to", format!("HEAD; {touch}")),
        ("B15.newline", "compare_to", format!("HEAD\n{touch}")),
        ("B15.path option", "path", format!("--exec={touch}")),
        ("B15.path shell", "path", format!("$({touch})")),
        ("B15.path dash", "path", "-C".to_owned()),
    ];
    for (number, (id, argument, value)) in (10..).zip(names) {
        let bad = pipe
            .ask(number, "precommit", review(json!({argument: value})))
            .await;
        let is_data = word(&bad) != "accepted" && !bad.is_null() && !mark.exists();
        let seen = either(is_data, "treated as data", "followed");
        let good = pipe
            .ask(
                number + 100,
                "precommit",
                review(json!({"compare_to": "HEAD"})),
            )
            .await;
        pair(
            stage,
            (id, STDIO),
            (seen, &["treated as data"]),
            (&word(&good), &["accepted"]),
        );
    }
}

/// A repository with a change in it, made by the user that the process runs as.
async fn repository(work: &Path) -> std::io::Result<()> {
    let run = |words: Vec<String>| {
        let mut command = tokio::process::Command::new("git");
        command
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(words)
            .current_dir(work)
            .env("HOME", work)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        if let Some(user) = Nobody::when_root() {
            command.uid(user.uid).gid(user.gid);
        }
        async move {
            let status = command.status().await?;
            let failed = || std::io::Error::other(format!("git ended with {status}"));
            status.success().then_some(()).ok_or_else(failed)
        }
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    run(words("init -q")).await?;
    place(&work.join("a.txt"), "one\n")?;
    run(words("add a.txt")).await?;
    run(words("commit -q -m one")).await?;
    place(&work.join("a.txt"), "two\n")
}

/// Writes a file that the process may read and write.
pub(super) fn place(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    Nobody::when_root().map_or(Ok(()), |user| user.own(path))
}

/// B16: where a stored file may be written.
async fn destinations(stage: &Stage, pipe: &mut Pipe, work: &Path) {
    let text = "a stored file\n";
    let ask = json!({"file_path": {"name": "stored.txt", "content": text}, "question": "what?",
        "provider": "glm"});
    let stored = pipe.ask(300, "smart_file_query", ask).await;
    let id = stored["result"]["_meta"]["dev.exai/reply"]["file"]["uri"].clone();
    let outside = work
        .parent()
        .map(|folder| folder.join("pipe-paths-outside"));
    let outside = outside.unwrap_or_default();
    let written = place(&work.join("there.txt"), "mine\n")
        .and_then(|()| std::os::unix::fs::symlink(&outside, work.join("dangling")));
    if let Err(error) = written {
        stage.not_tested("V.6", format!("B16: {error}"));
        return;
    }
    let rows = [
        ("B16.outside", outside.display().to_string()),
        ("B16.parent", "../pipe-paths-outside".to_owned()),
        ("B16.system", "/etc/exai-battery".to_owned()),
        ("B16.link", "dangling".to_owned()),
        ("B16.existing", "there.txt".to_owned()),
        ("B16.nul", "a\0b".to_owned()),
        ("B16.absent", "no/such/folder/file".to_owned()),
    ];
    for (number, (id_of, to)) in (301..).zip(rows) {
        let to = json!({"file_id": id, "destination": to});
        let bad = pipe.ask(number, "smart_file_download", to).await;
        let is_whole = !outside.exists()
            && std::fs::read_to_string(work.join("there.txt")).is_ok_and(|text| text == "mine\n");
        let seen = either(is_whole, &word(&bad), "written").to_owned();
        let name = format!("good-{number}.txt");
        let good = json!({"file_id": id, "destination": name});
        let good = pipe.ask(number + 100, "smart_file_download", good).await;
        let is_there = std::fs::read_to_string(work.join(&name)).is_ok_and(|it| it == text);
        pair(
            stage,
            (id_of, STDIO),
            (
                &seen,
                &[
                    "destination_refused",
                    "destination_exists",
                    "validation_error",
                ],
            ),
            (either(is_there, &word(&good), "not written"), &["accepted"]),
        );
    }
}

/// Plays the daemon with a proof that is none, as often as the bridge comes back; all it was told.
async fn feign(listener: &TcpListener, proof: &str) -> String {
    let mut all = Vec::new();
    let until = Instant::now() + STRANGER;
    while let Ok(Ok((mut stream, _))) = timeout_at(until, listener.accept()).await {
        let mut buffer = vec![0; 16 * 1024];
        let got = timeout(Duration::from_secs(1), stream.read(&mut buffer)).await;
        if let Ok(Ok(got)) = got {
            all.extend_from_slice(&buffer[..got]);
        }
        let feigned = format!("HTTP/1.1 204 No Content\r\nexai-proof: {proof}\r\n\r\n");
        let _ = stream.write_all(feigned.as_bytes()).await;
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_millis(500), stream.read_to_end(&mut rest)).await;
        all.extend(rest);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// X10: whoever listens where the daemon should.
async fn strangers(stage: &Stage) -> Result<(), Trouble> {
    let token = stage.ground.authorization(Person::user(951));
    let token = token.trim_start_matches("Bearer ").to_owned();
    let file = stage.ground.file("bridge-token", &token)?;
    let failed = |error: std::io::Error| Trouble::Rig(format!("a stranger: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let stranger = listener.local_addr().map_err(failed)?;
    let key = "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184";
    let settings = |url: String| {
        Settings::default()
            .with("bridge.url", url)
            .with("bridge.token_file", file.clone())
            .with("bridge.reconnect", "2s")
    };
    let own = settings(format!("ws://{stranger}/ws"));
    let variables = [("EXAI_DAEMON_KEY", key)];
    let mut pipe = Pipe::start(stage, "bridge", ("bridge-stranger", &own, &variables))?;
    let (told, greeted) = tokio::join!(feign(&listener, key), pipe.greet());
    let word = match (told.contains(&token), told.is_empty(), greeted) {
        (true, ..) => "the token was sent",
        (_, true, _) => "the stranger was not met",
        (_, _, true) => "the stranger was believed",
        _ => "refused",
    };
    drop(pipe);
    let settings_of_daemon = Settings::default();
    let other = exai_harness::server::beside::Other {
        name: "beside-daemon",
        settings: &settings_of_daemon,
        variables: &variables,
    };
    let daemon = stage.ground.beside(other).await?;
    let own = settings(format!("ws://{}/ws", daemon.public()));
    let mut pipe = Pipe::start(stage, "bridge", ("bridge-daemon", &own, &variables))?;
    let greeted = pipe.greet().await;
    let good = self::word(&pipe.ask(2, "version", json!({})).await);
    tell(stage, ("X10", BRIDGE), (false, &["refused"]), word);
    tell(
        stage,
        ("X10", BRIDGE),
        (true, &["accepted"]),
        either(greeted, &good, "not greeted"),
    );
    Ok(())
}
