//! Models that are slower or faster than others of their class: their clocks are scaled, and both
//! the estimate and an answer that stops in its middle show it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use super::tools::{result, serve};

/// A provider that says one word of each answer and no more.
fn stalling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let held: Vec<TcpStream> = listener.incoming().filter_map(begin).collect();
        drop(held);
    });
    address
}

fn begin(stream: std::io::Result<TcpStream>) -> Option<TcpStream> {
    let mut stream = stream.ok()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).ok()?;
    let word =
        json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "one "}}]});
    let said =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {word}\n\n");
    // One that went away meanwhile is nobody's concern.
    let _ = stream.write_all(said.as_bytes());
    Some(stream)
}

#[test]
fn an_answer_that_stops_is_cut_when_the_models_own_clock_says_and_the_estimate_says_when() {
    let url = format!("provider.glm.base_url=http://{}/v1", stalling());
    let settings = [
        &url,
        "provider.glm.allow_private=true",
        "timeouts.prompt.first_token=3s",
        "timeouts.prompt.idle=4s",
        "breaker.failures=100",
    ];
    let server = serve(
        &settings,
        &[(
            "ZAI_API_KEY",
            "0123456789abcdef0123456789abcdef.0123456789abcdef",
        )],
    );
    let told = server.admin("/api/v1/timeout/estimate", &[]).json();
    let estimates = told["estimates"].as_array().unwrap();
    let table = [
        ("glm-4.5-air", 0.6, 2400, 18_000),
        ("glm-5-turbo", 1.0, 4000, 30_000),
        // The call as a whole has more time as well.
        ("glm-4.6", 1.3, 5200, 39_000),
    ];
    std::thread::scope(|scope| {
        for (model, pace, idle_ms, total_ms) in table {
            let found = estimates.iter().find(|one| one["model"] == model).unwrap();
            assert_eq!(
                (&found["pace"], &found["idle_ms"], &found["total_ms"]),
                (&json!(pace), &json!(idle_ms), &json!(total_ms))
            );
            assert_eq!(found["first_token_ms"], 3000, "{found}");
            let server = &server;
            scope.spawn(move || {
                let began = Instant::now();
                let asked = json!({"prompt": "x", "model": model, "stream": true});
                let failed = result(server, "chat", asked);
                let took = began.elapsed();
                assert_eq!(failed["isError"], true, "{failed}");
                let wanted = Duration::from_millis(idle_ms);
                let late = wanted + Duration::from_millis(1100);
                assert!((wanted..late).contains(&took), "{model}: {took:?} {failed}");
            });
        }
    });
}
