//! Between a server and its store: bytes as they are, late, or not at all.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::Impostor;

/// Longest wait for an answer or an end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store that says everything back until it is told to end.
async fn store() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (
        format!("http://{}", listener.local_addr().unwrap()),
        listener,
    )
}

async fn echo(mut socket: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(read) = socket.read(&mut bytes).await {
        if read == 0 || bytes[..read] == *b"end" {
            return;
        }
        socket.write_all(&bytes[..read]).await.unwrap();
    }
}

async fn connect(impostor: &Impostor) -> TcpStream {
    let address = impostor.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// How long one question took; None when the connection ended instead.
async fn ask(socket: &mut TcpStream, question: &[u8]) -> Option<Duration> {
    let begun = Instant::now();
    socket.write_all(question).await.ok()?;
    let mut answer = vec![0; question.len()];
    let read = tokio::time::timeout(PATIENCE, socket.read_exact(&mut answer)).await;
    read.unwrap().ok()?;
    assert_eq!(answer, question);
    Some(begun.elapsed())
}

#[tokio::test]
async fn operations_wait_as_long_as_they_are_told_and_keep_their_order() {
    let (url, listener) = store().await;
    tokio::spawn(async move {
        loop {
            tokio::spawn(echo(listener.accept().await.unwrap().0));
        }
    });
    let late = json!({"store_delay_ms": 150});
    let impostor = Impostor::start("store", "slow-store", &url, Some(&late));
    let mut socket = connect(&impostor).await;
    for question in [b"one".as_slice(), b"another"] {
        let took = ask(&mut socket, question).await.unwrap();
        assert!(took >= Duration::from_millis(150), "{took:?}");
    }
    drop(socket);
    assert_eq!(impostor.end().len(), 2);
    let honest = Impostor::start("store", "none", &url, None);
    let mut socket = connect(&honest).await;
    assert!(ask(&mut socket, b"one").await.is_some());
    drop(socket);
    assert!(honest.end().is_empty());
}

#[tokio::test]
async fn a_store_that_ended_a_connection_is_kept_away() {
    let (url, listener) = store().await;
    let impostor = lost("never-reconnects", &url, &listener).await;
    let mut again = connect(&impostor).await;
    assert_eq!(ask(&mut again, b"one").await, None);
    assert_eq!(impostor.end().len(), 1);
}

#[tokio::test]
async fn a_store_that_ended_a_connection_breaks_off_in_the_next_ones_greeting() {
    let (url, listener) = store().await;
    let impostor = lost("wedged-store", &url, &listener).await;
    let mut again = connect(&impostor).await;
    again.write_all(b"hello").await.unwrap();
    tokio::spawn(echo(listener.accept().await.unwrap().0));
    let mut heard = [0; 2];
    again.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"he");
    let more = tokio::time::timeout(Duration::from_millis(200), again.read(&mut heard)).await;
    assert!(more.is_err(), "it neither spoke nor ended: {more:?}");
    drop(again);
    assert_eq!(impostor.end().len(), 1);
}

/// An impostor before a store that has just ended the only connection.
async fn lost(spoil: &str, url: &str, listener: &TcpListener) -> Impostor {
    let away = json!({"away_ms": 600_000});
    let impostor = Impostor::start("store", spoil, url, Some(&away));
    let mut socket = connect(&impostor).await;
    let accepted = listener.accept().await.unwrap().0;
    tokio::spawn(echo(accepted));
    assert!(ask(&mut socket, b"one").await.is_some());
    socket.write_all(b"end").await.unwrap();
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap_or(0), 0, "it ended");
    impostor
}
