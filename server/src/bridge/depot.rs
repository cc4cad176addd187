//! Files left at the daemon: whether it has one, and leaving it there. The token goes to a proven
//! daemon alone, as on the WebSocket: over `ws://` on the very connection that was proven, over
//! `wss://` under the certificate.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::time::Instant;

use super::dial::{DialError, Target, proven};
use crate::failure::{Category, Failure};
use crate::files::Digest;
use crate::transport::file::NAME;

/// The wait before the daemon is asked again, and the longest.
const WAIT: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read.
const ANSWER: usize = 64 * 1024;

/// A file to be left.
#[derive(Debug)]
pub struct Parcel<'a> {
    /// The SHA-256 of its bytes.
    pub digest: &'a Digest,
    /// The name the daemon may show.
    pub name: &'a str,
    /// Its content.
    pub bytes: Bytes,
}

/// Leaves a file at the daemon, unless it has it; whether it was sent. A daemon that is over its
/// rate, or away for a moment, is asked again within `patience`.
///
/// # Errors
/// What the daemon says of the file, or why it could not be asked.
pub async fn leave(
    target: &Target,
    parcel: Parcel<'_>,
    patience: Duration,
) -> Result<bool, Failure> {
    let end = Instant::now() + patience;
    let known = insist(target, Method::HEAD, &parcel, end).await?;
    match known.status {
        StatusCode::OK => return Ok(false),
        StatusCode::NOT_FOUND => {}
        _ => return Err(known.refusal()),
    }
    let left = insist(target, Method::PUT, &parcel, end).await?;
    if left.status.is_success() {
        return Ok(true);
    }
    Err(left.refusal())
}

/// What the daemon said.
struct Answer {
    status: StatusCode,
    wait: Option<Duration>,
    body: Bytes,
}

impl Answer {
    fn of(parts: &http::response::Parts, body: Bytes) -> Self {
        let wait = parts.headers.get(RETRY_AFTER);
        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
        Self {
            status: parts.status,
            wait: wait.map(Duration::from_secs),
            body,
        }
    }

    fn said(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// How long until a refusal that has nothing to do with the file has passed.
    fn passes_in(&self) -> Option<Duration> {
        // The answer to HEAD has no body; only a rate refuses one with 429.
        let code = self.said().pointer("/error/data/code").cloned();
        let is_rate = code.is_none_or(|code| code == "over_rate");
        let passes = match self.status {
            StatusCode::TOO_MANY_REQUESTS => is_rate,
            StatusCode::SERVICE_UNAVAILABLE => code_is_draining(&self.said()),
            _ => false,
        };
        passes.then(|| self.wait.unwrap_or(WAIT).clamp(WAIT, LONGEST))
    }

    /// What the daemon has against a file, in its own words.
    fn refusal(&self) -> Failure {
        let body = self.said();
        let said = body.pointer("/error/message").and_then(Value::as_str);
        let said = said.unwrap_or("it gave no reason");
        let status = self.status;
        let message = format!("The daemon did not take a file ({status}): {said}");
        let category = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Category::AuthError,
            StatusCode::TOO_MANY_REQUESTS => Category::RateLimitError,
            status if status.is_client_error() => Category::ValidationError,
            _ => Category::ServerError,
        };
        Failure::new(category, "file_not_taken", message)
    }
}

fn code_is_draining(said: &Value) -> bool {
    said.pointer("/error/data/code")
        .is_some_and(|code| code == "draining")
}

/// Asks until there is an answer about the file, or the time is over.
async fn insist(
    target: &Target,
    method: Method,
    parcel: &Parcel<'_>,
    end: Instant,
) -> Result<Answer, Failure> {
    loop {
        let sent = match tokio::time::timeout_at(end, send(target, method.clone(), parcel)).await {
            Ok(sent) => sent,
            Err(_) => Err(DialError::Unreachable(
                "the daemon did not answer in time".to_owned(),
            )),
        };
        let wait = match &sent {
            Ok(answer) => answer.passes_in(),
            Err(DialError::Unreachable(_)) => Some(WAIT),
            Err(_) => None,
        };
        match wait.filter(|wait| Instant::now() + *wait < end) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return sent.map_err(|error| not_left(&error)),
        }
    }
}

fn not_left(error: &DialError) -> Failure {
    let message = format!("A file could not be left at the daemon: {error}.");
    Failure::new(Category::NetworkError, "file_not_left", message)
}

async fn send(target: &Target, method: Method, parcel: &Parcel<'_>) -> Result<Answer, DialError> {
    let request = request(target, method, parcel).await?;
    if target.url().scheme() == "wss" {
        send_under_certificate(target, request).await
    } else {
        send_proven(target, request).await
    }
}

async fn request(
    target: &Target,
    method: Method,
    parcel: &Parcel<'_>,
) -> Result<Request<Full<Bytes>>, DialError> {
    let unfit = |_| DialError::Unreachable("a header holds what no header may".to_owned());
    let name: String = url::form_urlencoded::byte_serialize(parcel.name.as_bytes()).collect();
    let body = if method == Method::PUT {
        parcel.bytes.clone()
    } else {
        Bytes::new()
    };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/files/{}", parcel.digest))
        .header(HOST, target.authority())
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(NAME, name.replace('+', "%20"))
        .body(Full::new(body))
        .map_err(|error| DialError::Unreachable(error.to_string()))?;
    if let Some(token) = target.token().await? {
        let line = format!("Bearer {}", token.expose_secret());
        let mut line = HeaderValue::from_str(&line).map_err(unfit)?;
        line.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, line);
    }
    Ok(request)
}

async fn send_proven(target: &Target, request: Request<Full<Bytes>>) -> Result<Answer, DialError> {
    let lost = |error: hyper::Error| DialError::Unreachable(error.to_string());
    let stream = TokioIo::new(proven(target).await?);
    let made = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = made.map_err(lost)?;
    let driving = tokio::spawn(connection);
    let exchange = async {
        let response = sender.send_request(request).await.map_err(lost)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER).collect().await;
        let body = body.map_err(|error| DialError::Unreachable(error.to_string()))?;
        Ok(Answer::of(&parts, body.to_bytes()))
    };
    let answer = exchange.await;
    driving.abort();
    answer
}

async fn send_under_certificate(
    target: &Target,
    request: Request<Full<Bytes>>,
) -> Result<Answer, DialError> {
    let lost = |error: reqwest::Error| DialError::Unreachable(error.to_string());
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .build()
        .map_err(lost)?;
    let url = format!("https://{}{}", target.authority(), parts.uri);
    let sent = client
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body.unwrap_or_default())
        .send()
        .await;
    let response: http::Response<reqwest::Body> = sent.map_err(lost)?.into();
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER).collect().await;
    let body = body.map_err(|error| DialError::Unreachable(error.to_string()))?;
    Ok(Answer::of(&parts, body.to_bytes()))
}
