//! Three clocks per attempt and one per call, by model class.

use std::time::Duration;

use super::ask::CallKind;
use crate::provider::model::ModelClass;

/// The clocks of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassClocks {
    /// From the request to the first token.
    pub first_token: Duration,
    /// From one token to the next; comments and pings are no tokens.
    pub idle: Duration,
    /// A single-call tool: all attempts together, and each attempt.
    pub total: Duration,
    /// As `total`, for a workflow tool.
    pub workflow: Duration,
    /// As `total`, for an expert pass.
    pub expert: Duration,
}

impl ClassClocks {
    /// The whole call's clock for a kind of call.
    #[must_use]
    pub const fn total_for(&self, kind: CallKind) -> Duration {
        match kind {
            CallKind::Chat => self.total,
            CallKind::Workflow => self.workflow,
            CallKind::Expert => self.expert,
        }
    }

    /// As [`ClassClocks::total_for`], for a call whose first choice is a model of this pace. A slow
    /// one stretches the clock, up to the workflow's, the longest that clients are told of. A fast
    /// one leaves it as it is: another model may have to answer.
    #[must_use]
    pub fn total_at(&self, kind: CallKind, pace: f64) -> Duration {
        let total = self.total_for(kind);
        let most = self.workflow.max(total);
        total.mul_f64(pace.max(1.0)).min(most)
    }
}

/// The clocks of both classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// Models that answer at once.
    pub prompt: ClassClocks,
    /// Models that think first.
    pub thinking: ClassClocks,
}

impl Default for Clocks {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            prompt: ClassClocks {
                first_token: seconds(10),
                idle: seconds(14),
                total: seconds(30),
                workflow: seconds(45),
                expert: seconds(40),
            },
            thinking: ClassClocks {
                first_token: seconds(180),
                idle: seconds(60),
                total: seconds(300),
                workflow: seconds(330),
                expert: seconds(300),
            },
        }
    }
}

/// What one attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptClocks {
    /// From the request to the first token of a stream, or to the status line of a whole reply.
    pub first_token: Duration,
    /// From one token to the next.
    pub idle: Duration,
    /// From the request to the last byte.
    pub total: Duration,
}

impl Clocks {
    /// The clocks of a class.
    #[must_use]
    pub const fn of(&self, class: ModelClass) -> &ClassClocks {
        match class {
            ModelClass::Prompt => &self.prompt,
            ModelClass::Thinking => &self.thinking,
        }
    }

    /// The clocks of an attempt at a model of a class and pace that starts with `left` of the
    /// call's time.
    ///
    /// A whole reply shows nothing before its end, so its first sign of life may take as long as
    /// the class's longest silence. The pace leaves that first sign alone: a silent provider is
    /// left as soon whatever model was asked.
    #[must_use]
    pub fn attempt(
        &self,
        (class, pace): (ModelClass, f64),
        kind: CallKind,
        is_streamed: bool,
        left: Duration,
    ) -> AttemptClocks {
        let clocks = self.of(class);
        // A workflow's longer clock is for several attempts; one of them gets a chat's.
        let total = match kind {
            CallKind::Expert => clocks.expert,
            CallKind::Chat | CallKind::Workflow => clocks.total,
        };
        let first = if is_streamed {
            clocks.first_token
        } else {
            clocks.first_token.max(clocks.idle)
        };
        AttemptClocks {
            first_token: first.min(left),
            idle: clocks.idle.mul_f64(pace).min(left),
            total: total.mul_f64(pace).min(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_of_an_attempt_outlives_the_call() {
        let clocks = Clocks::default();
        for class in [ModelClass::Prompt, ModelClass::Thinking] {
            for left in [0, 1, 12, 400].map(Duration::from_secs) {
                for is_streamed in [true, false] {
                    let attempt =
                        clocks.attempt((class, 2.0), CallKind::Workflow, is_streamed, left);
                    assert!(attempt.first_token <= left && attempt.idle <= left);
                    assert!(attempt.total <= left);
                }
            }
        }
    }

    #[test]
    fn a_slow_model_stretches_its_call_as_far_as_a_workflow_and_a_fast_one_shortens_none() {
        let clocks = Clocks::default().prompt;
        let table = [
            (CallKind::Chat, 0.5, 30),
            (CallKind::Chat, 1.0, 30),
            (CallKind::Chat, 1.3, 39),
            (CallKind::Chat, 2.0, 45),
            (CallKind::Expert, 1.3, 45),
            (CallKind::Workflow, 1.3, 45),
        ];
        for (kind, pace, seconds) in table {
            let total = clocks.total_at(kind, pace);
            assert_eq!(total, Duration::from_secs(seconds), "{kind:?} {pace}");
        }
    }

    #[test]
    fn a_silent_prompt_model_is_left_within_fifteen_seconds() {
        let clocks = Clocks::default();
        for is_streamed in [true, false] {
            let (class, kind) = (ModelClass::Prompt, CallKind::Workflow);
            let attempt = clocks.attempt((class, 2.0), kind, is_streamed, Duration::from_secs(45));
            // With a second to spare for what is not waiting.
            assert!(attempt.first_token <= Duration::from_secs(14));
        }
    }
}
