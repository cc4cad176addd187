//! The client against a server of a few lines that answers exactly the bytes it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client::Client;

/// What the fake does with one request: pieces to write, and whether it hangs up afterwards.
struct Answer {
    pieces: Vec<String>,
    hangs_up: bool,
}

fn json_answer(status: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
    let text = format!("{head}exai-instance: i-9\r\ncontent-length: {length}\r\n\r\n{body}");
    Answer {
        pieces: vec![text],
        hangs_up: false,
    }
}

fn events(pieces: &[&str]) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let pieces = std::iter::once(head)
        .chain(pieces.iter().copied())
        .map(str::to_owned);
    Answer {
        pieces: pieces.collect(),
        hangs_up: true,
    }
}

/// Answers by the tool's name; the head of each request is told with its body.
async fn serve(mut stream: TcpStream, answer: fn(&str, &str, &Value) -> Answer) {
    stream.set_nodelay(true).unwrap();
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if read.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1);
        let length = length
            .and_then(|rest| rest.lines().next()?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        read.read_exact(&mut body).await.unwrap();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = message["params"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let answer = answer(&name, &head, &message);
        for piece in answer.pieces {
            if write.write_all(piece.as_bytes()).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        if answer.hangs_up {
            return;
        }
    }
}

async fn start(answer: fn(&str, &str, &Value) -> Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer));
        }
    });
    address
}

fn client(address: SocketAddr, revision: Revision, redial: bool) -> Client {
    let begun = Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0));
    let target = HttpTarget {
        address,
        host: format!("localhost:{}", address.port()),
        path: "/mcp".to_owned(),
        revision,
        connections: 2,
        redial,
    };
    Client::Http(Http::new(
        target,
        Identity::numbered("ada", 3).with_bearer("abc"),
        now,
    ))
}

async fn ask(client: &Client, tool: &str) -> Exchange {
    let params = json!({"name": tool, "arguments": {}});
    client
        .request("tools/call", params, Duration::from_secs(2))
        .await
}

fn ok(id: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string()
}

fn table(name: &str, _head: &str, message: &Value) -> Answer {
    let good = ok(&message["id"]);
    let foreign = ok(&json!(message["id"].as_u64().unwrap_or(0) + 1000));
    let event = |body: &str| format!("event: message\ndata: {body}\n\n");
    match name {
        "plain" => json_answer("200 OK", &good),
        "foreign" => json_answer("200 OK", &foreign),
        "doubled" => json_answer("200 OK", &format!("{good}{good}")),
        "batch" => json_answer("200 OK", &format!("[{good},{good}]")),
        "empty" => json_answer("200 OK", "{}"),
        "garbage" => json_answer("200 OK", "<html>"),
        "denied" => json_answer(
            "401 Unauthorized",
            "{\"id\":null,\"error\":{\"code\":-32001}}",
        ),
        "unavailable" => json_answer("503 Service Unavailable", ""),
        "cut" => Answer {
            pieces: vec!["HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"id\"".to_owned()],
            hangs_up: true,
        },
        "closed" => Answer {
            pieces: Vec::new(),
            hangs_up: true,
        },
        "silent" => Answer {
            pieces: Vec::new(),
            hangs_up: false,
        },
        "events" => {
            let note = json!({"method": "notifications/progress", "params": {}}).to_string();
            let whole = format!(": ping\n\n{}{}{}", event(&note), event(&note), event(&good));
            let pieces: Vec<&str> = whole.split_inclusive(['a', '\n']).collect();
            events(&pieces)
        }
        "doubled events" => events(&[&event(&good), &event(&good)]),
        "foreign events" => events(&[&event(&foreign)]),
        "cut events" => events(&["data: {\"id\""]),
        other => panic!("no answer for {other}"),
    }
}

#[tokio::test]
async fn every_form_of_reply_is_read_as_what_it_is() {
    let address = start(table).await;
    let cases = [
        ("plain", Some(200), 1, Some(true), None),
        ("foreign", Some(200), 1, Some(false), None),
        ("doubled", Some(200), 2, Some(true), None),
        ("batch", Some(200), 2, Some(true), None),
        (
            "empty",
            Some(200),
            0,
            None,
            Some("no reply in \"application/json\""),
        ),
        ("garbage", Some(200), 0, None, Some("not json")),
        ("denied", Some(401), 1, None, None),
        ("unavailable", Some(503), 0, None, Some("status 503")),
        ("cut", Some(200), 0, None, Some("connection closed")),
        ("closed", None, 0, None, Some("connection closed")),
        ("events", Some(200), 1, Some(true), None),
        ("doubled events", Some(200), 2, Some(true), None),
        ("foreign events", Some(200), 1, Some(false), None),
        (
            "cut events",
            Some(200),
            0,
            None,
            Some("no reply in \"text/event-stream\""),
        ),
    ];
    for (tool, status, replies, belongs, trouble) in cases {
        let exchange = ask(&client(address, Revision::V2026, false), tool).await;
        assert_eq!(exchange.status, status, "{tool}: {exchange:?}");
        assert_eq!(
            (exchange.replies, exchange.belongs),
            (replies, belongs),
            "{tool}"
        );
        assert_eq!(exchange.trouble.as_deref(), trouble, "{tool}");
    }
}

#[tokio::test]
async fn progress_and_keep_alive_comments_are_counted() {
    let address = start(table).await;
    let exchange = ask(&client(address, Revision::V2026, false), "events").await;
    assert_eq!((exchange.progress, exchange.comments), (2, 1));
}

#[tokio::test]
async fn a_reply_that_never_comes_ends_at_the_deadline_and_spares_the_next_request() {
    let address = start(table).await;
    let client = client(address, Revision::V2026, false);
    let params = json!({"name": "silent"});
    let exchange = client
        .request("tools/call", params, Duration::from_millis(50))
        .await;
    assert_eq!(
        (exchange.trouble.as_deref(), exchange.replies),
        (Some("deadline"), 0)
    );
    assert!(exchange.done_at - exchange.sent_at < 2_000_000_000);
    assert_eq!(ask(&client, "plain").await.replies, 1);
}

#[tokio::test]
async fn a_connection_closed_by_the_peer_stays_closed_until_reconnect() {
    let address = start(table).await;
    let client = client(address, Revision::V2026, false);
    assert_eq!(
        ask(&client, "closed").await.trouble.as_deref(),
        Some("connection closed")
    );
    let next = ask(&client, "plain").await;
    assert_eq!(next.trouble.as_deref(), Some("connection closed"));
    client.reconnect(Duration::from_secs(1)).await.unwrap();
    assert_eq!(ask(&client, "plain").await.replies, 1);
}

#[tokio::test]
async fn a_client_that_dials_again_by_itself_does_so_with_the_next_request_only() {
    let address = start(table).await;
    let client = client(address, Revision::V2026, true);
    assert_eq!(
        ask(&client, "closed").await.trouble.as_deref(),
        Some("connection closed")
    );
    assert_eq!(ask(&client, "plain").await.replies, 1);
}

#[tokio::test]
async fn nobody_listening_is_a_refused_connection() {
    let nobody = crate::port::nobody();
    let exchange = ask(&client(nobody, Revision::V2026, true), "plain").await;
    assert_eq!(exchange.trouble.as_deref(), Some("connection refused"));
}

fn strict_2026(name: &str, head: &str, message: &Value) -> Answer {
    let meta = &message["params"]["_meta"];
    let wants = [
        "mcp-protocol-version: 2026-07-28".to_owned(),
        "mcp-method: tools/call".to_owned(),
        format!("mcp-name: {name}"),
        "authorization: bearer abc".to_owned(),
        "accept: application/json, text/event-stream".to_owned(),
    ];
    let is_whole = wants.iter().all(|header| head.contains(header.as_str()))
        && meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
        && meta["io.modelcontextprotocol/clientInfo"]["name"].is_string();
    let status = if is_whole {
        "200 OK"
    } else {
        "400 Bad Request"
    };
    json_answer(status, &ok(&message["id"]))
}

#[tokio::test]
async fn a_stateless_request_carries_headers_and_meta() {
    let address = start(strict_2026).await;
    let exchange = ask(&client(address, Revision::V2026, false), "chat").await;
    assert_eq!(
        (exchange.status, exchange.instance.as_deref()),
        (Some(200), Some("i-9"))
    );
}

fn strict_2025(_name: &str, head: &str, message: &Value) -> Answer {
    let in_session =
        head.contains("mcp-session-id: s-1") && head.contains("mcp-protocol-version: 2025-11-25");
    match message["method"].as_str() {
        Some("initialize") if !in_session => {
            let mut answer = json_answer("200 OK", &ok(&message["id"]));
            answer.pieces[0] = answer.pieces[0].replacen("\r\n", "\r\nmcp-session-id: s-1\r\n", 1);
            answer
        }
        Some("notifications/initialized") if in_session && message.get("id").is_none() => Answer {
            pieces: vec!["HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()],
            hangs_up: false,
        },
        Some("tools/call") if in_session => json_answer("200 OK", &ok(&message["id"])),
        _ => json_answer("400 Bad Request", ""),
    }
}

#[tokio::test]
async fn a_session_is_opened_by_the_handshake_and_named_in_what_follows() {
    let address = start(strict_2025).await;
    let client = client(address, Revision::V2025, false);
    assert_eq!(ask(&client, "chat").await.status, Some(400));
    client.greet(Duration::from_secs(2)).await.unwrap();
    assert_eq!(ask(&client, "chat").await.status, Some(200));
}

fn peer(_name: &str, _head: &str, message: &Value) -> Answer {
    json_answer("200 OK", &ok(&message["id"]))
}

#[tokio::test]
async fn each_identity_speaks_from_its_own_address_over_one_kept_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), Revision::V2026, false);
    let server = tokio::spawn(async move {
        let (stream, from) = listener.accept().await.unwrap();
        serve(stream, peer).await;
        from
    });
    for _ in 0..3 {
        assert_eq!(ask(&client, "chat").await.replies, 1);
    }
    drop(client);
    assert_eq!(server.await.unwrap().ip().to_string(), "127.1.0.4");
}

#[tokio::test]
async fn a_client_that_dials_anew_has_a_connection_for_each_request() {
    let address = start(table).await;
    for (anew, connections) in [(false, 1), (true, 3)] {
        let link = crate::link::Link::start("test", address).await.unwrap();
        let client = client(link.address(), Revision::V2026, true);
        let client = match client {
            Client::Http(http) if anew => Client::Http(http.dialling_anew()),
            other => other,
        };
        for _ in 0..3 {
            assert_eq!(ask(&client, "plain").await.replies, 1);
        }
        assert_eq!(link.counters().accepted, connections);
    }
}
