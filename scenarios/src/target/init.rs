//! `verify target init`: a commented `target.toml` from the server's own lists.

use exai_harness::clock::RunClock;
use exai_harness::history::Recorder;
use exai_harness::target::example;
use exai_judge::verdict::Exit;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::file::{Server, TargetFile};
use super::reach::Reach;
use super::stand::Stand;
use super::wire;
use crate::cli::arguments::target::TargetInitArguments;
use crate::cli::{Ending, print};

const HEAD: &str = "\
# The server that `verify target run` judges. Written from its own lists by `verify target init`;
# edit it, and keep it beside the sources.
";
const LOAD: &str = "
# The load smoke, open-loop: requests a second and seconds. Pings and the tools that answer soon.
[load]
rate = 20
seconds = 10
";
const TOOLS: &str = "
# Each tool with arguments it accepts. With call = true it is called with these, with wrong types,
# with arguments left out and at their edges: only where that can do no harm. What is not called is
# listed as not tested.
";

/// Asks the server for its lists and writes the file.
///
/// # Errors
/// [`Ending::Usage`] when no server is named or the file is there; [`Ending::Harness`] when the
/// server cannot be read.
pub async fn init(arguments: &TargetInitArguments) -> Result<Exit, Ending> {
    let out = &arguments.out;
    if out.exists() && !arguments.force {
        let says = format!("{}: is there already; --force replaces it", out.display());
        return Err(Ending::Usage(says));
    }
    let file = TargetFile {
        server: Server {
            stdio: (!arguments.stdio.is_empty()).then(|| arguments.stdio.clone()),
            url: arguments.url.clone(),
            bearer_env: arguments.bearer_env.clone(),
            wait_s: 20,
            ..Server::default()
        },
        load: super::file::LoadRow::default(),
        tools: Vec::new(),
    };
    if file.server.stdio.is_none() && file.server.url.is_none() {
        let says = "name a server: --stdio PROGRAM WORD…, or --url http://127.0.0.1:3001/mcp";
        return Err(Ending::Usage(says.to_owned()));
    }
    let reach = Reach::of(&file, out.parent()).await?;
    let shown = ask(&reach, &file).await.map_err(Ending::Harness)?;
    let text = written(&file.server, &shown);
    std::fs::write(out, &text)
        .map_err(|error| Ending::Usage(format!("{}: {error}", out.display())))?;
    let called = text
        .lines()
        .filter(|line| line.starts_with("call = true"))
        .count();
    let name = shown.name.trim();
    if arguments.json {
        let value = json!({"schema": "exai-verify-target-init/1", "file": out, "server": name,
            "tools": shown.lists.tools.len(), "called": called});
        print(&value.to_string());
        return Ok(Exit::Pass);
    }
    print(&format!(
        "{}: {} tools of {}, {called} of them to be called; next: verify target run {}",
        out.display(),
        shown.lists.tools.len(),
        name,
        out.display()
    ));
    Ok(Exit::Pass)
}

async fn ask(reach: &Reach, file: &TargetFile) -> Result<wire::Shown, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let recorder = Recorder::open(folder.path(), RunClock::start().as_now());
    let recorder = recorder.map_err(|error| error.to_string())?;
    let stop = CancellationToken::new();
    let until = tokio::time::Instant::now() + super::BUDGET;
    let mut stand = Stand::open(reach, file, &recorder, (until, &stop));
    let shown = wire::greet(&mut stand).await;
    let log = stand.log.text();
    drop(stand);
    // Nobody reads this history.
    let _written = recorder.close().await;
    let last: Vec<&str> = log.lines().rev().take(5).collect();
    let last: String = last
        .iter()
        .rev()
        .map(|line| format!("\n  {line}"))
        .collect();
    match shown {
        Ok(Some(shown)) => Ok(shown),
        Ok(None) => Err(format!("the server did not answer the handshake{last}")),
        Err(why) => Err(format!("{why}{last}")),
    }
}

/// The file.
fn written(server: &Server, shown: &wire::Shown) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("[server]\n");
    if let Some(words) = &server.stdio {
        text.push_str(&format!(
            "stdio = {}\n",
            toml_of(&Value::from(words.clone()))
        ));
        text.push_str(
            "# Variables of this environment that it gets, and that must never come back.\n",
        );
        text.push_str("# secrets = [\"MY_API_KEY\"]\n");
        text.push_str("# Variables that are no secrets.\n# env = { LOG_LEVEL = \"warn\" }\n");
    }
    if let Some(url) = &server.url {
        text.push_str(&format!("url = {}\n", toml_of(&Value::from(url.clone()))));
        match &server.bearer_env {
            Some(name) => {
                text.push_str(&format!("bearer_env = {}\n", toml_of(&name.clone().into())))
            }
            None => {
                text.push_str("# The variable with its bearer token.\n# bearer_env = \"TOKEN\"\n")
            }
        }
    }
    text.push_str("# Seconds one request may take.\nwait_s = 5\n");
    text.push_str(LOAD);
    text.push_str(TOOLS);
    for tool in &shown.lists.tools {
        text.push_str(&tool_row(tool));
    }
    text
}

fn tool_row(tool: &Value) -> String {
    let hints = &tool["annotations"];
    let is_closed = hints["openWorldHint"] == false;
    let (call, why) = match () {
        () if hints["readOnlyHint"] == true && is_closed => {
            (true, "by its own hints it reads only, and nothing outside")
        }
        () if hints["readOnlyHint"] == true => (true, "by its own hint it reads only"),
        () if hints["destructiveHint"] == false && is_closed => (
            true,
            "by its own hints it destroys nothing, and reaches nothing outside",
        ),
        () => (false, "no hint says that a call does no harm"),
    };
    let name = tool["name"].as_str().unwrap_or_default();
    let arguments = example::arguments(&tool["inputSchema"]);
    format!(
        "[[tool]]\nname = {}\ncall = {call} # {why}\narguments = {}\n\n",
        toml_of(&name.into()),
        toml_of(&arguments)
    )
}

/// A value on one line. TOML has no null, so members without a value are left out.
fn toml_of(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let rows = fields.iter().filter(|(_, value)| !value.is_null());
            let rows: Vec<String> = rows
                .map(|(key, value)| {
                    format!("{} = {}", toml_of(&key.clone().into()), toml_of(value))
                })
                .collect();
            if rows.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", rows.join(", "))
            }
        }
        // A JSON text is a TOML text but for the escape of DEL, which TOML wants and JSON has not.
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_calls_only_what_a_hint_allows() {
        let tool = |name: &str, hints: Value| {
            let schema = json!({"type": "object", "required": ["q"], "properties":
                {"q": {"type": "string"}, "n": {"type": "integer"}}});
            json!({"name": name, "annotations": hints, "inputSchema": schema})
        };
        let mut shown = wire::Shown {
            name: "a 1".to_owned(),
            version: "1".to_owned(),
            capabilities: json!({}),
            lists: exai_harness::compatibility::Lists::default(),
        };
        shown.lists.tools = vec![
            tool(
                "reads",
                json!({"readOnlyHint": true, "openWorldHint": false}),
            ),
            tool("\"odd\" name", json!({})),
            tool(
                "tame",
                json!({"destructiveHint": false, "openWorldHint": false}),
            ),
        ];
        let server = Server {
            stdio: Some(vec!["node".to_owned(), "a \"b\".js".to_owned()]),
            ..Server::default()
        };
        let text = written(&server, &shown);
        let file: TargetFile = toml::from_str(&text).unwrap();
        let calls: Vec<bool> = file.tools.iter().map(|tool| tool.call).collect();
        assert_eq!(calls, [true, false, true]);
        assert_eq!(file.tools[1].name, "\"odd\" name");
        assert_eq!(file.tools[0].arguments, json!({"q": "verify"}));
        assert_eq!(file.server.stdio, server.stdio);
    }
}
