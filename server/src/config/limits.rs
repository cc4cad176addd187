//! Sizes, counts, rates and clocks: every bound of the server has its name here.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request body; more is 413.
    pub body_bytes: usize,
    /// Bytes of a request head.
    pub header_bytes: usize,
    /// Nesting of a request body.
    pub json_depth: usize,
    /// Calls at once in all.
    pub in_flight: usize,
    /// Calls at once in one session.
    pub in_flight_per_session: usize,
    /// Requests at once at one provider.
    pub in_flight_per_provider: usize,
    /// Bytes of own memory from which on no call is begun; 0 is nine tenths of what the process may
    /// use.
    pub memory_bytes: u64,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one client address.
    pub connections_per_address: usize,
    /// MCP sessions at once.
    pub sessions: usize,
    /// A session without a request ends after this.
    #[serde(deserialize_with = "duration::one")]
    pub session_idle: Duration,
    /// Characters of one tool result.
    pub result_chars: usize,
    /// Tokens (characters / 4) of one tool result.
    pub result_tokens: usize,
    /// Characters of the longest text in one argument of a call, or in one message.
    pub prompt_chars: usize,
    /// Calls that the tools which look back can see.
    pub recent_calls: usize,
    /// A step above this is asked for as a file.
    pub resend_prompt_chars: usize,
    /// Time to send a request head.
    #[serde(deserialize_with = "duration::one")]
    pub header_timeout: Duration,
    /// Time to send a request body, plus one second per 64 KiB received.
    #[serde(deserialize_with = "duration::one")]
    pub body_timeout: Duration,
    /// Longest time a client may refuse to read.
    #[serde(deserialize_with = "duration::one")]
    pub write_timeout: Duration,
    /// Keep-alive without a request.
    #[serde(deserialize_with = "duration::one")]
    pub connection_idle: Duration,
    /// A POST open longer than this becomes an event stream.
    #[serde(deserialize_with = "duration::one")]
    pub stream_after: Duration,
    /// Keep-alive comments on event streams are this far apart.
    #[serde(deserialize_with = "duration::one")]
    pub stream_comment: Duration,
    /// A standing stream ends after this, so that its token is looked at again.
    #[serde(deserialize_with = "duration::one")]
    pub stream_age: Duration,
    /// A call that lasts longer is answered with the call that collects its answer; 0 never.
    #[serde(deserialize_with = "duration::one")]
    pub soft_deadline: Duration,
    /// A call that lasts longer becomes a task, for a client that declares tasks.
    #[serde(deserialize_with = "duration::one")]
    pub task_after: Duration,
    /// Bytes of the longest bearer token.
    pub token_bytes: usize,
    /// Time to say hello on a daemon connection.
    #[serde(deserialize_with = "duration::one")]
    pub hello_timeout: Duration,
    /// Time to answer a question that a call asks its client's user.
    #[serde(deserialize_with = "duration::one")]
    pub choice_wait: Duration,
    /// Silence on a WebSocket before it is pinged.
    #[serde(deserialize_with = "duration::one")]
    pub ping_interval: Duration,
    /// Time to answer a ping.
    #[serde(deserialize_with = "duration::one")]
    pub ping_timeout: Duration,
    /// `[limits.rate]`.
    pub rate: Rate,
}

/// `[limits.rate]`: sustained rates, enforced as token buckets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests a second of all callers.
    pub global: u32,
    /// Requests a second of one client address.
    pub address: u32,
    /// Requests a second of one verified principal.
    pub principal: u32,
    /// How many seconds of the rate may arrive at once.
    #[serde(deserialize_with = "duration::one")]
    pub burst: Duration,
    /// Buckets kept per scope.
    pub table: usize,
    /// An unused bucket is dropped after this.
    #[serde(deserialize_with = "duration::one")]
    pub idle: Duration,
}

/// `[timeouts]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// The ladder in use.
    pub profile: TimeoutProfile,
    /// Total of a tool that calls no provider.
    #[serde(deserialize_with = "duration::one")]
    pub tool: Duration,
    /// Clocks of models of class *prompt*.
    pub prompt: Clocks,
    /// Clocks of models of class *thinking*.
    pub thinking: Clocks,
    /// The ladder of profile *classic*.
    pub classic: Ladder,
}

impl Timeouts {
    /// The clocks in force: by model class, or the historic ladder for both classes.
    #[must_use]
    pub fn in_force(self) -> Self {
        if self.profile == TimeoutProfile::Class {
            return self;
        }
        Self {
            prompt: self.classic.clocks(),
            thinking: self.classic.clocks(),
            ..self
        }
    }

    /// What any call may take at the server; None where clocks go by model class.
    #[must_use]
    pub fn daemon(&self) -> Option<Duration> {
        (self.profile == TimeoutProfile::Classic).then_some(self.classic.daemon)
    }

    /// What any call may take on its way through the bridge; None where clocks go by model class.
    #[must_use]
    pub fn bridge(&self) -> Option<Duration> {
        (self.profile == TimeoutProfile::Classic).then_some(self.classic.bridge)
    }
}

/// Which timeout ladder applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeoutProfile {
    /// Three clocks by model class.
    Class,
    /// One ladder of wall clocks for every model, as it was before there were classes.
    Classic,
}

/// The historic ladder: wall clocks, each longer than the one inside it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// One chat call, and each attempt of any call.
    #[serde(deserialize_with = "duration::one")]
    pub tool: Duration,
    /// The expert pass alone.
    #[serde(deserialize_with = "duration::one")]
    pub expert: Duration,
    /// One workflow call, expert pass included.
    #[serde(deserialize_with = "duration::one")]
    pub workflow: Duration,
    /// Any call at the server.
    #[serde(deserialize_with = "duration::one")]
    pub daemon: Duration,
    /// Any call on its way through the bridge.
    #[serde(deserialize_with = "duration::one")]
    pub bridge: Duration,
}

impl Ladder {
    /// It knows no silence, only ends.
    fn clocks(&self) -> Clocks {
        Clocks {
            first_token: self.tool,
            idle: self.tool,
            total: self.tool,
            workflow: self.workflow,
            expert: self.expert,
        }
    }
}

/// The clocks of one model class.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Request sent to first token.
    #[serde(deserialize_with = "duration::one")]
    pub first_token: Duration,
    /// Between two tokens.
    #[serde(deserialize_with = "duration::one")]
    pub idle: Duration,
    /// One chat call, attempts and failover included.
    #[serde(deserialize_with = "duration::one")]
    pub total: Duration,
    /// One workflow call, expert pass included.
    #[serde(deserialize_with = "duration::one")]
    pub workflow: Duration,
    /// The expert pass alone.
    #[serde(deserialize_with = "duration::one")]
    pub expert: Duration,
}
