//! A POST that stays silent becomes an event stream with comments in it.
//!
//! Balancers and clients give up on a connection that says nothing for a minute, and the protocol
//! library sends no head before a stateless call has its first message. So the call is raced with a
//! clock: when the clock wins, the head of an event stream goes out, a comment follows at once and
//! every few seconds, and the answer comes as an event when it is there. Dropping the response
//! drops the call.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Interval, MissedTickBehavior};

/// A comment in an event stream; clients skip it.
const COMMENT: &[u8] = b": working\n\n";

/// The answer being waited for.
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Waits for the answer, or turns to a stream after `after`, with a comment every `every`.
pub async fn patient(answer: Answer, after: Duration, every: Duration) -> Response<Body> {
    let mut answer = answer;
    if let Ok(response) = tokio::time::timeout(after, &mut answer).await {
        return response;
    }
    let mut comments = tokio::time::interval(every);
    comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut response = Response::new(Body::new(Waiting {
        state: State::Waiting(answer),
        comments,
    }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

enum State {
    Waiting(Answer),
    /// A JSON answer being collected, to be sent as one event.
    Collecting(Pin<Box<dyn Future<Output = Result<Bytes, axum::Error>> + Send>>),
    /// An event stream being passed on.
    Passing(Body),
    Done,
}

struct Waiting {
    state: State,
    comments: Interval,
}

impl Waiting {
    fn next(response: Response<Body>) -> State {
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes);
        let is_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        let body = response.into_body();
        if is_stream {
            return State::Passing(body);
        }
        State::Collecting(Box::pin(async move {
            body.collect().await.map(|whole| whole.to_bytes())
        }))
    }

    fn poll_state(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            match &mut self.state {
                State::Waiting(answer) => {
                    let response = ready!(answer.as_mut().poll(cx));
                    self.state = Self::next(response);
                }
                State::Collecting(whole) => {
                    let whole = ready!(whole.as_mut().poll(cx));
                    self.state = State::Done;
                    match whole {
                        Ok(whole) if whole.is_empty() => {}
                        Ok(whole) => return Poll::Ready(Some(Ok(Frame::data(event(&whole))))),
                        // The connection breaks: an end without an answer would look like one.
                        Err(cause) => {
                            tracing::warn!(%cause, "an answer broke off");
                            return Poll::Ready(Some(Err(cause)));
                        }
                    }
                }
                State::Passing(body) => return Pin::new(body).poll_frame(cx),
                State::Done => return Poll::Ready(None),
            }
        }
    }
}

/// One event; its data may not hold a bare line end.
fn event(data: &[u8]) -> Bytes {
    let mut text = b"event: message\n".to_vec();
    for line in data.split(|byte| *byte == b'\n') {
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.into()
}

impl HttpBody for Waiting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = self.poll_state(cx) {
            return Poll::Ready(frame);
        }
        // Once a stream is passed on it brings its own comments.
        if matches!(self.state, State::Passing(_)) {
            return Poll::Pending;
        }
        ready!(self.comments.poll_tick(cx));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn slow(seconds: u64, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
        let body = body.into();
        let answer: Answer = Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let mut response = Response::new(body);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        });
        patient(answer, Duration::from_secs(2), Duration::from_secs(10)).await
    }

    async fn text(response: Response<Body>) -> String {
        let whole = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(whole.to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_answer_is_left_alone() {
        let response = slow(1, "application/json", "{}").await;
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(text(response).await, "{}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_comes_as_an_event_after_comments() {
        let response = slow(35, "application/json", "{\"id\":1}").await;
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        let text = text(response).await;
        assert_eq!(text.matches(": working\n\n").count(), 4, "{text}");
        assert!(
            text.ends_with("event: message\ndata: {\"id\":1}\n\n"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_that_breaks_off_breaks_the_stream() {
        let pieces = [
            Ok(Bytes::from_static(b"{\"id\":")),
            Err(std::io::Error::other("gone")),
        ];
        let body = Body::from_stream(futures::stream::iter(pieces));
        let response = slow(5, "application/json", body).await;
        assert!(response.into_body().collect().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_stream_is_passed_on_byte_for_byte() {
        let text = text(slow(5, "text/event-stream", "data: x\n\n").await).await;
        assert_eq!(text, ": working\n\ndata: x\n\n");
    }
}
