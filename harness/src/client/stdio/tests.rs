//! The client against the other ends of its two pipes.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use tokio::io::{DuplexStream, Lines, duplex, split};

use super::*;
use crate::process::{Spec, Stdout};

type Requests = Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>;

fn connect() -> (Arc<Stdio>, Requests, tokio::io::WriteHalf<DuplexStream>) {
    let begun = Instant::now();
    let now: Now = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0) + 1);
    let (ours, theirs) = duplex(1 << 20);
    let (output, input) = split(ours);
    let (requests, replies) = split(theirs);
    let identity = Identity::numbered("ada", 0);
    let client = Stdio::over(input, output, Revision::V2026, identity, now);
    (Arc::new(client), BufReader::new(requests).lines(), replies)
}

async fn next(requests: &mut Requests) -> Value {
    serde_json::from_str(&requests.next_line().await.unwrap().unwrap()).unwrap()
}

async fn say(replies: &mut (impl AsyncWrite + Unpin), line: &str) {
    replies
        .write_all(format!("{line}\n").as_bytes())
        .await
        .unwrap();
}

fn ok(id: &Value, number: u64) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"number": number}}).to_string()
}

fn ask(client: &Arc<Stdio>, wait: Duration) -> JoinHandle<Exchange> {
    let client = Arc::clone(client);
    let until = client.now() + u64::try_from(wait.as_nanos()).unwrap();
    let mut request = Request::tool("chat", &json!({}));
    request.progress = true;
    tokio::spawn(async move { client.exchange(&request, until).await })
}

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn replies_in_any_order_reach_their_own_requests() {
    let (client, mut requests, mut replies) = connect();
    let asked = [ask(&client, LONG), ask(&client, LONG), ask(&client, LONG)];
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(next(&mut requests).await["id"].clone());
    }
    for id in ids.iter().rev() {
        say(&mut replies, &ok(id, id.as_u64().unwrap())).await;
    }
    for (asked, number) in asked.into_iter().zip(1..) {
        let exchange = asked.await.unwrap();
        assert_eq!(exchange.result().unwrap()["number"], json!(number));
        assert_eq!((exchange.replies, exchange.belongs), (1, Some(true)));
    }
}

#[tokio::test]
async fn a_second_reply_is_counted_and_noise_is_not_a_reply() {
    let (client, mut requests, mut replies) = connect();
    let asked = ask(&client, LONG);
    let request = next(&mut requests).await;
    let token = &request["params"]["_meta"]["progressToken"];
    let note = json!({"method": "notifications/progress", "params": {"progressToken": token}});
    say(&mut replies, "starting up...").await;
    say(&mut replies, &note.to_string()).await;
    let both = format!("{0}\n{0}", ok(&request["id"], 1));
    say(&mut replies, &both).await;
    let exchange = asked.await.unwrap();
    assert_eq!(
        (exchange.replies, exchange.progress, client.noise()),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn a_reply_with_the_id_in_another_type_or_of_nobody_does_not_belong() {
    for wrong in [json!("1"), json!(4711), Value::Null] {
        let (client, mut requests, mut replies) = connect();
        let asked = ask(&client, LONG);
        next(&mut requests).await;
        say(&mut replies, &ok(&wrong, 1)).await;
        let exchange = asked.await.unwrap();
        assert_eq!(
            (exchange.replies, exchange.belongs),
            (1, Some(false)),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_late_reply_to_an_abandoned_request_harms_no_other() {
    let (client, mut requests, mut replies) = connect();
    let abandoned = ask(&client, Duration::from_millis(20));
    let late = next(&mut requests).await["id"].clone();
    assert_eq!(
        abandoned.await.unwrap().trouble.as_deref(),
        Some("deadline")
    );
    let asked = ask(&client, LONG);
    let id = next(&mut requests).await["id"].clone();
    say(&mut replies, &ok(&late, 1)).await;
    say(&mut replies, &ok(&id, 2)).await;
    let exchange = asked.await.unwrap();
    assert_eq!((exchange.replies, exchange.belongs), (1, Some(true)));
}

#[tokio::test]
async fn the_end_of_the_pipe_ends_every_waiting_request() {
    let (client, mut requests, replies) = connect();
    let asked = [ask(&client, LONG), ask(&client, LONG)];
    next(&mut requests).await;
    next(&mut requests).await;
    drop((replies, requests));
    for asked in asked {
        let exchange = asked.await.unwrap();
        assert_eq!(exchange.trouble.as_deref(), Some("connection closed"));
    }
    let after = ask(&client, LONG).await.unwrap();
    assert_eq!(after.trouble.as_deref(), Some("connection closed"));
}

#[tokio::test]
async fn a_process_that_exits_is_a_closed_connection() {
    let now: Now = Arc::new(|| 0);
    let identity = Identity::numbered("ada", 0);
    let mut spec = Spec::new("true", Path::new("/bin/true"), Path::new("/"));
    spec.stdin = true;
    spec.stdout = Stdout::Piped;
    let process = Process::spawn(spec).unwrap();
    let client = Stdio::of(process, Revision::V2026, identity, now).unwrap();
    let exchange = client
        .exchange(&Request::tool("chat", &json!({})), u64::MAX)
        .await;
    let trouble = exchange.trouble.unwrap();
    assert!(trouble.starts_with("connection"), "{trouble}");
}
