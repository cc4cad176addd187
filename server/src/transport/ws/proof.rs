//! `GET /ws/proof`: the daemon proves that it knows its key to whoever asks. Nobody is asked who
//! they are: a bridge sends its token only after this, on the same connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::super::gate;
use super::super::refusal::Refusal;
use super::Ws;
use crate::auth::daemon_key::{CHALLENGE, PROOF};
use crate::protocol::caller::Transport;

/// Characters of a challenge: enough that none is ever asked twice.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=128;

pub async fn prove(State(ws): State<Arc<Ws>>, request: Request) -> Response {
    let (mut asked, source) = ws.gate.asked(&request, &gate::correlation_of(&request));
    asked.transport = Transport::WebSocket;
    let challenge = request.headers().get(CHALLENGE);
    let challenge = challenge.and_then(|line| line.to_str().ok());
    let challenge = challenge.filter(|text| {
        LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let proof = ws
        .gate
        .check_origin(&request)
        .and_then(|()| ws.gate.take_rate(source))
        .and_then(|()| {
            let challenge = challenge.ok_or_else(|| {
                let message = "Send 32 to 128 random letters and digits as exai-challenge.";
                Refusal::invalid("bad_challenge", message)
            })?;
            HeaderValue::from_str(&ws.key.prove(challenge)).map_err(|_| Refusal::broken())
        });
    match proof {
        Ok(proof) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(PROOF, proof);
            response
        }
        Err(refusal) => ws.gate.desk.refuse(refusal, asked).await,
    }
}
