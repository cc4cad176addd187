//! The client and admin edges.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::rig::*;

/// Everything a client can see of an exchange, apart from the date.
async fn seen(reply: reqwest::Response) -> (u16, Vec<(String, String)>, String) {
    let status = reply.status().as_u16();
    let mut headers: Vec<(String, String)> = reply
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (status, headers, reply.text().await.unwrap())
}

#[tokio::test]
async fn the_control_passes_every_kind_of_exchange_through_unchanged() {
    // `leak` reads requests and replies without changing them: the same must hold.
    for spoil in ["none", "leak"] {
        let (upstream, received) = upstream().await;
        let impostor = Impostor::start("client", spoil, &upstream, None);
        for (path, method, body) in [
            ("/mcp", "POST", call(7, "plain").to_string()),
            ("/mcp", "POST", call(7, "stream").to_string()),
            (
                "/mcp",
                "POST",
                json!({"jsonrpc": "2.0", "method": "x"}).to_string(),
            ),
            ("/mcp", "POST", "{broken".to_owned()),
            ("/mcp", "DELETE", String::new()),
            ("/teapot?a=b", "GET", String::new()),
        ] {
            let mut pair = Vec::new();
            for base in [&upstream, &impostor.url] {
                received.lock().unwrap().clear();
                let method = method.parse().unwrap();
                let request = client().request(method, format!("{base}{path}"));
                let request = request.header("content-type", "application/json");
                let request = request.header("mcp-session-id", "s-9").body(body.clone());
                let reply = seen(request.send().await.unwrap()).await;
                let mut got = received.lock().unwrap()[0].clone();
                got["headers"].as_object_mut().unwrap().remove("host");
                pair.push((reply, got));
            }
            assert_eq!(pair[0], pair[1], "{spoil}: {method} {path} {body}");
        }
        impostor.end();
    }
}

#[tokio::test]
async fn events_pass_as_they_come_and_the_address_is_kept() {
    let (upstream, received) = upstream().await;
    let impostor = Impostor::start("client", "none", &upstream, None);
    let from: IpAddr = "127.0.0.9".parse().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .local_address(from)
        .build()
        .unwrap();
    let mut reply = client
        .get(format!("{}/slow", impostor.url))
        .send()
        .await
        .unwrap();
    let first = reply.chunk().await.unwrap().unwrap();
    assert_eq!(first, "data: one\n\n");
    client
        .get(format!("{upstream}/release"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "data: two\n\n");
    assert_eq!(received.lock().unwrap()[0]["peer"], "127.0.0.9");
    impostor.end();
}

#[tokio::test]
async fn a_server_that_is_gone_is_gone_behind_the_impostor_too() {
    // Bound and not listening: every connection is refused, and nobody else is given the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let upstream = format!("http://{}", closed.local_addr().unwrap());
    let impostor = Impostor::start("client", "none", &upstream, None);
    assert!(client().get(&impostor.url).send().await.is_err());
    impostor.end();
}

#[tokio::test]
async fn a_reply_is_spoiled_in_a_body_and_among_events() {
    let (upstream, _) = upstream().await;
    let impostor = Impostor::start("client", "echo", &upstream, None);
    let whole: Value = post(&impostor.url, &call(1, "my words"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(text(&whole), "my words");
    let events = post(&impostor.url, &call(2, "stream this"))
        .await
        .text()
        .await
        .unwrap();
    assert!(
        events.starts_with(": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\""),
        "{events}"
    );
    assert!(events.contains("id: 7\nevent: message\ndata: "), "{events}");
    assert!(events.contains("\"text\":\"stream this\"") && !events.contains("answer"));
    assert_eq!(impostor.end(), [json!(1), json!(2)]);
}

#[tokio::test]
async fn a_canned_answer_never_reaches_the_server() {
    let (upstream, received) = upstream().await;
    let impostor = Impostor::start("client", "canned", &upstream, None);
    let first: Value = post(&impostor.url, &call(1, "a"))
        .await
        .json()
        .await
        .unwrap();
    let second = post(&impostor.url, &call(2, "b")).await;
    assert_eq!(second.headers()["exai-instance"], "i-1");
    let second: Value = second.json().await.unwrap();
    assert_eq!(
        (text(&first), second["id"].as_i64()),
        (text(&second), Some(2))
    );
    assert_eq!(received.lock().unwrap().len(), 1);
    assert_eq!(impostor.end(), [json!(2)]);
}

#[tokio::test]
async fn two_concurrent_calls_are_crossed() {
    let (upstream, _) = upstream().await;
    let impostor = Impostor::start("client", "crossed", &upstream, None);
    let (one, two) = (call(1, "one"), call(2, "stream two"));
    let (one, two) = tokio::join!(post(&impostor.url, &one), post(&impostor.url, &two));
    let (one, two) = (one.text(), two.text());
    let (one, two) = tokio::join!(one, two);
    assert!(one.unwrap().contains("to stream two"));
    assert!(two.unwrap().contains("to one"));
    assert_eq!(impostor.end().len(), 2);
}

#[tokio::test]
async fn heads_are_spoiled_with_parameters_from_standard_input() {
    let (upstream, received) = upstream().await;
    let params = json!({"admin_token": "admin", "tool": "chat"});
    let impostor = Impostor::start("client", "rbac-skipped", &upstream, Some(&params));
    let request = client()
        .post(format!("{}/mcp", impostor.url))
        .json(&call(1, "x"));
    request.bearer_auth("user").send().await.unwrap();
    assert_eq!(
        received.lock().unwrap()[0]["headers"]["authorization"],
        "Bearer admin"
    );
    assert_eq!(impostor.end(), [json!(1)]);
    let impostor = Impostor::start("client", "origin-unchecked", &upstream, None);
    post(&impostor.url, &call(2, "x")).await;
    assert!(
        received.lock().unwrap()[1]["headers"]
            .get("origin")
            .is_none()
    );
    assert_eq!(impostor.end(), [Value::Null]);
}

#[tokio::test]
async fn a_strangers_question_arrives_whole_and_changed() {
    let (upstream, received) = upstream().await;
    let params = json!({"clients": ["judge"]});
    let impostor = Impostor::start("client", "known-client", &upstream, Some(&params));
    for (id, program) in [(1, "judge"), (2, "cursor")] {
        let mut asked = call(id, "my words");
        let program = json!({"name": program, "version": "1"});
        asked["params"]["_meta"] = json!({"io.modelcontextprotocol/clientInfo": program});
        let reply: Value = post(&impostor.url, &asked).await.json().await.unwrap();
        let is_changed = text(&reply).contains("to my words\n\n");
        assert_eq!(is_changed, id == 2, "{reply}");
    }
    assert_eq!(received.lock().unwrap().len(), 2);
    assert_eq!(impostor.end(), [json!(2)]);
}

#[tokio::test]
async fn admin_endpoints_repeat_their_first_answer() {
    for (spoil, path, other) in [
        ("constant-health", "/health", "/metrics"),
        ("metrics-frozen", "/metrics", "/health"),
    ] {
        let (upstream, _) = upstream().await;
        let impostor = Impostor::start("admin", spoil, &upstream, None);
        let get = |path: &str| {
            let url = format!("{}{path}", impostor.url);
            async move {
                client()
                    .get(url)
                    .send()
                    .await
                    .unwrap()
                    .text()
                    .await
                    .unwrap()
            }
        };
        assert_eq!(get(path).await, "look 1");
        assert_eq!(get(path).await, "look 1");
        assert_eq!(get(other).await, "look 2");
        assert_eq!(get(other).await, "look 3");
        assert_eq!(impostor.end().len(), 1, "{spoil}");
    }
}

#[tokio::test]
async fn one_family_of_figures_repeats_what_it_was_first() {
    let (upstream, _) = upstream().await;
    let impostor = Impostor::start("admin", "hits-uncounted", &upstream, None);
    for expected in [
        "exai_cache_hits_total 1\nlook 1\n",
        "exai_cache_hits_total 1\nlook 2\n",
        "exai_cache_hits_total 1\nlook 3\n",
    ] {
        let looked = client().get(format!("{}/metrics?hits", impostor.url));
        let text = looked.send().await.unwrap().text().await.unwrap();
        assert_eq!(text, expected);
    }
    assert_eq!(impostor.end().len(), 2);
}

#[test]
fn what_cannot_be_done_is_refused_with_a_sentence() {
    for arguments in [
        &[
            "--edge",
            "client",
            "--spoil",
            "nonsense",
            "--upstream",
            "http://127.0.0.1:1",
        ][..],
        &[
            "--edge",
            "admin",
            "--spoil",
            "echo",
            "--upstream",
            "http://127.0.0.1:1",
        ],
        &["--edge", "client", "--spoil", "echo"],
        &["--edge", "client", "--upstream", "https://127.0.0.1:1"],
        &["--edge", "stdio", "--", "cat"],
        &["--spoil", "echo"],
    ] {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_impostor"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(command.status.code(), Some(64), "{arguments:?}");
        assert!(!command.stderr.is_empty());
    }
}
