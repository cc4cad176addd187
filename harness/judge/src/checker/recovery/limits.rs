//! What V.2 compares with.

use crate::breaker_life::BreakerRules;
use crate::criterion::{Criterion, Missing};
use crate::thread_model::ThreadRules;

/// The criterion's numbers, times in ns.
pub(super) struct Limits {
    pub(super) failover: u64,
    pub(super) silent_prompt: u64,
    pub(super) silent_thinking: u64,
    pub(super) attempts_provider: u64,
    pub(super) attempts_call: u64,
    pub(super) gap: u64,
    pub(super) breaker: BreakerRules,
    pub(super) threads: ThreadRules,
}

impl Limits {
    pub(super) fn read(rows: &Criterion) -> Result<Self, Missing> {
        Ok(Self {
            failover: rows.nanos("failover_s")?,
            silent_prompt: rows.nanos("silent_prompt_s")?,
            silent_thinking: rows.nanos("silent_thinking_s")?,
            attempts_provider: rows.count("attempts_provider")?,
            attempts_call: rows.count("attempts_call")?,
            gap: rows
                .nanos("retry_wait_ms")?
                .max(rows.nanos("retry_after_s")?)
                + rows.nanos("retry_slack_ms")?,
            breaker: BreakerRules {
                failures: rows.count("breaker_failures")?,
                excess: rows.count("breaker_excess")?,
                open: rows.nanos("breaker_open_s")?,
                stuck: rows.nanos("breaker_stuck_s")?,
            },
            threads: ThreadRules::read(rows)?,
        })
    }
}
