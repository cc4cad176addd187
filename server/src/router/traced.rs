//! The span of one attempt at a provider, in the words of the conventions for models.

use super::ask::CallContext;
use super::breaker::Position;
use super::member::Member;
use crate::observe::trace::{Kind, Span};
use crate::provider::fault::ProviderFailure;
use crate::provider::reply::Reply;
use crate::provider::request::Request;

/// Another provider than the first choice is about to be asked.
pub(super) fn failover(call: &CallContext, (member, request): (&Member, &Request<'_>)) {
    let (to, model) = (&member.row.name, &request.model.name);
    tracing::info!(correlation_id = %call.correlation_id, %to, %model, "failover");
    if let Some(span) = &call.span {
        span.event("failover", &[("to", to), ("model", model)]);
    }
}

/// An attempt under way.
pub(super) struct Traced {
    span: Span,
    breaker: Position,
}

impl Traced {
    /// Begins the span below the call's.
    pub fn begin(call: &Span, (member, request): (&Member, &Request<'_>), attempt: u32) -> Self {
        let model = request.model.name.as_str();
        let span = call.child(format!("chat {model}"), Kind::Client);
        span.set("gen_ai.operation.name", "chat");
        span.set("gen_ai.provider.name", member.row.name.as_str());
        span.set("gen_ai.request.model", model);
        span.set("gen_ai.request.max_tokens", request.max_output);
        span.set("exai.attempt", attempt);
        Self {
            span,
            breaker: member.position(),
        }
    }

    /// What the provider is told to stand below.
    pub fn traceparent(&self) -> String {
        self.span.traceparent()
    }

    /// Ends the span, after the breaker heard of the attempt.
    pub fn end(self, member: &Member, result: &Result<Reply, ProviderFailure>) {
        let now = member.position();
        if now != self.breaker {
            let moved = [("from", self.breaker.name()), ("to", now.name())];
            self.span.event("breaker", &moved);
        }
        match result {
            Ok(reply) => {
                self.span
                    .set("gen_ai.usage.input_tokens", reply.usage.input);
                self.span
                    .set("gen_ai.usage.output_tokens", reply.usage.output);
            }
            Err(failure) => self.span.fail(failure.category().1),
        }
    }
}
