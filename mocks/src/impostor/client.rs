//! The client edge: MCP over HTTP, both revisions. A spoiler that only looks at heads lets bodies
//! stream through; the others read one request and find its reply in a JSON body or in events.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::impostor::call::Call;
use crate::impostor::message::{self, Events, MAX_BYTES};
use crate::impostor::proxy::{Body, Failure, Link, collect, set_length, streamed, whole};
use crate::impostor::spoiler::{Before, RateLimited, Refusal, Stage};

const INSTANCE: &str = "exai-instance";

/// The client edge.
pub struct ClientEdge {
    stage: Arc<Stage>,
    /// The server's identity header, for answers made up here.
    instance: Mutex<Option<HeaderValue>>,
}

impl ClientEdge {
    /// An edge with this spoiler.
    #[must_use]
    pub const fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            instance: Mutex::new(None),
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
        let is_read = self.stage.reads_messages()
            && request.method() == Method::POST
            && content_type(request.headers()).contains("json");
        if !is_read {
            let (mut parts, body) = request.into_parts();
            self.stage.head(&mut parts, None);
            let reply = link.pass(Request::from_parts(parts, streamed(body))).await;
            return reply.map(|reply| {
                let (mut parts, body) = reply.into_parts();
                self.stage.reply_head(&mut parts);
                Response::from_parts(parts, body)
            });
        }
        let (mut parts, body) = request.into_parts();
        let mut body = match collect(body, MAX_BYTES).await {
            Ok(body) => body,
            Err(body) => return link.pass(Request::from_parts(parts, body)).await,
        };
        let caller = caller(&parts.headers, link.number);
        let call = serde_json::from_slice(&body)
            .ok()
            .and_then(|body| Call::read(body, &caller));
        let Some(mut call) = call else {
            return link.pass(Request::from_parts(parts, whole(body))).await;
        };
        if self.stage.rewrite(&mut call) {
            body = Bytes::from(call.message.to_string());
            set_length(&mut parts.headers, body.len());
        }
        self.stage.head(&mut parts, Some(&call));
        if let Some(RateLimited::Slowed(refused)) = self.stage.limits()
            && let Some(refusal) = refused.instead(&caller)
        {
            self.stage.spoiled(&call);
            return Ok(again(&refusal, &call));
        }
        match self.stage.before(&call).await {
            Before::Answer(reply) => Ok(self.made_up(&reply)),
            Before::Forward(held) => {
                let reply = self.forward(link, parts, body, &call).await?;
                self.reply(reply, call, held).await
            }
        }
    }

    async fn forward(
        &self,
        link: &Link,
        parts: Parts,
        body: Bytes,
        call: &Call,
    ) -> Result<Response<Incoming>, Failure> {
        let again = |parts: &Parts| Request::from_parts(parts.clone(), whole(body.clone()));
        let limited = self.stage.limits();
        let reply = link.send(again(&parts)).await?;
        let refused = reply.status() == StatusCode::TOO_MANY_REQUESTS;
        let Some(RateLimited::Lifted(rotation)) = limited.filter(|_| refused) else {
            return Ok(reply);
        };
        if self.stage.trigger.due().is_none() {
            return Ok(reply);
        }
        let mut parts = parts;
        let mut reply = reply;
        for attempt in 0..8 {
            let tokens = &self.stage.params.tokens;
            if let Some(token) = rotation.next(tokens) {
                let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
                parts.headers.insert(AUTHORIZATION, value);
            }
            let address = IpAddr::V4(Ipv4Addr::new(
                127,
                77,
                u8::try_from(link.number % 200).unwrap_or(0),
                attempt + 1,
            ));
            let (other, _driver) = Link::open(&link.upstream, address, link.number).await?;
            reply = other.send(again(&parts)).await?;
            if reply.status() != StatusCode::TOO_MANY_REQUESTS {
                self.stage.spoiled(call);
                break;
            }
        }
        Ok(reply)
    }

    async fn reply(
        &self,
        reply: Response<Incoming>,
        call: Call,
        held: Option<OwnedMutexGuard<()>>,
    ) -> Result<Response<Body>, Failure> {
        if let Some(instance) = reply.headers().get(INSTANCE) {
            let mut known = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(instance.clone());
        }
        let (mut parts, body) = reply.into_parts();
        self.stage.answer_head(&mut parts);
        let events = content_type(&parts.headers).contains("event-stream");
        if events && !parts.headers.contains_key(CONTENT_LENGTH) {
            return Ok(Response::from_parts(parts, self.events(body, call, held)));
        }
        let bytes = match collect(body, MAX_BYTES).await {
            Ok(bytes) => bytes,
            Err(body) => return Ok(Response::from_parts(parts, body)),
        };
        if let Some(RateLimited::Slowed(refused)) = self.stage.limits()
            && parts.status == StatusCode::TOO_MANY_REQUESTS
        {
            refused.remember(
                &call.caller,
                Refusal {
                    parts: parts.clone(),
                    body: bytes.clone(),
                },
            );
        }
        let changed = if events {
            rewritten_events(&self.stage, &call, &bytes).await
        } else {
            rewritten(&self.stage, &call, &bytes).await
        };
        if let Some(changed) = changed {
            set_length(&mut parts.headers, changed.len());
            return Ok(Response::from_parts(parts, whole(changed)));
        }
        Ok(Response::from_parts(parts, whole(bytes)))
    }

    /// Passes events on one by one, the reply among them through the spoiler.
    fn events(&self, mut body: Incoming, call: Call, held: Option<OwnedMutexGuard<()>>) -> Body {
        let stage = Arc::clone(&self.stage);
        let (sender, receiver) = mpsc::channel::<Result<Frame<Bytes>, Failure>>(16);
        // Ends with the upstream body, or at the next event after the client has gone.
        tokio::spawn(async move {
            let _held = held;
            let mut events = Events::default();
            loop {
                let frame = tokio::select! {
                    frame = body.frame() => frame,
                    () = sender.closed() => return,
                };
                let data = match frame {
                    None => break,
                    Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => {
                        let _ = sender.send(Err(error.into())).await;
                        return;
                    }
                };
                for event in events.push(&data) {
                    let event = spoiled_event(&stage, &call, event).await;
                    if sender.send(Ok(Frame::data(event))).await.is_err() {
                        return;
                    }
                }
            }
            let _ = sender.send(Ok(Frame::data(events.rest()))).await;
        });
        StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync()
    }

    /// An answer the server never gave.
    fn made_up(&self, reply: &Value) -> Response<Body> {
        let text = reply.to_string();
        let mut response = Response::new(Body::default());
        set_length(response.headers_mut(), text.len());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        let known = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instance) = known.clone() {
            response.headers_mut().insert(INSTANCE, instance);
        }
        response.map(|_| whole(text))
    }
}

/// A refusal seen before, under this call's id.
fn again(refusal: &Refusal, call: &Call) -> Response<Body> {
    let mut parts = refusal.parts.clone();
    let mut body = refusal.body.clone();
    if let Ok(mut message) = serde_json::from_slice::<Value>(&body)
        && message.get("id").is_some()
    {
        message["id"] = call.id().clone();
        body = Bytes::from(message.to_string());
    }
    set_length(&mut parts.headers, body.len());
    Response::from_parts(parts, whole(body))
}

async fn spoiled_event(stage: &Stage, call: &Call, event: Bytes) -> Bytes {
    let Some(mut reply) = message::data_of(&event) else {
        return event;
    };
    if message::is_reply_to(&reply, call.id()) && stage.after(call, &mut reply).await {
        return message::with_data(&event, &reply);
    }
    event
}

/// Events of a body whose length was announced: they are all there.
async fn rewritten_events(stage: &Stage, call: &Call, bytes: &[u8]) -> Option<Bytes> {
    let mut reader = Events::default();
    let mut out = Vec::with_capacity(bytes.len());
    for event in reader.push(bytes) {
        out.extend_from_slice(&spoiled_event(stage, call, event).await);
    }
    out.extend_from_slice(&reader.rest());
    (out != bytes).then(|| Bytes::from(out))
}

async fn rewritten(stage: &Stage, call: &Call, bytes: &[u8]) -> Option<Bytes> {
    let mut reply: Value = serde_json::from_slice(bytes).ok()?;
    let is_reply = message::is_reply_to(&reply, call.id());
    let changed = is_reply && stage.after(call, &mut reply).await;
    changed.then(|| Bytes::from(reply.to_string()))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

/// What ties a caller's requests together: its session, its token, or its connection.
fn caller(headers: &HeaderMap, connection: u64) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(session) = text("mcp-session-id") {
        return format!("session {session}");
    }
    match text("authorization") {
        Some(token) => format!("token {token}"),
        None => format!("connection {connection}"),
    }
}
