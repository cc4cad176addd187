//! What of a question decides its routes, so that equal questions are ranked once.

use super::ask::ThinkingMode;
use super::rank::{LONG_TOKENS, Question, Roster};

/// Two questions of one shape have the same routes, whoever asks and whatever they say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    tool: String,
    model: Option<String>,
    has_images: bool,
    websearch: bool,
    thinking: Option<ThinkingMode>,
    /// How many bounds the prompt is over.
    band: usize,
}

/// The token counts at which ranking changes its mind, ascending.
#[derive(Debug, Clone)]
pub struct Bands(Vec<u64>);

impl Bands {
    /// The bounds of a roster: each context window, and the size that is long.
    #[must_use]
    pub fn of(roster: &Roster) -> Self {
        let served = roster.served.iter().flat_map(|served| &served.models);
        let served = served.map(|model| model.context);
        let listed = roster.catalogue.models().iter().map(|model| model.context);
        let mut bounds: Vec<u64> = served.chain(listed).chain([LONG_TOKENS]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        Self(bounds)
    }

    /// The shape of a question.
    #[must_use]
    pub fn shape(&self, question: &Question<'_>) -> Shape {
        Shape {
            tool: question.tool.to_owned(),
            model: question.model.map(str::to_owned),
            has_images: question.has_images,
            websearch: question.websearch,
            thinking: question.thinking,
            band: self.0.partition_point(|bound| *bound < question.tokens),
        }
    }
}
