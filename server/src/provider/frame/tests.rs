use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;
use crate::provider::fault::Repair;
use crate::provider::reply::Finish;
use crate::provider::sse::SseReader;

fn meaning(dialect: Dialect, status: u16, body: &str) -> ProviderFailure {
    let mut headers = HeaderMap::new();
    let kind = if body.starts_with('<') {
        "text/html"
    } else {
        "application/json"
    };
    headers.insert("content-type", HeaderValue::from_static(kind));
    classify(dialect, &Refusal::read(status, &headers, body.as_bytes()))
}

/// The reaction in the table's spelling.
fn spelled(reaction: Reaction) -> String {
    match reaction {
        Reaction::Quota { leave: true } => "Quota+F".to_owned(),
        Reaction::Quota { leave: false } => "Quota".to_owned(),
        Reaction::Repair(repair) => format!("{repair:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_refusal_means_what_the_fault_catalogue_says() {
    let mut seen = 0;
    let table = include_str!("refusals.txt");
    for line in table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let fields: Vec<&str> = line.splitn(6, '|').map(str::trim).collect();
        let [id, dialect, status, class, reaction, body] = fields[..] else {
            panic!("six fields are wanted: {line}");
        };
        let dialect = serde_json::from_value(dialect.into()).unwrap();
        let failure = meaning(dialect, status.parse().unwrap(), body);
        let found = (format!("{:?}", failure.class), spelled(failure.reaction));
        assert_eq!(
            found,
            (class.to_owned(), reaction.to_owned()),
            "{id}: {failure:?}"
        );
        seen += 1;
    }
    assert!(seen >= 59, "{seen} rows");
}

#[test]
fn quotas_name_their_end_and_busy_prompts_trip_nothing() {
    let named = r#"{"error":{"code":"1308","message":"will reset at 2026-11-21 10:00:00"}}"#;
    assert!(meaning(Dialect::Glm, 429, named).until.is_some());
    let busy = meaning(Dialect::Glm, 429, r#"{"error":{"code":"1305"}}"#);
    assert!(!busy.trips_breaker(), "Z03");
}

#[test]
fn named_waits_come_from_the_words_that_the_catalogue_quotes() {
    let body = r#"{"error":{"type":"rate_limit_reached_error",
        "message":"max RPM: 3, please try again after 1 seconds"}}"#;
    assert_eq!(
        meaning(Dialect::Kimi, 429, body).wait,
        Some(std::time::Duration::from_secs(1))
    );
}

fn stream(dialect: Dialect, text: &str) -> Result<Reply, ProviderFailure> {
    let mut sse = SseReader::default();
    let mut events = sse.push(text.as_bytes());
    events.extend(sse.finish());
    let mut reader = FrameReader::new(dialect);
    let (mut shown, mut is_marked) = (String::new(), false);
    for event in &events {
        match reader.event(event)? {
            Taken::End => {
                is_marked = true;
                break;
            }
            Taken::Gain(gain) => shown.push_str(&gain.text),
        }
    }
    let reply = reader.close(
        if is_marked {
            Ended::Marked
        } else {
            Ended::Closed
        },
        "m",
    )?;
    assert_eq!(reply.text, shown, "what was shown is the text");
    Ok(reply)
}

/// Chunks of the chat form, from shorthand: a string is content, an object stands as it is.
fn chat(parts: &[&str]) -> String {
    let frame = |part: &&str| match part.strip_prefix('=') {
        Some(raw) => format!("{raw}\n\n"),
        None => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{part}}}]}}\n\n"),
    };
    parts.iter().map(frame).collect()
}

const STOP: &str = r#"=data: {"model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const DONE: &str = "=data: [DONE]";

#[test]
fn oddities_of_a_chat_stream_never_change_its_text() {
    let a = r#"{"content":"Hello "}"#;
    let b = r#"{"content":"world"}"#;
    let whole = r#"=data: {"object":"chat.completion","choices":[{"finish_reason":"stop",
        "message":{"role":"assistant","content":"Hello world"}}],"base_resp":{"status_code":0}}"#
        .replace('\n', "");
    let in_choice = r#"=data: {"choices":[{"delta":{},"finish_reason":"stop",
        "usage":{"prompt_tokens":5,"completion_tokens":2,"cached_tokens":1}}]}"#
        .replace('\n', "");
    let zeros = r#"=data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    let glued = r#"=data: {"choices":[{"del data: {"choices":[{"delta":{"content":"world"}}]}"#;
    let cases: Vec<(&str, Vec<&str>, &str)> = vec![
        ("S01", vec![a, b, STOP], "finished_without_done"),
        (
            "S08",
            vec![a, r#"=data: {"choices":null}"#, b, STOP, DONE],
            "",
        ),
        ("S09", vec![a, glued, STOP, DONE], "broken_frames:1"),
        (
            "FB10",
            vec![a, "=data: {nonsense", b, STOP, DONE],
            "broken_frames:1",
        ),
        ("S10", vec![a, b, &in_choice, zeros, DONE], ""),
        ("S11", vec![a, b, &whole, DONE], ""),
        ("S11, lost tail", vec![a, &whole, DONE], ""),
        (
            "S14",
            vec![r#"{"role":"","content":"Hello "}"#, b, "null", STOP, DONE],
            "",
        ),
        ("S19", vec![a, "=: ping", b, STOP, DONE], ""),
        ("S22", vec![a, b, STOP, DONE, a], ""),
        (
            "C04",
            vec![r#"{"content":"<think>x</think>"}"#, a, b, STOP, DONE],
            "",
        ),
        (
            "thought",
            vec![r#"{"reasoning_content":"hm"}"#, a, b, STOP, DONE],
            "",
        ),
    ];
    for (id, parts, warning) in cases {
        let reply = stream(Dialect::Kimi, &chat(&parts)).unwrap_or_else(|f| panic!("{id}: {f:?}"));
        assert_eq!(
            (reply.text.as_str(), reply.finish),
            ("Hello world", Finish::Whole),
            "{id}"
        );
        assert_eq!(reply.warnings.join(" "), warning, "{id}");
        if id == "S10" {
            let usage = reply.usage;
            assert_eq!((usage.input, usage.output, usage.cached), (5, 2, 1));
        }
    }
}

#[test]
fn a_stream_that_is_not_whole_is_a_failure_of_its_kind() {
    let a = r#"{"content":"Hello "}"#;
    let end = |reason: &str| {
        format!(r#"=data: {{"choices":[{{"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
    };
    let (network, filtered, window) = (
        end("network_error"),
        end("sensitive"),
        end("model_context_window_exceeded"),
    );
    let lost = r#"=data: {"choices":[{"delta":{"content":"wor"#;
    let code = r#"=data: {"error":{"code":"1305","message":"busy"}}"#;
    let bare = r#"=data: {"error":{"message":"oops","code":null}}"#;
    let thought = r#"{"reasoning_content":"hm"}"#;
    let flat = r#"=data: {"code":1301,"message":"no"}"#;
    let junk = ["=data: {"; 9];
    let more = Reaction::Repair(Repair::MoreTokens);
    use FaultClass::{
        ContextTooLong, Empty, Filtered, Interrupted, Malformed, RateLimited, ServerError,
    };
    use Reaction::{FailOver, Refuse, Retry};
    let cases: Vec<(&str, Vec<&str>, FaultClass, Reaction)> = vec![
        ("S01, no reason", vec![a], Interrupted, Retry),
        ("S02", vec![a, lost], Interrupted, Retry),
        ("S04", vec![a, code], RateLimited, Retry),
        ("S04, bare", vec![a, bare], ServerError, Retry),
        ("S04, flat", vec![a, flat], Filtered, Refuse),
        ("S05", vec![a, &network], ServerError, Retry),
        ("S06", vec![a, &filtered], Filtered, Refuse),
        ("S07", vec![a, &window], ContextTooLong, Refuse),
        ("S09, above the bound", junk.to_vec(), Malformed, FailOver),
        (
            "S09, text lost",
            vec![a, lost, STOP, DONE],
            Malformed,
            Retry,
        ),
        ("S18", vec![thought, STOP, DONE], Empty, more),
        ("S23", vec![DONE], Empty, Retry),
        (
            "C01",
            vec![r#"{"tool_calls":[{"function":{"name":""}}]}"#, STOP, DONE],
            Empty,
            Retry,
        ),
    ];
    for (id, parts, class, reaction) in cases {
        let failure = stream(Dialect::Glm, &chat(&parts)).expect_err(id);
        assert_eq!(
            (failure.class, failure.reaction),
            (class, reaction),
            "{id} {failure:?}"
        );
    }
}

#[test]
fn minimax_s_events_give_text_usage_and_end() {
    let events = concat!(
        "event: message_start\n\n",
        "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",",
        "\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":2}}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,",
        "\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",",
        "\"thinking\":\"hm\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",",
        "\"signature\":\"5e\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":1,",
        "\"content_block\":{\"type\":\"text\",\"text\":\"Hello \"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hello \"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"world\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},",
        "\"usage\":{\"output_tokens\":7}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let reply = stream(Dialect::Minimax, events).unwrap();
    assert_eq!(reply.text, "Hello world");
    assert_eq!(
        (reply.usage.input, reply.usage.output, reply.usage.cached),
        (5, 7, 2)
    );
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "5e"});
    assert_eq!(
        reply.thoughts,
        [thought],
        "what goes back with the next turn"
    );
    assert!(reply.warnings.is_empty(), "{:?}", reply.warnings);
    let error = r#"data: {"type":"error","error":{"type":"overloaded_error","message":"x"}}"#;
    let failure = stream(Dialect::Minimax, &format!("{error}\n\n")).unwrap_err();
    assert_eq!(failure.class, FaultClass::Overloaded);
}

#[test]
fn thoughts_beyond_256_kib_are_dropped_whole_and_the_answer_stays() {
    let answered = |pieces: usize| {
        let event = |value: serde_json::Value| format!("data: {value}\n\n");
        let delta = |delta| event(json!({"type": "content_block_delta", "delta": delta}));
        let start = |block| event(json!({"type": "content_block_start", "content_block": block}));
        let stop = event(json!({"type": "content_block_stop"}));
        let piece = delta(json!({"type": "thinking_delta", "thinking": "x".repeat(16 * 1024)}));
        let events = [
            start(json!({"type": "thinking", "thinking": ""})),
            piece.repeat(pieces),
            delta(json!({"type": "signature_delta", "signature": "5e"})),
            stop.clone(),
            start(json!({"type": "text", "text": ""})),
            delta(json!({"type": "text_delta", "text": "yes"})),
            stop,
            event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})),
            event(json!({"type": "message_stop"})),
        ];
        stream(Dialect::Minimax, &events.concat()).unwrap()
    };
    let (most, more) = (answered(15), answered(16));
    assert_eq!((most.text.as_str(), more.text.as_str()), ("yes", "yes"));
    let kept = most.thoughts[0]["thinking"].as_str().unwrap();
    assert_eq!(kept.len(), 15 * 16 * 1024);
    assert_eq!(more.thoughts, Vec::<serde_json::Value>::new());
}

#[test]
fn a_whole_body_without_text_or_with_another_model_is_noticed() {
    let read = |dialect, body: &str| {
        let mut reader = FrameReader::new(dialect);
        reader.body(Refusal::read(200, &HeaderMap::new(), body.as_bytes()))?;
        reader.close(Ended::Marked, "m")
    };
    let empty = r#"{"type":"message","content":null,"stop_reason":"max_tokens"}"#;
    let failure = read(Dialect::Minimax, empty).unwrap_err();
    assert_eq!(
        failure.reaction,
        Reaction::Repair(Repair::MoreTokens),
        "C15"
    );
    let second = r#"{"content":[{"type":"thinking","thinking":"x"},{"type":"text","text":"yes"}],
        "stop_reason":"max_tokens","model":"other"}"#;
    let reply = read(Dialect::Minimax, second).unwrap();
    assert_eq!(
        (reply.text.as_str(), reply.finish),
        ("yes", Finish::Length),
        "C16"
    );
    assert_eq!(reply.warnings, ["model_substituted:other"], "C11");
    let spent = r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}],
        "usage":{"completion_tokens":9}}"#;
    assert_eq!(
        read(Dialect::Glm, spent).unwrap_err().class,
        FaultClass::Empty,
        "C07"
    );
}
