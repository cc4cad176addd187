//! One attempt's request, before a dialect gives it its wire form.

use serde_json::Value;

use super::fault::Repair;
use super::model::{Model, ModelClass, TemperatureRule};
use crate::router::ask::{Message, Speaker, ThinkingMode};

/// What goes back beside the text of the conversation's earlier answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Echo {
    /// What the model thought, where its provider wants that back.
    #[default]
    Thoughts,
    /// A blank in the place of thoughts, for a provider that misses them.
    Blank,
    /// Nothing.
    Text,
}

/// What is asked of one model at one provider.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Unique to the attempt: sent as `x-request-id` and, to GLM, as `request_id`.
    pub id: String,
    /// The attempt's span, sent as `traceparent`.
    pub traceparent: Option<String>,
    /// The model's row.
    pub model: &'a Model,
    /// The system instruction; may be empty.
    pub system: &'a str,
    /// The conversation, oldest first.
    pub messages: &'a [Message],
    /// What goes back with earlier answers.
    pub echo: Echo,
    /// Dropped or clamped by what the model takes.
    pub temperature: Option<f64>,
    /// How much to think; `None` switches thinking off where that is possible.
    pub thinking: Option<ThinkingMode>,
    /// Whether to offer the provider's own web search.
    pub websearch: bool,
    /// Upper bound of output tokens, always sent.
    pub max_output: u32,
    /// Whether to stream.
    pub stream: bool,
}

impl Request<'_> {
    /// The temperature to send, two decimals at most; `None` where the model allows one value.
    #[must_use]
    pub fn temperature_in(&self, lowest: f64, highest: f64) -> Option<f64> {
        if self.model.temperature == TemperatureRule::Fixed {
            return None;
        }
        self.temperature
            .map(|wanted| (wanted.clamp(lowest, highest) * 100.0).round() / 100.0)
    }

    /// Whether the model thinks in this attempt.
    #[must_use]
    pub const fn thinks(&self) -> bool {
        self.model.thinks(self.thinking)
    }

    /// The class whose clocks the attempt runs under.
    #[must_use]
    pub const fn class(&self) -> ModelClass {
        self.model.class_for(self.thinking)
    }

    /// What the model thought before one of the messages, if it goes back to this provider.
    #[must_use]
    pub fn thoughts_of<'m>(&self, message: &'m Message, provider: &str) -> &'m [Value] {
        match self.echo {
            Echo::Thoughts => message.thoughts_for(provider, &self.model.name),
            Echo::Blank | Echo::Text => &[],
        }
    }

    /// Changes the request as a fault at the provider asks; false when that would change nothing,
    /// so that the same bytes are never sent again under the name of a repair.
    pub fn repair(&mut self, repair: Repair, provider: &str) -> bool {
        match repair {
            Repair::History(echo) => {
                let is_other = echo != self.echo;
                let is_spoken = |one: &Message| one.speaker == Speaker::Assistant;
                let mut past = self.messages.iter().filter(|one| is_spoken(one));
                let is_changed = is_other
                    && match echo {
                        Echo::Blank => past.next().is_some(),
                        _ => past.any(|one| !self.thoughts_of(one, provider).is_empty()),
                    };
                self.echo = echo;
                is_changed
            }
            Repair::DropTemperature => {
                let was_sent = self.temperature_in(0.0, 2.0).is_some();
                self.temperature = None;
                was_sent
            }
            Repair::MoreTokens => {
                let more = self
                    .max_output
                    .saturating_mul(4)
                    .max(4096)
                    .min(self.model.max_output);
                let is_more = more > self.max_output;
                self.max_output = more.max(self.max_output);
                is_more
            }
        }
    }
}
