//! Every role on every tool, as the shipped policy has it: the file is read, never typed again.

use std::collections::BTreeSet;
use std::time::Duration;

use exai_harness::client::Request;
use exai_harness::client::Revision;
use exai_harness::client::software::Software;
use exai_harness::raw::{self, RawRequest};
use exai_harness::server::Settings;
use exai_judge::Transport;
use futures::future::join_all;
use serde_json::{Value, json};
use toml::Table;

use super::cells::{self, Caller};
use super::{Came, Seen, note, record, send_to};
use crate::stage::{Person, Stage, Trouble};

const POLICY: &str = include_str!("../../../../server/src/auth/policy.toml");
const WIRE: Transport = Transport::Http2026;
/// A tool that there is not.
const UNKNOWN: &str = "no_such_tool";
/// Names of the catalogue (attacks.md, A1).
const TOOLS: usize = 31;
/// A list may take this long.
const LISTING: Duration = Duration::from_secs(5);
/// The first of those who try a cell each.
const FIRST: usize = 1_200;
/// The first of those who call denied tools by other names.
const LAST: usize = 1_290;
/// A denied tool in other dress.
const DRESSED: [(&str, &str); 3] = [
    ("A3.suffix", "kimi_manage_files_EXAI-WS"),
    ("A3.case", "KIMI_Manage_Files"),
    ("A3.both", "Kimi_Manage_Files-exai_ws"),
];
/// The wires on which lists are read.
const LISTS: [Transport; 3] = [
    Transport::Http2025,
    Transport::Http2026,
    Transport::WebSocket,
];

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
    let admin = list(stage, WIRE, (520, "admin")).await?;
    let tools: Vec<Listed> = admin.iter().map(listed).collect();
    if tools.len() < TOOLS {
        let count = tools.len();
        return Err(Trouble::Server(format!(
            "an administrator is listed {count} tools"
        )));
    }
    let grants: Vec<(&String, Grant)> = roles
        .iter()
        .map(|(role, grant)| (role, Grant::of(grant)))
        .collect();
    // Everybody at once: each is a person of their own, at an address of their own.
    let mut all = Vec::new();
    for (number, (role, grant)) in grants.iter().enumerate() {
        for (place, edge) in cells::EDGES.into_iter().enumerate() {
            let person = (FIRST + number * cells::EDGES.len() + place, role.as_str());
            all.push(tried(stage, edge, person, (&tools, grant)));
        }
    }
    join_all(all).await;
    for (number, (role, grant)) in grants.iter().enumerate() {
        stage.check_stop()?;
        for wire in LISTS {
            names(stage, wire, (521 + number, role), (&tools, grant)).await?;
        }
    }
    let places = cells::EDGES.iter().enumerate();
    join_all(places.map(|(place, edge)| dressed(stage, edge, LAST + place))).await;
    claimed(stage).await;
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
async fn list(
    stage: &Stage,
    wire: Transport,
    (number, role): (usize, &str),
) -> Result<Vec<Value>, Trouble> {
    let person = Person::user(number);
    let client = stage.client_with(person, &[role], wire).await?;
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

/// A call of each tool, and of one that there is not: denied or not, as the policy says.
async fn tried(
    stage: &Stage,
    edge: &str,
    (number, role): (usize, &str),
    (tools, grant): (&[Listed], &Grant),
) {
    let unknown = Listed {
        name: UNKNOWN.to_owned(),
        is_destructive: true,
    };
    let mut caller = Caller::enter(stage, edge, (number, role)).await;
    for tool in tools.iter().chain([&unknown]) {
        let came = match &mut caller {
            Ok(caller) => caller.call(stage, &tool.name).await,
            Err(came) => came.clone(),
        };
        let good = grant.holds(tool) && tool.name != UNKNOWN;
        let seen = Seen {
            id: &format!("A1.{role}.{}", tool.name),
            edge,
            good,
            allowed: match (good, tool.name == UNKNOWN) {
                (true, _) => &["permitted"],
                (false, false) => &["403"],
                // Whoever may call tools is told that there is no such one.
                (false, true) => &["403", "-32602"],
            },
        };
        note(stage, &seen, came);
    }
}

/// The list of a role holds what it may call and nothing else.
async fn names(
    stage: &Stage,
    wire: Transport,
    (number, role): (usize, &str),
    (tools, grant): (&[Listed], &Grant),
) -> Result<(), Trouble> {
    let wanted: BTreeSet<&str> = tools
        .iter()
        .filter(|tool| grant.holds(tool))
        .map(|tool| tool.name.as_str())
        .collect();
    let shown = list(stage, wire, (number, role)).await?;
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
        edge: wire.name(),
        good: wanted.len() == tools.len(),
        allowed: &["as the policy says"],
    };
    note(stage, &seen, Came::word(word));
    Ok(())
}

/// A3: a denied tool by another name, on one edge.
async fn dressed(stage: &Stage, edge: &str, number: usize) {
    let mut user = Caller::enter(stage, edge, (number, "user")).await;
    let mut call = async |tool: &str| match &mut user {
        Ok(user) => user.call(stage, tool).await,
        Err(came) => came.clone(),
    };
    for (id, tool) in DRESSED {
        let seen = |good, allowed| Seen {
            id,
            edge,
            good,
            allowed,
        };
        note(stage, &seen(false, &["403"]), call(tool).await);
        let came = call("version_EXAI-WS").await;
        note(stage, &seen(true, &["permitted"]), came);
    }
}

/// A5: a role that is claimed where nothing is verified.
async fn claimed(stage: &Stage) {
    let user = stage.ground.authorization(Person::user(530));
    let seen = |id, good, allowed| Seen {
        id,
        edge: WIRE.name(),
        good,
        allowed,
    };
    let claimed = [
        (
            "A5.client",
            json!({"name": "kimi_manage_files", "arguments": {}}),
        ),
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

/// A call whose params are sent as they are, and a header and client information that say what
/// neither may.
async fn claim(stage: &Stage, authorization: &str, params: Value) -> raw::RawReply {
    let tool = params["name"].as_str().unwrap_or_default().to_owned();
    let mut request = Request::new("tools/call", params.clone());
    if let Some(meta) = params["_meta"].as_object() {
        request.meta.clone_from(meta);
    }
    let mut message = request.message(Some(1), Revision::V2026, Software::numbered(1));
    let info = "/params/_meta/io.modelcontextprotocol~1clientInfo";
    if let Some(info) = message.pointer_mut(info) {
        info["roles"] = json!(["admin"]);
    }
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
    send_to(stage, stage.ground.public(), 530, &raw).await
}
