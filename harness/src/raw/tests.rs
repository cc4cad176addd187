//! What comes back is named as it is, whatever the server does with the connection.

use tokio::net::TcpListener;

use super::*;

const WAIT: Duration = Duration::from_secs(5);

enum Then {
    Close,
    Reset,
    Hold,
}

/// Reads one request head and answers with these bytes.
async fn once(answer: &'static [u8], then: Then) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                return;
            }
            read.push(byte[0]);
        }
        for piece in answer.chunks(7) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        match then {
            Then::Close => {}
            Then::Reset => stream.set_zero_linger().unwrap(),
            Then::Hold => std::future::pending().await,
        }
    });
    address
}

async fn word(answer: &'static [u8], then: Then, wait: Duration) -> String {
    let address = once(answer, then).await;
    let request = RawRequest::line("POST /mcp HTTP/1.1").header("Host", "localhost");
    send_request(address, Ipv4Addr::new(127, 0, 0, 9), &request, wait)
        .await
        .word()
}

#[tokio::test]
async fn every_end_of_a_request_has_its_word() {
    let cases: [(&'static [u8], Then, &str); 10] = [
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 89\r\n\r\n{\"result\":{\"isError\":true,\
              \"structuredContent\":{\"error\":{\"category\":\"validation_error\"}}}}",
            Then::Hold,
            "validation_error",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
            Then::Hold,
            "401",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", Then::Close, "403"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            Then::Hold,
            "accepted",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n\
              HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"error\":{\"code\":-32602}}",
            Then::Hold,
            "-32602",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
              14\r\ndata: {\"error\":{\"cod\r\nD\r\ne\":-32020}}\n\n\r\n0\r\n\r\n",
            Then::Hold,
            "-32020",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
            Then::Close,
            "closed",
        ),
        (
            b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\n{}",
            Then::Close,
            "413",
        ),
        (b"", Then::Close, "closed"),
        (b"", Then::Reset, "reset"),
    ];
    for (answer, then, wanted) in cases {
        let name = String::from_utf8_lossy(answer);
        assert_eq!(word(answer, then, WAIT).await, wanted, "{name}");
    }
}

#[tokio::test]
async fn a_silent_server_and_a_closed_port_are_told_apart() {
    assert_eq!(
        word(b"", Then::Hold, Duration::from_millis(50)).await,
        "timeout"
    );
    let request = RawRequest::line("GET / HTTP/1.1");
    let reply = send_request(crate::port::nobody(), Ipv4Addr::LOCALHOST, &request, WAIT).await;
    assert_eq!(reply.word(), "refused");
}

#[tokio::test]
async fn slow_pieces_stop_when_the_server_has_answered() {
    let answer = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
    let address = once(answer, Then::Close).await;
    let pieces: Vec<Vec<u8>> = ["GET / HTTP/1.1\r\n", "\r\n", "x", "y"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    let gap = Duration::from_millis(20);
    let reply = send(address, Ipv4Addr::LOCALHOST, &pieces, gap, WAIT).await;
    assert_eq!(reply.word(), "408");
}

#[test]
fn an_address_is_said_where_somebody_stands_between_and_nowhere_else() {
    let request = RawRequest::line("GET / HTTP/1.1");
    let mut source = Source::from(Ipv4Addr::new(127, 0, 0, 9));
    assert_eq!(source.sends(&request), request.bytes());
    source.forwarded = true;
    let said = String::from_utf8(source.sends(&request)).unwrap();
    assert_eq!(said, "GET / HTTP/1.1\r\nx-forwarded-for: 127.0.0.9\r\n\r\n");
}

#[test]
fn nothing_is_added_to_a_raw_request() {
    let request = RawRequest::line("POST / HTTP/1.1")
        .header("X", b"\xff")
        .body("ab");
    assert_eq!(
        request.bytes(),
        b"POST / HTTP/1.1\r\nX: \xff\r\nContent-Length: 2\r\n\r\nab"
    );
    let bare = RawRequest::line("GET /").unmeasured_body("z");
    assert_eq!(bare.bytes(), b"GET /\r\n\r\nz");
}

#[test]
fn a_request_claims_whom_its_only_token_names() {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"sub":"ada"}"#);
    let good = format!("Bearer e30.{claims}.x");
    let line = || RawRequest::line("GET / HTTP/1.1");
    let of = |values: &[&str]| {
        let with = |request: RawRequest, value: &&str| request.header("authorization", value);
        values.iter().fold(line(), with).claimed()
    };
    assert_eq!(of(&[&good]).as_deref(), Some("ada"));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[&good, &good]), None, "which of them is open");
    for nobody in ["Bearer", "Bearer a secret", "Bearer e30.e30.x", &claims] {
        assert_eq!(of(&[nobody]), None, "{nobody}");
    }
    assert_eq!(line().header("X", &good).claimed(), None);
}

#[test]
fn the_code_of_a_refusal_is_read_where_each_dialect_keeps_it_and_never_that_of_a_tool() {
    let error = serde_json::json!({"code": "forbidden"});
    for message in [
        serde_json::json!({"error": {"code": -32003, "data": error}}),
        serde_json::json!({"error": {"code": "x", "details": error}}),
        serde_json::json!({"ok": false, "details": error}),
    ] {
        assert_eq!(code(&message).as_deref(), Some("forbidden"), "{message}");
    }
    let tool = serde_json::json!({"result": {"structuredContent": {"error": error}}});
    assert_eq!(code(&tool), None);
}
