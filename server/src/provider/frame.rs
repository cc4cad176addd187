//! From events and bodies to a reply: one reader for both message forms.

use serde_json::Value;

use super::dialect::{Dialect, Form};
use super::fault::{FaultClass, ProviderFailure, Reaction};
use super::messages::{self, Blocks};
use super::refusal::Refusal;
use super::reply::{Draft, Ended, Gain, Reply};
use super::sse::Event;
use super::{chat, glm, kimi, minimax, openai};

/// What a refusal means in a dialect.
#[must_use]
pub fn classify(dialect: Dialect, refusal: &Refusal) -> ProviderFailure {
    match dialect {
        Dialect::Kimi => kimi::classify(refusal),
        Dialect::Glm => glm::classify(refusal),
        Dialect::Minimax => minimax::classify(refusal),
        Dialect::Openai | Dialect::Demo => openai::classify(refusal),
    }
}

/// What one event brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Perhaps text, perhaps nothing.
    Gain(Gain),
    /// The end marker; whatever follows it is not read (fault S22).
    End,
}

/// Reads one answer, streamed or whole.
#[derive(Debug)]
pub struct FrameReader {
    dialect: Dialect,
    draft: Draft,
    blocks: Blocks,
}

impl FrameReader {
    /// A reader for one answer.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            draft: Draft::default(),
            blocks: Blocks::default(),
        }
    }

    /// Takes one event of a stream.
    ///
    /// # Errors
    /// On an error frame, classified as the same error outside a stream, and on too many frames
    /// that cannot be read.
    pub fn event(&mut self, event: &Event) -> Result<Taken, ProviderFailure> {
        let (name, data) = match event {
            Event::Message { name, data } => (name.as_str(), data.trim()),
            Event::Comment => return Ok(Taken::Gain(Gain::default())),
            Event::Broken => {
                self.draft.note_broken(true)?;
                return Ok(Taken::Gain(Gain::default()));
            }
        };
        if data == "[DONE]" {
            return Ok(Taken::End);
        }
        match serde_json::from_str::<Value>(data) {
            Ok(value) => self.value(name, value),
            Err(_) => self.unreadable(data),
        }
    }

    /// Takes a whole body.
    ///
    /// # Errors
    /// When the body is an error or no answer at all, classified as its dialect says.
    pub fn body(&mut self, refusal: Refusal) -> Result<Gain, ProviderFailure> {
        let body = match &refusal.json {
            Some(body) if self.is_answer(body) && !is_error(body) => body,
            _ => return Err(classify(self.dialect, &refusal)),
        };
        Ok(match self.dialect.form() {
            Form::Messages => messages::whole(&mut self.draft, body),
            Form::Completions => chat::take(&mut self.draft, body),
        })
    }

    /// Whether the provider has said that the answer is finished.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.draft.has_finished()
    }

    /// Ends the answer; `asked` is the model that was asked for.
    ///
    /// # Errors
    /// As [`Draft::close`].
    pub fn close(self, ended: Ended, asked: &str) -> Result<Reply, ProviderFailure> {
        self.draft.close(ended, asked)
    }

    fn value(&mut self, name: &str, value: Value) -> Result<Taken, ProviderFailure> {
        if name == "error" || is_error(&value) || self.is_flat_error(&value) {
            return Err(classify(self.dialect, &Refusal::inside(200, value)));
        }
        match self.dialect.form() {
            Form::Messages => {
                let (gain, is_end) = self.blocks.take(&mut self.draft, &value);
                let is_empty = gain == Gain::default();
                Ok(if is_end && is_empty {
                    Taken::End
                } else {
                    Taken::Gain(gain)
                })
            }
            Form::Completions => Ok(Taken::Gain(chat::take(&mut self.draft, &value))),
        }
    }

    /// A line that is no JSON is passed over, but a whole frame glued to it is not (fault S09).
    fn unreadable(&mut self, data: &str) -> Result<Taken, ProviderFailure> {
        let (broken, glued) = match data.rsplit_once("data:") {
            Some((broken, glued)) => (broken, serde_json::from_str(glued.trim()).ok()),
            None => (data, None),
        };
        self.draft.note_broken(holds_text(broken))?;
        match glued {
            Some(value) => self.value("", value),
            None => Ok(Taken::Gain(Gain::default())),
        }
    }

    fn is_answer(&self, body: &Value) -> bool {
        match self.dialect.form() {
            // `content: null` is an answer without text (fault C15), an absent one is none.
            Form::Messages => body.get("content").is_some() && body.get("error").is_none(),
            Form::Completions => body
                .get("choices")
                .and_then(Value::as_array)
                .is_some_and(|all| !all.is_empty()),
        }
    }

    /// GLM's flat error, `{code, message}`, inside a stream.
    fn is_flat_error(&self, value: &Value) -> bool {
        self.dialect == Dialect::Glm
            && value.get("choices").is_none()
            && value.get("code").is_some()
            && value.get("message").is_some()
    }
}

pub(super) fn is_error(body: &Value) -> bool {
    let status = body
        .get("base_resp")
        .and_then(|status| status.get("status_code"));
    body.get("error").is_some_and(|error| !error.is_null())
        || body.get("type").is_some_and(|kind| kind == "error")
        || status.and_then(Value::as_u64).is_some_and(|code| code != 0)
}

/// Whether a broken frame carried a piece of the answer, which is then not whole without it.
fn holds_text(broken: &str) -> bool {
    ["\"content\"", "\"text\""].iter().any(|field| {
        broken.split_once(field).is_some_and(|(_, rest)| {
            let value = rest.trim_start_matches([' ', ':']);
            value
                .strip_prefix('"')
                .is_some_and(|text| !text.starts_with('"'))
        })
    })
}

/// A failure for text that no answer of this dialect should hold.
#[must_use]
pub fn leaked(marker: &str) -> ProviderFailure {
    let said = format!("control markup {marker} in the text");
    ProviderFailure::new(FaultClass::Malformed, Reaction::Retry, said)
}

#[cfg(test)]
mod tests;
