//! The admin edge: saboteurs 15 and 26, endpoints that repeat their first good answer for ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::impostor::message::MAX_BYTES;
use crate::impostor::proxy::{Body, Failure, Link, collect, set_length, streamed, whole};
use crate::impostor::spoiler::Stage;

/// The admin edge.
pub struct AdminEdge {
    stage: Arc<Stage>,
    /// The paths that are spoiled; empty for the control.
    prefix: &'static str,
    first: Mutex<HashMap<String, (Parts, Bytes)>>,
}

impl AdminEdge {
    /// An edge with this spoiler.
    #[must_use]
    pub fn new(stage: Arc<Stage>) -> Self {
        let prefix = match stage.name() {
            "constant-health" => "/health",
            "metrics-frozen" => "/metrics",
            _ => "",
        };
        Self {
            stage,
            prefix,
            first: Mutex::default(),
        }
    }

    /// Passes one exchange through, spoiled or not.
    ///
    /// # Errors
    /// When the upstream connection fails.
    pub async fn exchange(
        &self,
        link: &Link,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let path = request.uri().path().to_owned();
        let eligible = !self.prefix.is_empty()
            && request.method() == Method::GET
            && path.starts_with(self.prefix);
        if !eligible {
            return link.pass(request.map(streamed)).await;
        }
        if let Some((parts, body)) = self.remembered(&path)
            && self.stage.trigger.due().is_some()
        {
            self.stage.record(&Value::Null, json!({"path": path}));
            return Ok(Response::from_parts(parts, whole(body)));
        }
        let (mut parts, body) = link.send(request.map(streamed)).await?.into_parts();
        let body = match collect(body, MAX_BYTES).await {
            Ok(body) => body,
            Err(body) => return Ok(Response::from_parts(parts, body)),
        };
        set_length(&mut parts.headers, body.len());
        if parts.status.is_success() {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first
                .entry(path)
                .or_insert_with(|| (parts.clone(), body.clone()));
        }
        Ok(Response::from_parts(parts, whole(body)))
    }

    fn remembered(&self, path: &str) -> Option<(Parts, Bytes)> {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .cloned()
    }
}
