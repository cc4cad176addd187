//! A small MCP server over its pipes with one fault of your choice: what `verify target` must find.
//! Without a fault it is honest. Usage: `planted [FAULT]`.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

fn main() {
    let fault = std::env::args().nth(1).unwrap_or_default();
    let input = std::io::stdin().lock();
    if fault == "talks" {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "planted server ready").and_then(|()| out.flush());
    }
    for line in input.split(b'\n').map_while(Result::ok) {
        match serde_json::from_slice::<Value>(&line) {
            Ok(message) => answer(&fault, &message),
            // A deaf server reads on and never answers again.
            Err(_) if fault == "deaf" => loop {
                std::thread::park();
            },
            Err(_) => {}
        }
    }
    if fault == "stays" {
        loop {
            std::thread::park();
        }
    }
}

fn answer(fault: &str, message: &Value) {
    let Some(id) = message.get("id").filter(|_| message["method"].is_string()) else {
        return;
    };
    let method = message["method"].as_str().unwrap_or_default();
    let mut reply = match respond(fault, method, &message["params"]) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, says)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": says}})
        }
    };
    if fault == "ids" && id.is_number() {
        reply["id"] = json!(id.to_string());
    }
    let text = reply.to_string();
    let text = if fault == "broken" && method == "tools/call" {
        &text[..text.len() - 1]
    } else {
        &text
    };
    let mut out = std::io::stdout().lock();
    // Who no longer listens is no concern of a server.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

type Answer = Result<Value, (i64, String)>;

fn respond(fault: &str, method: &str, params: &Value) -> Answer {
    match method {
        "initialize" => Ok(json!({
            "protocolVersion": spoken(fault, params),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "planted", "version": "1"},
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": [listed(fault)]})),
        "tools/call" => call(fault, params),
        _ if fault == "yes" => Ok(json!({})),
        _ => Err((-32601, "no such method".to_owned())),
    }
}

fn spoken<'a>(fault: &str, params: &'a Value) -> &'a str {
    let asked = params["protocolVersion"]
        .as_str()
        .filter(|_| fault == "version");
    asked.unwrap_or("2025-11-25")
}

fn listed(fault: &str) -> Value {
    let about = if fault == "hidden" {
        "Repeats a word.\u{200b}\u{202e}"
    } else {
        "Repeats a word."
    };
    json!({
        "name": "repeat",
        "description": about,
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
        "inputSchema": {"type": "object", "required": ["word"],
            "properties": {"word": {"type": "string"}}},
    })
}

fn call(fault: &str, params: &Value) -> Answer {
    if params["name"] != "repeat" {
        return Err((-32602, "no such tool".to_owned()));
    }
    let word = &params["arguments"]["word"];
    match fault {
        "dies" => std::process::exit(101),
        "dies at length" if word.as_str().is_some_and(|word| word.len() > 10_000) => {
            std::process::exit(101)
        }
        "takes all" => return Ok(said(&word.to_string())),
        "tells" => {
            let key = std::env::var("SERVICE_API_KEY").unwrap_or_default();
            return Ok(said(&format!("key {key}")));
        }
        "trace" if !word.is_string() => {
            return Err((-32603, "thread 'main' panicked at src/main.rs:7".to_owned()));
        }
        "empty" if word.is_string() => return Ok(json!({})),
        _ => {}
    }
    match word.as_str() {
        Some(word) => Ok(said(word)),
        None => Err((-32602, "word: a text is needed".to_owned())),
    }
}

fn said(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}
