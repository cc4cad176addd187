//! The admin edge: saboteurs 15, 15b, 26 and 26c, which repeat a first good answer for ever, whole
//! or in part, and 26b, a counter that loses count.

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
/// The counter that 26b takes from, and the share it takes.
const COUNTER: &str = "exai_requests_total";
const LOST: f64 = 0.01;
/// The gauge that S46 raises.
const UNDER_WAY: &str = "exai_in_flight ";
/// Where health speaks of the providers.
const PROVIDERS: &str = "/components/providers";

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
            "constant-health" | "constant-providers" => "/health",
            "metrics-frozen" | "hits-uncounted" | "lossy-counter" | "held-permit" => "/metrics",
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
        if self.repeats()
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
        if let Some(changed) = self.changed(&path, &body)
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

    /// Whether answers are repeated whole.
    fn repeats(&self) -> bool {
        matches!(self.stage.name(), "constant-health" | "metrics-frozen")
    }

    /// The answer with something else in it, where the spoiler has something to change.
    fn changed(&self, path: &str, body: &Bytes) -> Option<Bytes> {
        match self.stage.name() {
            "constant-providers" => with_providers(body, &self.remembered(path)?.1),
            "hits-uncounted" => frozen(&self.remembered(path)?.1, body),
            "held-permit" => one_more(std::str::from_utf8(body).ok()?),
            "lossy-counter" => Some(uncounted(std::str::from_utf8(body).ok()?)),
            _ => None,
        }
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

/// Saboteur 15b: today's health with the providers of the first.
fn with_providers(body: &[u8], first: &[u8]) -> Option<Bytes> {
    let mut health: Value = serde_json::from_slice(body).ok()?;
    let first: Value = serde_json::from_slice(first).ok()?;
    *health.pointer_mut(PROVIDERS)? = first.pointer(PROVIDERS)?.clone();
    Some(Bytes::from(health.to_string()))
}

/// Saboteur 26b: every series of the counter a hundredth lower, rounded down.
fn uncounted(metrics: &str) -> Bytes {
    let line = |line: &str| {
        let counted = line.strip_prefix(COUNTER).and_then(|_| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series, value.parse::<f64>().ok()?))
        });
        match counted {
            Some((series, value)) => format!("{series} {}\n", (value * (1.0 - LOST)).floor()),
            None => format!("{line}\n"),
        }
    };
    Bytes::from(metrics.lines().map(line).collect::<String>())
}

/// Saboteur S46: one more under way than there are; None where the gauge is not shown.
fn one_more(metrics: &str) -> Option<Bytes> {
    let shown = metrics.lines().find(|line| line.starts_with(UNDER_WAY))?;
    let count: u64 = shown.strip_prefix(UNDER_WAY)?.trim().parse().ok()?;
    let raised = format!("{UNDER_WAY}{}", count + 1);
    Some(Bytes::from(metrics.replacen(shown, &raised, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_stay_as_they_were() {
        let health = |store: &str, kimi: &str| {
            let components = json!({"store": {"status": store},
                "providers": {"kimi": {"status": kimi}}});
            Bytes::from(json!({"components": components}).to_string())
        };
        let seen = with_providers(&health("down", "down"), &health("ok", "ok")).unwrap();
        assert_eq!(seen, health("down", "ok"));
        assert_eq!(with_providers(b"{}", &health("ok", "ok")), None);
    }

    #[test]
    fn only_the_counter_of_requests_loses_a_hundredth() {
        let metrics = "# HELP exai_requests_total calls\nexai_requests_total{tool=\"chat\"} 250\n\
            exai_turns_total 250\n";
        let wanted = metrics.replace("\"} 250", "\"} 247");
        assert_eq!(uncounted(metrics), wanted);
    }

    #[test]
    fn only_the_gauge_of_calls_under_way_is_one_higher() {
        let metrics = "# TYPE exai_in_flight gauge\nexai_in_flight_limit 512\nexai_in_flight 0\n";
        let wanted = metrics.replace("flight 0", "flight 1");
        assert_eq!(one_more(metrics).unwrap(), wanted);
        assert_eq!(one_more("exai_tasks 4\n"), None);
    }

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
