//! Every role on every tool, as the shipped policy has it: the file is read, never typed again.

use std::collections::BTreeSet;
use std::time::Duration;

use exai_harness::client::Request;
use exai_harness::client::Revision;
use exai_harness::client::http::loopback;
use exai_harness::client::software::Software;
use exai_harness::raw::{self, RawRequest};
use exai_harness::server::Settings;
use exai_judge::Transport;
use serde_json::{Value, json};
use toml::Table;

use super::{Attempt, Came, PACE, Seen, WAIT, note, record};
use crate::stage::{Person, Stage, Trouble};

const POLICY: &str = include_str!("../../../../server/src/auth/policy.toml");
const WIRE: Transport = Transport::Http2026;
/// A tool that there is not.
const UNKNOWN: &str = "no_such_tool";
/// Names of the catalogue (attacks.md, A1).
const TOOLS: usize = 31;
/// A list may take this long.
const LISTING: Duration = Duration::from_secs(5);
/// Calls of one person, who has a rate of their own.
const APART: Duration = Duration::from_millis(10);

/// A tool as an administrator's list has it.
struct Listed {
    name: String,
    is_destructive: bool,
}

/// Tries A1 to A3 and A5, on a server that lists every tool there is; it is left so.
///
/// # Errors
/// When the rig cannot list the tools.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let policy: Table = POLICY.parse().map_err(|error: toml::de::Error| {
        Trouble::Rig(format!("the shipped policy could not be read: {error}"))
    })?;
    let every = Settings::default().with("tools.profile", "full");
    stage.ground.restart_with(&every).await?;
    let roles = policy["roles"].as_table().cloned().unwrap_or_default();
    let admin = list(stage, (520, "admin")).await?;
    let tools: Vec<Listed> = admin.iter().map(listed).collect();
    if tools.len() < TOOLS {
        let count = tools.len();
        return Err(Trouble::Server(format!(
            "an administrator is listed {count} tools"
        )));
    }
    for (number, (role, grant)) in roles.iter().enumerate() {
        stage.check_stop()?;
        let grant = Grant::of(grant);
        cells(stage, (521 + number, role), &tools, &grant).await;
        names(stage, (521 + number, role), &tools, &grant).await?;
    }
    dressed(stage).await;
    Ok(())
}

/// The tools that a role may call.
struct Grant(BTreeSet<String>);

impl Grant {
    fn of(row: &toml::Value) -> Self {
        let names = row.get("tools").and_then(toml::Value::as_array);
        let names = names.into_iter().flatten().filter_map(toml::Value::as_str);
        Self(names.map(str::to_owned).collect())
    }

    fn holds(&self, tool: &Listed) -> bool {
        let has = |name: &str| self.0.contains(name);
        has("*") || has(&tool.name) || (has("*-safe") && !tool.is_destructive)
    }
}

fn listed(tool: &Value) -> Listed {
    Listed {
        name: tool["name"].as_str().unwrap_or_default().to_owned(),
        is_destructive: tool["annotations"]["destructiveHint"] == true,
    }
}

/// Every page of `tools/list` as somebody of a role.
async fn list(stage: &Stage, (number, role): (usize, &str)) -> Result<Vec<Value>, Trouble> {
    let person = Person::user(number);
    let client = stage.client_with(person, &[role], WIRE).await?;
    let (mut tools, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({"cursor": cursor})
        };
        let page = client.request("tools/list", params, LISTING).await;
        let Some(page) = page.result().cloned() else {
            return Err(Trouble::Server(format!(
                "tools/list as {role} was not answered"
            )));
        };
        tools.extend(page["tools"].as_array().cloned().unwrap_or_default());
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            return Ok(tools);
        }
    }
}

/// A call of each tool, and of one that there is not: denied or not, as the policy says. What a
/// permitted call without arguments comes to is the tool's own affair.
async fn cells(stage: &Stage, (number, role): (usize, &str), tools: &[Listed], grant: &Grant) {
    let token = stage
        .ground
        .authorization_with(Person::user(number), &[role]);
    let unknown = Listed {
        name: UNKNOWN.to_owned(),
        is_destructive: true,
    };
    for tool in tools.iter().chain([&unknown]) {
        let attempt = Attempt {
            tool: &tool.name,
            source: loopback(number),
            ..Attempt::new(WIRE, Some(&token))
        };
        let reply = attempt.send(stage).await;
        let id = format!("A1.{role}.{}", tool.name);
        let good = grant.holds(tool) && tool.name != UNKNOWN;
        let seen = Seen {
            id: &id,
            edge: WIRE.name(),
            good,
            allowed: match (good, tool.name == UNKNOWN) {
                (true, _) => &["permitted"],
                (false, false) => &["403"],
                // Whom "*" or "*-safe" covers is told that there is no such tool.
                (false, true) => &["403", "-32602"],
            },
        };
        let is_refused = matches!(reply.status, Some(401 | 403 | 429) | None);
        if good && !is_refused {
            stage.search("a reply", &String::from_utf8_lossy(&reply.body));
            note(stage, &seen, Came::word("permitted"));
        } else {
            record(stage, &seen, &reply);
        }
        tokio::time::sleep(APART).await;
    }
}

/// The list of a role holds what it may call and nothing else.
async fn names(
    stage: &Stage,
    (number, role): (usize, &str),
    tools: &[Listed],
    grant: &Grant,
) -> Result<(), Trouble> {
    let wanted: BTreeSet<&str> = tools
        .iter()
        .filter(|tool| grant.holds(tool))
        .map(|tool| tool.name.as_str())
        .collect();
    let shown = list(stage, (number, role)).await?;
    let shown: BTreeSet<&str> = shown
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    let word = if shown == wanted {
        "as the policy says".to_owned()
    } else {
        let more: Vec<&&str> = shown.symmetric_difference(&wanted).take(3).collect();
        format!("differs in {more:?}")
    };
    // A list that leaves nothing out is the good case of those that do.
    let seen = Seen {
        id: &format!("A2.{role}"),
        edge: WIRE.name(),
        good: wanted.len() == tools.len(),
        allowed: &["as the policy says"],
    };
    note(stage, &seen, Came::word(word));
    Ok(())
}

/// A denied tool by another name, and a role that is claimed where nothing is verified.
async fn dressed(stage: &Stage) {
    let user = stage.ground.authorization(Person::user(530));
    let seen = |id, good, allowed| Seen {
        id,
        edge: WIRE.name(),
        good,
        allowed,
    };
    let denied = [
        ("A3.suffix", "kimi_manage_files_EXAI-WS"),
        ("A3.case", "KIMI_Manage_Files"),
        ("A3.both", "Kimi_Manage_Files-exai_ws"),
    ];
    for (id, tool) in denied {
        let attempt = Attempt {
            tool,
            ..Attempt::new(WIRE, Some(&user))
        };
        record(
            stage,
            &seen(id, false, &["403"]),
            &attempt.send(stage).await,
        );
        let attempt = Attempt {
            tool: "version_EXAI-WS",
            ..Attempt::new(WIRE, Some(&user))
        };
        record(
            stage,
            &seen(id, true, &["accepted"]),
            &attempt.send(stage).await,
        );
    }
    let claimed = [
        (
            "A5.arguments",
            json!({"name": "kimi_manage_files", "arguments": {"roles": ["admin"]}}),
        ),
        (
            "A5.meta",
            json!({"name": "kimi_manage_files", "arguments": {},
            "_meta": {"roles": ["admin"], "role": "admin"}}),
        ),
    ];
    for (id, params) in claimed {
        let reply = claim(stage, &user, params).await;
        record(stage, &seen(id, false, &["403"]), &reply);
        let good = json!({"name": "version", "arguments": {}, "_meta": {"role": "admin"}});
        let reply = claim(stage, &user, good).await;
        record(stage, &seen(id, true, &["accepted"]), &reply);
    }
}

/// A call whose params are sent as they are, and a header that says what no header may.
async fn claim(stage: &Stage, authorization: &str, params: Value) -> raw::RawReply {
    let tool = params["name"].as_str().unwrap_or_default().to_owned();
    let mut request = Request::new("tools/call", params.clone());
    if let Some(meta) = params["_meta"].as_object() {
        request.meta.clone_from(meta);
    }
    let message = request.message(Some(1), Revision::V2026, Software::numbered(1));
    let raw = RawRequest::line("POST /mcp HTTP/1.1")
        .header("Host", stage.ground.public().to_string())
        .header("Authorization", authorization)
        .header("X-Roles", "admin")
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .header("Connection", "close")
        .header("MCP-Protocol-Version", Revision::V2026.name())
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", &tool)
        .body(message.to_string());
    let reply = raw::send_request(stage.ground.public(), loopback(530), &raw, WAIT).await;
    tokio::time::sleep(PACE).await;
    reply
}
