use super::*;

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A listener that gives each connection the next of `replies`, then the last for ever.
async fn listener(replies: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut replies = replies.into_iter().peekable();
        let mut current = String::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            current = replies.next().unwrap_or(current);
            let mut request = vec![0; 4096];
            let _read = stream.read(&mut request).await;
            let _written = stream.write_all(current.as_bytes()).await;
        }
    });
    address
}

fn reply(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nexai-instance: i1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn scraper(admin: SocketAddr, folder: &std::path::Path) -> Scraper {
    let recorder = Recorder::open(folder, crate::clock::RunClock::start().as_now()).unwrap();
    Scraper::new(admin, Arc::new(|| Some("token".to_owned())), recorder)
}

#[tokio::test]
async fn health_is_flattened_to_a_word_a_component_with_the_instance() {
    let detail = json!({"status": "degraded", "components": {
        "store": {"status": "healthy", "kind": "sqlite"},
        "providers": {"kimi": {"status": "unhealthy"}, "glm": {"status": "healthy"}},
        "in_flight": {"current": 1, "limit": 2}, "disk": "healthy"}});
    let admin = listener(vec![reply(200, "ready"), reply(200, &detail.to_string())]).await;
    let folder = tempfile::tempdir().unwrap();
    let seen = scraper(admin, folder.path()).health().await;
    assert!(seen.ready);
    assert_eq!(seen.instance.as_deref(), Some("i1"));
    let words: Vec<(&str, &str)> = seen
        .components
        .iter()
        .map(|(name, word)| (name.as_str(), word.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            ("disk", "healthy"),
            ("glm", "healthy"),
            ("kimi", "unhealthy"),
            ("store", "healthy"),
            ("store_kind", "sqlite")
        ]
    );
}

#[tokio::test]
async fn a_dead_listener_is_status_zero_and_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let seen = scraper(crate::port::nobody(), folder.path()).health().await;
    assert_eq!((seen.status, seen.ready), (0, false));
    assert!(seen.components.is_empty());
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_and_never_half_an_answer() {
    let whole = reply(200, "0123456789");
    let admin = listener(vec![whole[..whole.len() - 3].to_owned()]).await;
    let error = Ask::json(admin, Method::PUT, "/plan", &json!({}))
        .send(LOOK)
        .await
        .unwrap_err();
    assert!(matches!(error, ProbeError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn metrics_of_another_status_are_refused() {
    let admin = listener(vec![reply(401, "no")]).await;
    let folder = tempfile::tempdir().unwrap();
    let error = scraper(admin, folder.path())
        .metrics("before V.3")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn counters_of_several_servers_are_added_up_and_one_that_is_silent_is_told() {
    let counted = |calls: u64| reply(200, &format!("calls_total{{tool=\"chat\"}} {calls}\n"));
    let (one, other) = (
        listener(vec![counted(3)]).await,
        listener(vec![counted(4)]).await,
    );
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = scraper(one, folders[0].path());
    let other = scraper(other, folders[1].path()).at_place(Some(2));
    let others = std::iter::once(&other);
    let sums = one.metrics_with(others, "before V.3").await.unwrap();
    assert_eq!(sums["calls_total{tool=\"chat\"}"], 7.0);
    assert_eq!(other.health().await.place, Some(2));
    let refused = listener(vec![reply(503, "")]).await;
    let refused = Scraper {
        admin: refused,
        ..other
    };
    let others = std::iter::once(&refused);
    assert!(one.metrics_with(others, "after V.3").await.is_err());
}
