//! The model catalogue: `models.toml`, parsed and checked.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dialect::Dialect;
use super::model::{Model, ModelClass, ModelStatus};

/// The catalogue this build was made with.
const EMBEDDED: &str = include_str!("../../models.toml");

/// A fault of the catalogue's text.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The text is not the expected TOML.
    #[error("could not read the model catalogue: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Two rows claim one name.
    #[error("could not accept the model catalogue: `{0}` names two models")]
    Twice(String),
    /// A pace that would make a clock useless.
    #[error("could not accept the model catalogue: the pace of `{0}` is not 0.5 to 2")]
    Pace(String),
    /// A successor or pick names no current model.
    #[error("could not accept the model catalogue: `{from}` points at `{to}`, not a current model")]
    Dangling {
        /// The row or pick list that points.
        from: String,
        /// The name it points at.
        to: String,
    },
}

/// Output tokens asked for when a call names no bound.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    prompt: u32,
    thinking: u32,
}

/// The models automatic routing takes at one dialect, first fit first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Picks {
    prompt: Vec<String>,
    thinking: Vec<String>,
}

/// Every model the server knows, in the file's order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    output: Output,
    picks: BTreeMap<Dialect, Picks>,
    #[serde(rename = "model")]
    models: Vec<Model>,
}

impl Catalogue {
    /// The embedded catalogue.
    ///
    /// # Errors
    /// When `models.toml` was broken at build time, which a test rules out.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::parse(EMBEDDED)
    }

    /// Reads a catalogue and checks that its names are unique, its pointers lead somewhere and its
    /// paces lie between 0.5 and 2.
    ///
    /// # Errors
    /// Names the first fault found.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text)?;
        catalogue.check_names()?;
        catalogue.check_pointers()?;
        catalogue.check_paces()?;
        Ok(catalogue)
    }

    fn check_paces(&self) -> Result<(), CatalogueError> {
        let odd = |model: &&Model| !(0.5..=2.0).contains(&model.pace);
        match self.models.iter().find(odd) {
            Some(model) => Err(CatalogueError::Pace(model.name.clone())),
            None => Ok(()),
        }
    }

    /// All rows, retired ones included.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The row with this name or alias, letter case apart.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Model> {
        let by_name = self
            .models
            .iter()
            .find(|model| model.name.eq_ignore_ascii_case(name));
        by_name.or_else(|| {
            self.models.iter().find(|model| {
                model
                    .aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(name))
            })
        })
    }

    /// What automatic routing takes at a dialect for a class, first fit first.
    #[must_use]
    pub fn picks(&self, dialect: Dialect, class: ModelClass) -> &[String] {
        self.picks.get(&dialect).map_or(&[], |picks| match class {
            ModelClass::Prompt => &picks.prompt,
            ModelClass::Thinking => &picks.thinking,
        })
    }

    /// The output bound to send: the call's own or the class's default, at most the model's.
    #[must_use]
    pub fn output_bound(&self, model: &Model, class: ModelClass, asked: Option<u32>) -> u32 {
        let default = match class {
            ModelClass::Prompt => self.output.prompt,
            ModelClass::Thinking => self.output.thinking,
        };
        asked.unwrap_or(default).clamp(1, model.max_output)
    }

    fn check_names(&self) -> Result<(), CatalogueError> {
        let mut seen = std::collections::BTreeSet::new();
        for model in &self.models {
            for name in std::iter::once(&model.name).chain(&model.aliases) {
                if !seen.insert(name.to_ascii_lowercase()) {
                    return Err(CatalogueError::Twice(name.clone()));
                }
            }
        }
        Ok(())
    }

    fn check_pointers(&self) -> Result<(), CatalogueError> {
        let is_current = |name: &String| {
            self.models
                .iter()
                .any(|model| &model.name == name && model.status == ModelStatus::Current)
        };
        let is_retired = |model: &&Model| model.status == ModelStatus::Retired;
        for model in self.models.iter().filter(is_retired) {
            let to = model.successor.clone().unwrap_or_default();
            if !is_current(&to) {
                let from = model.name.clone();
                return Err(CatalogueError::Dangling { from, to });
            }
        }
        for (dialect, picks) in &self.picks {
            for to in picks.prompt.iter().chain(&picks.thinking) {
                if !is_current(to) {
                    let from = format!("picks.{}", dialect.name());
                    return Err(CatalogueError::Dangling {
                        from,
                        to: to.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::Thinking;

    const HISTORIC: [&str; 20] = [
        "kimi-k2-thinking-turbo",
        "kimi-k2-thinking",
        "kimi-k2-0905-preview",
        "kimi-k2-turbo-preview",
        "kimi-k2-0711-preview",
        "kimi-latest",
        "kimi-latest-128k",
        "kimi-latest-32k",
        "kimi-latest-8k",
        "kimi-thinking-preview",
        "moonshot-v1-128k-vision-preview",
        "moonshot-v1-32k-vision-preview",
        "moonshot-v1-8k-vision-preview",
        "moonshot-v1-128k",
        "moonshot-v1-32k",
        "moonshot-v1-8k",
        "glm-4.6",
        "glm-4.5",
        "glm-4.5-flash",
        "glm-4",
    ];

    #[test]
    fn the_embedded_catalogue_holds_the_historic_twenty_and_the_current_models() {
        let catalogue = Catalogue::embedded().unwrap();
        for name in HISTORIC {
            assert!(catalogue.find(name).is_some(), "{name} is missing");
        }
        for name in [
            "kimi-k3",
            "kimi-k2.6",
            "glm-5.2",
            "MiniMax-M3",
            "MiniMax-M2.7",
            "gpt-5.4",
        ] {
            let model = catalogue.find(name).unwrap();
            assert_eq!(model.status, ModelStatus::Current, "{name}");
        }
    }

    #[test]
    fn a_prompt_pick_never_thinks_unless_asked() {
        let catalogue = Catalogue::embedded().unwrap();
        for dialect in [
            Dialect::Kimi,
            Dialect::Glm,
            Dialect::Minimax,
            Dialect::Openai,
        ] {
            let picks = catalogue.picks(dialect, ModelClass::Prompt);
            assert!(!picks.is_empty(), "{dialect:?}");
            for name in picks {
                let model = catalogue.find(name).unwrap();
                assert_eq!(model.class, ModelClass::Prompt, "{name}");
                assert_ne!(model.thinking, Thinking::Always, "{name}");
            }
            for name in catalogue.picks(dialect, ModelClass::Thinking) {
                assert_ne!(
                    catalogue.find(name).unwrap().thinking,
                    Thinking::None,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_successor_that_is_itself_retired_is_refused() {
        let text = EMBEDDED.replace("successor = \"kimi-k2.6\"", "successor = \"glm-4\"");
        assert!(matches!(
            Catalogue::parse(&text),
            Err(CatalogueError::Dangling { .. })
        ));
    }

    #[test]
    fn an_alias_that_names_two_models_is_refused() {
        let text = EMBEDDED.replace("aliases = [\"glm\"]", "aliases = [\"kimi\"]");
        assert!(matches!(
            Catalogue::parse(&text),
            Err(CatalogueError::Twice(_))
        ));
    }

    #[test]
    fn a_pace_that_would_make_a_clock_useless_is_refused_with_its_model() {
        for pace in ["0.49", "2.01", "-1.0", "nan"] {
            let text = EMBEDDED.replacen("pace = 1.3", &format!("pace = {pace}"), 1);
            let refused = Catalogue::parse(&text);
            let Err(CatalogueError::Pace(model)) = refused else {
                panic!("{pace} is accepted");
            };
            assert_eq!(model, "glm-4.6");
        }
    }

    #[test]
    fn aliases_resolve_to_the_row_they_stand_in() {
        let catalogue = Catalogue::embedded().unwrap();
        assert_eq!(
            catalogue.find("KIMI-K2").unwrap().name,
            "kimi-k2-0905-preview"
        );
        assert_eq!(catalogue.find("glm").unwrap().name, "glm-5-turbo");
        assert!(catalogue.find("gpt-banana").is_none());
    }
}
