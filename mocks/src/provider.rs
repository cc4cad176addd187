//! The three vendors that are simulated, and the routes each of them serves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A simulated vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Moonshot AI's Kimi, OpenAI-shaped.
    Kimi,
    /// Z.ai's GLM, OpenAI-shaped with its own error codes.
    Glm,
    /// MiniMax, on its Anthropic-shaped route and on its OpenAI-shaped one.
    MiniMax,
}

impl Provider {
    /// Every vendor, in the order of `specs/providers.md`.
    pub const ALL: [Self; 3] = [Self::Kimi, Self::Glm, Self::MiniMax];

    /// The word used in configuration, sequences and keyed answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kimi => "kimi",
            Self::Glm => "glm",
            Self::MiniMax => "minimax",
        }
    }

    /// The path below which a client's `base_url` points, as at the vendor.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::Kimi => "/v1",
            Self::Glm => "/api/paas/v4",
            Self::MiniMax => "/anthropic",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A word that names no simulated vendor.
#[derive(Debug, thiserror::Error)]
#[error("could not recognise provider {0:?}: use kimi, glm or minimax")]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == word)
            .ok_or_else(|| UnknownProvider(word.to_owned()))
    }
}

/// The wire form a request arrived in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST /v1/chat/completions` at Kimi.
    KimiChat,
    /// `POST /api/paas/v4/chat/completions` at GLM.
    GlmChat,
    /// `POST /anthropic/v1/messages` at MiniMax.
    MiniMaxMessages,
    /// `POST /v1/chat/completions` at MiniMax.
    MiniMaxChat,
}

impl Route {
    /// The route behind a path, or `None` when the vendor has nothing there.
    #[must_use]
    pub fn of(provider: Provider, path: &str) -> Option<Self> {
        match (provider, path) {
            (Provider::Kimi, "/v1/chat/completions") => Some(Self::KimiChat),
            (Provider::Glm, "/api/paas/v4/chat/completions") => Some(Self::GlmChat),
            (Provider::MiniMax, "/anthropic/v1/messages") => Some(Self::MiniMaxMessages),
            (Provider::MiniMax, "/v1/chat/completions") => Some(Self::MiniMaxChat),
            _ => None,
        }
    }

    /// Whether the route speaks Anthropic's dialect.
    #[must_use]
    pub const fn is_anthropic(self) -> bool {
        matches!(self, Self::MiniMaxMessages)
    }
}
