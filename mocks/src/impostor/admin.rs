//! The admin edge: saboteurs 15, 26 and 26c, endpoints that repeat their first good answer for
//! ever, whole or in one family of figures.

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

/// The family of counters that saboteur 26c repeats.
const HITS: &str = "exai_cache_hits_total";

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
            "metrics-frozen" | "hits-uncounted" => "/metrics",
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
        let is_whole = self.stage.name() != "hits-uncounted";
        if is_whole
            && let Some((parts, body)) = self.remembered(&path)
            && self.stage.trigger.due().is_some()
        {
            self.stage.record(&Value::Null, json!({"path": path}));
            return Ok(Response::from_parts(parts, whole(body)));
        }
        let (mut parts, body) = link.send(request.map(streamed)).await?.into_parts();
        let mut body = match collect(body, MAX_BYTES).await {
            Ok(body) => body,
            Err(body) => return Ok(Response::from_parts(parts, body)),
        };
        if !is_whole
            && let Some((_, first)) = self.remembered(&path)
            && let Some(changed) = frozen(&first, &body)
            && self.stage.trigger.due().is_some()
        {
            self.stage.record(&Value::Null, json!({"path": path}));
            body = changed;
        }
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

/// The later figures with the family's first ones in the place of its own; None when nothing in it
/// has moved.
fn frozen(first: &[u8], later: &[u8]) -> Option<Bytes> {
    let (first, later) = (str::from_utf8(first).ok()?, str::from_utf8(later).ok()?);
    let is_own = |line: &&str| line.starts_with(HITS);
    let value_of = |series: &str| {
        let mut own = first.lines().filter(is_own);
        own.find(|line| series_of(line) == series)
    };
    let lines = later.lines().filter_map(|line| match is_own(&line) {
        true => value_of(series_of(line)),
        false => Some(line),
    });
    let changed: String = lines.flat_map(|line| [line, "\n"]).collect();
    (changed != later).then(|| changed.into())
}

/// A line of the exposition without its value.
fn series_of(line: &str) -> &str {
    line.rsplit_once(' ').map_or(line, |(series, _)| series)
}

#[cfg(test)]
mod tests {
    use super::frozen;

    const FIRST: &str = "# TYPE exai_cache_hits_total counter\n\
        exai_cache_hits_total{cache=\"result\"} 3\nexai_cache_misses_total{cache=\"result\"} 4\n";

    #[test]
    fn one_family_stays_as_it_was_and_the_rest_goes_on() {
        let later = "# TYPE exai_cache_hits_total counter\n\
            exai_cache_hits_total{cache=\"review\"} 1\n\
            exai_cache_hits_total{cache=\"result\"} 9\n\
            exai_cache_misses_total{cache=\"result\"} 5\n";
        let changed = frozen(FIRST.as_bytes(), later.as_bytes()).unwrap();
        let expected = FIRST.replace("} 4", "} 5");
        assert_eq!(str::from_utf8(&changed).unwrap(), expected);
    }

    #[test]
    fn figures_that_have_not_moved_are_left_as_they_are() {
        assert_eq!(frozen(FIRST.as_bytes(), FIRST.as_bytes()), None);
    }
}
