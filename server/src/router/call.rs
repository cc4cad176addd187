//! One call: attempts at one candidate after another until an answer or the end of the budget.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Router;
use super::ask::{Answer, Ask, Attempt, CallContext, Trace};
use super::breaker::Verdict;
use super::budget::Budget;
use super::member::{Admission, Member};
use super::rank::Candidate;
use super::retry::{self, Next, Tally};
use super::traced::{self, Traced};
use crate::failure::{Category, Failure};
use crate::provider::Provider;
use crate::provider::exchange::Watch;
use crate::provider::fault::{FaultClass, ProviderFailure};
use crate::provider::model::{ModelClass, Price};
use crate::provider::reply::{Finish, Reply};
use crate::provider::request::{Echo, Request};

/// What became of a candidate.
enum Flow {
    Answered(Reply),
    Left,
    Over,
}

/// A call under way.
pub(super) struct Call<'a> {
    pub router: &'a Router,
    pub ask: &'a Ask,
    pub context: &'a CallContext,
    /// The whole call's clock.
    budget: Budget,
    tally: Tally,
    attempts: Vec<Attempt>,
    pub warnings: Vec<String>,
    waits: Vec<Duration>,
    last: Option<(String, ProviderFailure)>,
    /// Why the first route that its caller could not pay for was passed over.
    unpaid: Option<Failure>,
    /// Whether the candidate at hand is not the first choice.
    is_failover: bool,
}

impl<'a> Call<'a> {
    pub fn new(
        router: &'a Router,
        ask: &'a Ask,
        context: &'a CallContext,
        total: Duration,
    ) -> Self {
        Self {
            router,
            ask,
            context,
            budget: Budget::new(Instant::now(), total),
            tally: Tally::default(),
            attempts: Vec::new(),
            warnings: Vec::new(),
            waits: Vec::new(),
            last: None,
            unpaid: None,
            is_failover: false,
        }
    }

    /// Runs the call over its candidates.
    pub async fn run(mut self, candidates: &[Candidate]) -> Result<Answer, Failure> {
        for (place, candidate) in candidates.iter().enumerate() {
            let Some((member, provider)) = self.router.registered(&candidate.provider) else {
                continue;
            };
            self.tally.here = 0;
            self.tally.untried = self.open_routes(&candidates[place + 1..]);
            self.is_failover = place > 0;
            match self.at(candidate, member, provider).await {
                Flow::Answered(reply) => return Ok(self.answer(reply, candidate)),
                Flow::Left => {}
                Flow::Over => break,
            }
        }
        Err(self.failure())
    }

    /// Attempts at one candidate.
    async fn at(&mut self, candidate: &Candidate, member: &Member, provider: &Provider) -> Flow {
        let paid = self
            .router
            .afford_route(candidate, self.ask, self.context, self.left());
        let holding = match paid.await {
            Ok(holding) => holding,
            Err(failure) => return self.pass_over(candidate, failure),
        };
        let mut request = self.request(candidate);
        loop {
            let hindrance = member.hindrance(&candidate.model.name, Instant::now());
            let place = match hindrance {
                None => member.admit().ok_or(("breaker probing", Duration::ZERO)),
                Some(hindrance) => Err(hindrance),
            };
            let place = match place {
                Ok(place) => place,
                Err((why, wait)) => {
                    let skipped = format!("skipped {}: {why}", candidate.provider);
                    if let Some(span) = &self.context.span {
                        let of = candidate.provider.as_str();
                        span.event("skipped", &[("provider", of), ("reason", why)]);
                    }
                    self.warnings.push(skipped);
                    self.waits.push(wait);
                    return Flow::Left;
                }
            };
            if self.left().is_zero() {
                return Flow::Over;
            }
            let failure = match self.attempt(place, provider, &mut request).await {
                Ok(reply) => {
                    let said = self.router.charge_route(holding, candidate, &reply).await;
                    self.warnings.extend(said);
                    return Flow::Answered(reply);
                }
                Err(failure) => failure,
            };
            let next = self.after(&failure, (candidate, &mut request));
            self.last = Some((candidate.provider.clone(), failure));
            match next {
                Next::Stop => return Flow::Over,
                Next::Leave => return Flow::Left,
                Next::Again { wait, .. } if wait >= self.left() => return Flow::Left,
                Next::Again { wait, .. } => {
                    self.tally.retries += 1;
                    tokio::select! {
                        () = self.context.cancel.cancelled() => return Flow::Over,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// Leaves a route that the caller cannot pay for.
    fn pass_over(&mut self, candidate: &Candidate, failure: Failure) -> Flow {
        let route = (&candidate.provider, &candidate.model.name);
        let skipped = format!("skipped {}/{}: {}", route.0, route.1, failure.code);
        self.warnings.push(skipped);
        self.unpaid.get_or_insert(failure);
        Flow::Left
    }

    async fn attempt(
        &mut self,
        place: Admission<'_>,
        provider: &Provider,
        request: &mut Request<'_>,
    ) -> Result<Reply, ProviderFailure> {
        if self.tally.here == 0 && self.is_failover {
            self.router.metrics.failover();
            traced::failover(self.context, (place.member(), request));
        }
        self.tally.total += 1;
        self.tally.here += 1;
        request.id = format!("{}-{}", self.correlation(), self.tally.total);
        let shown = AtomicBool::new(false);
        let clocks = &self.router.settings.clocks;
        let pace = (request.class(), request.model.pace);
        let watch = Watch {
            clocks: clocks.attempt(pace, self.ask.kind, request.stream, self.left()),
            cancel: &self.context.cancel,
            on_text: self.context.on_text.as_ref(),
            shown: &shown,
        };
        let began = Instant::now();
        let member = place.member();
        let span = self.context.span.as_ref();
        let traced = span.map(|span| Traced::begin(span, (member, request), self.tally.total));
        request.traceparent = traced.as_ref().map(Traced::traceparent);
        let result = provider.ask(request, &watch).await;
        place.settle(match &result {
            Ok(_) => Verdict::Success,
            Err(failure) if failure.trips_breaker() => Verdict::Failure,
            Err(failure) => match failure.class {
                FaultClass::Cancelled | FaultClass::Busy => Verdict::Abandoned,
                _ => Verdict::Business,
            },
        });
        if let Some(traced) = traced {
            traced.end(member, &result);
        }
        self.tally.was_shown = shown.load(Ordering::Relaxed);
        self.note(member, request, &result, began.elapsed());
        result
    }

    fn note(
        &mut self,
        member: &Member,
        request: &Request<'_>,
        result: &Result<Reply, ProviderFailure>,
        elapsed: Duration,
    ) {
        let (provider, model) = (&member.row.name, &request.model.name);
        let metrics = &self.router.metrics;
        let outcome = match result {
            Ok(reply) => {
                member.note_success();
                tracing::info!(
                    correlation_id = %self.context.correlation_id,
                    provider = %provider,
                    model = %model,
                    attempt = self.tally.total,
                    elapsed_ms = millis(elapsed),
                    tokens_out = reply.usage.output,
                    "provider answered"
                );
                "ok"
            }
            Err(failure) => {
                let (category, code) = failure.category();
                if failure.class != FaultClass::Cancelled {
                    member.note_failure(failure, model);
                    metrics.provider_error(provider, category);
                }
                tracing::warn!(
                    correlation_id = %self.context.correlation_id,
                    provider = %provider,
                    model = %model,
                    attempt = self.tally.total,
                    elapsed_ms = millis(elapsed),
                    failure = %failure.summary(),
                    "attempt failed"
                );
                code
            }
        };
        metrics.provider_request(provider, model, outcome);
        metrics.provider_seconds(provider, elapsed);
        self.attempts.push(Attempt {
            provider: provider.clone(),
            model: model.clone(),
            outcome: outcome.to_owned(),
            elapsed_ms: millis(elapsed),
        });
    }

    fn after(
        &mut self,
        failure: &ProviderFailure,
        (candidate, request): (&Candidate, &mut Request<'_>),
    ) -> Next {
        if failure.class == FaultClass::Cancelled {
            return Next::Stop;
        }
        let next = retry::next(
            failure,
            self.tally,
            &self.router.settings.retry,
            self.router.luck(),
        );
        if let Some(repair) = next.repair() {
            self.tally.is_repaired = true;
            if !request.repair(repair, &candidate.provider) {
                return Next::Stop;
            }
        }
        next
    }

    /// The request of a candidate's next attempt.
    pub fn request<'r>(&self, candidate: &'r Candidate) -> Request<'r>
    where
        'a: 'r,
    {
        let class = candidate.class();
        let catalogue = &self.router.roster.catalogue;
        Request {
            id: String::new(),
            traceparent: None,
            model: &candidate.model,
            system: &self.ask.system,
            messages: &self.ask.messages,
            echo: Echo::default(),
            temperature: self.ask.temperature,
            thinking: candidate.thinking,
            websearch: self.ask.websearch,
            max_output: catalogue.output_bound(&candidate.model, class, self.ask.max_output_tokens),
            // A model that thinks is silent for minutes when its answer comes whole; streamed, each
            // token shows that it is alive.
            stream: self.ask.stream
                || self.context.on_text.is_some()
                || class == ModelClass::Thinking,
        }
    }

    /// Later candidates that could be tried now; a second attempt here must leave them theirs.
    fn open_routes(&self, candidates: &[Candidate]) -> u32 {
        let now = Instant::now();
        let open = candidates.iter().filter(|candidate| {
            let member = self.router.registered(&candidate.provider);
            member.is_some_and(|(member, _)| member.hindrance(&candidate.model.name, now).is_none())
        });
        u32::try_from(open.count()).unwrap_or(u32::MAX)
    }

    fn answer(self, reply: Reply, candidate: &Candidate) -> Answer {
        let mut warnings = self.warnings;
        warnings.extend(reply.warnings);
        if self.ask.websearch && !candidate.model.websearch {
            warnings.push("websearch_unavailable".to_owned());
        }
        let cost = candidate
            .model
            .price
            .map(|price: Price| price.of(reply.usage));
        Answer {
            text: reply.text,
            thoughts: reply.thoughts,
            trace: Trace {
                model_asked: self.ask.model.clone().unwrap_or_else(|| "auto".to_owned()),
                model_used: candidate.model.name.clone(),
                provider: candidate.provider.clone(),
                reason: candidate.reason.clone(),
                failover: self.is_failover,
                attempts: self.attempts,
                usage: reply.usage,
                cost_usd: cost,
                elapsed_ms: millis(self.budget.elapsed(Instant::now())),
                searched: reply.searched,
                demo: candidate.provider == "demo",
                incomplete: (reply.finish == Finish::Length).then(|| "length".to_owned()),
                warnings,
            },
        }
    }

    /// The caller's failure: the last attempt's, with the way that led to it.
    fn failure(self) -> Failure {
        if self.context.cancel.is_cancelled() {
            let message = "the call was cancelled before an answer was whole";
            return Failure::new(Category::ClientError, "cancelled", message);
        }
        let Some((provider, last)) = &self.last else {
            if let Some(unpaid) = self.unpaid {
                return unpaid;
            }
            return self.nothing_tried();
        };
        let mut failure = last.failure(provider);
        if self.tally.was_shown {
            failure
                .message
                .push_str(" The text sent so far is not the whole answer.");
        }
        if self.attempts.len() > 1 || !self.warnings.is_empty() {
            let tried = self
                .attempts
                .iter()
                .map(|one| format!("{}/{}: {}", one.provider, one.model, one.outcome));
            let way: Vec<String> = tried.chain(self.warnings.iter().cloned()).collect();
            failure
                .message
                .push_str(&format!(" Tried in order: {}.", way.join("; ")));
        }
        failure
    }

    fn nothing_tried(&self) -> Failure {
        let message = format!(
            "no provider can be asked now ({}). Try again when the time named has passed; \
             `status` shows each provider.",
            self.warnings.join("; ")
        );
        let failure = Failure::new(Category::ProviderError, "provider_unavailable", message);
        // A running probe is settled soon; a second is as good a guess as any.
        let wait = self.waits.iter().min().copied().unwrap_or_default();
        failure.with_retry_after(wait.max(Duration::from_secs(1)))
    }

    fn left(&self) -> Duration {
        self.budget.left(Instant::now())
    }

    /// The correlation id as a provider's `request_id` takes it: 6 to 60 plain characters.
    fn correlation(&self) -> String {
        let plain = self.context.correlation_id.chars();
        let plain: String = plain
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(60)
            .collect();
        format!("{plain:0>6}")
    }
}

pub(super) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
