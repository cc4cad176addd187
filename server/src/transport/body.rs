//! A request's body, read whole under a size and a deadline before anything looks at it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

/// Each of these many bytes buys a second more.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Over the limit: 413.
    TooLarge,
    /// Two lengths, or bytes that did not come as announced: 400.
    Broken,
    /// Compressed, which is not accepted: 415.
    Encoded,
    /// Not whole in time: 408.
    TooSlow,
}

/// What the head says about the body, before a byte of it is read.
///
/// # Errors
/// When it will not be read.
pub fn announced(headers: &HeaderMap, limit: usize) -> Result<(), BodyError> {
    let length = headers.get(CONTENT_LENGTH);
    if length.is_some() && headers.contains_key(TRANSFER_ENCODING) {
        return Err(BodyError::Broken);
    }
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(BodyError::Encoded);
    }
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limit as u64 => Err(BodyError::TooLarge),
        _ => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes. `patience` is for the first bytes; each 64 KiB received
/// adds a second.
///
/// # Errors
/// When it is too large, too slow or broken.
pub async fn read<B>(body: B, limit: usize, patience: Duration) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let started = Instant::now();
    let mut body = body;
    let mut whole = BytesMut::new();
    loop {
        let earned = Duration::from_secs(whole.len() as u64 / BYTES_A_SECOND);
        let frame = tokio::time::timeout_at(started + patience + earned, body.frame()).await;
        let data = match frame.map_err(|_| BodyError::TooSlow)? {
            None => return Ok(whole.freeze()),
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if whole.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn the_limit_is_accepted_and_one_more_is_not() {
        let patience = Duration::from_secs(1);
        for (length, wanted) in [(10, Ok(10)), (11, Err(BodyError::TooLarge))] {
            let body = Full::new(Bytes::from(vec![b'x'; length]));
            assert_eq!(
                read(body, 10, patience).await.map(|body| body.len()),
                wanted
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_left_at_its_deadline() {
        let drips = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(b"x")))
        });
        let started = Instant::now();
        let body = StreamBody::new(Box::pin(drips));
        let got = read(body, 1000, Duration::from_secs(15)).await;
        assert_eq!(got, Err(BodyError::TooSlow));
        assert_eq!(started.elapsed().as_secs(), 15);
    }

    #[test]
    fn two_lengths_and_compression_are_refused_unread() {
        let headers = |pairs: &[(http::HeaderName, &'static str)]| {
            let value = |text| http::HeaderValue::from_static(text);
            pairs
                .iter()
                .map(|(name, text)| (name.clone(), value(text)))
                .collect::<HeaderMap>()
        };
        let both = headers(&[(CONTENT_LENGTH, "1"), (TRANSFER_ENCODING, "chunked")]);
        assert_eq!(announced(&both, 10), Err(BodyError::Broken));
        let zipped = headers(&[(CONTENT_ENCODING, "gzip")]);
        assert_eq!(announced(&zipped, 10), Err(BodyError::Encoded));
        assert_eq!(
            announced(&headers(&[(CONTENT_LENGTH, "11")]), 10),
            Err(BodyError::TooLarge)
        );
        assert_eq!(announced(&headers(&[(CONTENT_LENGTH, "10")]), 10), Ok(()));
    }
}
