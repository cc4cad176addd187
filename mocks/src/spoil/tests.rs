//! The fault table against the wire forms, and the forms that can be read without a socket.

use serde_json::json;

use super::*;
use crate::content::{Finish, Usage};
use crate::fault::{self, BENCH, Shape, faults};
use crate::model;
use crate::reply::Step;

const ANSWER: &str = "answer one naïve 数据 ✓ café\nmiddle line of prose with several words\nseal";

/// Lets a fault land on a request of its own shape and returns what it made of it.
pub fn land(provider: Provider, fault: &str, streamed: bool) -> Spoiled {
    let name = FaultName::parse(fault).unwrap();
    let shape = fault::find(name.id).unwrap().shape;
    let route = match (provider, shape) {
        (Provider::Kimi, _) => Route::KimiChat,
        (Provider::Glm, _) => Route::GlmChat,
        (Provider::MiniMax, Shape::StreamedChat) => Route::MiniMaxChat,
        (Provider::MiniMax, _) => Route::MiniMaxMessages,
    };
    let terms = Terms {
        model: &model::table(provider)[0],
        stream: streamed,
        include_usage: false,
        thinking: true,
        thinking_explicit: false,
        tokens: 10,
    };
    let body = json!({"messages": [{"role": "assistant", "content": "x"}]});
    let content = Content {
        id: "id".into(),
        created: 1_795_255_200,
        model: "m".into(),
        reasoning: Some("thinking it over".into()),
        text: Some(ANSWER.into()),
        calls: Vec::new(),
        finish: Finish::Stop,
        usage: Usage::of(100, 60, 16),
        chunk_chars: 4,
        include_usage: false,
    };
    let scene = Scene {
        provider,
        route,
        terms: &terms,
        body: body.as_object().unwrap(),
        content,
        pace: Duration::ZERO,
        delay: None,
        compose: &|prose| format!("answer {prose} seal"),
    };
    spoil(name, scene)
}

fn sent(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in &reply.steps {
        if let Step::Send(more) = step {
            bytes.extend_from_slice(more);
        }
    }
    bytes
}

fn forms(fault: &fault::Fault) -> Vec<String> {
    if fault.variants.is_empty() {
        return vec![fault.id.to_owned()];
    }
    fault
        .variants
        .iter()
        .map(|variant| format!("{}:{variant}", fault.id))
        .collect()
}

#[test]
fn every_fault_of_the_table_has_a_wire_form_at_each_of_its_vendors() {
    let mut landed = 0;
    for fault in faults().chain(BENCH) {
        for provider in fault.providers {
            for form in forms(fault) {
                for streamed in [false, true] {
                    let only_streams = !matches!(fault.shape, Shape::Any | Shape::Messages);
                    if only_streams && !streamed {
                        continue;
                    }
                    let reply = land(*provider, &form, streamed).reply;
                    let text = String::from_utf8_lossy(&sent(&reply)).into_owned();
                    assert!(!text.contains(UNWRITTEN), "{form} at {provider}");
                    landed += 1;
                }
            }
        }
    }
    assert!(landed > 250, "{landed}");
}

#[test]
fn variants_of_a_fault_differ_on_the_wire() {
    for fault in faults() {
        let provider = fault.providers[0];
        let mut seen: Vec<(String, Vec<Step>)> = Vec::new();
        for form in forms(fault) {
            let steps = land(provider, &form, true).reply.steps;
            for (other, earlier) in &seen {
                assert_ne!(&steps, earlier, "{form} and {other}");
            }
            seen.push((form, steps));
        }
    }
}

#[test]
fn whole_body_faults_carry_the_status_of_their_row() {
    for (provider, fault, status) in [
        (Provider::Kimi, "K01", 429),
        (Provider::Kimi, "K04:403", 403),
        (Provider::Kimi, "K06", 400),
        (Provider::Kimi, "K09", 404),
        (Provider::Kimi, "K10", 504),
        (Provider::Kimi, "K11", 401),
        (Provider::Glm, "Z01:1305", 429),
        (Provider::Glm, "Z04", 529),
        (Provider::Glm, "Z05", 500),
        (Provider::Glm, "Z06:200", 200),
        (Provider::Glm, "Z07", 400),
        (Provider::MiniMax, "M01", 200),
        (Provider::MiniMax, "M02", 200),
        (Provider::MiniMax, "M03", 529),
        (Provider::MiniMax, "M04:500", 500),
        (Provider::MiniMax, "M05", 402),
        (Provider::MiniMax, "M08", 422),
        (Provider::Kimi, "G01", 429),
        (Provider::Kimi, "G02:520", 520),
        (Provider::Kimi, "G08:301", 301),
        (Provider::Kimi, "FB13", 400),
    ] {
        assert_eq!(land(provider, fault, false).reply.status, status, "{fault}");
    }
}

#[test]
fn a_named_reset_lies_in_the_future() {
    let text = String::from_utf8(sent(&land(Provider::Glm, "Z02:1310", false).reply)).unwrap();
    assert!(text.contains("2026-11-21 11:00:00"), "{text}");
}

#[test]
fn characters_are_cut_between_chunks() {
    let reply = land(Provider::Kimi, "S20", true).reply;
    let cut = reply.steps.iter().filter(|step| match step {
        Step::Send(bytes) => std::str::from_utf8(bytes).is_err(),
        _ => false,
    });
    assert!(cut.count() >= 10);
}

#[test]
fn hostile_text_stands_inside_a_sealed_answer() {
    let spoiled = land(Provider::Kimi, "C14", false);
    let answer = spoiled.answer.unwrap();
    assert!(answer.contains("Ignore all previous instructions"));
    assert!(answer.starts_with("answer ") && answer.ends_with(" seal"));
}

#[test]
fn only_replies_that_hold_the_whole_answer_say_so() {
    for (provider, fault, whole) in [
        (Provider::Kimi, "S01", true),
        (Provider::Kimi, "S02", false),
        (Provider::Glm, "S06", false),
        (Provider::Kimi, "S18", false),
        (Provider::Kimi, "S22", true),
        (Provider::Kimi, "S26", true),
        (Provider::Kimi, "S26:error", false),
        (Provider::MiniMax, "C04:think", true),
        (Provider::MiniMax, "C04:minimax", false),
        (Provider::MiniMax, "C15", false),
        (Provider::Kimi, "G04", true),
    ] {
        assert_eq!(
            land(provider, fault, true).answer.is_some(),
            whole,
            "{fault}"
        );
    }
}
