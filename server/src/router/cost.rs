//! What a route may cost at most, and whether its caller can pay for it.

use std::time::Duration;

use super::Router;
use super::ask::{Ask, CallContext, Message};
use super::rank::{self, Candidate};
use crate::choice::{Blank, Choice, Goal};
use crate::failure::{Category, Failure};
use crate::provider::model::Model;
use crate::provider::reply::Reply;
use crate::spending::report::usd;
use crate::spending::{Answered, Holding, nano_usd};
use crate::store::spending::Amount;

/// The argument that takes a call over `budget.call_usd`, and its value.
pub const CONFIRM: (&str, &str) = ("confirm", "cost");

/// Tokens that an image is taken for; vendors count a few hundred to some thousand.
const IMAGE_TOKENS: u64 = 1500;

/// How long a hold outlives its call: the settlement of a slow store still finds it.
const MARGIN: Duration = Duration::from_secs(30);

/// The most an answer can use: the prompt as estimated, and the whole output that is asked for.
fn most(model: &Model, input: u64, max_output: u32) -> Amount {
    let usage = super::ask::Usage {
        input,
        output: u64::from(max_output),
        cached: 0,
    };
    Amount {
        nano_usd: model.price.map_or(0, |price| nano_usd(price.of(usage))),
        tokens: input.saturating_add(usage.output),
    }
}

/// Prompt tokens of a question on a route, images and the thoughts that go back included.
pub(super) fn estimate(ask: &Ask, route: &Candidate) -> u64 {
    let texts = ask.messages.iter().map(|message| message.text.as_str());
    let images: usize = ask.messages.iter().map(|one| one.images.len()).sum();
    rank::estimate_tokens(texts.chain([ask.system.as_str()]))
        .saturating_add(images as u64 * IMAGE_TOKENS)
        .saturating_add(thought_tokens(ask, route))
}

/// Tokens of the thoughts that go back on a route.
pub(super) fn thought_tokens(ask: &Ask, route: &Candidate) -> u64 {
    let own = |message: &Message| {
        let blocks = message.thoughts_for(&route.provider, &route.model.name);
        let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        rank::estimate_tokens(blocks.iter().map(String::as_str))
    };
    ask.messages.iter().map(own).sum()
}

impl Router {
    /// Holds what a route may cost; `None` where nothing is counted.
    ///
    /// # Errors
    /// `call_too_expensive`, with the choice to take it all the same; a budget that is spent.
    pub(super) async fn afford(
        &self,
        model: &Model,
        (input, max_output): (u64, u32),
        context: &CallContext,
        span: Duration,
    ) -> Result<Option<Holding>, Failure> {
        let Some(spending) = &self.spending else {
            return Ok(None);
        };
        let most = most(model, input, max_output);
        let bound = spending.budgets().get().call_nano_usd;
        if bound > 0 && most.nano_usd > bound && !context.is_cost_confirmed {
            return Err(too_expensive(&model.name, most.nano_usd, bound));
        }
        let spender = context.spender();
        let holding = spending.hold(&spender, most, span.saturating_add(MARGIN));
        holding.await.map(Some)
    }

    /// [`Router::afford`] for a candidate of a question.
    pub(super) async fn afford_route(
        &self,
        candidate: &Candidate,
        ask: &Ask,
        context: &CallContext,
        span: Duration,
    ) -> Result<Option<Holding>, Failure> {
        let (model, class) = (&candidate.model, candidate.class());
        let catalogue = &self.roster.catalogue;
        let max_output = catalogue.output_bound(model, class, ask.max_output_tokens);
        let size = (estimate(ask, candidate), max_output);
        self.afford(model, size, context, span).await
    }

    /// Charges an answer and counts it; gives a line for each bound that is nearly reached.
    pub(super) async fn charge(
        &self,
        holding: Option<Holding>,
        answered: Answered<'_>,
    ) -> Vec<String> {
        self.metrics.usage(answered);
        match holding {
            Some(holding) => holding.settle(answered).await,
            None => Vec::new(),
        }
    }

    /// [`Router::charge`] for a candidate's reply.
    pub(super) async fn charge_route(
        &self,
        holding: Option<Holding>,
        candidate: &Candidate,
        reply: &Reply,
    ) -> Vec<String> {
        let price = candidate.model.price;
        let answered = Answered {
            provider: &candidate.provider,
            model: &candidate.model.name,
            usage: reply.usage,
            cost_usd: price.map(|price| price.of(reply.usage)),
        };
        self.charge(holding, answered).await
    }
}

fn too_expensive(model: &str, most: u64, bound: u64) -> Failure {
    let (most, bound) = (usd(most), usd(bound));
    let (name, word) = CONFIRM;
    let message = format!(
        "This call may cost up to {most} US dollars at {model}, and one call may cost {bound} \
         unasked. Send it again with /{name} \"{word}\", name a cheaper model, or send less."
    );
    let choice = Choice {
        question: format!(
            "This call may cost up to {most} US dollars at {model}; {bound} is the most for a call \
             that nobody confirmed. Make it?"
        ),
        blanks: vec![Blank {
            name: name.to_owned(),
            title: "Confirm the cost".to_owned(),
            options: vec![word.to_owned()],
            is_optional: false,
        }],
        goal: Goal::Arguments,
    };
    let mut failure = Failure::new(Category::ValidationError, "call_too_expensive", message);
    failure.field = Some(format!("/{name}"));
    failure.with_choice(choice)
}
