//! Requests in one provider's own form, and a look at a request that would be sent. No failover and
//! no retry: who names a provider wants that one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Router;
use super::ask::{Ask, CallContext, CallKind, Usage};
use super::breaker::Verdict;
use super::call::{Call, millis};
use super::clock::AttemptClocks;
use super::member::Member;
use super::rank::estimate_tokens;
use super::routes::not_permitted;
use crate::failure::{Category, Failure};
use crate::provider::Provider;
use crate::provider::chat;
use crate::provider::dialect::Dialect;
use crate::provider::direct::Direct;
use crate::provider::fault::{FaultClass, ProviderFailure};
use crate::provider::method::Method;
use crate::provider::model::{Model, ModelClass, Price, Switch};
use crate::provider::request::{Echo, Request};
use crate::spending::{Answered, Holding};

/// A request for one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectAsk {
    /// The provider row's name.
    pub provider: String,
    /// What is sent.
    pub what: Sent,
}

/// What is sent to a provider.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// A chat whose messages and tools are the caller's own.
    Chat(RawChat),
    /// A body for the path that spells a method.
    Post {
        /// What is asked for.
        method: Method,
        /// The JSON body.
        body: Value,
    },
}

/// A chat in the provider's own form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawChat {
    /// A name or alias; `None` takes the provider's first pick.
    pub model: Option<String>,
    /// The messages, passed on as they are.
    pub messages: Vec<Value>,
    /// 0.0 to 1.0, where the model takes one.
    pub temperature: Option<f64>,
    /// The tools offered, passed on as they are.
    pub tools: Vec<Value>,
    /// Whether the provider's own search is offered beside them.
    pub hosted_search: bool,
    /// Passed on as it is.
    pub tool_choice: Option<Value>,
}

/// What a provider answered.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectAnswer {
    /// The JSON body.
    pub body: Value,
    /// The request's headers, secrets masked.
    pub sent: BTreeMap<String, String>,
    /// The answer's headers, secrets masked.
    pub received: BTreeMap<String, String>,
    /// The provider row that answered.
    pub provider: String,
    /// The model asked, empty where there is none.
    pub model: String,
    /// Token counts, where the body has them.
    pub usage: Usage,
    /// What a chat cost; None where no price is known.
    pub cost_usd: Option<f64>,
    /// How long the answer took.
    pub elapsed_ms: u64,
}

/// A request ready to be sent.
struct Composed {
    path: &'static str,
    body: Value,
    model: Option<Arc<Model>>,
}

fn may_ask(context: &CallContext, provider: &str, model: Option<&Model>) -> Result<(), Failure> {
    let model = model.map(|model| model.name.as_str());
    let may = context.may_ask.permits(provider, model);
    may.then_some(()).ok_or_else(not_permitted)
}

impl Router {
    /// Sends a request to one provider, once.
    ///
    /// # Errors
    /// A refusal of the model's name, a provider that is not there or cannot be asked now, or the
    /// attempt's failure.
    pub async fn direct(
        &self,
        ask: DirectAsk,
        context: &CallContext,
    ) -> Result<DirectAnswer, Failure> {
        let Some((member, provider)) = self.registered(&ask.provider) else {
            return Err(self.missing_key_failure());
        };
        let Composed { path, body, model } = self.compose(&ask.provider, provider, ask.what)?;
        may_ask(context, &ask.provider, model.as_deref())?;
        let name = model.as_ref().map_or("", |model| model.name.as_str());
        let clocks = self.clocks_of(model.as_deref());
        let holding = self.afford_direct(model.as_deref(), &body, context, clocks.total);
        let holding = holding.await?;
        let started = Instant::now();
        let direct = Direct {
            path,
            body: &body,
            id: &context.correlation_id,
            clocks,
            cancel: &context.cancel,
        };
        let Some(place) = member
            .hindrance(name, started)
            .is_none()
            .then(|| member.admit())
            .flatten()
        else {
            return Err(busy(&ask.provider));
        };
        let answer = provider.direct(&direct).await;
        place.settle(verdict(&answer));
        self.note(member, name, &answer);
        let reply = answer.map_err(|failure| failure.failure(&ask.provider))?;
        let usage = reply
            .body
            .get("usage")
            .and_then(chat::usage)
            .unwrap_or_default();
        let price = model.as_ref().and_then(|model| model.price);
        let cost_usd = price.map(|price: Price| price.of(usage));
        let answered = Answered {
            provider: &ask.provider,
            model: name,
            usage,
            cost_usd,
        };
        self.charge(holding, answered).await;
        Ok(DirectAnswer {
            cost_usd,
            model: name.to_owned(),
            body: reply.body,
            sent: reply.sent,
            received: reply.received,
            provider: ask.provider,
            usage,
            elapsed_ms: millis(started.elapsed()),
        })
    }

    /// Holds what a raw chat may cost; its whole body is taken for the prompt. A search has no
    /// tokens and no price that is known, and holds nothing.
    async fn afford_direct(
        &self,
        model: Option<&Model>,
        body: &Value,
        context: &CallContext,
        span: Duration,
    ) -> Result<Option<Holding>, Failure> {
        let free = Model::unlisted("", Dialect::Openai);
        let input = model.map_or(0, |_| estimate_tokens([body.to_string().as_str()]));
        let output = model.map_or(0, |model| {
            let class = model.class_for(None);
            self.roster.catalogue.output_bound(model, class, None)
        });
        let size = (input, output);
        self.afford(model.unwrap_or(&free), size, context, span)
            .await
    }

    fn compose(&self, row: &str, provider: &Provider, what: Sent) -> Result<Composed, Failure> {
        let spell = |method| {
            let spelled = provider.dialect().spell(method);
            spelled.map_err(|failure| failure.failure(row))
        };
        let mut chat = match what {
            Sent::Post { method, body } => {
                let path = spell(method)?;
                let model = None;
                return Ok(Composed { path, body, model });
            }
            Sent::Chat(chat) => chat,
        };
        let path = spell(Method::ToolChat)?;
        let model = self.model_of(row, chat.model.as_deref())?;
        if chat.hosted_search {
            chat.tools.push(hosted(spell(Method::HostedSearch)?));
        }
        if !chat.tools.is_empty() && !model.tools {
            return Err(without_tools(&model));
        }
        let mut body = provider.body(&self.bare_request(&model, chat.temperature));
        body["messages"] = chat.messages.into();
        if !chat.tools.is_empty() {
            body["tools"] = chat.tools.into();
        }
        if let Some(choice) = chat.tool_choice {
            body["tool_choice"] = chat_choice(&model, choice);
        }
        Ok(Composed {
            path,
            body,
            model: Some(model),
        })
    }

    /// The body that the first route of a question would be sent; nothing is sent.
    ///
    /// # Errors
    /// The same refusals as [`Router::ask`] before any attempt.
    pub fn preview(&self, ask: &Ask, context: &CallContext) -> Result<Value, Failure> {
        let routes = self.permitted(ask, context)?;
        let route = routes.first();
        let Some((route, (_, provider))) =
            route.and_then(|route| Some((route, self.registered(&route.provider)?)))
        else {
            return Err(self.missing_key_failure());
        };
        let call = Call::new(self, ask, context, Duration::ZERO);
        let mut request = call.request(route);
        "set-for-each-attempt".clone_into(&mut request.id);
        Ok(provider.body(&request))
    }

    fn model_of(&self, provider: &str, name: Option<&str>) -> Result<Arc<Model>, Failure> {
        let served = self.roster.served.iter().find(|one| one.name == provider);
        let name = match (name, served) {
            (Some(name), _) => name.to_owned(),
            (None, Some(served)) => {
                let picks = self
                    .roster
                    .catalogue
                    .picks(served.dialect, ModelClass::Prompt);
                picks.first().cloned().unwrap_or_default()
            }
            (None, None) => String::new(),
        };
        let model = self.resolve(&name)?;
        let is_own = served.is_some_and(|one| one.models.iter().any(|m| m.name == model.name));
        if is_own {
            return Ok(model);
        }
        let message = format!(
            "/model: {} is not served by {provider}. Leave model out, or name one of its models \
             from `listmodels`.",
            model.name
        );
        Err(Failure::validation("/model", message))
    }

    fn bare_request<'m>(&self, model: &'m Model, temperature: Option<f64>) -> Request<'m> {
        let class = model.class_for(None);
        Request {
            id: String::new(),
            traceparent: None,
            model,
            system: "",
            messages: &[],
            echo: Echo::default(),
            temperature,
            thinking: None,
            websearch: false,
            max_output: self.roster.catalogue.output_bound(model, class, None),
            stream: false,
        }
    }

    /// The clocks of the one attempt. Its answer comes whole, so they are those of any whole reply:
    /// a silent provider is left as soon as on any other way to it.
    fn clocks_of(&self, model: Option<&Model>) -> AttemptClocks {
        let of = |model: &Model| (model.class_for(None), model.pace);
        let (class, pace) = model.map_or((ModelClass::Prompt, 1.0), of);
        let clocks = &self.settings.clocks;
        let call = clocks.of(class).total_at(CallKind::Chat, pace);
        clocks.attempt((class, pace), CallKind::Chat, false, call)
    }

    pub(super) fn note<T>(
        &self,
        member: &Member,
        model: &str,
        answer: &Result<T, ProviderFailure>,
    ) {
        let provider = &member.row.name;
        let outcome = match answer {
            Ok(_) => {
                member.note_success();
                "ok"
            }
            Err(failure) => {
                let (category, code) = failure.category();
                if failure.class != FaultClass::Cancelled {
                    member.note_failure(failure, model);
                    self.metrics.provider_error(provider, category);
                }
                code
            }
        };
        self.metrics.provider_request(provider, model, outcome);
    }
}

/// Kimi refuses a named tool while the model thinks, and a required one but on K3 (fault K13): the
/// choice is then left to the model, as it was offered the same tools.
fn chat_choice(model: &Model, choice: Value) -> Value {
    let is_refused = match &choice {
        Value::Object(_) => model.thinks(None),
        Value::String(word) => word == "required" && model.switch != Switch::Effort,
        _ => false,
    };
    if is_refused && model.dialect == Dialect::Kimi {
        json!("auto")
    } else {
        choice
    }
}

pub(super) fn verdict<T>(answer: &Result<T, ProviderFailure>) -> Verdict {
    match answer {
        Ok(_) => Verdict::Success,
        Err(failure) if failure.trips_breaker() => Verdict::Failure,
        Err(failure) => match failure.class {
            FaultClass::Cancelled | FaultClass::Busy => Verdict::Abandoned,
            _ => Verdict::Business,
        },
    }
}

fn without_tools(model: &Model) -> Failure {
    let message = format!(
        "model {} calls no tools. Leave `model` out, or name one with tools in `listmodels`.",
        model.name
    );
    Failure::validation("/model", message).with_code("model_without_tools")
}

pub(super) fn busy(provider: &str) -> Failure {
    let message = format!(
        "{provider} failed repeatedly or has no quota, and is being left alone for a while. Try \
         again later; `status` shows it, and chat can go to another provider."
    );
    Failure::new(Category::ProviderError, "provider_unavailable", message)
        .with_retry_after(Duration::from_secs(1))
}

/// A tool that the provider runs; its call comes back like any other and is echoed.
fn hosted(name: &str) -> Value {
    json!({"type": "builtin_function", "function": {"name": name}})
}
