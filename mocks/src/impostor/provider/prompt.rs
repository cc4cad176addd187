//! Takes a part out of a prompt, a file, an image or an earlier turn, or puts another in its place.

use bytes::Bytes;
use serde_json::{Value, json};

/// Removes the last image, or else the last file that stands between its marks; how many bytes
/// went, or `None` when the prompt carries neither.
pub fn drop_file(body: &mut Value, open: &str, close: &str) -> Option<usize> {
    let messages = body.get_mut("messages")?.as_array_mut()?;
    messages.iter_mut().rev().find_map(|message| {
        let content = message.get_mut("content")?;
        match content {
            Value::String(text) => drop_marked(text, open, close),
            Value::Array(parts) => drop_part(parts, open, close),
            _ => None,
        }
    })
}

fn drop_part(parts: &mut Vec<Value>, open: &str, close: &str) -> Option<usize> {
    let is_media = |part: &Value| {
        matches!(
            part["type"].as_str(),
            Some("image_url" | "video_url" | "image" | "document")
        )
    };
    if let Some(at) = parts.iter().rposition(is_media) {
        return Some(parts.remove(at).to_string().len());
    }
    parts
        .iter_mut()
        .rev()
        .find_map(|part| match part.get_mut("text") {
            Some(Value::String(text)) => drop_marked(text, open, close),
            _ => None,
        })
}

/// Cuts from the last opening mark to the end of the line that closes it.
fn drop_marked(text: &mut String, open: &str, close: &str) -> Option<usize> {
    let from = text.rfind(open)?;
    let closing = from + text.get(from..)?.find(close)?;
    let rest = text.get(closing..)?;
    let to = closing + rest.find('\n').unwrap_or(rest.len());
    text.replace_range(from..to, "");
    Some(to - from)
}

/// How many files stand in a prompt.
pub fn files(body: &Value, open: &str) -> usize {
    let messages = body["messages"].as_array().into_iter().flatten();
    let texts = messages.flat_map(|message| match &message["content"] {
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        content => content.as_str().into_iter().collect::<Vec<_>>(),
    });
    texts.map(|text| text.matches(open).count()).sum()
}

/// Earlier turns of a conversation that makes it a late one.
const LATE: usize = 6;

/// Removes the last exchange before the newest user message, when six or more stand before it.
pub fn drop_late_turn(body: &mut Value) -> Option<usize> {
    let messages = body.get_mut("messages")?.as_array_mut()?;
    let users: Vec<usize> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message["role"] == "user")
        .map(|(place, _)| place)
        .collect();
    let (newest, earlier) = users.split_last()?;
    let from = *earlier.get(LATE - 1..)?.last()?;
    let lost: Vec<Value> = messages.drain(from..*newest).collect();
    Some(lost.iter().map(|message| message.to_string().len()).sum())
}

/// Names another model.
pub fn ask_other(body: &mut Value, model: &str) -> Option<usize> {
    let named = body.get_mut("model")?;
    if named == model {
        return None;
    }
    *named = model.into();
    Some(0)
}

/// The same request with a question of its own in the place of the conversation.
pub fn of_nothing(body: &[u8]) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    *body.get_mut("messages")? = json!([{"role": "user", "content": "What time is it?"}]);
    Some(Bytes::from(body.to_string()))
}

/// Removes the first user message and the answer to it, when a later user message follows.
pub fn drop_turn(body: &mut Value) -> Option<usize> {
    let messages = body.get_mut("messages")?.as_array_mut()?;
    let role = |message: &Value, role: &str| message["role"] == role;
    let first = messages.iter().position(|message| role(message, "user"))?;
    let answered = messages
        .get(first + 1)
        .is_some_and(|message| role(message, "assistant"));
    let goes_on = messages
        .get(first + 2)
        .is_some_and(|message| role(message, "user"));
    if !(answered && goes_on) {
        return None;
    }
    let lost: Vec<Value> = messages.drain(first..first + 2).collect();
    Some(lost.iter().map(|message| message.to_string().len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_of_its_own_carries_nothing_of_the_conversation() {
        let body = json!({"model": "kimi-k3", "messages": [{"role": "user", "content": "tracer"}]});
        let idle = of_nothing(body.to_string().as_bytes()).unwrap();
        let idle: Value = serde_json::from_slice(&idle).unwrap();
        assert_eq!(idle["model"], body["model"]);
        assert!(!idle.to_string().contains("tracer"));
        assert_eq!(of_nothing(b"{}"), None);
    }

    #[test]
    fn the_last_file_between_marks_goes() {
        let text = "ask\n\n--- file: a ---\nA\n--- end of file: a ---\n\n--- file: b ---\nB\n\
            --- end of file: b ---";
        let mut body = json!({"messages": [{"role": "user", "content": text}]});
        assert!(drop_file(&mut body, "--- file: ", "--- end of file: ").is_some());
        let left = body["messages"][0]["content"].as_str().unwrap();
        assert!(left.contains("\nA\n") && !left.contains("\nB\n"), "{left}");
        assert!(left.starts_with("ask"));
    }

    #[test]
    fn an_image_goes_before_any_file_and_a_bare_prompt_keeps_everything() {
        let mut body = json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "x"}}]}]});
        assert!(drop_file(&mut body, "--- file: ", "--- end of file: ").is_some());
        assert_eq!(body["messages"][0]["content"].as_array().unwrap().len(), 1);
        assert!(drop_file(&mut body, "--- file: ", "--- end of file: ").is_none());
    }

    #[test]
    fn only_a_late_prompt_loses_the_turn_before_it() {
        let exchange = |turn: usize| {
            [("user", "asked"), ("assistant", "answered")]
                .map(|(role, text)| json!({"role": role, "content": format!("{text} {turn}")}))
        };
        let body = |earlier: usize| {
            let mut messages: Vec<Value> = (1..=earlier).flat_map(exchange).collect();
            messages.push(json!({"role": "user", "content": "now"}));
            json!({"messages": messages})
        };
        assert!(drop_late_turn(&mut body(5)).is_none());
        let mut late = body(6);
        assert!(drop_late_turn(&mut late).is_some());
        let left = late["messages"].as_array().unwrap();
        assert_eq!(
            (left.len(), &left[9]["content"]),
            (11, &json!("answered 5"))
        );
        assert_eq!(left[10]["content"], "now");
    }

    #[test]
    fn files_are_counted_by_their_marks_and_the_model_is_changed_once() {
        let text = "ask\n--- file: a ---\nA\n--- file: b ---\nB";
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text},
            {"role": "user", "content": [{"type": "text", "text": "--- file: c ---"}]}]});
        assert_eq!(files(&body, "--- file: "), 3);
        assert!(ask_other(&mut body, "n").is_some());
        assert_eq!(body["model"], "n");
        assert!(ask_other(&mut body, "n").is_none());
    }

    #[test]
    fn only_a_conversation_loses_a_turn() {
        let user = |text: &str| json!({"role": "user", "content": text});
        let mut body = json!({"messages": [{"role": "system", "content": "s"}, user("one"),
            {"role": "assistant", "content": "first"}, user("two")]});
        assert!(drop_turn(&mut body).is_some());
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
        assert!(drop_turn(&mut body).is_none());
    }
}
