//! Images as arguments. The type is read from the bytes, not from a name.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::file::{Reader, inline};
use crate::failure::Failure;
use crate::router::ask::Image;

/// Reads the images of one argument; `at` is its JSON pointer.
///
/// # Errors
/// `image_not_base64`, `image_type`, `image_too_large`, or what reading a path gives.
pub async fn read(reader: &Reader, items: &[Value], at: &str) -> Result<Vec<Image>, Failure> {
    let mut images = Vec::with_capacity(items.len());
    let most = reader.image_bytes();
    let mut total = 0;
    for (n, item) in items.iter().enumerate() {
        let at = format!("{at}/{n}");
        let bytes = match (inline(item), item.as_str()) {
            (Some((_, content)), _) => decode(content, &at)?,
            (None, Some(url)) if url.starts_with("data:") => decode(url, &at)?,
            _ => reader.path(item, &at, most).await?.bytes,
        };
        total += bytes.len();
        if total > most {
            let message = format!("{at}: the images of one call may hold {most} bytes together.");
            return Err(Failure::validation(at, message).with_code("image_too_large"));
        }
        let Some(media_type) = media_type(&bytes) else {
            let message = format!("{at} is no PNG, JPEG, GIF or WebP image.");
            return Err(Failure::validation(at, message).with_code("image_type"));
        };
        images.push(Image {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        });
    }
    Ok(images)
}

fn decode(content: &str, at: &str) -> Result<Vec<u8>, Failure> {
    // A data URL carries its base64 after the comma.
    let text = match content.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map_or("", |(_, text)| text),
        None => content,
    };
    BASE64_STANDARD.decode(text.trim()).map_err(|_| {
        let message = format!("{at}: the content is not base64 text.");
        Failure::validation(at, message).with_code("image_not_base64")
    })
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ if is_webp => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::caller::Transport;
    use serde_json::json;

    #[tokio::test]
    async fn the_type_comes_from_the_bytes() {
        let reader = Reader::new(
            Transport::Http,
            &crate::config::Config::from_toml("").unwrap().files,
        );
        let png = BASE64_STANDARD.encode(b"\x89PNG\r\n\x1a\nrest");
        for item in [
            json!({"name": "a.jpg", "content": png}),
            json!(format!("data:image/gif;base64,{png}")),
        ] {
            let images = read(&reader, &[item], "/images").await.unwrap();
            assert_eq!(images[0].media_type, "image/png");
            assert!(images[0].bytes.ends_with(b"rest"));
        }
        let cases = [
            (
                json!({"name": "a.png", "content": "%%"}),
                "image_not_base64",
            ),
            (json!({"name": "a.png", "content": "QUJD"}), "image_type"),
            (json!("/etc/hostname"), "file_not_readable"),
        ];
        for (item, code) in cases {
            assert_eq!(
                read(&reader, &[item], "/images").await.unwrap_err().code,
                code
            );
        }
    }
}
