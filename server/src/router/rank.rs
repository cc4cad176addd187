//! Which models at which providers a question may go to, in order: a pure function.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::ThinkingMode;
use super::name::{Named, resolve};
use crate::auth::policy::MayAsk;
use crate::config::Current;
use crate::failure::{Category, Failure};
use crate::provider::catalogue::Catalogue;
use crate::provider::dialect::Dialect;
use crate::provider::model::{Model, ModelClass, Thinking};

/// Estimated prompt tokens above which the long-context provider comes first.
pub(super) const LONG_TOKENS: u64 = 1200;

/// What ranking needs to know of a call.
#[derive(Debug, Clone, Default)]
pub struct Question<'a> {
    /// The asking tool.
    pub tool: &'a str,
    /// The model as the caller named it; `None` and `auto` leave the choice to the router.
    pub model: Option<&'a str>,
    /// Whether images must be seen.
    pub has_images: bool,
    /// Whether a web search is wanted.
    pub websearch: bool,
    /// How much thinking is wanted.
    pub thinking: Option<ThinkingMode>,
    /// Estimated prompt tokens.
    pub tokens: u64,
}

/// A provider that has a key, and what it serves.
#[derive(Debug, Clone)]
pub struct Served {
    /// The row's name.
    pub name: String,
    /// The wire dialect.
    pub dialect: Dialect,
    /// Its models, retired ones left out.
    pub models: Vec<Arc<Model>>,
    /// Whether automatic routing to it is given by its own list instead of the catalogue's picks.
    pub has_own_list: bool,
}

/// A provider without a key.
#[derive(Debug, Clone)]
pub struct Unregistered {
    /// The row's name.
    pub name: String,
    /// The wire dialect.
    pub dialect: Dialect,
    /// The variables that would register it.
    pub key_variables: Vec<String>,
    /// Whether the operator switched it off.
    pub is_disabled: bool,
}

/// Everything ranking looks at.
#[derive(Debug, Clone)]
pub struct Roster {
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// Registered providers, in the order of the configuration.
    pub served: Vec<Served>,
    /// The others.
    pub unregistered: Vec<Unregistered>,
    /// The operator's own aliases, which a reload may replace.
    pub aliases: Current<BTreeMap<String, String>>,
}

impl Roster {
    /// What is left of it for a caller who may not ask all.
    #[must_use]
    pub fn within(&self, may_ask: &MayAsk) -> Self {
        let mut left = self.clone();
        for served in &mut left.served {
            let name = &served.name;
            let may = |model: &Arc<Model>| may_ask.permits(name, Some(&model.name));
            served.models.retain(may);
        }
        left.served.retain(|served| !served.models.is_empty());
        left
    }
}

/// One route a call may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The provider row's name.
    pub provider: String,
    /// The model.
    pub model: Arc<Model>,
    /// How much it is to think.
    pub thinking: Option<ThinkingMode>,
    /// Why this route: `explicit`, `auto_preferred`, `fallback_glm` …
    pub reason: String,
}

impl Candidate {
    /// The class whose clocks an attempt runs under.
    #[must_use]
    pub fn class(&self) -> ModelClass {
        self.model.class_for(self.thinking)
    }
}

/// Ranks the routes of a question, best first; never empty.
///
/// # Errors
/// A typed refusal: unknown or retired model, no provider with a key, nothing that fits.
pub fn candidates(question: &Question<'_>, roster: &Roster) -> Result<Vec<Candidate>, Failure> {
    match question
        .model
        .filter(|name| !name.eq_ignore_ascii_case("auto"))
    {
        Some(name) => explicit(name, question, roster),
        None => automatic(question, roster),
    }
}

fn explicit(
    name: &str,
    question: &Question<'_>,
    roster: &Roster,
) -> Result<Vec<Candidate>, Failure> {
    let Named { model, providers } = resolve(name, roster)?;
    check_fit(&model, question)?;
    let mut routes: Vec<Candidate> = Vec::new();
    for provider in providers {
        let reason = if routes.is_empty() {
            "explicit".to_owned()
        } else {
            format!("fallback_{provider}")
        };
        let (model, thinking) = (Arc::clone(&model), question.thinking);
        routes.push(Candidate {
            provider,
            model,
            thinking,
            reason,
        });
    }
    if model.dialect == Dialect::Demo {
        return Ok(routes);
    }
    let class = model.class_for(question.thinking);
    for served in in_order(&[], roster) {
        if routes.iter().all(|route| route.provider != served.name) {
            let reason = format!("fallback_{}", served.name);
            routes.extend(pick(served, class, question, roster, reason));
        }
    }
    Ok(routes)
}

fn automatic(question: &Question<'_>, roster: &Roster) -> Result<Vec<Candidate>, Failure> {
    if roster.served.is_empty() {
        return Err(missing_key(&roster.unregistered));
    }
    let class = match question.thinking {
        None | Some(ThinkingMode::Minimal) => ModelClass::Prompt,
        Some(_) => ModelClass::Thinking,
    };
    let (preferred, hint) = preference(question);
    let order: Vec<&Served> = in_order(&preferred, roster).collect();
    let mut routes = routes_of_class(&order, class, question, roster);
    if routes.is_empty() && class == ModelClass::Thinking {
        routes = routes_of_class(&order, ModelClass::Prompt, question, roster);
    }
    // A search that only some can make comes first; the others still answer, and the reply says
    // that no search happened.
    if question.websearch {
        routes.sort_by_key(|route| !route.model.websearch);
    }
    let dialect_of = |name: &str| {
        roster
            .served
            .iter()
            .find(|served| served.name == name)
            .map(|served| served.dialect)
    };
    for (place, route) in routes.iter_mut().enumerate() {
        let is_preferred = preferred.first().copied() == dialect_of(&route.provider);
        route.reason = match place {
            0 if is_preferred => hint.to_owned(),
            0 => "auto_first_available".to_owned(),
            _ => format!("fallback_{}", route.provider),
        };
    }
    if routes.is_empty() {
        Err(nothing_fits(question))
    } else {
        Ok(routes)
    }
}

fn routes_of_class(
    order: &[&Served],
    class: ModelClass,
    question: &Question<'_>,
    roster: &Roster,
) -> Vec<Candidate> {
    let pick = |served: &&Served| pick(served, class, question, roster, String::new());
    order.iter().filter_map(pick).collect()
}

/// The dialects that come first, and the reason to give for the first of them.
fn preference(question: &Question<'_>) -> (Vec<Dialect>, &'static str) {
    let thinks = !matches!(question.thinking, None | Some(ThinkingMode::Minimal));
    if question.websearch {
        return (vec![Dialect::Glm], "auto_hint_applied");
    }
    if thinks || question.tokens > LONG_TOKENS {
        return (vec![Dialect::Kimi], "auto_hint_applied");
    }
    match question.tool {
        "chat" | "analyze" | "search" | "websearch" | "glm_web_search" => {
            (vec![Dialect::Glm], "auto_preferred")
        }
        _ => (vec![Dialect::Kimi], "auto_preferred"),
    }
}

/// Providers in the order of preference, then Kimi, GLM, MiniMax, named ones; the demonstration
/// only where there is nothing else.
fn in_order<'a>(
    preferred: &'a [Dialect],
    roster: &'a Roster,
) -> impl Iterator<Item = &'a Served> + 'a {
    let is_demo_alone = roster
        .served
        .iter()
        .all(|served| served.dialect == Dialect::Demo);
    let mut order: Vec<&Served> = roster
        .served
        .iter()
        .filter(|served| is_demo_alone || served.dialect != Dialect::Demo)
        .collect();
    order.sort_by_key(|served| (!preferred.contains(&served.dialect), served.dialect));
    order.into_iter()
}

/// The first model of a provider that fits the question and the class.
fn pick(
    served: &Served,
    class: ModelClass,
    question: &Question<'_>,
    roster: &Roster,
    reason: String,
) -> Option<Candidate> {
    let thinking = match class {
        ModelClass::Prompt => question
            .thinking
            .filter(|mode| *mode == ThinkingMode::Minimal),
        ModelClass::Thinking => Some(match question.thinking {
            None | Some(ThinkingMode::Minimal) => ThinkingMode::Medium,
            Some(mode) => mode,
        }),
    };
    let fits = |model: &&Arc<Model>| {
        model.class_for(thinking) == class && check_fit(model, question).is_ok()
    };
    let model = if served.has_own_list {
        served.models.iter().find(fits)
    } else {
        let mut picks = roster.catalogue.picks(served.dialect, class).iter();
        let named = |name: &String| served.models.iter().find(|model| &model.name == name);
        picks.find_map(|name| named(name).filter(fits))
    };
    let model = Arc::clone(model?);
    let thinking = thinking.filter(|_| model.thinking != Thinking::None);
    Some(Candidate {
        provider: served.name.clone(),
        model,
        thinking,
        reason,
    })
}

pub(super) fn check_fit(model: &Model, question: &Question<'_>) -> Result<(), Failure> {
    if question.has_images && !model.images {
        let message = format!(
            "model {} sees no images. Leave `model` out, or name one with images in `listmodels`.",
            model.name
        );
        return Err(Failure::validation("/model", message).with_code("model_without_images"));
    }
    if question.tokens > model.context {
        let message = format!(
            "the prompt has about {} tokens and model {} holds {}. Send less, or name a model \
             with a larger context.",
            question.tokens, model.name, model.context
        );
        return Err(Failure::validation("/model", message).with_code("context_too_long"));
    }
    Ok(())
}

pub(super) fn nothing_fits(question: &Question<'_>) -> Failure {
    let what = if question.has_images {
        " with images"
    } else {
        ""
    };
    let message = format!(
        "no registered provider has a model that takes this prompt{what} of about {} tokens. \
         Send less, or set another provider's key (`exai doctor` lists them).",
        question.tokens
    );
    Failure::new(Category::ProviderError, "no_models_available", message).with_retryable(false)
}

/// No provider can be asked because no key was given.
#[must_use]
pub fn missing_key(unregistered: &[Unregistered]) -> Failure {
    let rows: Vec<String> = unregistered
        .iter()
        .filter(|row| !row.is_disabled)
        .map(|row| format!("{} ({})", row.key_variables.join(" or "), row.name))
        .collect();
    let message = if rows.is_empty() {
        "no provider is enabled. Enable one in the configuration file's [provider.NAME] rows and \
         run `exai doctor` to check it."
            .to_owned()
    } else {
        format!(
            "no provider has a key. Set one of the environment variables {} where the server is \
             started, then start it again; `exai doctor` shows what is found.",
            rows.join(", ")
        )
    };
    Failure::new(Category::ProviderError, "provider_key_missing", message).with_retryable(false)
}

/// Tokens a text will take: 0.6 a character where more than a fifth of it is CJK, else a quarter.
#[must_use]
pub fn estimate_tokens<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let (mut all, mut wide) = (0_u64, 0_u64);
    for c in texts.into_iter().flat_map(str::chars) {
        all += 1;
        let is_wide = matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}'
            | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
        wide += u64::from(is_wide);
    }
    if wide * 5 > all {
        all * 6 / 10
    } else {
        all / 4
    }
}

#[cfg(test)]
mod tests;
