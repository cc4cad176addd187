//! What MCP clients can bear, held against a server's lists (mcp.md §7, family K).
//!
//! Pure: lists and rows come in, violations go out; [`lists`] reads the lists of a running server.
//! A limit that nobody states for a client is not judged, so an empty result says that no known
//! limit is passed, not that every client works.

pub mod lists;
mod row;
mod schema;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

pub use lists::Lists;
pub use row::{Row, rows};

/// What is said of a rule of MCP or JSON Schema itself, which any client may hold a server to.
const ANY: &str = "any client";

/// One thing that a client would not bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The client, for people; [`ANY`] for the protocol's own rules.
    pub client: String,
    /// What passes the limit, such as `tool chat`.
    pub item: String,
    /// How.
    pub what: String,
    /// What the client does about it.
    pub does: String,
}

/// Every limit of every row that the lists pass, in the order of the rows.
#[must_use]
pub fn violations(lists: &Lists, rows: &[Row]) -> Vec<Violation> {
    let mut found = own_rules(lists);
    for row in rows {
        let mut judge = Judge {
            row,
            found: Vec::new(),
        };
        judge.counts(lists);
        for tool in &lists.tools {
            judge.name(tool);
            judge.description(tool);
            judge.schemas(tool);
        }
        for (tool, result) in &lists.results {
            judge.result(tool, result, lists);
        }
        found.append(&mut judge.found);
    }
    found
}

/// A name in a list; empty when there is none.
fn name_of(item: &Value) -> &str {
    item["name"].as_str().unwrap_or_default()
}

struct Judge<'a> {
    row: &'a Row,
    found: Vec<Violation>,
}

impl Judge<'_> {
    fn say(&mut self, limit: &str, item: String, what: String) {
        self.found.push(Violation {
            client: self.row.title.clone(),
            item,
            what,
            does: self.row.does(limit).to_owned(),
        });
    }

    /// Says so when `size` is above the limit, if the row states one.
    fn most(&mut self, limit: &str, item: &str, (size, of): (usize, &str)) {
        if let Some(most) = self.row.number(limit).filter(|most| size > *most) {
            self.say(
                limit,
                item.to_owned(),
                format!("{size} {of}, at most {most}"),
            );
        }
    }

    fn counts(&mut self, lists: &Lists) {
        self.most(
            "tools_max",
            "the list of tools",
            (lists.tools.len(), "tools"),
        );
        let instructions = (lists.instructions.len(), "bytes");
        self.most("instructions_max_bytes", "the instructions", instructions);
    }

    fn name(&mut self, tool: &Value) {
        let name = name_of(tool);
        let item = format!("tool {name}");
        self.most("tool_name_max", &item, (name.chars().count(), "characters"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.row.flag("tool_name_words") && !name.chars().all(is_word) {
            let what = "a name with more than letters, digits, _ and -".to_owned();
            self.say("tool_name_words", item.clone(), what);
        }
        if let Some(shown) = self.row.text("shown") {
            let length = shown.replace("TOOL", name).chars().count();
            self.most(
                "shown_name_max",
                &item,
                (length, "characters as the model sees it"),
            );
        }
    }

    fn description(&mut self, tool: &Value) {
        let length = tool["description"].as_str().unwrap_or_default().len();
        let item = format!("tool {}", name_of(tool));
        self.most(
            "description_max_bytes",
            &item,
            (length, "bytes of description"),
        );
    }

    fn schemas(&mut self, tool: &Value) {
        let item = format!("tool {}", name_of(tool));
        if self.row.flag("plain_top_level") {
            for word in ["oneOf", "anyOf", "allOf"] {
                if tool["inputSchema"].get(word).is_some() {
                    let what = format!("{word} at the top of its input schema");
                    self.say("plain_top_level", item.clone(), what);
                }
            }
        }
        for (kind, schema) in [("input", "inputSchema"), ("output", "outputSchema")] {
            let is_judged = schema == "inputSchema" || tool.get(schema).is_some();
            if self.row.flag("object_schemas") && is_judged && tool[schema]["type"] != "object" {
                let what = format!("an {kind} schema without \"type\": \"object\"");
                self.say("object_schemas", item.clone(), what);
            }
        }
    }

    fn result(&mut self, tool: &str, result: &Value, lists: &Lists) {
        let item = format!("the result of {tool}");
        let blocks = result["content"].as_array().into_iter().flatten();
        let text: usize = blocks
            .filter_map(|block| Some(block["text"].as_str()?.chars().count()))
            .sum();
        let structured = result.get("structuredContent");
        let structured_size = structured.map_or(0, |value| value.to_string().chars().count());
        // A client shows one of the two.
        let size = text.max(structured_size);
        self.most("result_max_chars", &item, (size, "characters"));
        self.most("result_max_tokens", &item, (size.div_ceil(4), "tokens"));
        let declares = lists
            .tools
            .iter()
            .any(|one| name_of(one) == tool && one.get("outputSchema").is_some());
        let is_missing = declares && structured.is_none() && result["isError"] != true;
        if self.row.flag("structured_when_declared") && is_missing {
            let what = "an output schema is declared and no structured content sent".to_owned();
            self.say("structured_when_declared", item, what);
        }
    }
}

/// What MCP and JSON Schema ask for, whoever the client is.
fn own_rules(lists: &Lists) -> Vec<Violation> {
    let keyed = [
        ("tool", "name", &lists.tools),
        ("prompt", "name", &lists.prompts),
        ("resource", "uri", &lists.resources),
        ("resource template", "uriTemplate", &lists.templates),
    ];
    let mut found = Vec::new();
    for (kind, key, items) in keyed {
        keys(kind, key, items, &mut found);
    }
    for prompt in &lists.prompts {
        let arguments = prompt["arguments"].as_array().into_iter().flatten();
        if arguments.map(name_of).any(str::is_empty) {
            let item = format!("prompt {}", name_of(prompt));
            let what = "an argument without a name";
            found.push(any(item, what, "may fail the whole list"));
        }
    }
    for tool in &lists.tools {
        for part in ["inputSchema", "outputSchema"] {
            for what in schema::faults(&tool[part]) {
                let item = format!("tool {}", name_of(tool));
                let what = format!("{part}: {what}");
                found.push(any(item, &what, "may refuse the schema"));
            }
        }
    }
    found
}

fn any(item: String, what: &str, does: &str) -> Violation {
    Violation {
        client: ANY.to_owned(),
        item,
        what: what.to_owned(),
        does: does.to_owned(),
    }
}

/// What an item of a list is known by: there, once, and a URI where it is one.
fn keys(kind: &str, key: &str, items: &[Value], found: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for item in items {
        let value = item[key].as_str().unwrap_or_default();
        let named = || format!("{kind} {value}");
        if value.is_empty() {
            let what = format!("no {key}");
            found.push(any(format!("a {kind}"), &what, "may fail the whole list"));
        } else if !seen.insert(value) {
            found.push(any(named(), "listed twice", "keeps one of the two"));
        }
        if key != "name" && !has_scheme(value) {
            found.push(any(named(), "no absolute URI", "may drop it"));
        }
    }
}

fn has_scheme(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let mut letters = scheme.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests;
