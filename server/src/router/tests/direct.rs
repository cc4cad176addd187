//! A call at one provider in its own form runs under the clocks of any attempt.

use std::time::Instant;

use super::super::direct::{DirectAsk, RawChat, Sent};
use super::super::*;
use super::bench::{context, router_with, row, settings};
use super::scripted::{Line, Scripted};
use crate::failure::{Category, Failure};

/// A model of each class.
const MODELS: [&str; 2] = ["kimi-k2.6", "kimi-k2.7-code"];

/// What a lone Kimi's line becomes, how long that takes, and how often it was asked.
async fn ended(
    model: &str,
    line: Line,
    change: impl Fn(&mut Settings),
) -> (Failure, Duration, usize) {
    let kimi = Scripted::start(vec![line]).await;
    let mut settings = settings();
    change(&mut settings);
    let router = router_with(settings, vec![row(Dialect::Kimi, Some(&kimi.url))]);
    let what = Sent::Chat(RawChat {
        model: Some(model.to_owned()),
        messages: vec![serde_json::json!({"role": "user", "content": "x"})],
        ..RawChat::default()
    });
    let provider = "kimi".to_owned();
    let ask = DirectAsk { provider, what };
    let began = Instant::now();
    let failure = router.direct(ask, &context()).await.unwrap_err();
    (failure, began.elapsed(), kimi.seen().len())
}

fn piece() -> Line {
    Line::Stall(vec!["{".to_owned()])
}

/// The clocks of both classes.
fn set(settings: &mut Settings, [first_token, idle, total]: [u64; 3]) {
    for clocks in [&mut settings.clocks.prompt, &mut settings.clocks.thinking] {
        clocks.first_token = Duration::from_millis(first_token);
        clocks.idle = Duration::from_millis(idle);
        clocks.total = Duration::from_millis(total);
    }
}

#[tokio::test]
async fn each_clock_fires_alone_on_its_own_fault() {
    let long = 60_000;
    let cases = [
        (Line::Silence, [300, 200, long], "provider_silent", 300),
        (piece(), [long, 250, long], "provider_stalled", 250),
        (piece(), [long, long, 350], "provider_too_slow", 350),
    ];
    for model in MODELS {
        for (line, clocks, code, ms) in cases.clone() {
            let (failure, took, asked) = ended(model, line, |all| set(all, clocks)).await;
            let told = (failure.category, failure.code);
            assert_eq!(told, (Category::TimeoutError, code), "{model}");
            let value = Duration::from_millis(ms);
            assert!(
                took >= value && took < value + Duration::from_secs(5),
                "{model}: {code} after {took:?} instead of {value:?}"
            );
            assert_eq!(asked, 1, "{model}: {code}");
        }
    }
}
