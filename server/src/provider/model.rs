//! One row of the model catalogue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use crate::router::ask::{ThinkingMode, Usage};

/// Which clocks an attempt runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelClass {
    /// Answers at once.
    Prompt,
    /// May think for minutes before the first token.
    Thinking,
}

/// Whether the vendor still serves a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    /// Served.
    #[default]
    Current,
    /// Refused by the vendor, and here with the successor's name.
    Retired,
    /// Named by resellers only: answers when named, never chosen automatically.
    Unconfirmed,
}

/// Whether a model thinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Never.
    #[default]
    None,
    /// As the request says.
    Toggle,
    /// Always; asking it not to is refused or ignored.
    Always,
}

/// How a request spells the thinking switch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// There is none.
    #[default]
    None,
    /// `thinking: {type}`.
    Thinking,
    /// `reasoning_effort`.
    Effort,
}

/// Which temperatures a model takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemperatureRule {
    /// 0 to 1.
    #[default]
    Range,
    /// One value only, so none is sent.
    Fixed,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens from the cache; as `input` when absent.
    pub cached: Option<f64>,
    /// Generated tokens.
    pub output: f64,
}

impl Price {
    /// What an answer cost, in US dollars to the billionth: a double adds noise beyond.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts stay far below 2^52"
    )]
    pub fn of(&self, usage: Usage) -> f64 {
        let cached = usage.cached.min(usage.input);
        let fresh = usage.input - cached;
        let sum = fresh as f64 * self.input
            + cached as f64 * self.cached.unwrap_or(self.input)
            + usage.output as f64 * self.output;
        (sum * 1e3).round() / 1e9
    }
}

/// A model as `models.toml` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The vendor's name, as sent.
    pub name: String,
    /// Which wire dialect serves it.
    pub dialect: Dialect,
    /// Which clocks apply while it does not think on request.
    pub class: ModelClass,
    /// Whether the vendor still serves it.
    #[serde(default)]
    pub status: ModelStatus,
    /// What to name instead of a retired model.
    pub successor: Option<String>,
    /// Prompt and answer together, in tokens.
    pub context: u64,
    /// Longest answer, in tokens.
    pub max_output: u32,
    /// `None` when unknown.
    pub price: Option<Price>,
    /// Whether it sees images.
    #[serde(default)]
    pub images: bool,
    /// Whether it calls tools.
    #[serde(default = "yes")]
    pub tools: bool,
    /// Whether the server can let it search the web.
    #[serde(default)]
    pub websearch: bool,
    /// Whether it thinks.
    #[serde(default)]
    pub thinking: Thinking,
    /// How the request says so.
    #[serde(default)]
    pub switch: Switch,
    /// The values of `reasoning_effort` it takes, weakest first.
    #[serde(default)]
    pub effort: Vec<String>,
    /// Which temperatures it takes.
    #[serde(default)]
    pub temperature: TemperatureRule,
    /// How long it takes beside others of its class: scales its idle and total clocks.
    #[serde(default = "as_others")]
    pub pace: f64,
    /// Other names callers may use.
    #[serde(default)]
    pub aliases: Vec<String>,
}

const fn yes() -> bool {
    true
}

const fn as_others() -> f64 {
    1.0
}

/// The efforts of all vendors, weakest first.
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

impl Model {
    /// A model that an operator named in a provider's row and no catalogue knows: the smallest
    /// promises are assumed.
    #[must_use]
    pub fn unlisted(name: &str, dialect: Dialect) -> Self {
        Self {
            name: name.to_owned(),
            dialect,
            class: ModelClass::Prompt,
            status: ModelStatus::Current,
            successor: None,
            context: 32_768,
            max_output: 4096,
            price: None,
            images: false,
            tools: true,
            websearch: false,
            thinking: Thinking::None,
            switch: Switch::None,
            effort: Vec::new(),
            temperature: TemperatureRule::Range,
            pace: as_others(),
            aliases: Vec::new(),
        }
    }

    /// Whether the model thinks in an attempt that asks for `mode`.
    #[must_use]
    pub const fn thinks(&self, mode: Option<ThinkingMode>) -> bool {
        match self.thinking {
            Thinking::None => false,
            Thinking::Always => true,
            Thinking::Toggle => !matches!(mode, None | Some(ThinkingMode::Minimal)),
        }
    }

    /// The class whose clocks an attempt runs under.
    #[must_use]
    pub const fn class_for(&self, mode: Option<ThinkingMode>) -> ModelClass {
        match (self.class, self.thinks(mode)) {
            (ModelClass::Prompt, false) => ModelClass::Prompt,
            _ => ModelClass::Thinking,
        }
    }

    /// The model's spelling of an effort: the weakest it knows that is at least `mode`.
    #[must_use]
    pub fn effort_for(&self, mode: ThinkingMode) -> Option<&str> {
        let wanted = match mode {
            ThinkingMode::Minimal => 1,
            ThinkingMode::Low => 2,
            ThinkingMode::Medium => 3,
            ThinkingMode::High => 4,
            ThinkingMode::Max => 6,
        };
        let ranks: BTreeMap<usize, &str> = self
            .effort
            .iter()
            .filter_map(|word| Some((EFFORTS.iter().position(|known| known == word)?, &**word)))
            .filter(|(rank, _)| *rank > 0)
            .collect();
        ranks
            .range(wanted..)
            .next()
            .or_else(|| ranks.last_key_value())
            .map(|(_, word)| *word)
    }

    /// The spelling of "do not think", where `reasoning_effort` has one.
    #[must_use]
    pub fn effort_off(&self) -> Option<&str> {
        self.effort
            .iter()
            .map(String::as_str)
            .find(|word| matches!(*word, "none" | "minimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_never_charged_twice_nor_below_zero() {
        let price = Price {
            input: 1.0,
            cached: Some(0.1),
            output: 4.0,
        };
        let usage = Usage {
            input: 1_000_000,
            output: 500_000,
            cached: 400_000,
        };
        assert!((price.of(usage) - 2.64).abs() < 1e-9);
        let odd = Usage {
            input: 10,
            output: 0,
            cached: 50,
        };
        assert!((price.of(odd) - 1e-6).abs() < 1e-12);
    }

    #[test]
    fn an_effort_is_one_the_model_knows() {
        let mut model = Model::unlisted("m", Dialect::Kimi);
        assert_eq!(model.effort_for(ThinkingMode::Max), None);
        model.effort = vec!["low".into(), "high".into(), "max".into()];
        assert_eq!(model.effort_for(ThinkingMode::Minimal), Some("low"));
        assert_eq!(model.effort_for(ThinkingMode::Medium), Some("high"));
        assert_eq!(model.effort_for(ThinkingMode::Max), Some("max"));
        model.effort = vec!["none".into(), "low".into()];
        assert_eq!(model.effort_for(ThinkingMode::High), Some("low"));
        assert_eq!(model.effort_off(), Some("none"));
    }
}
