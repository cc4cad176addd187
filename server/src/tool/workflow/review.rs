//! The expert pass: one question made of everything a workflow collected, asked once for equal
//! content.

use std::time::Instant;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::config::Tools;
use crate::failure::{Category, Failure};
use crate::memo::Memo;
use crate::router::ask::{Answer, Ask, Speaker, Usage};
use crate::tool::run::Run;
use crate::tool::turnstile::Turnstile;

/// Reviews given lately by this process, by principal, tool and content; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reviews {
    kept: Memo<String, Answer>,
    turnstile: Turnstile,
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
            kept: Memo::new(settings.review_entries, settings.review_ttl),
            turnstile: Turnstile::default(),
        }
    }

    /// Forgets every review.
    pub fn clear(&self) {
        self.kept.clear();
    }

    /// The review kept under `key`, the one being made under it, or a new one.
    async fn once<F>(&self, key: String, ask: impl FnOnce() -> F) -> Result<Review, Failure>
    where
        F: Future<Output = Result<Answer, Failure>>,
    {
        let _pass = self.turnstile.enter(key.clone()).await;
        if let Some(answer) = self.kept.find(&key, Instant::now()) {
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

    /// Half an answer should be asked for again.
    fn keep(&self, key: String, given: Instant, answer: &Answer) {
        if answer.trace.incomplete.is_none() {
            self.kept.keep(key, answer.clone(), given);
        }
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
    fn a_review_is_kept_for_its_time_and_half_a_review_never() {
        let settings = crate::config::Config::from_toml("").unwrap().tools;
        let reviews = Reviews::new(&settings);
        let start = Instant::now();
        let find = |key: &str, now| reviews.kept.find(&key.to_owned(), now);
        reviews.keep("a".into(), start, &answer("A"));
        assert_eq!(find("a", start).unwrap().text, "A");
        assert!(find("a", start + settings.review_ttl).is_none());
        let mut half = answer("half");
        half.trace.incomplete = Some("length".into());
        reviews.keep("d".into(), start, &half);
        assert!(find("d", start).is_none());
    }
}
