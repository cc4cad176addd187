//! `verify clients`: what MCP clients would not bear of a running server, any server.
//!
//! A command of its own, not a part of V.1: it needs no rig, no simulators and no evidence, and
//! judges servers that nobody here wrote.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::Stdio as Pipes;
use std::time::Duration;

use exai_harness::client::{Client, Http, HttpTarget, Identity, Revision, Stdio};
use exai_harness::clock::RunClock;
use exai_harness::compatibility::{Lists, Violation, rows, violations};
use exai_judge::verdict::Exit;
use serde_json::json;
use tokio::process::Command;

use super::arguments::{ClientsArguments, Speaks};
use super::{Ending, print};

/// How long one request may take.
const WAIT: Duration = Duration::from_secs(20);

/// How long a server has to answer the newer revision's first request before the older is tried.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// How many of a server's last words on standard error a failure to read it repeats, in lines.
const LAST_LINES: usize = 5;

/// Reads a server's lists and prints what each client would do about them.
///
/// # Errors
/// [`Ending::Usage`] when no server is named, [`Ending::Harness`] when it cannot be read.
pub fn clients(arguments: &ClientsArguments) -> Result<Exit, Ending> {
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|error| Ending::Bug(error.to_string()))?;
    let lists = runtime.block_on(read(arguments))?;
    let rows = rows().map_err(|error| Ending::Bug(error.to_string()))?;
    let found = violations(&lists, &rows);
    let counts = [
        lists.tools.len(),
        lists.prompts.len(),
        lists.resources.len(),
        lists.templates.len(),
    ];
    if counts.iter().sum::<usize>() == 0 {
        eprintln!("verify: this server lists nothing; there is nothing to judge");
        return Ok(Exit::NothingRan);
    }
    if arguments.json {
        let unstated: Vec<&str> = rows
            .iter()
            .filter(|row| row.stated().is_empty())
            .map(|row| row.title.as_str())
            .collect();
        let [tools, prompts, resources, templates] = counts;
        print(
            &json!({
                "schema": "exai-verify-clients/1",
                "server": lists.server,
                "judged": {"tools": tools, "prompts": prompts, "resources": resources,
                    "resource_templates": templates, "results": lists.results.len()},
                "clients": rows.iter().map(|row| &row.title).collect::<Vec<_>>(),
                "no_limit_known": unstated,
                "violations": found,
            })
            .to_string(),
        );
    } else {
        told(&lists, &found, rows.len());
    }
    Ok(if found.is_empty() {
        Exit::Pass
    } else {
        Exit::Fail
    })
}

fn told(lists: &Lists, found: &[Violation], clients: usize) {
    for Violation {
        client,
        item,
        what,
        does,
    } in found
    {
        print(&format!("{client}: {item}: {what}; it {does}"));
    }
    let called: Vec<&str> = lists
        .results
        .iter()
        .map(|(tool, _)| tool.as_str())
        .collect();
    let called = if called.is_empty() {
        "none".to_owned()
    } else {
        called.join(", ")
    };
    print(&format!(
        "{} violations: {} tools, {} prompts, {} resources, {} templates of {} against {clients} \
         clients; results of {called}",
        found.len(),
        lists.tools.len(),
        lists.prompts.len(),
        lists.resources.len(),
        lists.templates.len(),
        if lists.server.is_empty() {
            "this server"
        } else {
            &lists.server
        },
    ));
}

async fn read(arguments: &ClientsArguments) -> Result<Lists, Ending> {
    let revisions = match arguments.revision {
        Speaks::Auto => &[Revision::V2026, Revision::V2025][..],
        Speaks::V2026 => &[Revision::V2026],
        Speaks::V2025 => &[Revision::V2025],
    };
    let mut why = String::new();
    let said = tempfile::tempfile().map_err(|error| Ending::Bug(error.to_string()))?;
    for revision in revisions {
        let client = reach(arguments, *revision, &said).await?;
        let begun = match client.greet(WAIT).await {
            Ok(()) => client.facts(FIRST_WAIT).await.map(drop),
            Err(error) => Err(error),
        };
        // A server of 2025-11-25 may refuse a second handshake; its lists say whether it is there.
        let is_last = *revision == Revision::V2025;
        match begun {
            Err(error) if !is_last => why = error.to_string(),
            _ => match Lists::of(&client, WAIT).await {
                Ok(lists) => return Ok(lists),
                Err(error) => why = error.to_string(),
            },
        }
    }
    Err(Ending::Harness(why + &last_words(said)))
}

/// What a server said on standard error before it went, on lines of their own.
fn last_words(mut said: File) -> String {
    let mut text = Vec::new();
    // Without its words the failure is still told.
    let _ = said.rewind().and_then(|()| said.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.split_at(lines.len().saturating_sub(LAST_LINES)).1;
    last.iter().map(|line| format!("\n  {line}")).collect()
}

async fn reach(
    arguments: &ClientsArguments,
    revision: Revision,
    said: &File,
) -> Result<Client, Ending> {
    let now = RunClock::start().as_now();
    let mut identity = Identity::numbered("clients", 0);
    if let Some(name) = &arguments.bearer_env {
        let token = std::env::var(name);
        let why = |_| Ending::Usage(format!("--bearer-env {name}: this variable is not set"));
        identity = identity.with_bearer(token.map_err(why)?);
    }
    if let Some(url) = &arguments.url {
        let target = target(url, revision).await?;
        return Ok(Client::Http(Http::new(target, identity, now)));
    }
    let Some((program, words)) = arguments.command.split_first() else {
        let says = "name a server: --url http://127.0.0.1:8079/mcp, or -- PROGRAM WORD…";
        return Err(Ending::Usage(says.to_owned()));
    };
    let log = said
        .try_clone()
        .map_err(|error| Ending::Bug(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(words).kill_on_drop(true);
    command
        .stdin(Pipes::piped())
        .stdout(Pipes::piped())
        .stderr(log);
    let started = command.spawn();
    let mut child =
        started.map_err(|error| Ending::Usage(format!("could not start {program}: {error}")))?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (input, output) = pipes.ok_or_else(|| Ending::Bug("a child without pipes".to_owned()))?;
    // Ends with its pipes; a server that does not is killed with this process's runtime.
    tokio::spawn(async move { child.wait().await });
    Ok(Client::Stdio(Stdio::over(
        input, output, revision, identity, now,
    )))
}

/// Where `http://host:port/path` is.
///
/// # Errors
/// [`Ending::Usage`] for an address that nobody can dial, with what to write.
pub async fn target(url: &str, revision: Revision) -> Result<HttpTarget, Ending> {
    let wrong = |why: &str| Ending::Usage(format!("--url {url}: {why}"));
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| wrong("write http://HOST:PORT/PATH; TLS is not spoken here"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let dialled = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let found = tokio::net::lookup_host(&dialled).await;
    let mut found = found.map_err(|error| wrong(&error.to_string()))?;
    Ok(HttpTarget {
        address: found
            .next()
            .ok_or_else(|| wrong("this name has no address"))?,
        host: host.to_owned(),
        path: format!("/{path}"),
        revision,
        connections: 1,
        redial: true,
    })
}
