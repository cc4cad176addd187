//! The router's pure steps: size a prompt, rank its routes, decide what follows a failed attempt.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use exai_benches::setup::{self, Trouble};
use exai_server::observe::Metrics;
use exai_server::provider::fault::{FaultClass, ProviderFailure, Reaction};
use exai_server::router::Router;
use exai_server::router::rank::{Question, candidates, estimate_tokens};
use exai_server::router::retry::{Next, RetrySettings, Tally, next};

/// Characters of the prompts whose tokens are estimated.
const PROMPT_CHARS: usize = 10_000;

fn main() -> Result<(), Trouble> {
    let mut criterion = Criterion::default().configure_from_args();
    // Building a provider's client needs a runtime around it.
    let runtime = setup::runtime()?;
    let _inside = runtime.enter();
    let folder = tempfile::tempdir()?;
    let router = Router::from_config(&setup::config(folder.path())?, Metrics::new())?;
    rank(&mut criterion, &router)?;
    estimate(&mut criterion);
    retry(&mut criterion);
    criterion.final_summary();
    Ok(())
}

fn rank(criterion: &mut Criterion, router: &Router) -> Result<(), Trouble> {
    let roster = router.roster();
    assert_eq!(roster.served.len(), 3, "three providers have keys");
    let served = roster.served.first().and_then(|row| row.models.first());
    let model = served.ok_or("a provider without models")?.name.clone();
    let question = |model| Question {
        tool: "chat",
        model,
        tokens: 500,
        ..Question::default()
    };
    let mut group = criterion.benchmark_group("router");
    for (name, question) in [
        ("rank_automatic", question(None)),
        ("rank_named_model", question(Some(model.as_str()))),
    ] {
        let routes = candidates(&question, roster)?;
        assert!(routes.len() > 1, "{name} has nowhere to fail over to");
        group.bench_function(name, |bencher| {
            bencher.iter(|| candidates(black_box(&question), roster));
        });
    }
    let unknown = question(Some("no-such-model"));
    assert!(candidates(&unknown, roster).is_err());
    group.bench_function("rank_unknown_model", |bencher| {
        bencher.iter(|| candidates(black_box(&unknown), roster));
    });
    group.finish();
    Ok(())
}

fn estimate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router");
    for (name, word) in [
        ("estimate_latin", "prompt "),
        ("estimate_chinese", "提示词。"),
    ] {
        let text: String = word.chars().cycle().take(PROMPT_CHARS).collect();
        group.throughput(Throughput::Elements(PROMPT_CHARS as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| estimate_tokens([black_box(text.as_str())]));
        });
    }
    group.finish();
}

fn retry(criterion: &mut Criterion) {
    let settings = RetrySettings::default();
    let failure = ProviderFailure::new(FaultClass::Overloaded, Reaction::Retry, "try later");
    let tally = Tally {
        total: 1,
        here: 1,
        untried: 2,
        ..Tally::default()
    };
    let first = next(&failure, tally, &settings, 0.5);
    assert!(matches!(first, Next::Again { .. }), "{first:?}");
    criterion.bench_function("router/retry_decision", |bencher| {
        bencher.iter(|| next(black_box(&failure), black_box(tally), &settings, 0.5));
    });
}
