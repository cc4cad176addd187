//! Which way a file goes to a model, by its size, its type and who reads it.

use super::Held;
use super::fault::FileError;
use crate::config::Files;

/// The way of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Its text stands in the question itself.
    Embed,
    /// Sent to the provider from memory, read back as text.
    Direct,
    /// Sent to the provider piece by piece from disk, read back as text.
    Gateway,
}

impl Route {
    /// `embed`, `direct` or `gateway`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Direct => "direct",
            Self::Gateway => "gateway",
        }
    }
}

/// Who turns the file into text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Kimi, which keeps files for chats to read.
    Kimi,
    /// Nobody: GLM keeps files that no chat can read, so the text goes into the question.
    Nobody,
}

/// Chooses.
///
/// # Errors
/// `TooLarge` for that provider, and `Type` for a file that is no text and that nobody reads.
pub fn choose(held: &Held, reader: Reader, files: &Files) -> Result<Route, FileError> {
    let most = match reader {
        Reader::Kimi => files.kimi_bytes,
        Reader::Nobody => files.glm_bytes,
    };
    if held.bytes > most {
        return Err(FileError::TooLarge { most });
    }
    let is_text = held.kind.starts_with("text/") || held.kind == "application/json";
    match reader {
        Reader::Nobody if is_text => Ok(Route::Embed),
        Reader::Nobody => Err(FileError::Type(format!("{} without Kimi", held.kind))),
        Reader::Kimi if is_text && held.bytes < files.embed_below => Ok(Route::Embed),
        Reader::Kimi if held.bytes < files.gateway_from => Ok(Route::Direct),
        Reader::Kimi => Ok(Route::Gateway),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Digest;

    #[test]
    fn each_boundary_takes_the_documented_way() {
        const KB: u64 = 1024;
        const MB: u64 = 1024 * 1024;
        let files = crate::config::Config::from_toml("").unwrap().files;
        let way = |kind: &str, bytes, reader| {
            let held = Held {
                digest: Digest::of(b""),
                name: "a".to_owned(),
                kind: kind.to_owned(),
                bytes,
            };
            choose(&held, reader, &files).map_or("refused", Route::name)
        };
        let text = "text/plain";
        let table = [
            (50 * KB - 1, "embed"),
            (50 * KB, "direct"),
            (512 * KB, "direct"),
            (5 * MB - 1, "direct"),
            (5 * MB, "gateway"),
            (100 * MB, "gateway"),
            (100 * MB + 1, "refused"),
        ];
        for (bytes, wanted) in table {
            assert_eq!(way(text, bytes, Reader::Kimi), wanted, "{bytes}");
        }
        assert_eq!(way("application/pdf", 10, Reader::Kimi), "direct");
        assert_eq!(way("application/pdf", 10, Reader::Nobody), "refused");
        assert_eq!(way(text, 20 * MB, Reader::Nobody), "embed");
        assert_eq!(way(text, 20 * MB + 1, Reader::Nobody), "refused");
    }
}
