//! Thoughts that go back count in what a prompt is taken for, on their own route alone.

use secrecy::SecretString;
use serde_json::json;

use super::super::ask::{Message, Speaker, Thoughts};
use super::super::cost;
use super::bench::{KEY, ask, context, router_with, row, settings};
use super::*;

/// Two providers with the same models, and Kimi.
fn router() -> Router {
    let minimax = row(Dialect::Minimax, Some("http://127.0.0.1:9"));
    let second = ProviderRow {
        name: "second".to_owned(),
        key: Some(SecretString::from(KEY)),
        ..minimax.clone()
    };
    let kimi = row(Dialect::Kimi, Some("http://127.0.0.1:9"));
    router_with(settings(), vec![minimax, second, kimi])
}

/// A question after an answer of MiniMax-M3 at `provider` with so many characters of thought.
fn asking(model: &str, provider: &str, chars: usize) -> Ask {
    let mut ask = ask(model, false);
    let block = json!({"type": "thinking", "thinking": "x".repeat(chars), "signature": "5e"});
    let thoughts = Thoughts {
        provider: provider.to_owned(),
        model: "MiniMax-M3".to_owned(),
        blocks: vec![block],
    };
    let said = Message {
        speaker: Speaker::Assistant,
        text: "answered".to_owned(),
        images: Vec::new(),
        thoughts: Some(thoughts),
    };
    ask.messages.insert(0, said);
    ask
}

#[test]
fn thoughts_count_in_the_estimate_of_their_own_route_alone() {
    let router = router();
    let with = asking("MiniMax-M3", "minimax", 40_000);
    let without = asking("MiniMax-M3", "elsewhere", 40_000);
    let routes = router.permitted(&with, &context()).unwrap();
    for route in &routes {
        let more = cost::estimate(&with, route) - cost::estimate(&without, route);
        let is_own = route.provider == "minimax" && route.model.name == "MiniMax-M3";
        let bound = if is_own { 10_000..10_100 } else { 0..1 };
        assert!(bound.contains(&more), "{}: {more}", route.provider);
    }
    let names: Vec<&str> = routes.iter().map(|route| &*route.provider).collect();
    assert_eq!(names, ["minimax", "second", "kimi"]);
}

#[test]
fn a_route_without_room_for_its_thoughts_is_left_out_and_a_named_one_refused() {
    let router = router();
    let context = context();
    // Four characters are a token, and MiniMax-M3 holds a million of them.
    let (fits, too_many) = (3_900_000, 4_100_000);
    let named = |chars| router.permitted(&asking("MiniMax-M3", "minimax", chars), &context);
    assert_eq!(named(fits).unwrap()[0].provider, "minimax");
    let refused = named(too_many).unwrap_err();
    assert_eq!(refused.code, "context_too_long", "{refused:?}");
    let chosen = router.permitted(&asking("auto", "minimax", too_many), &context);
    let chosen = chosen.unwrap();
    assert!(!chosen.is_empty());
    let is_own =
        |route: &Candidate| route.provider == "minimax" && route.model.name == "MiniMax-M3";
    assert!(!chosen.iter().any(is_own), "{chosen:?}");
    let lone = router_with(
        settings(),
        vec![row(Dialect::Minimax, Some("http://127.0.0.1:9"))],
    );
    let refused = lone.permitted(&asking("auto", "minimax", too_many), &context);
    assert_eq!(refused.unwrap_err().code, "no_models_available");
}
