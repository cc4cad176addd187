//! The expert pass: one question made of everything a workflow collected, asked once for equal
//! content.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::config::Tools;
use crate::failure::{Category, Failure};
use crate::router::ask::{Answer, Ask, Speaker, Usage};
use crate::tool::run::Run;
use crate::tool::turnstile::Turnstile;

/// Reviews given lately by this process, by principal, tool and content; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reviews {
    kept: Arc<Mutex<VecDeque<Kept>>>,
    turnstile: Turnstile,
    entries: usize,
    ttl: Duration,
}

#[derive(Debug)]
struct Kept {
    key: String,
    given: Instant,
    answer: Answer,
}

/// A review and whether it was given before.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) answer: Answer,
    pub(super) is_kept: bool,
}

impl Reviews {
    /// As many, for as long, as the configuration says.
    #[must_use]
    pub fn new(settings: &Tools) -> Self {
        Self {
            kept: Arc::default(),
            turnstile: Turnstile::default(),
            entries: settings.review_entries,
            ttl: settings.review_ttl,
        }
    }

    /// Forgets every review.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The review kept under `key`, the one being made under it, or a new one.
    async fn once<F>(&self, key: String, ask: impl FnOnce() -> F) -> Result<Review, Failure>
    where
        F: Future<Output = Result<Answer, Failure>>,
    {
        let _pass = self.turnstile.enter(key.clone()).await;
        if let Some(answer) = self.find(&key, Instant::now()) {
            return Ok(Review {
                answer,
                is_kept: true,
            });
        }
        let answer = ask().await?;
        self.keep(key, Instant::now(), &answer);
        Ok(Review {
            answer,
            is_kept: false,
        })
    }

    /// Finds a review and makes it the last to go.
    fn find(&self, key: &str, now: Instant) -> Option<Answer> {
        let mut kept = self.lock();
        kept.retain(|one| now.saturating_duration_since(one.given) < self.ttl);
        let place = kept.iter().position(|one| one.key == key)?;
        let found = kept.remove(place)?;
        let answer = found.answer.clone();
        kept.push_back(found);
        Some(answer)
    }

    fn keep(&self, key: String, given: Instant, answer: &Answer) {
        // Half an answer should be asked for again.
        if self.entries == 0 || answer.trace.incomplete.is_some() {
            return;
        }
        let mut kept = self.lock();
        while kept.len() >= self.entries {
            kept.pop_front();
        }
        let answer = answer.clone();
        kept.push_back(Kept { key, given, answer });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for a review, unless the same principal had one of the same content lately.
///
/// # Errors
/// What the router refuses; a clock that fired is `analysis_timeout`.
pub(super) async fn ask(run: &Run<'_>, question: Ask) -> Result<Review, Failure> {
    let reviews = &run.around.reviews;
    let asking = || {
        let cancel = run.call.cancel.child_token();
        run.ask(question.clone(), cancel)
    };
    // What the web says may change within the hour.
    let review = if question.websearch || run.call.is_fresh {
        let answer = asking().await;
        answer.map(|answer| Review {
            answer,
            is_kept: false,
        })
    } else {
        reviews.once(key_of(run.owner(), &question), asking).await
    };
    let mut review = review.map_err(not_reviewed)?;
    if !review.is_kept {
        run.around.metrics.cache_miss("review");
    }
    if review.is_kept {
        run.around.metrics.cache_hit("review");
        let trace = &mut review.answer.trace;
        "review_kept".clone_into(&mut trace.reason);
        trace.attempts.clear();
        trace.usage = Usage::default();
        trace.cost_usd = Some(0.0);
        trace.elapsed_ms = u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
    Ok(review)
}

fn not_reviewed(mut failure: Failure) -> Failure {
    if failure.category == Category::TimeoutError {
        failure.code = "analysis_timeout";
    }
    if failure.retryable {
        failure.message.push_str(
            " The step was not kept: send it again, or with use_assistant_model false to end \
             without a review.",
        );
    }
    failure
}

/// Everything that decides what a review says; principals never share one.
fn key_of(principal: &str, question: &Ask) -> String {
    let digest = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let messages: Vec<_> = question
        .messages
        .iter()
        .map(|message| {
            let images: Vec<String> = message.images.iter().map(|i| digest(&i.bytes)).collect();
            let is_caller = message.speaker == Speaker::User;
            json!([is_caller, message.text, images])
        })
        .collect();
    let (model, temperature) = (&question.model, question.temperature);
    let key = json!([
        principal,
        question.tool,
        question.system,
        model,
        temperature,
        question.thinking,
        messages
    ]);
    digest(key.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        let ask = Ask {
            tool: "analyze",
            model: None,
            provider: None,
            system: String::new(),
            messages: Vec::new(),
            temperature: None,
            thinking: None,
            websearch: false,
            max_output_tokens: None,
            kind: crate::router::ask::CallKind::Expert,
            stream: false,
        };
        crate::tool::tests::answer(&ask, text.to_owned())
    }

    #[test]
    fn the_review_used_longest_ago_goes_first_and_an_old_one_is_not_found() {
        let mut settings = crate::config::Config::from_toml("").unwrap().tools;
        settings.review_entries = 2;
        let reviews = Reviews::new(&settings);
        let start = Instant::now();
        reviews.keep("a".into(), start, &answer("A"));
        reviews.keep("b".into(), start, &answer("B"));
        assert_eq!(reviews.find("a", start).unwrap().text, "A");
        reviews.keep("c".into(), start, &answer("C"));
        assert!(reviews.find("b", start).is_none());
        assert!(reviews.find("a", start).is_some());
        assert!(reviews.find("a", start + settings.review_ttl).is_none());
        let mut half = answer("half");
        half.trace.incomplete = Some("length".into());
        reviews.keep("d".into(), start, &half);
        assert!(reviews.find("d", start).is_none());
    }
}
