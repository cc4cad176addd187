//! The way of an admitted request: body, role, session, then the protocol, and its answer back.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tracing::Instrument as _;

use super::body::{self, BodyError};
use super::envelope::Envelope;
use super::gate::{Admitted, Gate, SESSION, Seat};
use super::held::Held;
use super::open::{Opened, Unopened};
use super::patience;
use super::refusal::{Asked, Desk, Refusal};
use super::session::{self, Replaying};

/// A refused request's body is read up to this size, so that its id can be answered and the
/// connection kept.
const DRAINED: usize = 64 * 1024;

/// Reads what is left of a small body, so that the refusal can name its id.
pub(super) async fn drained_id(gate: &Gate, request: Request) -> Value {
    if body::announced(request.headers(), DRAINED).is_err() {
        return Value::Null;
    }
    match body::read(request.into_body(), DRAINED, gate.limits.body_timeout).await {
        Ok(body) => Envelope::read(&body, gate.limits.json_depth)
            .map_or_else(|bad| bad.id, |envelope| envelope.id),
        Err(_) => Value::Null,
    }
}

pub(super) async fn pass(
    gate: &Gate,
    admitted: Admitted,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        let checked = gate.check_session(&admitted.principal, &parts.headers);
        return match checked.await {
            Ok(replaying) => {
                let request = Request::from_parts(parts, body);
                pass_other(gate, (admitted, replaying), request, next).await
            }
            Err(refusal) => gate.desk.refuse(refusal, admitted.asked).await,
        };
    }
    let limits = &gate.limits;
    let whole = match body::announced(&parts.headers, limits.body_bytes) {
        Ok(()) => body::read(body, limits.body_bytes, limits.body_timeout).await,
        Err(error) => Err(error),
    };
    let whole = match whole {
        Ok(whole) => whole,
        Err(error) => return refuse_body(gate, error, admitted.asked).await,
    };
    let mut asked = admitted.asked.clone();
    let envelope = match Envelope::read(&whole, limits.json_depth) {
        Ok(envelope) => envelope,
        Err(bad) => {
            asked.id = bad.id.clone();
            return gate.desk.refuse(Refusal::message(&bad), asked).await;
        }
    };
    asked.id = envelope.id.clone();
    asked.action = envelope
        .method
        .clone()
        .unwrap_or_else(|| "response".to_owned());
    asked.resource = envelope.name.clone().unwrap_or_default();
    match gate.permit(&admitted, &parts.headers, &envelope).await {
        Err(refusal) => gate.desk.refuse(refusal, asked).await,
        Ok(seat) => {
            let admitted = Admitted { asked, ..admitted };
            let request = Request::from_parts(parts, Body::from(whole.clone()));
            pass_message(gate, admitted, (envelope, whole, seat), (request, next)).await
        }
    }
}

async fn refuse_body(gate: &Gate, error: BodyError, asked: Asked) -> Response {
    let mut response = gate.desk.refuse(Refusal::body(error), asked).await;
    // The rest of the body will not be read, so the connection cannot be used again.
    response.headers_mut().insert(
        http::header::CONNECTION,
        http::HeaderValue::from_static("close"),
    );
    response
}

/// One JSON-RPC message into the protocol and its answer back.
async fn pass_message(
    gate: &Gate,
    admitted: Admitted,
    (envelope, whole, seat): (Envelope, Bytes, Seat),
    (mut request, next): (Request, Next),
) -> Response {
    let Admitted {
        principal,
        asked,
        place: behind,
    } = admitted;
    let opened = match opened(gate, request.headers(), &envelope) {
        Ok(opened) => opened,
        Err(refusal) => return gate.desk.refuse(refusal, asked).await,
    };
    call_by_inner(request.headers_mut());
    request
        .extensions_mut()
        .insert(Gate::caller(&principal, &asked));
    request.extensions_mut().insert(principal.clone());
    let is_call = envelope.method.as_deref() == Some("tools/call");
    let token = envelope.is_request().then(|| gate.calls.token());
    let (desk, replaying) = (gate.desk.clone(), seat.replaying);
    let answer = async move {
        let response = next.run(request).await;
        note_replayed(replaying, &response);
        explain(&desk, response, asked).await
    };
    let response = if is_call {
        let limits = &gate.limits;
        let answer = Box::pin(answer.in_current_span());
        patience::patient(answer, limits.stream_after, limits.stream_comment).await
    } else {
        answer.await
    };
    let (mut parts, body) = response.into_parts();
    if let (Some(place), Some(id)) = (seat.place, session_of(&parts.headers)) {
        let id = session::lengthened(&id);
        place.take(&id, principal.name(), Instant::now());
        gate.sessions.share(&id, principal.name(), &whole).await;
        name_session(&mut parts.headers, &id);
    }
    Response::from_parts(parts, Held::body(body, (token, behind, opened)))
}

/// Holds a request's id in its session: the protocol library would lose one of two answers.
fn opened(
    gate: &Gate,
    headers: &HeaderMap,
    envelope: &Envelope,
) -> Result<Option<Opened<()>>, Refusal> {
    let Some(session) = session_of(headers).filter(|_| envelope.is_request()) else {
        return Ok(None);
    };
    let held = gate.open.hold(format!("{session}\0{}", envelope.id), ());
    held.map(Some).map_err(Unopened::refusal)
}

/// GET and DELETE: the standing stream and the end of a session.
async fn pass_other(
    gate: &Gate,
    (admitted, replaying): (Admitted, Option<Replaying>),
    mut request: Request,
    next: Next,
) -> Response {
    let ending = (request.method() == Method::DELETE)
        .then(|| session_of(request.headers()))
        .flatten();
    let is_standing = request.method() == Method::GET;
    call_by_inner(request.headers_mut());
    let response = next.run(request).await;
    note_replayed(replaying, &response);
    if let Some(id) = ending.filter(|_| response.status().is_success()) {
        let ended = gate.sessions.end(&id, admitted.principal.name()).await;
        if let Err(missing) = ended {
            return gate
                .desk
                .refuse(gate.missing(missing), admitted.asked)
                .await;
        }
    }
    let response = explain(&gate.desk, response, admitted.asked).await;
    let (parts, mut body) = response.into_parts();
    if is_standing {
        // Whoever listens on opens another, with a token that is looked at again.
        let over = tokio::time::sleep(gate.limits.stream_age);
        body = Body::from_stream(body.into_data_stream().take_until(over));
    }
    Response::from_parts(parts, Held::body(body, admitted.place))
}

/// The requests that waited for the replay go on; without an answer the next of them tries.
fn note_replayed(replaying: Option<Replaying>, response: &Response) {
    if let Some(replaying) = replaying.filter(|_| response.status().is_success()) {
        replaying.is_done();
    }
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get(SESSION)
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned)
}

/// A request is passed on with the session's id as the protocol library knows it.
fn call_by_inner(headers: &mut HeaderMap) {
    if let Some(id) = session_of(headers) {
        name_session(headers, session::inner(&id));
    }
}

fn name_session(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = http::HeaderValue::from_str(id) {
        headers.insert(SESSION, id);
    }
}

/// Gives a plain-text refusal of the protocol library the one shape of all failures.
async fn explain(desk: &Desk, response: Response, asked: Asked) -> Response {
    let status = response.status();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let is_json = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
    if !status.is_client_error() && !status.is_server_error() || is_json {
        return response;
    }
    let (status, text) = match status {
        StatusCode::NOT_ACCEPTABLE => (
            status,
            "Accept must name application/json and text/event-stream.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE if asked.id.is_null() => {
            (status, "Content-Type must be application/json.")
        }
        // The body was read as JSON before, so what the library could not read is the message.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            StatusCode::BAD_REQUEST,
            "The parameters do not fit the method, or Content-Type is not application/json.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (status, "This method is not used on this endpoint."),
        StatusCode::NOT_FOUND => (status, "This session is not known; send initialize."),
        StatusCode::BAD_REQUEST => (status, "The protocol headers do not fit the message."),
        other => (other, "The protocol could not answer this request."),
    };
    let allow = response.headers().get(http::header::ALLOW).cloned();
    let mut refused = desk.refuse(Refusal::plain(status, text), asked).await;
    if let Some(allow) = allow {
        refused.headers_mut().insert(http::header::ALLOW, allow);
    }
    refused
}
