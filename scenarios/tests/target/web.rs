//! A server at an address, with and without a guard at its door.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use super::post::Post;
use super::{failed, judged, plain, says};

const SESSION: &str = "3f0c9a4e-1111-4222-8333-abcdefabcdef";

/// A server of one tool; `is_guarded` refuses foreign pages and made-up sessions.
fn serving(is_guarded: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream, is_guarded));
        }
    });
    format!("http://{address}/mcp")
}

fn serve(stream: TcpStream, is_guarded: bool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let post = Post::read(&mut reader)?;
        let is_foreign = post.header("origin:").is_some();
        let session = post.header("mcp-session-id:");
        let request = &post.body;
        let is_greeting = request["method"] == "initialize";
        let (status, said) = match answer(request) {
            _ if is_guarded && is_foreign => ("403 Forbidden", String::new()),
            _ if is_guarded && !is_greeting && session != Some(SESSION) => {
                ("404 Not Found", String::new())
            }
            None => ("202 Accepted", String::new()),
            Some(said) => ("200 OK", said.to_string()),
        };
        let length = said.len();
        write!(
            writer,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nmcp-session-id: {SESSION}\r\n\
             content-length: {length}\r\n\r\n{said}"
        )
        .ok()?;
    }
}

fn answer(request: &Value) -> Option<Value> {
    let id = request.get("id")?;
    let word = &request["params"]["arguments"]["word"];
    let result = match request["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "web", "version": "1"},
        }),
        "ping" => json!({}),
        "tools/list" => json!({"tools": [{
            "name": "repeat",
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
            "inputSchema": {"type": "object", "required": ["word"],
                "properties": {"word": {"type": "string"}}},
        }]}),
        "tools/call" if request["params"]["name"] == "repeat" && word.is_string() => {
            json!({"content": [{"type": "text", "text": word}]})
        }
        method => {
            let code = if method == "tools/call" {
                -32602
            } else {
                -32601
            };
            let error = json!({"code": code, "message": "no"});
            return Some(json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

#[test]
fn a_foreign_page_and_a_made_up_session_are_let_in_by_one_server_and_not_by_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, report) = judged(folder.path(), &["--url", &serving(true)], plain);
    assert_eq!(run.status.code(), Some(0), "{}", says(&run));
    assert!(
        says(&run).contains("no subject wire pure"),
        "{}",
        says(&run)
    );
    assert_eq!(report["identity"]["server_sha256"], Value::Null);
    let folder = tempfile::tempdir().expect("a folder");
    let (run, report) = judged(folder.path(), &["--url", &serving(false)], plain);
    assert_eq!(run.status.code(), Some(1), "{}", says(&run));
    assert_eq!(failed(&report), ["security/origin", "security/session"]);
}
