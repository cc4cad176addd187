//! The protocol itself: handshake, ids, errors, lists, results, and a clean standard output.

use std::time::Duration;

use exai_harness::client::Software;
use exai_harness::compatibility::{self, Lists};
use exai_harness::target::{ASKED, Heard, example, initialize};
use serde_json::{Value, json};

use super::stand::{Stand, refusal};
use crate::stage::Trouble;

/// A list with more pages than this does not end.
const PAGES: usize = 100;
/// A name no tool has.
const NOBODY: &str = "verify_no_such_tool";
/// How long a server may take to end after its input did.
const ENDING: Duration = Duration::from_secs(5);
const OF_TOOLS: [&str; 6] = [
    "unknown",
    "shape",
    "types",
    "missing",
    "result",
    "structured",
];

/// What a server shows of itself.
pub struct Shown {
    /// Its name and version, as it says.
    pub name: String,
    /// Its version alone; empty when it gives none.
    pub version: String,
    /// What it declares.
    pub capabilities: Value,
    /// Its lists.
    pub lists: Lists,
}

impl Shown {
    /// Whether it declares this capability.
    #[must_use]
    pub fn declares(&self, what: &str) -> bool {
        self.capabilities.get(what).is_some()
    }

    /// The tools that `target.toml` allows to be called, with the arguments it gives.
    pub fn callable<'a>(&'a self, stand: &'a Stand<'_>) -> Vec<(Value, Value)> {
        let tools = self.lists.tools.iter();
        tools
            .filter_map(|tool| {
                let row = stand.file.tool(tool["name"].as_str()?)?;
                row.call.then(|| (tool.clone(), row.arguments.clone()))
            })
            .collect()
    }
}

/// The handshake, and the lists after it; None when there is nobody to judge.
///
/// # Errors
/// When the server does not start.
pub async fn greet(stand: &mut Stand<'_>) -> Result<Option<Shown>, Trouble> {
    let heard = stand.enter().await?;
    let problem = handshake_problem(&heard);
    stand.case(
        "wire.handshake",
        "as asked",
        problem.as_deref().unwrap_or("as asked"),
    );
    let Some(result) = heard.result().cloned() else {
        return Ok(None);
    };
    let info = &result["serverInfo"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&info["version"]);
    let mut shown = Shown {
        name: format!("{} {version}", text(&info["name"])),
        version,
        capabilities: result["capabilities"].clone(),
        lists: Lists {
            server: text(&info["name"]),
            instructions: text(&result["instructions"]),
            ..Lists::default()
        },
    };
    read_lists(stand, &mut shown).await?;
    Ok(Some(shown))
}

fn handshake_problem(heard: &Heard) -> Option<String> {
    let Some(result) = heard.result() else {
        return Some(heard.word());
    };
    let missing = [
        ("a protocolVersion", result["protocolVersion"].is_string()),
        ("capabilities", result["capabilities"].is_object()),
        (
            "a name in serverInfo",
            result["serverInfo"]["name"].is_string(),
        ),
    ];
    let missing = missing.iter().find(|(_, is_there)| !is_there);
    missing.map(|(what, _)| format!("no {what}"))
}

async fn read_lists(stand: &mut Stand<'_>, shown: &mut Shown) -> Result<(), Trouble> {
    let rows = [
        ("tools", "tools/list", "tools"),
        ("prompts", "prompts/list", "prompts"),
        ("resources", "resources/list", "resources"),
        ("resources", "resources/templates/list", "resourceTemplates"),
    ];
    let mut is_any = false;
    for (capability, method, key) in rows {
        if !shown.declares(capability) {
            continue;
        }
        is_any = true;
        let (items, word) = list(stand, method, key).await?;
        // A server may have resources and no templates.
        let is_left_out = key == "resourceTemplates" && word == "-32601";
        if !is_left_out {
            stand.case(&format!("wire.pages.{method}"), "read", &word);
        }
        match key {
            "tools" => shown.lists.tools = items,
            "prompts" => shown.lists.prompts = items,
            "resources" => shown.lists.resources = items,
            _ => shown.lists.templates = items,
        }
    }
    if !is_any {
        for check in ["pages", "listed"] {
            stand.absent(
                "wire",
                check,
                "the server declares neither tools, prompts nor resources",
            );
        }
    }
    Ok(())
}

/// All pages of a list: the items, and `read` or what came instead of a page.
pub async fn list(
    stand: &mut Stand<'_>,
    method: &str,
    key: &str,
) -> Result<(Vec<Value>, String), Trouble> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let heard = stand.ask(method, params).await?;
        let page = heard.result().filter(|page| page[key].is_array());
        let Some(page) = page else {
            return Ok((items, heard.word()));
        };
        items.extend(page[key].as_array().into_iter().flatten().cloned());
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok((items, "read".to_owned()));
        }
    }
    Ok((items, format!("more than {PAGES} pages")))
}

/// Everything but the end.
///
/// # Errors
/// When the server does not start again.
pub async fn run(stand: &mut Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    version(stand).await?;
    for id in [json!("verify-text"), json!(900_001)] {
        let heard = stand.ask_as(&id, "ping", json!({})).await?;
        stand.case(
            &format!("wire.ids.a ping with id {id}"),
            "result",
            &heard.word(),
        );
    }
    let heard = stand.ask("verify/none", json!({})).await?;
    stand.case("wire.method.verify/none", "-32601", &heard.word());
    let note = json!({"jsonrpc": "2.0", "method": "notifications/verify"}).to_string();
    let at_once = stand.send(note.as_bytes(), None, "a notification").await?;
    let later = stand.ask("ping", json!({})).await?;
    let seen = if at_once.replies().count() + later.replies().count() > 1 {
        "an answer"
    } else {
        "silence"
    };
    stand.case("wire.notification.notifications/verify", "silence", seen);
    listed(stand, &shown.lists);
    if !shown.declares("tools") {
        for check in OF_TOOLS {
            stand.absent("wire", check, "the server declares no tools");
        }
        return Ok(());
    }
    let heard = stand.call(NOBODY, &json!({})).await?;
    stand.case(
        &format!("wire.unknown.{NOBODY}"),
        "refused",
        &refusal(&heard),
    );
    let heard = stand.ask("tools/call", json!({"arguments": {}})).await?;
    stand.case(
        "wire.shape.a call without a name",
        "refused",
        &refusal(&heard),
    );
    tools(stand, shown).await
}

/// A revision there is none of is answered with another or refused.
async fn version(stand: &mut Stand<'_>) -> Result<(), Trouble> {
    let unknown = "1999-01-01";
    let params = initialize(Software::numbered(0), unknown);
    let heard = stand.ask("initialize", params).await?;
    let said = heard.result().map(|result| &result["protocolVersion"]);
    let seen = match said.and_then(Value::as_str) {
        Some(same) if same == unknown => "the same".to_owned(),
        Some(_) => "another".to_owned(),
        None => refusal(&heard),
    };
    stand.case(&format!("wire.version.{unknown}"), "another|refused", &seen);
    // A second handshake may leave a server in a state of its own.
    let heard = stand.enter().await?;
    let revision = heard
        .result()
        .map(|result| result["protocolVersion"].clone());
    if revision.as_ref().and_then(Value::as_str) != Some(ASKED) {
        let spoken = revision.unwrap_or_default();
        stand.not_tested(
            "wire",
            format!("revision {ASKED}: the server answers {spoken}"),
        );
    }
    let what = "revision 2026-07-28: verify target speaks the handshake's revisions".to_owned();
    stand.not_tested("wire", what);
    Ok(())
}

/// The protocol's own rules for items of lists.
fn listed(stand: &Stand<'_>, lists: &Lists) {
    let items = [
        &lists.tools,
        &lists.prompts,
        &lists.resources,
        &lists.templates,
    ];
    for item in items.into_iter().flatten() {
        let name = item["name"].as_str().unwrap_or_default();
        stand.case(&format!("wire.listed.{name}"), "in order", "in order");
    }
    for broken in compatibility::violations(lists, &[]) {
        stand.case(
            &format!("wire.listed.{}", broken.item),
            "in order",
            &broken.what,
        );
    }
    for tool in &lists.tools {
        let name = tool["name"].as_str().unwrap_or_default();
        if tool["inputSchema"]["type"] != "object" {
            let seen = "an inputSchema without \"type\": \"object\"";
            stand.case(&format!("wire.listed.tool {name}"), "in order", seen);
        }
    }
}

/// Each tool that may be called: rightly, with a wrong type, and with something left out.
async fn tools(stand: &mut Stand<'_>, shown: &Shown) -> Result<(), Trouble> {
    let callable = shown.callable(stand);
    for tool in &shown.lists.tools {
        let name = tool["name"].as_str().unwrap_or_default();
        let is_called = callable.iter().any(|(one, _)| one["name"] == *name);
        if !is_called {
            let why = match stand.file.tool(name) {
                Some(_) => "call = false in target.toml",
                None => "not in target.toml; run `verify target init` again",
            };
            stand.not_tested("wire", format!("tool {name}: {why}"));
        }
    }
    let mut typed = 0;
    let mut needing = 0;
    let mut declaring = 0;
    for (tool, good) in &callable {
        let name = tool["name"].as_str().unwrap_or_default();
        if stand.is_over() {
            stand.not_tested("wire", format!("tool {name}: no time was left"));
            continue;
        }
        declaring += usize::from(tool.get("outputSchema").is_some());
        rightly(stand, tool, good).await?;
        let id = format!("wire.shape.{name} with text for arguments");
        let heard = stand
            .ask("tools/call", json!({"name": name, "arguments": "verify"}))
            .await?;
        stand.case(&id, "refused", &refusal(&heard));
        let schema = &tool["inputSchema"];
        let wrong = example::of_wrong_types(schema, good);
        let less = example::without_required(schema, good);
        typed += wrong.len();
        needing += less.len();
        for (property, arguments) in wrong {
            let heard = stand.call(name, &arguments).await?;
            let id = format!("wire.types.{name} with another type for {property}");
            stand.case(&id, "refused", &refusal(&heard));
        }
        for (property, arguments) in less {
            let heard = stand.call(name, &arguments).await?;
            let id = format!("wire.missing.{name} without {property}");
            stand.case(&id, "refused", &refusal(&heard));
        }
        let seen = stand.probe().await?;
        stand.case(&format!("panic.refusal.{name}"), "answered", &seen);
    }
    let none = "no tool that may be called";
    for (check, count, what) in [
        ("types", typed, "has an argument of one plain type"),
        ("missing", needing, "requires an argument"),
        ("structured", declaring, "declares an output schema"),
    ] {
        if count == 0 && !callable.is_empty() {
            stand.absent("wire", check, &format!("{none} {what}"));
        }
    }
    Ok(())
}

/// A call as the tool wants it.
async fn rightly(stand: &mut Stand<'_>, tool: &Value, good: &Value) -> Result<(), Trouble> {
    let name = tool["name"].as_str().unwrap_or_default();
    let heard = stand.call(name, good).await?;
    let word = heard.word();
    let Some(result) = heard.result().filter(|_| word == "result") else {
        let what = match word.as_str() {
            "silence" => format!(
                "tool {name}: no answer within {} s; slow or hung (wait_s in target.toml)",
                stand.file.server.wait_s
            ),
            "closed" | "absent" => format!("tool {name}: the server ended"),
            refused => format!("tool {name}: its arguments in target.toml are refused ({refused})"),
        };
        stand.not_tested("wire", what);
        let seen = stand.probe().await?;
        stand.case(&format!("panic.alive.{name}"), "answered", &seen);
        return Ok(());
    };
    let blocks = result["content"].as_array();
    let is_whole =
        blocks.is_some_and(|blocks| blocks.iter().all(|block| block["type"].is_string()));
    let seen = if is_whole {
        "content"
    } else {
        "no list of typed blocks"
    };
    stand.case(&format!("wire.result.{name}"), "content", seen);
    if tool.get("outputSchema").is_some() {
        let seen = match result.get("structuredContent") {
            Some(_) => "present",
            None => "none",
        };
        stand.case(&format!("wire.structured.{name}"), "present", seen);
    }
    let seen = stand.probe().await?;
    stand.case(&format!("panic.alive.{name}"), "answered", &seen);
    Ok(())
}

/// The end of standard input is the order to stop.
///
/// # Errors
/// When the server does not start again.
pub async fn end(stand: &mut Stand<'_>) -> Result<(), Trouble> {
    if stand.edge() == "http" {
        stand.absent("wire", "ending", "the server is not ours to end");
        stand.absent("wire", "pure", "no standard output is read over HTTP");
        return Ok(());
    }
    // A process of its own: the last one may be in the middle of what a case asked for.
    stand.enter().await?;
    let took = stand.leave(ENDING).await;
    let late = format!("still there after {} s", ENDING.as_secs());
    let seen = took.map_or(late.as_str(), |_| "ended");
    stand.case("wire.ending.the end of standard input", "ended", seen);
    stand.look_through_log();
    Ok(())
}
