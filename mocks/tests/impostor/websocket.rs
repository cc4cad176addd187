//! The WebSocket edge: calls are read there, HTTP is not, and every other frame passes.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

use crate::rig::{Impostor, call};

/// Answers each request by its id and gives every other frame back.
async fn serve(listener: TcpListener) {
    let mut socket = accept_async(listener.accept().await.unwrap().0)
        .await
        .unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let request: Option<Value> = match &message {
            Message::Text(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        let reply = match request.filter(|request| request.get("id").is_some()) {
            Some(request) => {
                let content = json!([{"type": "text", "text": "answer"}]);
                let reply = json!({"jsonrpc": "2.0", "id": request["id"],
                    "result": {"content": content}});
                Message::text(reply.to_string())
            }
            None => message,
        };
        if socket.send(reply).await.is_err() {
            return;
        }
    }
}

/// The replies to these frames, one by one.
async fn spoken(spoil: &str, frames: Vec<Message>) -> (Vec<Message>, Vec<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    let impostor = Impostor::start("websocket", spoil, &url, None);
    let address = impostor.url.strip_prefix("http://").unwrap().to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}/ws"), stream)
        .await
        .unwrap();
    let mut replies = Vec::new();
    for frame in frames {
        socket.send(frame).await.unwrap();
        replies.push(socket.next().await.unwrap().unwrap());
    }
    drop(socket);
    (replies, impostor.end())
}

fn id(reply: &Message) -> Value {
    let Message::Text(text) = reply else {
        panic!("{reply:?}")
    };
    serde_json::from_str::<Value>(text).unwrap()["id"].clone()
}

#[tokio::test]
async fn a_call_over_websocket_is_spoiled_and_other_frames_pass() {
    let frames = || {
        vec![
            Message::text(call(7, "x").to_string()),
            Message::text("no JSON"),
            Message::binary(vec![0, 255]),
        ]
    };
    let (replies, spoiled) = spoken("spelled-id", frames()).await;
    assert_eq!((id(&replies[0]), spoiled), (json!("7"), vec![json!(7)]));
    assert_eq!(replies[1..], frames()[1..]);
    let (replies, spoiled) = spoken("none", frames()).await;
    assert_eq!((id(&replies[0]), spoiled), (json!(7), Vec::new()));
    assert_eq!(replies[1..], frames()[1..]);
}
