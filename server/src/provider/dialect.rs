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

/// What requests and answers look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's chat completions.
    Completions,
    /// Anthropic's messages.
    Messages,
}

impl Dialect {
    /// The form it speaks; the demonstration, which is sent nothing, has the commoner one.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {
            Self::Kimi | Self::Glm | Self::Openai | Self::Demo => Form::Completions,
            Self::Minimax => Form::Messages,
        }
    }

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
