//! The routes that a question may take: ranked once for equal questions, and only where its
//! caller's roles permit.

use std::time::Instant;

use super::ask::{Ask, CallContext};
use super::cost::thought_tokens;
use super::rank::{self, Candidate, Question};
use super::{Router, name};
use crate::failure::{Category, Failure};

impl Router {
    /// The routes of a question that its caller's roles permit; never empty. A model that was named
    /// is not exchanged for one that they permit.
    pub(super) fn permitted(
        &self,
        ask: &Ask,
        context: &CallContext,
    ) -> Result<Vec<Candidate>, Failure> {
        let question = self.question(ask);
        let routes = only(ask, self.ranked(&question)?)?;
        let routes = roomy(ask, &question, routes)?;
        let may = |route: &Candidate| {
            let model = Some(route.model.name.as_str());
            context.may_ask.permits(&route.provider, model)
        };
        if routes.iter().all(may) {
            return Ok(routes);
        }
        let named = routes.first().filter(|route| route.reason == "explicit");
        if named.is_some_and(|route| !may(route)) {
            return Err(not_permitted());
        }
        // What is kept for all callers must not come from one caller's part of the roster.
        let roster = self.roster.within(&context.may_ask);
        rank::candidates(&question, &roster)
            .and_then(|routes| only(ask, routes))
            .and_then(|routes| roomy(ask, &question, routes))
            .map_err(|_| not_permitted())
    }

    /// What ranking needs to know of a question.
    pub(super) fn question<'q>(&'q self, ask: &'q Ask) -> Question<'q> {
        let texts = ask.messages.iter().map(|message| message.text.as_str());
        let tokens = rank::estimate_tokens(texts.chain([ask.system.as_str()]));
        let default = Some(self.settings.default_model.as_str()).filter(|name| !name.is_empty());
        Question {
            tool: ask.tool,
            model: ask.model.as_deref().or(default),
            has_images: ask
                .messages
                .iter()
                .any(|message| !message.images.is_empty()),
            websearch: ask.websearch,
            thinking: ask.thinking,
            tokens,
        }
    }

    /// The routes of a question, ranked now or lately. A refusal is made anew: it names sizes.
    fn ranked(&self, question: &Question<'_>) -> Result<Vec<Candidate>, Failure> {
        if !self.choices.is_on() {
            return rank::candidates(question, &self.roster);
        }
        // A reload may give a name of the operator's another meaning.
        let aliases = self.roster.aliases.get();
        let named = Question {
            model: question.model.map(|asked| name::unaliased(asked, &aliases)),
            ..question.clone()
        };
        let (shape, now) = (self.bands.shape(&named), Instant::now());
        if let Some(routes) = self.choices.find(&shape, now) {
            self.metrics.cache_hit("model_choice");
            return Ok(routes);
        }
        self.metrics.cache_miss("model_choice");
        let routes = rank::candidates(question, &self.roster)?;
        self.choices.keep(shape, routes.clone(), now);
        Ok(routes)
    }
}

/// Those at the provider that was asked for, where one was.
fn only(ask: &Ask, mut routes: Vec<Candidate>) -> Result<Vec<Candidate>, Failure> {
    let Some(only) = &ask.provider else {
        return Ok(routes);
    };
    routes.retain(|route| route.provider == *only);
    if routes.is_empty() {
        let message = format!("{only} serves no model that fits. Leave `model` out.");
        return Err(Failure::validation("/model", message).with_code("model_elsewhere"));
    }
    Ok(routes)
}

/// Those that also hold the thoughts which go back on them, and on no other. A model that was named
/// is not exchanged for one with more room.
fn roomy(
    ask: &Ask,
    question: &Question<'_>,
    mut routes: Vec<Candidate>,
) -> Result<Vec<Candidate>, Failure> {
    let whole = |route: &Candidate| Question {
        tokens: question.tokens.saturating_add(thought_tokens(ask, route)),
        ..question.clone()
    };
    let Some(first) = routes.first() else {
        return Ok(routes);
    };
    let (is_named, longest) = (first.reason == "explicit", whole(first));
    if is_named {
        rank::check_fit(&first.model, &longest)?;
    }
    routes.retain(|route| whole(route).tokens <= route.model.context);
    if routes.is_empty() {
        return Err(rank::nothing_fits(&longest));
    }
    Ok(routes)
}

/// Says neither which models there are nor whose they would be.
pub(super) fn not_permitted() -> Failure {
    let message = "Your role may not ask this model or provider. Leave `model` out, or ask the \
                   operator for it.";
    Failure::new(Category::AuthError, "model_not_permitted", message)
}
