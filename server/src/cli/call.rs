//! `exai call`, `tools`, `threads` and `models`: the server's answers on a terminal, from a server
//! of this command's own or from one that runs. The answer goes to standard output, everything else
//! to standard error; the exit code follows the error's category.

use std::io::Write as _;

use clap::Args;
use serde_json::{Map, Value, json};

use super::document::say_document;
use super::wire::Wire;
use super::{BUG, Failed, Layers, USAGE, say};

/// What cannot be had now: a provider, the network, a server that does not answer.
pub(super) const UNAVAILABLE: u8 = 69;
/// What may work later: a limit, a clock.
const LATER: u8 = 75;
/// What this caller may not do.
const FORBIDDEN: u8 = 77;
/// What the tool itself could not do.
const NOT_DONE: u8 = 1;

/// Which server is asked.
#[derive(Debug, Args)]
pub(super) struct Where {
    #[command(flatten)]
    pub(super) layers: Layers,
    /// A running server, such as http://127.0.0.1:8079/mcp, with the token of EXAI_TOKEN; else one
    /// is started for this command
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Answer from the embedded demo provider (without --url)
    #[arg(long)]
    pub(super) demo: bool,
    /// The whole result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One call.
#[derive(Debug, Args)]
pub(super) struct Request {
    #[command(flatten)]
    to: Where,
    /// The tool's name
    tool: String,
    /// KEY=VALUE; a value that is no text is JSON
    arguments: Vec<String>,
}

/// Which models there are.
#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(flatten)]
    to: Where,
    /// Ask each provider for a sign of life first
    #[arg(long)]
    live: bool,
}

/// `exai call`.
pub(super) fn call(request: Request) -> Result<(), Failed> {
    let is_json = request.to.json;
    on(&request.to, async |wire| {
        let listed = wire.ask("tools/list", "", json!({})).await?;
        let schema = schema_of(&listed, &request.tool)?;
        let arguments = arguments(&schema, &request.arguments)?;
        let params = json!({ "name": request.tool, "arguments": arguments });
        let result = wire.ask("tools/call", &request.tool, params).await?;
        if result["isError"] == true {
            return Err(refused(&result["structuredContent"]["error"]));
        }
        if is_json {
            say_document("exai-call/1", &result);
        } else {
            say(&text_of(&result));
        }
        Ok(())
    })
}

/// `exai tools`.
pub(super) fn tools(to: &Where) -> Result<(), Failed> {
    on(to, async |wire| {
        let listed = wire.ask("tools/list", "", json!({})).await?;
        if to.json {
            say_document("exai-tools/1", &json!({ "tools": listed["tools"] }));
            return Ok(());
        }
        for tool in items(&listed["tools"]) {
            let description = text(&tool["description"]);
            let first = description.split(". ").next().unwrap_or_default();
            say(&format!("{}: {first}", text(&tool["name"])));
        }
        Ok(())
    })
}

/// `exai threads`.
pub(super) fn threads(to: &Where) -> Result<(), Failed> {
    on(to, async |wire| {
        let told = resource(wire, "exai://threads").await?;
        if to.json {
            say_document("exai-threads/1", &json!({ "threads": told["threads"] }));
            return Ok(());
        }
        for thread in items(&told["threads"]) {
            let (id, title) = (text(&thread["id"]), text(&thread["title"]));
            say(&format!("{id}  {} turns  {title}", thread["turns"]));
        }
        Ok(())
    })
}

/// `exai models`.
pub(super) fn models(request: &Models) -> Result<(), Failed> {
    on(&request.to, async |wire| {
        let mut health = Map::new();
        if request.live {
            let params = json!({ "name": "status", "arguments": { "probe": true } });
            let status = wire.ask("tools/call", "status", params).await?;
            for row in items(&status["structuredContent"]["providers"]) {
                health.insert(text(&row["name"]), row["health"].clone());
            }
        }
        let mut told = resource(wire, "exai://models").await?;
        for model in told["models"].as_array_mut().into_iter().flatten() {
            if let Some(state) = health.get(model["provider"].as_str().unwrap_or_default()) {
                model["live"] = state.clone();
            }
        }
        if request.to.json {
            say_document("exai-models/1", &json!({ "models": told["models"] }));
            return Ok(());
        }
        for model in items(&told["models"]) {
            let key = if model["available"] == true {
                "key"
            } else {
                "no key"
            };
            let mut line = [&model["provider"], &model["name"], &model["status"]]
                .map(text)
                .join("  ");
            line.push_str(&format!("  {key}  {} tokens", model["context_tokens"]));
            if let Some(state) = model["live"].as_str() {
                line.push_str(&format!("  {state}"));
            }
            say(&line);
        }
        Ok(())
    })
}

/// Opens the wire, does the work, and closes it in any case.
fn on(to: &Where, work: impl AsyncFnOnce(&mut Wire) -> Result<(), Failed>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failed::Coded(BUG, error.to_string()))?;
    runtime.block_on(async {
        let mut wire = Wire::open(to).await?;
        let done = work(&mut wire).await;
        wire.close().await;
        done
    })
}

async fn resource(wire: &mut Wire, uri: &str) -> Result<Value, Failed> {
    let read = wire
        .ask("resources/read", uri, json!({ "uri": uri }))
        .await?;
    let text = text(&read["contents"][0]["text"]);
    serde_json::from_str(&text)
        .map_err(|error| Failed::Coded(BUG, format!("{uri} is not what it should be: {error}")))
}

/// A tool's input schema.
fn schema_of(listed: &Value, tool: &str) -> Result<Value, Failed> {
    let names = |listed: &Value| -> Vec<String> {
        let tools = items(&listed["tools"]);
        tools.iter().map(|one| text(&one["name"])).collect()
    };
    let found = items(&listed["tools"])
        .iter()
        .find(|one| one["name"] == tool);
    found.map(|one| one["inputSchema"].clone()).ok_or_else(|| {
        let known = names(listed).join(", ");
        Failed::Usage(format!("there is no tool {tool} here; there are: {known}"))
    })
}

/// `KEY=VALUE` pairs as a tool takes them: text stays text, anything else is JSON.
fn arguments(schema: &Value, pairs: &[String]) -> Result<Map<String, Value>, Failed> {
    let mut arguments = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Failed::Usage(format!("{pair:?}: write KEY=VALUE")));
        };
        let property = &schema["properties"][name];
        if property.is_null() {
            let known = schema["properties"].as_object().into_iter().flatten();
            let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
            let known = known.join(", ");
            return Err(Failed::Usage(format!(
                "there is no argument {name}; there are: {known}"
            )));
        }
        let value = match property["type"].as_str() {
            Some("string") => value.into(),
            Some(kind) => serde_json::from_str(value).map_err(|_| {
                Failed::Usage(format!("{name}: {value:?} is no JSON of type {kind}"))
            })?,
            None => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
        arguments.insert(name.to_owned(), value);
    }
    Ok(arguments)
}

/// A typed failure with the exit code of its category.
pub(super) fn refused(error: &Value) -> Failed {
    let code = match error["category"].as_str().unwrap_or_default() {
        "validation_error" | "client_error" => USAGE,
        "provider_error" | "network_error" => UNAVAILABLE,
        "rate_limit_error" | "timeout_error" => LATER,
        "auth_error" => FORBIDDEN,
        "tool_error" => NOT_DONE,
        _ => BUG,
    };
    let (kind, says) = (text(&error["code"]), text(&error["message"]));
    Failed::Coded(code, format!("{kind}: {says}"))
}

/// The text blocks of a result; notes about the answer go to standard error.
fn text_of(result: &Value) -> String {
    let blocks = items(&result["content"]);
    for note in blocks.iter().skip(1) {
        let note = note["text"].as_str().or(note["uri"].as_str());
        let _ = writeln!(std::io::stderr(), "{}", note.unwrap_or_default());
    }
    text(&result["content"][0]["text"])
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_take_the_type_that_the_schema_says() {
        let schema = json!({"properties": {"prompt": {"type": "string"},
            "stream": {"type": "boolean"}, "n": {"type": "integer"}, "file": {}}});
        let parse = |pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            arguments(&schema, &pairs).map(Value::Object)
        };
        assert_eq!(
            parse(&["prompt=1=2", "stream=true", "n=3", "file=a.rs"]).unwrap(),
            json!({"prompt": "1=2", "stream": true, "n": 3, "file": "a.rs"})
        );
        for (wrong, says) in [
            ("prompt", "KEY=VALUE"),
            ("promt=x", "prompt"),
            ("n=x", "integer"),
        ] {
            let failed = parse(&[wrong]).unwrap_err();
            assert!(failed.to_string().contains(says), "{failed}");
            assert_eq!(failed.code(), USAGE);
        }
    }

    #[test]
    fn the_exit_code_follows_the_category() {
        let code = |category: &str| refused(&json!({"category": category})).code();
        let all = crate::failure::Category::ALL.map(|one| code(one.name()));
        assert_eq!(all, [64, 70, 1, 69, 69, 64, 77, 75, 75, 70]);
    }
}
