//! What a model needs of the dialect it is asked in, beyond a question and its answer.
//!
//! Asking, reading an answer whole or as a stream, telling refusals apart and listing models are
//! functions that the compiler demands of every dialect. The methods here only some of them have.
//! A model whose row needs one that is missing would be asked all the same, and silently do less.

use super::dialect::Dialect;
use super::model::{Model, Switch};

/// A method that not every dialect has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Thinking switched on and off by `thinking: {type}`.
    Thinking,
    /// Thinking measured out by `reasoning_effort`.
    ReasoningEffort,
    /// The provider's own web search.
    WebSearch,
}

impl Method {
    const ALL: [Self; 3] = [Self::Thinking, Self::ReasoningEffort, Self::WebSearch];

    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thinking => "thinking",
            Self::ReasoningEffort => "reasoning_effort",
            Self::WebSearch => "web_search",
        }
    }

    fn is_needed_by(self, model: &Model) -> bool {
        match self {
            Self::Thinking => model.switch == Switch::Thinking,
            Self::ReasoningEffort => model.switch == Switch::Effort,
            Self::WebSearch => model.websearch,
        }
    }
}

impl Dialect {
    /// Whether its requests have the method.
    #[must_use]
    pub const fn has(self, method: Method) -> bool {
        match method {
            Method::Thinking => matches!(self, Self::Kimi | Self::Glm | Self::Minimax),
            Method::ReasoningEffort => matches!(self, Self::Kimi | Self::Openai),
            Method::WebSearch => matches!(self, Self::Glm),
        }
    }

    /// The methods that a model needs and this dialect lacks.
    #[must_use]
    pub fn lacks(self, model: &Model) -> Vec<Method> {
        let all = Method::ALL.into_iter();
        all.filter(|method| method.is_needed_by(model) && !self.has(*method))
            .collect()
    }
}

/// Methods as a message names them.
#[must_use]
pub fn names(methods: &[Method]) -> String {
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::provider::catalogue::Catalogue;
    use crate::provider::request::Request;
    use crate::provider::{glm, kimi, minimax, openai};
    use crate::router::ask::ThinkingMode;

    /// What a dialect sends for a model that is asked for everything.
    fn sent(dialect: Dialect, model: &Model) -> Value {
        let request = Request {
            id: "abcdef".to_owned(),
            traceparent: None,
            model,
            system: "",
            messages: &[],
            temperature: None,
            thinking: Some(ThinkingMode::High),
            websearch: true,
            max_output: 100,
            stream: false,
        };
        match dialect {
            Dialect::Kimi => kimi::body(&request),
            Dialect::Glm => glm::body(&request),
            Dialect::Minimax => minimax::body(&request),
            Dialect::Openai | Dialect::Demo => openai::body(&request),
        }
    }

    #[test]
    fn a_dialect_has_a_method_exactly_when_its_requests_carry_it() {
        let catalogue = Catalogue::embedded().unwrap();
        let one = |switch, websearch| Model {
            switch,
            websearch,
            effort: vec!["low".to_owned(), "high".to_owned()],
            ..catalogue.find("glm-5.2").unwrap().clone()
        };
        let table = [
            (
                Method::Thinking,
                one(Switch::Thinking, false),
                "/thinking/type",
            ),
            (
                Method::ReasoningEffort,
                one(Switch::Effort, false),
                "/reasoning_effort",
            ),
            (
                Method::WebSearch,
                one(Switch::None, true),
                "/tools/0/web_search",
            ),
        ];
        let dialects = [
            Dialect::Kimi,
            Dialect::Glm,
            Dialect::Minimax,
            Dialect::Openai,
        ];
        for (method, model, place) in table {
            for dialect in dialects {
                let carried = sent(dialect, &model).pointer(place).is_some();
                assert_eq!(dialect.has(method), carried, "{dialect:?} {method:?}");
                assert_eq!(dialect.lacks(&model).contains(&method), !carried);
            }
        }
    }
}
