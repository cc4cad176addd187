//! The baseline: a relay built of the libraries that the server is built of, which hands a question
//! and its answer on and does nothing else. What it adds is what no server of them can go below.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;

use crate::Trouble;
use crate::upstream::PATH;

/// Listens until the process ends, on as many threads as the server has.
pub fn start(provider: SocketAddr) -> Result<SocketAddr, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let target = format!("http://{provider}{PATH}");
    let service = Router::new()
        .route(PATH, post(hand_on))
        .with_state((client, target));
    std::thread::spawn(move || {
        use axum::serve::ListenerExt as _;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        runtime.block_on(std::future::IntoFuture::into_future(axum::serve(
            listener, service,
        )))
    });
    Ok(address)
}

async fn hand_on(
    State((client, target)): State<(reqwest::Client, String)>,
    question: Bytes,
) -> Result<Bytes, StatusCode> {
    let asked = client.post(target).header(CONTENT_TYPE, "application/json");
    let bad = |_| StatusCode::BAD_GATEWAY;
    let answer = asked.body(question).send().await.map_err(bad)?;
    answer.bytes().await.map_err(bad)
}
