//! A response body that holds something until it has been sent or dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// A body and what it holds.
pub struct Held<T> {
    body: Body,
    held: Option<T>,
}

impl<T: Send + Unpin + 'static> Held<T> {
    /// A body that drops `held` when it ends, or with itself.
    pub fn body(body: Body, held: T) -> Body {
        Body::new(Self {
            body,
            held: Some(held),
        })
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.held = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_a_body_holds_is_let_go_when_it_was_read() {
        let held = Arc::new(());
        let mut body = Held::body(Body::from("text"), Arc::clone(&held));
        assert_eq!(Arc::strong_count(&held), 2);
        while body.frame().await.is_some() {}
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
