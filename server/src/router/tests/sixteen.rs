//! The sixteen faults of FailoverBench (fault catalogue, section 4), played at the primary with a
//! fallback behind it, at a tenth of their times. Every healthy answer is the same sixty words, so
//! that completeness is an exact comparison; conduct is counted at the providers.

use std::time::Instant;

use futures::future::join_all;

use super::super::*;
use super::bench::{Bench, ask, chat_end, chat_stream, context, piece, refusal, settings};
use super::scripted::Line;

/// A tenth of the ten seconds within which a healthy call must succeed after a fault.
const RECOVERY: Duration = Duration::from_secs(1);

/// What one fault came to, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Pass,
    /// Rescued, and an advisory check failed.
    Partial,
    /// Not rescued: a clean error within bounds.
    Safe,
    Fail,
}

/// What was seen of one fault.
struct Seen {
    result: Result<Answer, Failure>,
    /// When each request came to the primary.
    primary: Vec<Instant>,
    fallback: usize,
    took: Duration,
}

struct Case {
    id: &'static str,
    lines: Vec<Line>,
    fallback: Line,
    /// Whether conduct was as demanded, given a whole answer or a clean error.
    conduct: fn(&Seen) -> Mark,
}

fn words(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("word{n} ")).collect()
}

fn text() -> String {
    words(0, 60).concat()
}

fn pieces(count: usize) -> Vec<String> {
    words(0, count).iter().map(|word| piece(word)).collect()
}

fn healthy() -> Line {
    let words = words(0, 60);
    chat_stream(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn case(id: &'static str, lines: Vec<Line>, conduct: fn(&Seen) -> Mark) -> Case {
    Case {
        id,
        lines,
        fallback: healthy(),
        conduct,
    }
}

impl Seen {
    fn is_whole(&self) -> bool {
        self.result
            .as_ref()
            .is_ok_and(|answer| answer.text == text())
    }

    fn is_truncated_success(&self) -> bool {
        let cut = |answer: &Answer| answer.text != text() && answer.trace.incomplete.is_none();
        self.result.as_ref().is_ok_and(cut)
    }

    fn provider(&self) -> &str {
        self.result
            .as_ref()
            .map_or("", |answer| &answer.trace.provider)
    }

    fn code(&self) -> &str {
        self.result
            .as_ref()
            .err()
            .map_or("", |failure| failure.code)
    }

    /// Between the first two attempts.
    fn gap(&self) -> Duration {
        let pair = self.primary.get(..2);
        pair.map_or(Duration::ZERO, |pair| pair[1] - pair[0])
    }

    /// Rescued with, or without, what is advised.
    fn advised(&self, is_advised: bool) -> Mark {
        match (self.is_whole(), is_advised, &self.result) {
            (true, true, _) => Mark::Pass,
            (true, false, _) => Mark::Partial,
            (false, _, Err(_)) => Mark::Safe,
            (false, ..) => Mark::Fail,
        }
    }

    /// A clean error that names its cause, after one attempt and nowhere else.
    fn refused(&self, code: &str) -> Mark {
        match (self.primary.len(), self.fallback, self.code() == code) {
            (1, 0, true) => Mark::Pass,
            (1, _, _) => Mark::Partial,
            _ => Mark::Fail,
        }
    }
}

/// Faults before the answer.
fn before() -> Vec<Case> {
    let limit = r#"{"error":{"type":"engine_overloaded_error","message":"busy"}}"#;
    let long = r#"{"error":{"type":"invalid_request_error",
        "message":"Your request exceeded model token limit: 262144 (requested: 524288)"}}"#;
    let policy = r#"{"error":{"type":"content_filter","message":"considered high risk"}}"#;
    let named = Line::Headed(429, "retry-after: 2\r\n", limit.to_owned());
    vec![
        case("FB01", vec![named, healthy()], |seen| {
            let waited = seen.gap() >= Duration::from_millis(1800);
            seen.advised(seen.primary.len() == 2 && waited)
        }),
        case("FB02", vec![refusal(429, "")], |seen| {
            seen.advised(seen.primary.len() <= 4 && seen.provider() == "glm")
        }),
        case("FB03", vec![refusal(500, ""), healthy()], |seen| {
            seen.advised(seen.primary.len() == 2 && seen.fallback == 0)
        }),
        case("FB04", vec![refusal(503, "")], |seen| {
            seen.advised(seen.primary.len() <= 6 && seen.provider() == "glm")
        }),
        case("FB05", vec![Line::Drop, healthy()], |seen| {
            seen.advised(true)
        }),
        case("FB06", vec![Line::Silence], |seen| {
            seen.advised(seen.primary.len() == 1 && seen.took < Duration::from_secs(10))
        }),
        case("FB07", vec![Line::Stall(Vec::new())], |seen| {
            seen.advised(seen.took < Duration::from_millis(1500))
        }),
        case("FB12", vec![refusal(400, long)], |seen| {
            seen.refused("context_too_long")
        }),
        case("FB13", vec![refusal(400, policy)], |seen| {
            let failure = seen.result.as_ref().err();
            let says = failure.is_some_and(|one| one.message.contains("high risk"));
            seen.refused("content_filtered")
                .max(if says { Mark::Pass } else { Mark::Partial })
        }),
        case("FB16", vec![refusal(503, "")], |seen| {
            let trace = seen.result.as_ref().map(|answer| &answer.trace);
            let is_named = trace
                .as_ref()
                .is_ok_and(|trace| trace.model_used.starts_with("glm"));
            // The usage of the one attempt that answered, and of no other.
            let is_billed =
                trace.is_ok_and(|trace| (trace.usage.input, trace.usage.output) == (9, 3));
            let own = is_named && is_billed && seen.primary.len() <= 6;
            seen.advised(own)
        }),
    ]
}

/// Faults during the answer.
fn during() -> Vec<Case> {
    let mut odd = pieces(60);
    odd.insert(9, "data: {\"choices\":[{\"index\":0,\"del\n\n".to_owned());
    odd.push(chat_end());
    let mut endless = pieces(60);
    endless.push(chat_end().replace("data: [DONE]\n\n", ""));
    let mut whole = pieces(60);
    whole.push(chat_end());
    vec![
        case("FB08", vec![Line::Reset(pieces(40))], |seen| {
            seen.advised(true)
        }),
        case("FB09", vec![Line::Stall(pieces(20))], |seen| {
            seen.advised(seen.took < Duration::from_millis(4500))
        }),
        case("FB10", vec![Line::Stream(odd)], |seen| {
            seen.advised(seen.primary.len() == 1 && seen.fallback == 0)
        }),
        case("FB11", vec![Line::Stream(endless)], |seen| {
            let used = seen
                .result
                .as_ref()
                .map_or(0, |answer| answer.trace.usage.output);
            let in_time = seen.took < Duration::from_millis(800);
            seen.advised(seen.fallback == 0 && used == 3 && in_time)
        }),
        Case {
            fallback: Line::NoPrefill(whole),
            ..case("FB14", vec![Line::Reset(pieces(40))], |seen| {
                seen.advised(seen.fallback <= 1)
            })
        },
    ]
}

fn tenth() -> Settings {
    let mut settings = settings();
    for clocks in [&mut settings.clocks.prompt, &mut settings.clocks.thinking] {
        clocks.first_token = Duration::from_secs(1);
        clocks.idle = Duration::from_secs(1);
        clocks.total = Duration::from_secs(8);
    }
    settings
}

/// A fault ready to be played: what it takes to build its router does not run on its clocks.
async fn prepared(case: Case) -> (Bench, &'static str, fn(&Seen) -> Mark) {
    let bench = Bench::beside(case.lines, case.fallback, tenth()).await;
    (bench, case.id, case.conduct)
}

async fn play(
    (bench, id, conduct): (Bench, &'static str, fn(&Seen) -> Mark),
) -> (&'static str, Mark) {
    let began = Instant::now();
    let result = bench.ask().await;
    let seen = Seen {
        result,
        took: began.elapsed(),
        primary: bench.kimi.seen().iter().map(|one| one.at).collect(),
        fallback: bench.glm.seen().len(),
    };
    let mark = if seen.is_truncated_success() {
        Mark::Fail
    } else {
        conduct(&seen)
    };
    // The route that works goes on working, and the other one works again.
    let after = bench.router.ask(ask("glm-5-turbo", true), &context()).await;
    let is_well = after.is_ok_and(|answer| answer.text == text());
    let is_well = is_well && is_back(&bench).await;
    (id, if is_well { mark } else { Mark::Fail })
}

/// Whether the primary, well again, answers a healthy call within the recovery time.
async fn is_back(bench: &Bench) -> bool {
    bench.kimi.recover(healthy());
    let until = Instant::now() + RECOVERY;
    loop {
        let answer = bench.ask().await;
        let is_primary = |answer: Answer| answer.trace.provider == "kimi" && answer.text == text();
        let is_answered = answer.is_ok_and(is_primary);
        if is_answered || Instant::now() > until {
            return is_answered && Instant::now() <= until;
        }
    }
}

/// FB15: the primary is down for a while. Every call is answered meanwhile, and the primary is
/// used again soon after it has recovered.
async fn outage() -> (&'static str, Mark) {
    let mut settings = tenth();
    settings.breaker.first_open = Duration::from_millis(500);
    settings.breaker.max_open = Duration::from_secs(2);
    let mut lines = vec![refusal(503, ""); 8];
    lines.push(healthy());
    let bench = Bench::beside(lines, healthy(), settings).await;
    let mut mark = Mark::Pass;
    let deadline = Instant::now() + Duration::from_secs(9);
    let mut calls = 0;
    loop {
        let answer = bench.ask().await;
        calls += 1;
        let Ok(answer) = answer else {
            return ("FB15", Mark::Fail);
        };
        if answer.text != text() {
            return ("FB15", Mark::Fail);
        }
        if answer.trace.provider == "kimi" && calls >= 20 {
            break;
        }
        if Instant::now() > deadline {
            mark = Mark::Partial;
            break;
        }
    }
    ("FB15", mark)
}

#[tokio::test]
async fn at_least_fifteen_of_the_sixteen_faults_pass_and_none_fails() {
    let cases = before().into_iter().chain(during());
    let mut marks = Vec::new();
    for bench in join_all(cases.map(prepared)).await {
        marks.push(play(bench).await);
    }
    marks.push(outage().await);
    marks.sort_unstable();
    let count = |wanted| marks.iter().filter(|(_, mark)| *mark == wanted).count();
    let table: Vec<String> = marks
        .iter()
        .map(|(id, mark)| format!("{id} {mark:?}"))
        .collect();
    println!("{}", table.join("\n"));
    assert_eq!(marks.len(), 16);
    assert!(count(Mark::Pass) >= 15, "{marks:?}");
    assert_eq!((count(Mark::Fail), count(Mark::Safe)), (0, 0), "{marks:?}");
}

#[tokio::test]
async fn text_that_was_shown_before_the_break_never_ends_as_a_success() {
    for line in [
        Line::Reset(pieces(40)),
        Line::Stall(pieces(20)),
        Line::Stream(pieces(59)),
    ] {
        let bench = Bench::beside(vec![line], healthy(), tenth()).await;
        let (sender, mut shown) = tokio::sync::mpsc::channel(64);
        let context = CallContext {
            on_text: Some(sender),
            ..context()
        };
        let failure = bench
            .router
            .ask(ask("kimi-k2.6", true), &context)
            .await
            .unwrap_err();
        assert!(shown.recv().await.is_some());
        let says = "The text sent so far is not the whole answer.";
        assert!(failure.message.contains(says), "{failure:?}");
        assert_eq!(bench.counts(), (1, 0), "{failure:?}");
    }
}
