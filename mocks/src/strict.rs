//! Request validation, one file a vendor: what the real API refuses is refused here, in its words.
//! A simulator more lenient than the vendor would only prove our own assumptions.

use serde_json::{Map, Value};

use crate::model::{self, Model, Thinking};
use crate::provider::{Provider, Route};
use crate::refusal::Refusal;

mod glm;
mod kimi;
mod minimax;
mod tool;

/// What an accepted request asked for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The model's row.
    pub model: &'static Model,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether usage was asked for as a frame of its own.
    pub include_usage: bool,
    /// Whether the model thinks on this request.
    pub thinking: bool,
    /// Whether the request says so itself.
    pub thinking_explicit: bool,
    /// Tokens charged against a tier: estimated input and allowed output.
    pub tokens: u64,
}

/// A body under examination.
pub struct Ask<'a> {
    /// Where it was sent.
    pub route: Route,
    /// The body.
    pub body: &'a Map<String, Value>,
    /// Its length in bytes.
    pub bytes: usize,
    /// Whether withdrawn models are still served.
    pub historic: bool,
}

/// Validates a request as its vendor does.
///
/// # Errors
/// The vendor's refusal.
pub fn check(ask: &Ask<'_>) -> Result<Terms, Refusal> {
    match ask.route {
        Route::KimiChat => kimi::check(ask),
        Route::GlmChat => glm::check(ask),
        Route::MiniMaxMessages => minimax::check_messages(ask),
        Route::MiniMaxChat => minimax::check_chat(ask),
    }
}

impl<'a> Ask<'a> {
    fn refuse<T>(&self, message: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::parameter(self.route, message))
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.body.get(field).filter(|value| !value.is_null())
    }

    fn model(&self, provider: Provider) -> Result<&'static Model, Refusal> {
        let name = match self.get("model") {
            None => return Err(Refusal::missing(self.route, "model")),
            Some(Value::String(name)) => name,
            Some(_) => return self.refuse("model must be a string"),
        };
        model::find(provider, name)
            .filter(|model| self.historic || !model.retired)
            .ok_or_else(|| Refusal::model(self.route, name))
    }

    fn messages(&self) -> Result<&'a [Value], Refusal> {
        match self.get("messages") {
            None => Err(Refusal::missing(self.route, "messages")),
            Some(Value::Array(messages)) if messages.is_empty() => {
                self.refuse("messages must not be empty")
            }
            Some(Value::Array(messages)) => Ok(messages),
            Some(_) => self.refuse("messages must be an array"),
        }
    }

    fn flag(&self, field: &str) -> Result<bool, Refusal> {
        match self.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.refuse(format!("{field} must be a boolean")),
        }
    }

    fn number(&self, field: &str) -> Result<Option<f64>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => self.refuse(format!("{field} must be a number")),
        }
    }

    fn range(&self, field: &str, low: f64, high: f64) -> Result<(), Refusal> {
        match self.number(field)? {
            Some(value) if value < low || value > high => {
                self.refuse(format!("{field} must be in [{low}, {high}]"))
            }
            _ => Ok(()),
        }
    }

    fn fixed(&self, field: &str, only: f64) -> Result<(), Refusal> {
        match self.number(field)? {
            Some(value) if (value - only).abs() > 1e-9 => self.refuse(format!(
                "invalid {field}: only {only} is allowed for this model"
            )),
            _ => Ok(()),
        }
    }

    fn count(&self, field: &str) -> Result<Option<u64>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) if count > 0 => Ok(Some(count)),
                _ => self.refuse(format!("{field} must be a positive integer")),
            },
        }
    }

    fn text(&self, field: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.refuse(format!("{field} must be a string")),
        }
    }

    /// `thinking.type`, when the field is there.
    fn thinking(&self, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
        let Some(thinking) = self.get("thinking") else {
            return Ok(None);
        };
        match thinking.get("type").and_then(Value::as_str) {
            Some(word) if allowed.contains(&word) => Ok(Some(word)),
            _ => self.refuse(format!(
                "thinking.type must be one of {}",
                allowed.join(", ")
            )),
        }
    }

    /// Rough tokens of the body, as a vendor charges before it has counted: four bytes each.
    fn input_tokens(&self) -> u64 {
        self.bytes as u64 / 4 + 1
    }

    fn fits(&self, model: &Model, output: u64) -> Result<u64, Refusal> {
        let asked = self.input_tokens().saturating_add(output);
        match model.context.filter(|context| asked > *context) {
            Some(context) => Err(Refusal::too_long(self.route, context, asked)),
            None => Ok(asked),
        }
    }

    /// Every message is an object with one of `roles`; returns each role.
    fn roles(&self, messages: &'a [Value], roles: &[&str]) -> Result<Vec<&'a str>, Refusal> {
        messages
            .iter()
            .enumerate()
            .map(
                |(index, message)| match message.get("role").and_then(Value::as_str) {
                    Some(role) if roles.contains(&role) => Ok(role),
                    Some(role) => self.refuse(format!("invalid role: {role} at messages[{index}]")),
                    None => self.refuse(format!("role is required at messages[{index}]")),
                },
            )
            .collect()
    }
}

/// Whether a model thinks, given what the request said (`None`: nothing).
fn thinks(model: &Model, asked: Option<bool>) -> bool {
    match model.thinking {
        Thinking::None => false,
        Thinking::Always => true,
        Thinking::Toggle => asked.unwrap_or(true),
        Thinking::OptIn => asked.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests;
