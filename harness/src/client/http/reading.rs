//! Reading a reply, as one JSON body or as an event stream, to its very end.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::lane::{Connection, Lane, words};
use super::{Http, PoisonError};
use crate::client::exchange::Exchange;
use crate::client::sse::{Frame, SseReader};

/// A reply body or event larger than this is trouble, not memory.
const BODY_BYTES: usize = 64 * 1024 * 1024;

/// How long a stream may stay open behind its terminal reply; doubled answers show up here.
const LINGER: Duration = Duration::from_millis(250);

/// Whether the connection can carry another request.
pub(super) enum Rest {
    ReadWhole,
    LeftUnread,
    Failed,
}

impl Rest {
    pub(super) fn lane(self, connection: Connection) -> Lane {
        match self {
            Self::ReadWhole => Lane::Open(connection),
            Self::LeftUnread => Lane::Idle,
            Self::Failed => Lane::Broken,
        }
    }
}

impl Http {
    pub(super) async fn read(
        &self,
        reply: http::Response<Incoming>,
        id: &Value,
        exchange: &mut Exchange,
    ) -> Rest {
        exchange.first_byte_at = Some(self.now());
        let (head, body) = reply.into_parts();
        self.note_head(&head, exchange);
        let kind = text_header(&head, "content-type").unwrap_or_default();
        let rest = if kind.starts_with("text/event-stream") {
            self.read_events(body, id, exchange).await
        } else {
            self.read_json(body, id, exchange).await
        };
        if exchange.reply.is_none() {
            let wants_reply = !id.is_null();
            let trouble = match (wants_reply, head.status.is_success()) {
                (true, true) => Some(format!("no reply in {kind:?}")),
                (true, false) => Some(format!("status {}", head.status.as_u16())),
                (false, _) => None,
            };
            let at = self.now();
            match trouble {
                Some(trouble) => exchange.fail(at, trouble),
                None => exchange.done_at = at,
            }
        }
        rest
    }

    fn note_head(&self, head: &http::response::Parts, exchange: &mut Exchange) {
        exchange.status = Some(head.status.as_u16());
        exchange.instance = text_header(head, "exai-instance");
        exchange.correlation_id = text_header(head, "exai-correlation-id");
        exchange.retry_after_ms = text_header(head, "retry-after")
            .and_then(|seconds| seconds.parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        if let Some(session) = head.headers.get("mcp-session-id") {
            let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            if held.is_none() {
                *held = Some(session.clone());
            }
        }
    }

    async fn read_json(&self, mut body: Incoming, id: &Value, exchange: &mut Exchange) -> Rest {
        let mut text = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(error) => {
                    exchange.fail(self.now(), words(&error));
                    return Rest::Failed;
                }
            }
            if text.len() > BODY_BYTES {
                exchange.fail(self.now(), "reply too large");
                return Rest::LeftUnread;
            }
        }
        let at = self.now();
        for message in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
            match message {
                Ok(message) => {
                    exchange.take(id, at, message);
                }
                Err(_) if exchange.status.is_some_and(|status| status >= 400) => break,
                Err(_) => {
                    exchange.fail(at, "not json");
                    break;
                }
            }
        }
        Rest::ReadWhole
    }

    async fn read_events(&self, mut body: Incoming, id: &Value, exchange: &mut Exchange) -> Rest {
        let mut reader = SseReader::default();
        loop {
            let next = if exchange.reply.is_some() {
                match tokio::time::timeout(LINGER, body.frame()).await {
                    Ok(next) => next,
                    Err(_still_open) => return Rest::LeftUnread,
                }
            } else {
                body.frame().await
            };
            let data = match next {
                None => return Rest::ReadWhole,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    exchange.fail(self.now(), words(&error));
                    return Rest::Failed;
                }
            };
            let at = self.now();
            for frame in reader.push(&data) {
                self.take_frame(frame, id, at, exchange);
            }
            if reader.held() > BODY_BYTES {
                exchange.fail(at, "reply too large");
                return Rest::LeftUnread;
            }
        }
    }

    fn take_frame(&self, frame: Frame, id: &Value, at: u64, exchange: &mut Exchange) {
        match frame {
            Frame::Comment => exchange.comments += 1,
            // The priming event of a resumable stream carries an id and no data.
            Frame::Data(text) if text.is_empty() => {}
            Frame::Data(text) => match serde_json::from_str(&text) {
                Ok(message) => {
                    exchange.take(id, at, message);
                }
                Err(_) => exchange.fail(at, "not json"),
            },
        }
    }
}

fn text_header(head: &http::response::Parts, name: &str) -> Option<String> {
    head.headers.get(name)?.to_str().ok().map(str::to_owned)
}
