//! The frames of `exai.v1` as a client writes and reads them.

use serde_json::{Value, json};

use super::process::Server;
use super::socket::{Socket, open};

pub fn chat(id: &str, prompt: &str) -> Value {
    json!({"op": "call_tool", "request_id": id, "name": "chat", "arguments": {"prompt": prompt}})
}

pub fn version(id: &str) -> Value {
    json!({"op": "call_tool", "request_id": id, "name": "version", "arguments": {}})
}

/// A connection on which nothing was said yet.
pub fn silent(server: &Server) -> Socket {
    open(server, "exai.v1", &[]).unwrap()
}

/// A connection after a hello.
pub fn greeted(server: &Server, hello: Value) -> Socket {
    let mut socket = silent(server);
    let ack = greet(&mut socket, hello);
    assert_eq!(ack["ok"], true, "{ack}");
    socket
}

pub fn greet(socket: &mut Socket, hello: Value) -> Value {
    let mut frame = json!({"op": "hello"});
    for (name, value) in hello.as_object().unwrap() {
        frame[name] = value.clone();
    }
    socket.say(&frame);
    let ack = socket.hear().unwrap();
    assert_eq!(ack["op"], "hello_ack", "{ack}");
    ack
}

/// The frames of a request up to and with its outcome.
pub fn frames(socket: &mut Socket, request: &Value) -> Vec<Value> {
    socket.say(request);
    until_outcome(socket, &request["request_id"])
}

pub fn until_outcome(socket: &mut Socket, id: &Value) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = socket.hear().unwrap();
        assert_eq!(frame["request_id"], *id, "{frame}");
        let is_last = !matches!(frame["op"].as_str().unwrap(), "progress" | "stream_chunk");
        frames.push(frame);
        if is_last {
            return frames;
        }
    }
}

pub fn ask(socket: &mut Socket, request: &Value) -> Value {
    frames(socket, request).pop().unwrap()
}
