//! Spans of calls and of attempts at providers, in W3C trace context. They hold names, figures and
//! codes; never a prompt, an answer or an argument.
//!
//! Without a receiver no span is opened and nothing is measured.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Metrics;
use super::telemetry::{attribute, nanos};

/// Ended spans waiting for the exporter.
const QUEUE: usize = 4096;

/// Where a span stands: `traceparent` of the W3C recommendation, level 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    trace: u128,
    span: u64,
    is_sampled: bool,
}

impl Place {
    /// Reads a `traceparent`; `None` for what the recommendation says to ignore.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags, ..] = parts[..] else {
            return None;
        };
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        // Of a later version the same four fields are read, whatever follows; of 00 nothing may.
        if !fits || version == "ff" || (version == "00" && parts.len() != 4) {
            return None;
        }
        let place = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (place.trace != 0 && place.span != 0).then_some(place)
    }

    /// As a header's value.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let flags = u8::from(self.is_sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }

    fn below(parent: Option<Self>) -> Self {
        let (trace, span) = uuid::Uuid::new_v4().as_u64_pair();
        let fresh = uuid::Uuid::new_v4().as_u128();
        Self {
            trace: parent.map_or(fresh, |parent| parent.trace),
            // Version bits keep it from being zero.
            span: trace ^ span.rotate_left(17) | 1,
            is_sampled: parent.is_none_or(|parent| parent.is_sampled),
        }
    }
}

/// What a span is of, in the words of the convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work for a caller.
    Server,
    /// A question to somebody else.
    Client,
}

/// Opens spans, or none; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Line>);

#[derive(Debug, Clone)]
struct Line {
    ended: mpsc::Sender<Value>,
    metrics: Metrics,
}

impl Tracer {
    /// One that opens spans, and where they come out.
    #[must_use]
    pub fn on(metrics: Metrics) -> (Self, mpsc::Receiver<Value>) {
        let (ended, spans) = mpsc::channel(QUEUE);
        (Self(Some(Line { ended, metrics })), spans)
    }

    /// Opens a span below the caller's, if it named one; `None` when there is no receiver, or the
    /// caller has chosen not to record.
    #[must_use]
    pub fn open(&self, parent: Option<Place>, name: String, kind: Kind) -> Option<Span> {
        let line = self.0.clone()?;
        let place = Place::below(parent);
        place
            .is_sampled
            .then(|| Span::begin(line, (place, parent), name, kind))
    }
}

#[derive(Debug)]
struct Inner {
    line: Line,
    place: Place,
    parent: Option<Place>,
    name: String,
    kind: Kind,
    began: u128,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    attributes: Vec<Value>,
    events: Vec<Value>,
    error: Option<String>,
}

/// An open span; it ends when its last handle is dropped.
#[derive(Debug, Clone)]
pub struct Span(Arc<Inner>);

impl Span {
    fn begin(
        line: Line,
        (place, parent): (Place, Option<Place>),
        name: String,
        kind: Kind,
    ) -> Self {
        Self(Arc::new(Inner {
            line,
            place,
            parent,
            name,
            kind,
            began: nanos(),
            notes: Mutex::default(),
        }))
    }

    /// A span below this one.
    #[must_use]
    pub fn child(&self, name: String, kind: Kind) -> Self {
        let parent = self.0.place;
        let place = Place::below(Some(parent));
        Self::begin(self.0.line.clone(), (place, Some(parent)), name, kind)
    }

    /// For whoever is asked on behalf of this span.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.0.place.traceparent()
    }

    /// Sets an attribute.
    pub fn set(&self, name: &str, value: impl Into<Value>) {
        let attribute = attribute(name, &value.into());
        self.0.lock().attributes.push(attribute);
    }

    /// Something that happened now.
    pub fn event(&self, name: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter();
        let attributes: Vec<Value> = attributes
            .map(|(name, value)| attribute(name, &Value::from(*value)))
            .collect();
        let event = json!({"timeUnixNano": nanos().to_string(), "name": name,
            "attributes": attributes});
        self.0.lock().events.push(event);
    }

    /// It failed, with a code of this server's.
    pub fn fail(&self, code: &str) {
        self.set("error.type", code);
        self.0.lock().error = Some(code.to_owned());
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let notes = std::mem::take(self.notes.get_mut().unwrap_or_else(PoisonError::into_inner));
        let status = match notes.error {
            Some(code) => json!({"code": 2, "message": code}),
            None => json!({}),
        };
        let kind = match self.kind {
            Kind::Server => 2,
            Kind::Client => 3,
        };
        let span = json!({
            "traceId": format!("{:032x}", self.place.trace),
            "spanId": format!("{:016x}", self.place.span),
            "parentSpanId": self.parent.map(|p| format!("{:016x}", p.span)).unwrap_or_default(),
            "name": self.name,
            "kind": kind,
            "startTimeUnixNano": self.began.to_string(),
            "endTimeUnixNano": nanos().to_string(),
            "attributes": notes.attributes,
            "events": notes.events,
            "status": status,
        });
        if self.line.ended.try_send(span).is_err() {
            self.line.metrics.telemetry_export("traces", "dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_taken_or_ignored_as_the_recommendation_says() {
        assert_eq!(Place::parse(PARENT).unwrap().traceparent(), PARENT);
        let later = PARENT.replacen("00", "cc", 1) + "-more";
        assert!(Place::parse(&later).is_some());
        let bad = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ];
        for text in bad {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_below_their_parents_and_end_once() {
        let (tracer, mut spans) = Tracer::on(Metrics::new());
        let call = tracer.open(Place::parse(PARENT), "tools/call chat".into(), Kind::Server);
        let call = call.unwrap();
        let attempt = call.child("chat m".into(), Kind::Client);
        attempt.set("gen_ai.usage.input_tokens", 7);
        attempt.event("breaker", &[("to", "open")]);
        attempt.fail("provider_failed");
        drop((attempt, call.clone()));
        let inner = spans.try_recv().unwrap();
        assert!(spans.try_recv().is_err(), "a span ended while it was held");
        drop(call);
        let outer = spans.try_recv().unwrap();
        assert_eq!(outer["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(inner["parentSpanId"], outer["spanId"]);
        assert_eq!(inner["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(inner["status"]["code"], 2);
        assert_eq!(inner["attributes"][0]["value"]["intValue"], "7");
        assert_eq!(inner["events"][0]["name"], "breaker");
        let unsampled = Place::parse(&PARENT.replace("-01", "-00"));
        assert!(tracer.open(unsampled, "x".into(), Kind::Server).is_none());
        assert!(
            Tracer::default()
                .open(None, "x".into(), Kind::Server)
                .is_none()
        );
    }
}
