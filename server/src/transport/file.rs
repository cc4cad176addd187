//! `/files/{sha256}`: where a client leaves a file and fetches it again, piece by piece, under the
//! same checks as `/mcp`. `HEAD` says whether the caller has such a file, `PUT` stores one whose
//! digest is the path's, `GET` gives it back. Another principal's file is not found.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use futures::TryStreamExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;

use super::body::{self, BodyError};
use super::gate::{self, Admitted, Gate};
use super::held::Held as HeldOpen;
use super::refusal::Refusal;
use crate::files::{Digest, FileError, FileStore, Held, Holder};

/// Where files are left.
pub const FILES: &str = "/files/{sha256}";

/// The header that names a file; percent-encoded UTF-8.
pub const NAME: &str = "exai-file-name";

struct Counter {
    gate: Gate,
    store: FileStore,
}

/// The routes.
pub fn routes(gate: Gate, store: FileStore) -> Router {
    Router::new()
        .route(FILES, any(enter))
        .with_state(Arc::new(Counter { gate, store }))
}

async fn enter(
    State(counter): State<Arc<Counter>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Infallible> {
    let gate = &counter.gate;
    let correlation_id = gate::correlation_of(&request);
    let admitted = match gate.admit(&request, &correlation_id) {
        Ok(admitted) => admitted,
        Err(refused) => {
            let (refusal, asked) = *refused;
            return Ok(closing(gate.desk.refuse(refusal, asked).await));
        }
    };
    let asked = admitted.asked.clone();
    match counter.answer(admitted, &name, request).await {
        Ok(response) => Ok(response),
        Err(refusal) => Ok(closing(gate.desk.refuse(refusal, asked).await)),
    }
}

/// What was not read of a body would be taken for the next request.
fn closing(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

impl Counter {
    async fn answer(
        &self,
        admitted: Admitted,
        name: &str,
        request: Request,
    ) -> Result<Response, Refusal> {
        if !admitted.principal.may_use_tools() {
            return Err(Refusal::forbidden());
        }
        let digest: Digest = name.parse().map_err(|_| {
            let message = "The path ends in a SHA-256: 64 lower-case hexadecimal digits.";
            Refusal::invalid("bad_digest", message)
        })?;
        // Counted like a call, so that the drain waits for it.
        let token = self.gate.calls.token();
        let holder = Holder {
            owner: admitted.principal.name(),
            correlation_id: &admitted.asked.correlation_id,
            transport: admitted.asked.transport.name(),
        };
        let response = match *request.method() {
            Method::HEAD => self.find(holder, &digest).await.map(|held| told(&held)),
            Method::GET => self.give(holder, &digest).await,
            Method::PUT => return self.take(holder, &digest, request).await,
            _ => {
                let text = "Use HEAD, GET or PUT here.";
                return Err(Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, text));
            }
        };
        let response = response.map_err(refusal)?;
        let (parts, body) = response.into_parts();
        let kept = (token, admitted.place);
        Ok(Response::from_parts(parts, HeldOpen::body(body, kept)))
    }

    async fn find(&self, holder: Holder<'_>, digest: &Digest) -> Result<Held, FileError> {
        self.store.find(holder, digest).await
    }

    async fn give(&self, holder: Holder<'_>, digest: &Digest) -> Result<Response, FileError> {
        let held = self.find(holder, digest).await?;
        let file = self.store.open_content(holder, &held).await?;
        let mut response = told(&held);
        // A browser is never to run what somebody stored.
        let headers = response.headers_mut();
        headers.insert(
            "x-content-type-options",
            HeaderValue::from_static("nosniff"),
        );
        let attached = HeaderValue::from_static("attachment");
        headers.insert(http::header::CONTENT_DISPOSITION, attached);
        *response.body_mut() = Body::from_stream(ReaderStream::new(file).map_err(axum::Error::new));
        Ok(response)
    }

    async fn take(
        &self,
        holder: Holder<'_>,
        digest: &Digest,
        request: Request,
    ) -> Result<Response, Refusal> {
        let settings = self.store.settings();
        let most = usize::try_from(settings.stored_bytes).unwrap_or(usize::MAX);
        let headers = request.headers();
        body::announced(headers, most).map_err(Refusal::body)?;
        let name = name_of(headers)?;
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let announced = length.unwrap_or(settings.stored_bytes);
        let mut intake = self.store.begin(holder, announced).await.map_err(refusal)?;
        let mut body = request.into_body();
        let end = Instant::now() + settings.upload_timeout;
        loop {
            // Bounded as a whole, and each piece as that of any other body.
            let due = end.min(Instant::now() + self.gate.limits.body_timeout);
            let frame = tokio::time::timeout_at(due, body.frame()).await;
            let slow = |_| Refusal::body(BodyError::TooSlow);
            match frame.map_err(slow)? {
                None => break,
                Some(Err(_)) => return Err(Refusal::body(BodyError::Broken)),
                Some(Ok(frame)) => {
                    let piece = frame.into_data().unwrap_or_default();
                    intake.take(&piece).await.map_err(refusal)?;
                }
            }
        }
        let stored = intake.keep(&name, Some(digest)).await.map_err(refusal)?;
        let mut response = told(&stored.held);
        if stored.is_new {
            *response.status_mut() = StatusCode::CREATED;
        }
        let held = stored.held;
        let body = json!({"uri": held.digest.uri(), "name": held.name, "type": held.kind,
            "bytes": held.bytes})
        .to_string();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        *response.body_mut() = Body::from(body);
        Ok(response)
    }
}

fn name_of(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(name) = headers.get(NAME) else {
        return Ok(String::new());
    };
    let unfit = || Refusal::invalid("bad_name", "The name is no percent-encoded UTF-8 text.");
    let name = name.to_str().map_err(|_| unfit())?;
    // A form's one value: the crate at hand decodes those.
    let pair = format!("n={}", name.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map(|(_, name)| name.into_owned())
        .ok_or_else(unfit)
}

/// The head of an answer about a file.
fn told(held: &Held) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, held.bytes.into());
    if let Ok(kind) = held.kind.parse() {
        headers.insert(CONTENT_TYPE, kind);
    }
    response
}

fn refusal(error: FileError) -> Refusal {
    let status = match error {
        FileError::NotFound => StatusCode::NOT_FOUND,
        FileError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        FileError::OverQuota(_) => StatusCode::TOO_MANY_REQUESTS,
        FileError::Broken(_) | FileError::Damaged => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Refusal::failed(status, error.at(""))
}
