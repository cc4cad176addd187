//! The wire dialects a provider row can speak.

use serde::{Deserialize, Serialize};

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Moonshot's Kimi: OpenAI-shaped with rules of its own.
    Kimi,
    /// Z.ai's GLM: OpenAI-shaped with numeric string codes.
    Glm,
    /// MiniMax by its Anthropic-shaped route.
    Minimax,
    /// Any OpenAI-shaped service.
    Openai,
    /// The embedded demonstration; never reachable from a configuration file.
    Demo,
}

impl Dialect {
    /// The configuration's spelling, such as `kimi`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kimi => "kimi",
            Self::Glm => "glm",
            Self::Minimax => "minimax",
            Self::Openai => "openai",
            Self::Demo => "demo",
        }
    }
}
