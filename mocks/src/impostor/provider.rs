//! The provider edge: what the server meant to send, or was sent, is changed on the way. All four
//! dialects of the simulators are understood, since prompts and deltas differ only in their places.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::impostor::message::{self, Events, MAX_BYTES};
use crate::impostor::proxy::{Body, Failure, Link, collect, set_length, streamed, whole};
use crate::impostor::spoiler::Stage;
use crate::tracer::sha256_hex;

mod prompt;
mod seam;

/// Failures in a row after which the provider is given up for good.
const GIVEN_UP: u64 = 5;

/// The provider edge.
pub struct ProviderEdge {
    stage: Arc<Stage>,
    /// Failed replies in a row.
    failures: AtomicU64,
    /// Held by the one request that is let through.
    lock: Mutex<()>,
}

impl ProviderEdge {
    /// An edge with this spoiler.
    #[must_use]
    pub const fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            failures: AtomicU64::new(0),
            lock: Mutex::const_new(()),
        }
    }

    /// Passes one exchange through, spoiled or not.
    ///
    /// # Errors
    /// When the upstream connection fails.
    pub async fn exchange(
        &self,
        link: &Arc<Link>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let spoils = [
            "drop-file",
            "drop-late-turn",
            "drop-second-file",
            "idle-talk",
            "lost-context",
            "one-lock",
            "other-model",
            "replaced-character",
            "retry-once-more",
            "retry-storm",
            "stuck-open",
            "truncated-as-whole",
            "truncated-stream",
        ];
        if request.method() != Method::POST || !spoils.contains(&self.stage.name()) {
            return link.pass(request.map(streamed)).await;
        }
        let (mut parts, body) = request.into_parts();
        let mut body = match collect(body, MAX_BYTES).await {
            Ok(body) => body,
            Err(body) => return link.pass(Request::from_parts(parts, body)).await,
        };
        match self.stage.name() {
            "stuck-open" => {
                let request = Request::from_parts(parts, whole(body));
                return self.given_up(link, request).await;
            }
            "one-lock" => {
                let request = Request::from_parts(parts, whole(body));
                return self.alone(link, request).await;
            }
            "retry-once-more" => return self.failed_extra(link, &parts, &body).await,
            "retry-storm" => self.send_extra(link, &parts, &body).await?,
            "idle-talk" => {
                if let Some(idle) = prompt::of_nothing(&body) {
                    set_length(&mut parts.headers, idle.len());
                    self.send_extra(link, &parts, &idle).await?;
                    set_length(&mut parts.headers, body.len());
                }
            }
            "replaced-character" | "truncated-as-whole" | "truncated-stream" => {
                let sent = sha256_hex(&body);
                let reply = link.send(Request::from_parts(parts, whole(body))).await?;
                return self.spoiled(reply, &sent).await;
            }
            _ => {
                if let Some(changed) = self.changed(&body) {
                    set_length(&mut parts.headers, changed.len());
                    body = changed;
                }
            }
        }
        link.pass(Request::from_parts(parts, whole(body))).await
    }

    /// Saboteur 7b: one request at a time, held until its answer is whole.
    async fn alone(&self, link: &Link, request: Request<Body>) -> Result<Response<Body>, Failure> {
        if self.stage.trigger.due().is_none() {
            return link.pass(request).await;
        }
        let _held = match self.lock.try_lock() {
            Ok(held) => held,
            Err(_) => {
                self.stage.record(&Value::Null, json!({"waits": true}));
                self.lock.lock().await
            }
        };
        let (parts, body) = link.send(request).await?.into_parts();
        let body = match collect(body, MAX_BYTES).await {
            Ok(bytes) => whole(bytes),
            Err(body) => body,
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Saboteur 28b: a request that failed is sent once more before its failure is told.
    async fn failed_extra(
        &self,
        link: &Link,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Body>, Failure> {
        let request = Request::from_parts(parts.clone(), whole(body.clone()));
        let reply = link.pass(request).await;
        let status = reply.as_ref().map(Response::status).unwrap_or_default();
        if reply.is_err() || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            self.send_extra(link, parts, body).await?;
        }
        reply
    }

    /// Saboteurs 28 and S47: a request more, its answer thrown away.
    async fn send_extra(&self, link: &Link, parts: &Parts, body: &Bytes) -> Result<(), Failure> {
        if self.stage.trigger.due().is_none() {
            return Ok(());
        }
        let (other, _driver) = Link::open(&link.upstream, link.peer, link.number).await?;
        let request = Request::from_parts(parts.clone(), whole(body.clone()));
        let status = match other.send(request).await {
            Ok(reply) => {
                let status = reply.status().as_u16();
                let _ = reply.into_body().collect().await;
                status
            }
            // The provider is down or resets: the extra request was sent all the same.
            Err(_) => 0,
        };
        let detail = json!({"request_sha256": sha256_hex(body), "status": status});
        self.stage.record(&Value::Null, detail);
        Ok(())
    }

    /// Saboteur 27b: once it failed so often, the provider is never asked again.
    async fn given_up(
        &self,
        link: &Link,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        if self.failures.load(Ordering::Relaxed) >= GIVEN_UP && self.stage.trigger.due().is_some() {
            self.stage.record(&Value::Null, json!({"status": 503}));
            let mut reply = Response::new(Body::default());
            *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            set_length(reply.headers_mut(), 0);
            return Ok(reply);
        }
        let reply = link.pass(request).await;
        let is_failed = reply
            .as_ref()
            .map_or(true, |reply| reply.status().is_server_error());
        if is_failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        } else if self.failures.load(Ordering::Relaxed) < GIVEN_UP {
            self.failures.store(0, Ordering::Relaxed);
        }
        reply
    }

    /// Saboteurs 2b, 9 and S42: the body without a file, without a turn, or for another model.
    fn changed(&self, body: &[u8]) -> Option<Bytes> {
        let mut message: Value = serde_json::from_slice(body).ok()?;
        let params = &self.stage.params;
        let marks = (params.file_open.as_str(), params.file_close.as_str());
        let lost = match self.stage.name() {
            "drop-file" => prompt::drop_file(&mut message, marks.0, marks.1),
            "drop-second-file" if prompt::files(&message, marks.0) < 2 => None,
            "drop-second-file" => prompt::drop_file(&mut message, marks.0, marks.1),
            "drop-late-turn" => prompt::drop_late_turn(&mut message),
            "other-model" => prompt::ask_other(&mut message, &params.model),
            _ => prompt::drop_turn(&mut message),
        }?;
        self.stage.trigger.due()?;
        let changed = Bytes::from(message.to_string());
        let detail = json!({
            "lost_bytes": lost,
            "request_sha256": sha256_hex(body),
            "sent_sha256": sha256_hex(&changed),
        });
        self.stage.record(&Value::Null, detail);
        Some(changed)
    }

    /// Saboteurs 29 and 29b: the last third of the answer is gone, the end looks whole. Saboteur
    /// S37: one character of a stream is another.
    async fn spoiled(
        &self,
        reply: Response<Incoming>,
        sent: &str,
    ) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = reply.into_parts();
        let bytes = match collect(body, MAX_BYTES).await {
            Ok(bytes) => bytes,
            Err(body) => return Ok(Response::from_parts(parts, body)),
        };
        let events = bytes.starts_with(b"data:") || bytes.starts_with(b"event:");
        let cut = match (self.stage.name(), events) {
            ("replaced-character", true) => seam::replaced(&bytes),
            (_, true) => cut_events(&bytes),
            ("truncated-as-whole", false) => cut_body(&bytes),
            _ => None,
        };
        let spoiled = cut.filter(|_| parts.status.is_success());
        let Some(cut) = spoiled.filter(|_| self.stage.trigger.due().is_some()) else {
            return Ok(Response::from_parts(parts, whole(bytes)));
        };
        self.stage.record(
            &Value::Null,
            json!({"request_sha256": sent, "streamed": events}),
        );
        set_length(&mut parts.headers, cut.len());
        Ok(Response::from_parts(parts, whole(cut)))
    }
}

const DELTAS: [&str; 2] = ["/choices/0/delta/content", "/delta/text"];

/// The stream without its last third of text events; what closes it stays.
fn cut_events(bytes: &[u8]) -> Option<Bytes> {
    let mut reader = Events::default();
    let mut events = reader.push(bytes);
    events.push(reader.rest());
    let has_text = |event: &Bytes| {
        let data = message::data_of(event)?;
        let text = DELTAS
            .iter()
            .find_map(|path| data.pointer(path).and_then(Value::as_str))?;
        (!text.is_empty()).then_some(())
    };
    let texts = events
        .iter()
        .filter(|event| has_text(event).is_some())
        .count();
    if texts < 3 {
        return None;
    }
    let mut seen = 0;
    let kept: Vec<Bytes> = events
        .into_iter()
        .filter(|event| {
            seen += usize::from(has_text(event).is_some());
            has_text(event).is_none() || seen <= texts * 2 / 3
        })
        .collect();
    Some(Bytes::from(kept.concat()))
}

/// The whole reply with two thirds of its text.
fn cut_body(bytes: &[u8]) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(bytes).ok()?;
    let mut cut = false;
    let texts: Vec<&mut Value> = if body["content"].is_array() {
        let blocks = body.get_mut("content").and_then(Value::as_array_mut);
        let blocks = blocks
            .into_iter()
            .flatten()
            .filter(|block| block["type"] == "text");
        blocks.filter_map(|block| block.get_mut("text")).collect()
    } else {
        body.pointer_mut("/choices/0/message/content")
            .into_iter()
            .collect()
    };
    for text in texts {
        let Some(whole) = text.as_str().filter(|whole| whole.len() > 3) else {
            continue;
        };
        let keep = whole.chars().count() * 2 / 3;
        *text = whole.chars().take(keep).collect::<String>().into();
        cut = true;
    }
    cut.then(|| Bytes::from(body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_stream_keeps_its_end_and_loses_text() {
        let frame = |text: &str| {
            format!(
                "data: {}\n\n",
                json!({"choices": [{"delta": {"content": text}}]})
            )
        };
        let stream = format!(
            "{}{}{}data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n\
             data: [DONE]\n\n",
            frame("one "),
            frame("two "),
            frame("three")
        );
        let cut = String::from_utf8(cut_events(stream.as_bytes()).unwrap().to_vec()).unwrap();
        assert!(cut.contains("two") && !cut.contains("three"));
        assert!(cut.contains("\"stop\"") && cut.ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn a_cut_body_stays_a_reply() {
        let body =
            json!({"choices": [{"message": {"content": "abcdef"}, "finish_reason": "stop"}]});
        let cut: Value =
            serde_json::from_slice(&cut_body(body.to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(cut["choices"][0]["message"]["content"], "abcd");
        assert_eq!(cut["choices"][0]["finish_reason"], "stop");
        assert!(cut_body(br#"{"error":{"message":"x"}}"#).is_none());
    }
}
