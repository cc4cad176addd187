//! What is told of a call that has ended: a count and a time in the metrics, a line in the log, an
//! entry in the journal.

use std::time::Instant;

use jiff::Timestamp;

use super::{Toolbox, model_of};
use crate::failure::Failure;
use crate::observe::metrics::{Call as CallMetric, CallStatus};
use crate::tool::call::{Call, Reply};
use crate::tool::journal::Entry;

impl Toolbox {
    pub(super) fn report(
        &self,
        label: &'static str,
        call: &Call,
        started: Instant,
        result: &Result<Reply, Failure>,
    ) {
        let metrics = &self.0.around.metrics;
        let status = match result {
            Ok(_) => CallStatus::Ok,
            Err(failure) if failure.code == "cancelled" => CallStatus::Cancelled,
            Err(_) => CallStatus::Error,
        };
        let elapsed = started.elapsed();
        let failure = result.as_ref().err();
        let entry = Entry {
            at: Timestamp::now(),
            tool: label,
            status: status.name(),
            category: failure.map(|failure| failure.category),
            code: failure.map(|failure| failure.code),
            severity: failure.map(Failure::severity),
            retryable: failure.map(|failure| failure.retryable),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            model: result.as_ref().map_or("", model_of).to_owned(),
            transport: call.caller.transport.name(),
            correlation_id: call.caller.correlation_id.clone(),
            principal: call.caller.principal.clone(),
        };
        metrics.request(CallMetric {
            tool: label,
            transport: entry.transport,
            status,
            elapsed,
            correlation_id: &entry.correlation_id,
        });
        if let Some(failure) = failure {
            metrics.failure(failure);
        }
        log(&entry, failure.and_then(|failure| failure.cause.as_deref()));
        self.0.around.journal.add(entry);
    }
}

/// One line in the log; a cause is for the log alone.
fn log(entry: &Entry, cause: Option<&str>) {
    let Entry {
        tool,
        transport,
        elapsed_ms,
        model,
        ..
    } = entry;
    let (correlation_id, code) = (&*entry.correlation_id, entry.code.unwrap_or_default());
    match entry.category {
        None => tracing::info!(tool, transport, correlation_id, elapsed_ms, model, "call"),
        Some(category) => {
            let (category, cause) = (category.name(), cause.unwrap_or_default());
            tracing::warn!(
                tool,
                transport,
                correlation_id,
                elapsed_ms,
                category,
                code,
                cause,
                "call failed"
            );
        }
    }
}
