//! The embedded demonstration: no model, no network, and a text that says so first.
//!
//! Its row exists only when the server was started with `--demo`.

use super::reply::{Finish, Reply};
use super::request::Request;
use crate::router::ask::{Speaker, Usage};

/// How every demo answer begins.
pub const MARK: &str = "[DEMO - no model was asked]";

/// The demo's answer: what a real provider would have been sent, in numbers.
#[must_use]
pub fn reply(request: &Request<'_>) -> Reply {
    let prompt = request
        .messages
        .iter()
        .rev()
        .find(|one| one.speaker == Speaker::User);
    let words = prompt.map_or(0, |message| message.text.split_whitespace().count());
    let images: usize = request
        .messages
        .iter()
        .map(|message| message.images.len())
        .sum();
    let text = format!(
        "{MARK} This server runs with --demo. A provider would have received {} message(s), the \
         last of {words} word(s), {images} image(s), and an instruction of {} character(s). Set \
         a provider's key and start without --demo for real answers.",
        request.messages.len(),
        request.system.chars().count(),
    );
    Reply {
        text,
        finish: Finish::Whole,
        usage: Usage::default(),
        model: Some(request.model.name.clone()),
        searched: false,
        thoughts: Vec::new(),
        warnings: Vec::new(),
    }
}
