//! Decides one request: key, contract, limits, rules, answer, in the order a vendor would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::answer::{self, Basis};
use crate::content::{Content, Finish, Usage};
use crate::journal::Outcome;
use crate::key::{Key, KeyTable, Permit};
use crate::provider::{Provider, Route};
use crate::refusal::Refusal;
use crate::reply::{Head, Reply};
use crate::request::Request;
use crate::rulebook::Facts;
use crate::seen::{self, Seen};
use crate::simulator::Installed;
use crate::spoil::{self, Scene};
use crate::strict::{self, Ask, Terms};
use crate::tracer::{RunKey, sha256_hex};
use crate::wire;

/// Everything a decision stands on.
pub struct Desk<'a> {
    /// The vendor.
    pub provider: Provider,
    /// Where the request was sent.
    pub route: Route,
    /// What answers are keyed with.
    pub run_key: &'a RunKey,
    /// The key table.
    pub keys: &'a KeyTable,
    /// The plan in force.
    pub installed: &'a Installed,
    /// The request's sequence.
    pub seq: String,
    /// Its number.
    pub number: u64,
    /// Unix seconds for `created`.
    pub unix: u64,
}

/// What was decided, and what the journal says of it.
pub struct Decision {
    /// What to play.
    pub reply: Reply,
    /// The outcome if the client stays.
    pub outcome: Outcome,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Digest of the answer the reply carries whole.
    pub answer_sha256: Option<String>,
    /// The key's id.
    pub key_id: String,
    /// The model as named.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Digest of the body.
    pub request_sha256: String,
    /// What the body holds.
    pub seen: Seen,
    /// The other fields.
    pub params: Map<String, Value>,
    /// The fault that landed.
    pub fault: Option<String>,
    /// The rule it came from.
    pub rule: Option<String>,
    /// The request's hold on its key.
    pub permit: Option<Permit>,
}

impl Desk<'_> {
    /// Decides.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        let body: Option<Map<String, Value>> = serde_json::from_slice(&request.body).ok();
        let parsed = body.is_some();
        let body = body.unwrap_or_default();
        let key = find_key(self.keys, request);
        let mut decision = self.blank(request, &body, key);
        let accepted = self.accept(request, &body, parsed, key);
        let (terms, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                decision.reply = refused(&refusal).after(self.first_byte());
                decision.reason = Some(refusal.reason);
                return decision;
            }
        };
        decision.permit = Some(permit);
        self.serve(&mut decision, &body, &terms);
        decision
    }

    fn blank(
        &self,
        request: &Request,
        body: &Map<String, Value>,
        key: Result<&Arc<Key>, bool>,
    ) -> Decision {
        let seen = seen::look(self.run_key, body);
        Decision {
            reply: Reply {
                status: 0,
                steps: Vec::new(),
                keep_alive: false,
            },
            outcome: Outcome::Refused,
            reason: None,
            answer_sha256: None,
            key_id: key.map_or_else(|_| "unknown".to_owned(), |key| key.id.clone()),
            model: body
                .get("model")
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned(),
            stream: body.get("stream") == Some(&Value::Bool(true)),
            request_sha256: sha256_hex(&request.body),
            params: params(body, &seen),
            seen,
            fault: None,
            rule: None,
            permit: None,
        }
    }

    fn accept(
        &self,
        request: &Request,
        body: &Map<String, Value>,
        parsed: bool,
        key: Result<&Arc<Key>, bool>,
    ) -> Result<(Terms, Permit), Refusal> {
        let key = key.map_err(|sent| Refusal::unknown_key(self.route, sent))?;
        if let Some(refusal) = Refusal::key_state(self.route, key.state) {
            return Err(refusal);
        }
        if !parsed {
            return Err(Refusal::parameter(
                self.route,
                "the body is not a JSON object",
            ));
        }
        let ask = Ask {
            route: self.route,
            body,
            bytes: request.body.len(),
            historic: self.installed.plan.historic,
        };
        let terms = strict::check(&ask)?;
        let permit = key
            .take(terms.tokens, Instant::now())
            .map_err(|limit| Refusal::limit(self.route, limit))?;
        Ok((terms, permit))
    }

    fn serve(&self, decision: &mut Decision, body: &Map<String, Value>, terms: &Terms) {
        let plan = &self.installed.plan;
        let landing = self.installed.rules.fire(&Facts {
            text: &decision.seen.text,
            model: &decision.model,
            route: self.route,
            streamed: terms.stream,
            elapsed: self.installed.since.elapsed(),
        });
        let prose = answer::prose(plan.seed, self.number, plan.prose_words);
        let answer = self.answer(decision, &prose);
        decision.answer_sha256 = Some(sha256_hex(answer.as_bytes()));
        let content = self.content(decision, terms, answer);
        let pace = Duration::from_millis(plan.chunk_ms);
        let Some(landing) = landing else {
            decision.outcome = Outcome::Answered;
            let reply = healthy(self.route, &content, terms.stream, pace);
            decision.reply = reply.after(self.first_byte());
            return;
        };
        decision.outcome = Outcome::Faulted;
        decision.fault = Some(landing.fault.clone());
        decision.rule = Some(landing.rule.clone());
        let scene = Scene {
            provider: self.provider,
            route: self.route,
            terms,
            body,
            content,
            pace,
            delay: landing.delay,
            compose: &|prose| self.answer(decision, prose),
        };
        let spoiled = spoil::spoil(landing.name(), scene);
        decision.answer_sha256 = spoiled.answer.map(|answer| sha256_hex(answer.as_bytes()));
        decision.reply = spoiled.reply.after(self.first_byte());
    }

    fn answer(&self, decision: &Decision, prose: &str) -> String {
        let tracers: Vec<&str> = decision
            .seen
            .tracers
            .iter()
            .map(|tracer| tracer.text.as_str())
            .collect();
        let basis = Basis {
            provider: self.provider.name(),
            model: &decision.model,
            seq: &self.seq,
            request_sha256: &decision.request_sha256,
            tracers: &tracers,
            prose,
        };
        answer::compose(self.run_key, &basis)
    }

    fn content(&self, decision: &Decision, terms: &Terms, answer: String) -> Content {
        let plan = &self.installed.plan;
        let reasoning = terms.thinking.then(|| {
            let thoughts = answer::prose(plan.seed ^ 1, self.number, 12);
            format!("Weighing the request before answering. {thoughts}")
        });
        let bytes = decision.seen.text.len();
        let usage = Usage::of(
            bytes,
            answer.len(),
            reasoning.as_ref().map_or(0, String::len),
        );
        Content {
            id: reply_id(self.route, plan.seed, self.number),
            created: self.unix,
            model: decision.model.clone(),
            reasoning,
            text: Some(answer),
            calls: Vec::new(),
            finish: Finish::Stop,
            usage,
            chunk_chars: plan.chunk_chars as usize,
            include_usage: terms.include_usage,
        }
    }

    fn first_byte(&self) -> Duration {
        Duration::from_millis(self.installed.plan.first_byte_ms)
    }
}

fn reply_id(route: Route, seed: u64, number: u64) -> String {
    let mixed = (u128::from(seed ^ 0x51ed_270b) << 64 | u128::from(number))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    match route {
        Route::KimiChat => format!("chatcmpl-{mixed:024x}"),
        Route::GlmChat => format!("2026{mixed:028x}"),
        _ => format!("{mixed:032x}"),
    }
}

/// The healthy reply.
#[must_use]
pub fn healthy(route: Route, content: &Content, stream: bool, pace: Duration) -> Reply {
    if stream {
        let head = sse_head(route, content);
        return Reply::stream(head, &wire::stream(route, content), pace);
    }
    let body = wire::whole(route, content).to_string();
    Reply::whole(json_head(route, 200), body.as_bytes())
}

/// The head of a stream.
#[must_use]
pub fn sse_head(route: Route, content: &Content) -> Head {
    let head = Head::new(200, "text/event-stream; charset=utf-8").with("cache-control", "no-cache");
    vendor_headers(route, head, &content.id)
}

/// The head of a JSON body.
#[must_use]
pub fn json_head(route: Route, status: u16) -> Head {
    vendor_headers(
        route,
        Head::new(status, "application/json; charset=utf-8"),
        "0",
    )
}

fn vendor_headers(route: Route, head: Head, id: &str) -> Head {
    match route {
        Route::KimiChat => head.with("server", "cloudflare").with("msh-request-id", id),
        Route::GlmChat => head.with("server", "nginx"),
        _ => head.with("trace_id", id),
    }
}

/// A refusal on the wire.
#[must_use]
pub fn refused(refusal: &Refusal) -> Reply {
    let mut head = Head::new(refusal.status, "application/json; charset=utf-8");
    for (name, value) in &refusal.headers {
        head = head.with(name, value);
    }
    Reply::whole(head, refusal.body.to_string().as_bytes())
}

/// The key a request came with; `Err` says whether one was sent at all.
pub(crate) fn find_key<'a>(keys: &'a KeyTable, request: &Request) -> Result<&'a Arc<Key>, bool> {
    let bearer = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(secret) = bearer.or_else(|| request.header("x-api-key")) else {
        return Err(false);
    };
    keys.find(secret).ok_or(true)
}

/// The fields a journal shows: everything but messages, system, model and stream, which have their
/// own places; tools by name only, since their schemas are long and the same each time.
fn params(body: &Map<String, Value>, seen: &Seen) -> Map<String, Value> {
    let mut params: Map<String, Value> = body
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "messages" | "system" | "model" | "stream"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(tools) = params.get_mut("tools") {
        let named = |tool: &Value| {
            let name = tool.pointer("/function/name").or_else(|| tool.get("name"));
            name.or_else(|| tool.get("type"))
                .cloned()
                .unwrap_or(Value::Null)
        };
        *tools = tools
            .as_array()
            .map_or(0.into(), |all| all.iter().map(named).collect());
    }
    if seen.thinking_returned > 0 {
        params.insert("thinking_returned".into(), seen.thinking_returned.into());
    }
    params
}
