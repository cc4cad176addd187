//! What a call asks, however it is written: two calls of one meaning would send one question.
//!
//! Meaning goes by rules and never by likeness: two texts that only resemble each other are two
//! questions. Spaces and line ends that a reader does not see, a default that is written out and
//! another name of the same model are no difference. Words and letter case are, and so are the
//! indentation of a line and everything between code fences.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::digest::hex;
use crate::router::ask::CallKind;
use crate::tool::claim;
use crate::tool::question;
use crate::tool::run::Run;

/// Arguments that the resolved question holds, or that change how an answer is sent and not what
/// it says.
const RESOLVED: [&str; 7] = [
    "model",
    "temperature",
    "thinking_mode",
    "kimi_thinking",
    "use_websearch",
    "stream",
    "confirm",
];

/// Arguments that are prose.
const PROSE: [&str; 2] = ["prompt", "step"];

/// Lower-case hex over tool, model, temperature, thinking, search, instruction and the other
/// arguments; `None` for a call that would be refused.
#[must_use]
pub fn digest(run: &Run<'_>) -> Option<String> {
    let asked = question::ask(run, Vec::new(), CallKind::Chat).ok()?;
    let mut rest = run.call.arguments.clone();
    rest.retain(|name, value| {
        let is_empty = value.as_array().is_some_and(Vec::is_empty) || value.is_null();
        !is_empty && !RESOLVED.contains(&name.as_str())
    });
    for name in PROSE {
        if let Some(Value::String(text)) = rest.get_mut(name) {
            *text = folded(text);
        }
    }
    let how = json!([
        model(run, asked.model.as_deref()),
        asked.provider,
        asked.temperature,
        asked.thinking,
        asked.websearch,
        hex(&Sha256::digest(asked.system.as_bytes())),
    ]);
    // No argument has an empty name.
    rest.insert(String::new(), how);
    Some(claim::digest(run.tool.name, &rest))
}

/// The name that a model's other names stand for.
fn model(run: &Run<'_>, asked: Option<&str>) -> String {
    let asked = asked
        .filter(|name| !name.is_empty())
        .unwrap_or("auto")
        .to_ascii_lowercase();
    let is_named = |name: &String| name.eq_ignore_ascii_case(&asked);
    let models = (run.around.models)();
    let mut known = models.iter();
    let known = known.find(|model| is_named(&model.name) || model.aliases.iter().any(is_named));
    known.map_or(asked.clone(), |model| model.name.to_ascii_lowercase())
}

/// A text without the spaces that a reader does not see.
fn folded(text: &str) -> String {
    let (mut lines, mut is_code) = (Vec::<String>::new(), false);
    for line in text.trim().lines() {
        let is_fence = line.trim_start().starts_with("```");
        let line = match is_code || is_fence {
            true => line.trim_end().to_owned(),
            false => spaced(line),
        };
        let is_gap = line.is_empty() && lines.last().is_some_and(String::is_empty);
        if is_code || !is_gap {
            lines.push(line);
        }
        is_code ^= is_fence;
    }
    lines.join("\n")
}

/// One line: its indentation, and its words with one space between them.
fn spaced(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let indented = line.len() - line.trim_start().len();
    match words.is_empty() {
        true => String::new(),
        false => format!("{}{}", &line[..indented], words.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_reader_does_not_see_is_folded() {
        let cases = [
            ("  what is  6 x 7? \r\n", "what is 6 x 7?"),
            ("a\n\n\n\nb", "a\n\nb"),
            ("a\r\n  b   c", "a\n  b c"),
            (
                "x\n```\na  b\n\n\nc\n```\ny  z",
                "x\n```\na  b\n\n\nc\n```\ny z",
            ),
            ("Polish", "Polish"),
        ];
        for (text, wanted) in cases {
            assert_eq!(folded(text), wanted);
            assert_eq!(folded(wanted), wanted);
        }
        for (one, other) in [
            ("Polish", "polish"),
            ("a b", "ab"),
            ("x", "x?"),
            ("a\nb", "a b"),
        ] {
            assert_ne!(folded(one), folded(other));
        }
    }
}
