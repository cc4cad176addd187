//! A provider's answer, and the draft it grows from frame by frame.

use serde_json::Value;

use super::fault::{FaultClass, ProviderFailure, Reaction, Repair};
use super::think::ThinkFilter;
use super::thought::ThoughtDraft;
use crate::router::ask::Usage;

/// Broken frames of one stream that are passed over before the stream is given up.
const BROKEN_FRAMES: u32 = 8;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had said what it wanted to say.
    Whole,
    /// The output bound cut it.
    Length,
}

/// A whole answer of one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The text, without reasoning; never empty.
    pub text: String,
    /// How it ended.
    pub finish: Finish,
    /// Token counts, as far as the provider gave them.
    pub usage: Usage,
    /// The model that the provider says answered.
    pub model: Option<String>,
    /// Whether the provider searched the web.
    pub searched: bool,
    /// What the model thought, as blocks that its provider wants back with the next turn; empty
    /// where it wants none.
    pub thoughts: Vec<Value>,
    /// Oddities that were put up with.
    pub warnings: Vec<String>,
}

/// How a stream or body came to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// By the dialect's own end marker, or as one whole body.
    Marked,
    /// The connection closed in order, without the marker.
    Closed,
    /// The connection broke.
    Broken(ProviderFailure),
}

/// What one frame brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gain {
    /// Text to show.
    pub text: String,
    /// Whether the model said or thought something: what the idle clock waits for.
    pub is_progress: bool,
}

/// An answer under way.
#[derive(Debug, Default)]
pub struct Draft {
    text: String,
    filter: ThinkFilter,
    thought: bool,
    thoughts: ThoughtDraft,
    usage: Usage,
    model: Option<String>,
    searched: bool,
    finish: Option<String>,
    has_tool_calls: bool,
    broken_frames: u32,
    lost_text: bool,
}

impl Draft {
    /// Adds text of the answer; returns what of it may be shown.
    pub fn add_text(&mut self, text: &str) -> String {
        let shown = self.filter.push(text);
        self.thought |= self.filter.has_hidden();
        self.text.push_str(&shown);
        shown
    }

    /// What of a text repeated from its start is new.
    #[must_use]
    pub fn missing_of<'a>(&self, whole: &'a str) -> Option<&'a str> {
        whole.strip_prefix(self.text.as_str())
    }

    /// The blocks in which the model thinks.
    pub fn thoughts(&mut self) -> &mut ThoughtDraft {
        &mut self.thoughts
    }

    /// Notes that the model thought aloud.
    pub fn note_thought(&mut self) {
        self.thought = true;
    }

    /// Notes a tool call, which nobody offered.
    pub fn note_tool_call(&mut self) {
        self.has_tool_calls = true;
    }

    /// Notes that the provider searched the web.
    pub fn note_search(&mut self) {
        self.searched = true;
    }

    /// Notes the model named in the reply.
    pub fn note_model(&mut self, model: Option<&Value>) {
        if let (None, Some(Value::String(name))) = (&self.model, model) {
            self.model = Some(name.clone());
        }
    }

    /// Notes why the model stopped; the first reason stays.
    pub fn note_finish(&mut self, reason: Option<&Value>) {
        if let (None, Some(Value::String(reason))) = (&self.finish, reason)
            && !reason.is_empty()
        {
            self.finish = Some(reason.clone());
        }
    }

    /// Takes token counts; providers repeat them, so figures replace and zeros change nothing.
    pub fn note_usage(&mut self, usage: Usage) {
        let last = |old: u64, new: u64| if new == 0 { old } else { new };
        self.usage = Usage {
            input: last(self.usage.input, usage.input),
            output: last(self.usage.output, usage.output),
            cached: last(self.usage.cached, usage.cached),
        };
    }

    /// Counts a frame that could not be read.
    ///
    /// # Errors
    /// Above the bound.
    pub fn note_broken(&mut self, lost_text: bool) -> Result<(), ProviderFailure> {
        self.broken_frames += 1;
        self.lost_text |= lost_text;
        if self.broken_frames > BROKEN_FRAMES {
            let said = format!("more than {BROKEN_FRAMES} broken frames");
            return Err(ProviderFailure::new(
                FaultClass::Malformed,
                Reaction::FailOver,
                said,
            ));
        }
        Ok(())
    }

    /// Whether the provider has said that the answer is finished.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Ends the draft.
    ///
    /// # Errors
    /// When the answer is not whole, was filtered, or holds no text.
    pub fn close(mut self, ended: Ended, asked: &str) -> Result<Reply, ProviderFailure> {
        let rest = self.filter.finish();
        self.text.push_str(&rest);
        let mut warnings = Vec::new();
        self.check_end(&ended, &mut warnings)?;
        let finish = self.check_reason()?;
        if self.lost_text {
            let said = "a broken frame held a part of the text";
            return Err(ProviderFailure::new(
                FaultClass::Malformed,
                Reaction::Retry,
                said,
            ));
        }
        self.check_text(finish)?;
        if self.broken_frames > 0 {
            warnings.push(format!("broken_frames:{}", self.broken_frames));
        }
        if self
            .model
            .as_deref()
            .is_some_and(|model| !model.eq_ignore_ascii_case(asked))
        {
            warnings.push(format!(
                "model_substituted:{}",
                self.model.as_deref().unwrap_or("")
            ));
        }
        Ok(Reply {
            text: self.text,
            finish,
            usage: self.usage,
            model: self.model,
            searched: self.searched,
            thoughts: self.thoughts.finish(),
            warnings,
        })
    }

    /// A finish reason proves that the answer is whole; the end marker alone does as well. One of
    /// them must have come (faults S01, S23, S27).
    fn check_end(&self, ended: &Ended, warnings: &mut Vec<String>) -> Result<(), ProviderFailure> {
        match (ended, &self.finish) {
            (Ended::Marked, Some(_)) => {}
            (Ended::Marked, None) if self.text.trim().is_empty() => {}
            (Ended::Marked, None) => warnings.push("done_without_finish_reason".to_owned()),
            (_, Some(_)) => warnings.push("finished_without_done".to_owned()),
            (Ended::Broken(failure), None) => return Err(failure.clone()),
            (Ended::Closed, None) => {
                let said = "the stream ended before the answer did";
                return Err(ProviderFailure::new(
                    FaultClass::Interrupted,
                    Reaction::Retry,
                    said,
                ));
            }
        }
        Ok(())
    }

    fn check_reason(&self) -> Result<Finish, ProviderFailure> {
        let reason = self.finish.as_deref().unwrap_or("stop");
        let failure = |class, reaction| {
            let said = format!("the model stopped with {reason}");
            Err(ProviderFailure::new(class, reaction, said).with_code(reason))
        };
        match reason {
            "length" | "max_tokens" => Ok(Finish::Length),
            "sensitive" | "content_filter" | "refusal" => {
                failure(FaultClass::Filtered, Reaction::Refuse)
            }
            "network_error" => failure(FaultClass::ServerError, Reaction::Retry),
            "model_context_window_exceeded" => {
                failure(FaultClass::ContextTooLong, Reaction::Refuse)
            }
            _ => Ok(Finish::Whole),
        }
    }

    /// Thinking that used up the output bound deserves one more try with a larger one; nothing at
    /// all is a fault of the provider (faults S18, S23, C07).
    fn check_text(&self, finish: Finish) -> Result<(), ProviderFailure> {
        if !self.text.trim().is_empty() {
            return Ok(());
        }
        let spent = self.thought || self.usage.output > 0 || finish == Finish::Length;
        let (reaction, said) = if self.has_tool_calls {
            (
                Reaction::Retry,
                "the model called a tool that nobody offered",
            )
        } else if spent {
            (
                Reaction::Repair(Repair::MoreTokens),
                "the model thought and said nothing",
            )
        } else {
            (Reaction::Retry, "the reply was empty")
        };
        Err(ProviderFailure::new(FaultClass::Empty, reaction, said))
    }
}
