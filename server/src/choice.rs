//! A choice that only a person or the caller can make: what is asked, and where the answer goes.
//!
//! A tool that needs one fails as always, naming the choices; the choice travels with the failure,
//! and where the client can ask its user, the protocol asks and calls again with what was chosen.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// A question with a few blanks, each filled from a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The question, for a person.
    pub question: String,
    /// What is to be chosen, in the order in which it is asked.
    pub blanks: Vec<Blank>,
    /// Where the answer goes.
    pub goal: Goal,
}

/// One thing to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blank {
    /// Its name in the answer.
    pub name: String,
    /// What it means, for a person.
    pub title: String,
    /// What may be chosen; at least one.
    pub options: Vec<String>,
    /// Whether it may stay empty.
    pub is_optional: bool,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Each blank is an argument of its name.
    Arguments,
    /// Each blank is a stance, its answer the model that takes it: the members of a panel.
    Panel,
}

impl Choice {
    /// The arguments that an answer stands for.
    ///
    /// # Errors
    /// `choice_invalid` naming the blank that is empty or holds what was not offered.
    pub fn arguments(&self, answer: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
        let mut chosen = Vec::new();
        for blank in &self.blanks {
            match answer.get(&blank.name).unwrap_or(&Value::Null) {
                Value::Null if blank.is_optional => {}
                Value::String(word) if blank.options.contains(word) => {
                    chosen.push((blank.name.as_str(), word.as_str()));
                }
                _ => {
                    let options = blank.options.join(", ");
                    let message = format!("Choose {} among: {options}.", blank.name);
                    let field = format!("/{}", blank.name);
                    return Err(Failure::validation(field, message).with_code("choice_invalid"));
                }
            }
        }
        Ok(match self.goal {
            Goal::Arguments => {
                let pairs = chosen.into_iter();
                pairs
                    .map(|(name, word)| (name.to_owned(), word.into()))
                    .collect()
            }
            Goal::Panel => {
                let seats = chosen.into_iter();
                let seats = seats.map(|(stance, model)| json!({"model": model, "stance": stance}));
                Map::from_iter([("models".to_owned(), seats.collect())])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(goal: Goal) -> Choice {
        let blank = |name: &str, is_optional| Blank {
            name: name.to_owned(),
            title: String::new(),
            options: vec!["a".to_owned(), "b".to_owned()],
            is_optional,
        };
        Choice {
            question: "Which?".to_owned(),
            blanks: vec![blank("for", false), blank("neutral", true)],
            goal,
        }
    }

    #[test]
    fn an_answer_becomes_arguments_and_what_was_not_offered_is_refused() {
        let fill = |goal, answer: Value| choice(goal).arguments(answer.as_object().unwrap());
        let both = json!({"for": "a", "neutral": "b", "more": 1});
        assert_eq!(
            Value::Object(fill(Goal::Arguments, both.clone()).unwrap()),
            json!({"for": "a", "neutral": "b"})
        );
        assert_eq!(
            Value::Object(fill(Goal::Panel, both).unwrap()),
            json!({"models": [
            {"model": "a", "stance": "for"}, {"model": "b", "stance": "neutral"}]})
        );
        let one = fill(Goal::Panel, json!({"for": "b", "neutral": null})).unwrap();
        assert_eq!(one["models"].as_array().unwrap().len(), 1);
        for wrong in [
            json!({}),
            json!({"for": "c"}),
            json!({"for": 1}),
            json!({"for": "a", "neutral": ""}),
        ] {
            let failure = fill(Goal::Arguments, wrong.clone()).unwrap_err();
            assert_eq!(failure.code, "choice_invalid", "{wrong}");
        }
    }
}
