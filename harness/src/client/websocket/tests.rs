//! The client against the other end of its connection.

use std::time::Instant;

use futures::{SinkExt, StreamExt};
use http::HeaderMap;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::client::Client;

/// What the server has of one connection.
struct Peer {
    from: std::net::IpAddr,
    headers: HeaderMap,
    socket: WebSocketStream<TcpStream>,
}

impl Peer {
    async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }
}

const LONG: Duration = Duration::from_secs(5);

/// What an upgrade is answered with: a status, and the subprotocol that goes with 101.
type Answer = (u16, Option<&'static str>);

/// Accepts connections and hands over each that it upgraded.
async fn start(answer: Answer) -> (SocketAddr, mpsc::UnboundedReceiver<Peer>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peers, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            let mut headers = HeaderMap::new();
            let upgraded = accept_hdr_async(stream, Upgrade(answer, &mut headers)).await;
            let Ok(socket) = upgraded else { continue };
            let from = from.ip();
            drop(peers.send(Peer {
                from,
                headers,
                socket,
            }));
        }
    });
    (address, accepted)
}

struct Upgrade<'a>(Answer, &'a mut HeaderMap);

impl server::Callback for Upgrade<'_> {
    fn on_request(
        self,
        request: &server::Request,
        mut reply: server::Response,
    ) -> Result<server::Response, server::ErrorResponse> {
        assert_eq!(request.uri(), "/ws");
        self.1.clone_from(request.headers());
        let (status, subprotocol) = self.0;
        if status != 101 {
            let refused = http::Response::builder().status(status).body(None);
            return Err(refused.unwrap());
        }
        let headers = reply.headers_mut();
        headers.insert("exai-instance", "i-9".parse().unwrap());
        if let Some(name) = subprotocol {
            headers.insert("sec-websocket-protocol", name.parse().unwrap());
        }
        Ok(reply)
    }
}

fn client(address: SocketAddr) -> Arc<Client> {
    let begun = Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap() + 1);
    let target = WebSocketTarget {
        address,
        host: "exai.test:1".to_owned(),
        path: "/ws".to_owned(),
    };
    let identity = Identity::numbered("ada", 3).with_bearer("abc");
    Arc::new(Client::WebSocket(WebSocket::new(target, identity, now)))
}

fn ok(id: &Value, number: u64) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"number": number}}).to_string()
}

/// The server's half of a greeting.
async fn receive(peers: &mut mpsc::UnboundedReceiver<Peer>) -> Peer {
    let mut peer = peers.recv().await.unwrap();
    let hello = peer.next().await;
    assert_eq!(hello["method"], "initialize");
    assert_eq!(hello["params"]["protocolVersion"], "2025-11-25");
    peer.say(&ok(&hello["id"], 0)).await;
    assert_eq!(peer.next().await["method"], "notifications/initialized");
    peer
}

async fn connect() -> (Arc<Client>, Peer, mpsc::UnboundedReceiver<Peer>) {
    let (address, mut peers) = start((101, Some("mcp"))).await;
    let client = client(address);
    let (greeted, peer) = tokio::join!(client.greet(LONG), receive(&mut peers));
    greeted.unwrap();
    (client, peer, peers)
}

fn ask(client: &Arc<Client>, wait: Duration) -> JoinHandle<Exchange> {
    let client = Arc::clone(client);
    tokio::spawn(async move { client.request("tools/call", json!({}), wait).await })
}

#[tokio::test]
async fn the_upgrade_tells_who_is_there_and_what_is_spoken() {
    let (client, peer, _peers) = connect().await;
    let text = |name: &str| peer.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(peer.from, client.identity().source);
    assert_eq!(text("host"), Some("exai.test:1"));
    assert_eq!(text("authorization"), Some("Bearer abc"));
    assert_eq!(text("sec-websocket-protocol"), Some("mcp"));
    assert_eq!(text("user-agent"), client.identity().software.user_agent);
    assert_eq!(text("origin"), None);
}

#[tokio::test]
async fn twenty_requests_in_flight_on_one_connection_get_their_own_replies() {
    let (client, mut peer, mut peers) = connect().await;
    let asked: Vec<_> = (0..20).map(|_| ask(&client, LONG)).collect();
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(peer.next().await["id"].clone());
    }
    for id in ids.iter().rev() {
        peer.say(&ok(id, id.as_u64().unwrap())).await;
    }
    let mut numbers = Vec::new();
    for asked in asked {
        let exchange = asked.await.unwrap();
        assert_eq!((exchange.replies, exchange.belongs), (1, Some(true)));
        assert_eq!(exchange.instance.as_deref(), Some("i-9"));
        assert!(exchange.first_byte_at > Some(exchange.sent_at));
        let reply = exchange.reply.unwrap();
        assert_eq!(reply["id"], reply["result"]["number"]);
        numbers.push(reply["id"].as_u64().unwrap());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20);
    assert!(peers.try_recv().is_err(), "a second connection");
}

#[tokio::test]
async fn a_second_reply_is_counted_and_frames_without_json_are_none() {
    let (client, mut peer, _peers) = connect().await;
    let asked = ask(&client, LONG);
    let id = peer.next().await["id"].clone();
    peer.say("starting up...").await;
    let binary = Message::binary(ok(&id, 9).into_bytes());
    peer.socket.send(binary).await.unwrap();
    peer.say(&ok(&id, 1)).await;
    peer.say(&ok(&id, 2)).await;
    let exchange = asked.await.unwrap();
    assert_eq!((exchange.replies, exchange.belongs), (2, Some(true)));
    assert_eq!(exchange.result().unwrap()["number"], 1);
}

#[tokio::test]
async fn a_reply_with_the_id_in_another_type_or_of_nobody_does_not_belong() {
    for wrong in [json!("2"), json!(4711), Value::Null] {
        let (client, mut peer, _peers) = connect().await;
        let asked = ask(&client, LONG);
        assert_eq!(peer.next().await["id"], 2);
        peer.say(&ok(&wrong, 1)).await;
        let exchange = asked.await.unwrap();
        let seen = (exchange.replies, exchange.belongs);
        assert_eq!(seen, (1, Some(false)), "{wrong}");
    }
}

#[tokio::test]
async fn a_reply_to_nobody_shows_at_the_request_that_never_got_its_own() {
    let (client, mut peer, _peers) = connect().await;
    let asked = [
        ask(&client, Duration::from_millis(300)),
        ask(&client, Duration::from_millis(300)),
    ];
    peer.next().await;
    peer.next().await;
    peer.say(&ok(&json!(4711), 1)).await;
    let mut belongs = Vec::new();
    for asked in asked {
        let exchange = asked.await.unwrap();
        assert_eq!(exchange.trouble.as_deref(), Some("deadline"));
        assert_eq!(exchange.instance, None);
        belongs.push(exchange.belongs);
    }
    belongs.sort_unstable();
    assert_eq!(belongs, [None, Some(false)]);
}

#[tokio::test]
async fn a_close_is_the_trouble_of_every_request_and_nothing_is_sent_again() {
    let (client, mut peer, mut peers) = connect().await;
    let asked = [ask(&client, LONG), ask(&client, LONG)];
    peer.next().await;
    peer.next().await;
    let close = CloseFrame {
        code: 1008.into(),
        reason: "a limit".into(),
    };
    peer.socket.close(Some(close)).await.unwrap();
    let answer = peer.socket.next().await.unwrap().unwrap();
    assert!(answer.is_close(), "{answer:?}");
    for asked in asked {
        let exchange = asked.await.unwrap();
        let trouble = exchange.trouble.as_deref();
        assert_eq!(trouble, Some("connection closed 1008: a limit"));
        assert_eq!((exchange.replies, exchange.belongs), (0, None));
    }
    let after = ask(&client, LONG).await.unwrap();
    let trouble = after.trouble.unwrap();
    assert_eq!(trouble, "connection closed 1008: a limit");
    assert!(peers.try_recv().is_err(), "a second connection");

    let (again, mut peer) = tokio::join!(client.reconnect(LONG), receive(&mut peers));
    again.unwrap();
    let asked = ask(&client, LONG);
    let id = peer.next().await["id"].clone();
    peer.say(&ok(&id, 1)).await;
    assert_eq!(asked.await.unwrap().belongs, Some(true));
}

#[tokio::test]
async fn a_connection_lost_without_a_close_is_told_as_lost() {
    let (client, mut peer, _peers) = connect().await;
    let asked = ask(&client, LONG);
    peer.next().await;
    drop(peer);
    let trouble = asked.await.unwrap().trouble.unwrap();
    assert_eq!(trouble, "connection closed");
}

#[tokio::test]
async fn an_upgrade_that_is_refused_or_speaks_something_else_is_no_connection() {
    let cases: [(Answer, &str); 3] = [
        ((401, None), "status 401"),
        ((101, Some("exai.v1")), "websocket: "),
        ((101, None), "websocket: "),
    ];
    for (answer, why) in cases {
        let (address, _peers) = start(answer).await;
        let client = client(address);
        let error = client.greet(LONG).await.unwrap_err().to_string();
        assert!(error.contains(why), "{answer:?}: {error}");
        let after = ask(&client, LONG).await.unwrap();
        assert!(after.trouble.unwrap().contains(why), "{answer:?}");
    }
    let nobody = client(crate::port::nobody());
    let error = nobody.greet(LONG).await.unwrap_err().to_string();
    assert!(error.contains("connection refused"), "{error}");
}
