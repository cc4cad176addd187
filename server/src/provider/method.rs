//! What a tool may need of the one provider it names, beyond a question and its answer.
//!
//! Asking, reading an answer whole or as a stream, telling refusals apart and listing models are
//! every dialect's: each is a `match` over the dialect without a wildcard, so the compiler refuses
//! a dialect that leaves one out. The methods here only some dialects have. Whoever sends one asks
//! [`Dialect::spell`] for it, and a row that lacks one that a listed tool needs of it is refused
//! where the configuration is checked.

use super::dialect::Dialect;
use super::fault::{FaultClass, ProviderFailure, Reaction};

/// A method that not every dialect has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// A chat whose messages and tools are the caller's own, in the form of chat completions.
    ToolChat,
    /// A web search that the provider runs within such a chat, offered as one of its tools.
    HostedSearch,
    /// A search engine that is asked by itself.
    SearchEngine,
    /// Files that are kept at the provider and read back as text.
    Files,
}

impl Method {
    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToolChat => "tool_chat",
            Self::HostedSearch => "hosted_search",
            Self::SearchEngine => "search_engine",
            Self::Files => "files",
        }
    }
}

impl Dialect {
    /// How a request of this dialect spells the method: a path below the root of the API, or the
    /// name of the hosted tool; `None` where it lacks the method (provider notes §1 to §3).
    #[must_use]
    pub const fn spelling(self, method: Method) -> Option<&'static str> {
        match method {
            Method::ToolChat => match self {
                Self::Kimi | Self::Glm | Self::Openai => Some("/chat/completions"),
                Self::Minimax | Self::Demo => None,
            },
            Method::HostedSearch => match self {
                Self::Kimi => Some("$web_search"),
                Self::Glm | Self::Minimax | Self::Openai | Self::Demo => None,
            },
            Method::SearchEngine => match self {
                Self::Glm => Some("/web_search"),
                Self::Kimi | Self::Minimax | Self::Openai | Self::Demo => None,
            },
            // GLM keeps files too, but for purposes that no chat can read.
            Method::Files => match self {
                Self::Kimi => Some("/files"),
                Self::Glm | Self::Minimax | Self::Openai | Self::Demo => None,
            },
        }
    }

    /// As [`Self::spelling`], for whoever sends it.
    ///
    /// # Errors
    /// A fault of the configuration where the dialect lacks the method.
    pub fn spell(self, method: Method) -> Result<&'static str, ProviderFailure> {
        self.spelling(method).ok_or_else(|| {
            let (dialect, method) = (self.name(), method.name());
            let said = format!("dialect \"{dialect}\" lacks the method {method}");
            ProviderFailure::new(FaultClass::Configuration, Reaction::Configure, said)
        })
    }
}
