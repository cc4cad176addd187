//! The files that Kimi keeps for a key (`specs/providers.md` section 1.1): taken as a form, listed,
//! described, read back as extracted text, deleted. Nothing of it is journalled, for no answer of
//! a model depends on it but through the text that comes back in a chat; it is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::desk::{json_head, refused};
use crate::provider::Route;
use crate::refusal::Refusal;
use crate::reply::{Head, Reply};
use crate::request::Request;

/// Below the root of the API.
const PATH: &str = "/v1/files";

/// The vendor's bounds: bytes of a file, files of a user, bytes of all of them.
const FILE_BYTES: usize = 100 * 1024 * 1024;
const FILES: usize = 1000;
const TOTAL_BYTES: usize = 10 * 1024 * 1024 * 1024;

/// What a file may be kept for.
const PURPOSES: [&str; 4] = ["file-extract", "image", "video", "batch"];

/// What text is extracted from, as the vendor lists it.
const READ: [&str; 60] = [
    "pdf", "txt", "csv", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "md", "jpeg", "jpg", "png",
    "bmp", "gif", "svg", "svgz", "webp", "ico", "xbm", "dib", "pjp", "tif", "pjpeg", "avif", "dot",
    "apng", "epub", "tiff", "jfif", "html", "json", "mobi", "log", "go", "h", "c", "cpp", "cxx",
    "cc", "cs", "java", "js", "css", "jsp", "php", "py", "py3", "asp", "yaml", "yml", "ini",
    "conf", "ts", "tsx", "htm", "xml", "toml", "sh", "rtf",
];

/// One file.
#[derive(Debug, Clone)]
struct Kept {
    id: String,
    key: String,
    name: String,
    purpose: String,
    bytes: Vec<u8>,
    created: u64,
}

#[derive(Debug, Default)]
struct Rows {
    kept: Vec<Kept>,
    uploads: u64,
    deleted: u64,
}

/// All files of one simulator.
#[derive(Debug, Default)]
pub struct Shelf {
    rows: Mutex<Rows>,
}

/// A form's two fields.
struct Form {
    purpose: String,
    name: String,
    bytes: Vec<u8>,
}

impl Shelf {
    /// Whether a path is one of these.
    #[must_use]
    pub fn has(path: &str) -> bool {
        path == PATH || path.starts_with("/v1/files/")
    }

    /// Answers a request of a key that is good.
    #[must_use]
    pub fn answer(&self, key: &str, request: &Request, unix: u64) -> Reply {
        let rest = request.path.strip_prefix(PATH).unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        let answer = match (request.method.as_str(), parts.as_slice()) {
            ("POST", []) => self.take(key, request, unix),
            ("GET", []) => Ok(self.list(key)),
            ("GET", [id]) => self.find(key, id).map(|kept| kept.told()),
            ("DELETE", [id]) => self.delete(key, id),
            ("GET", [id, "content"]) => {
                return match self.find(key, id).and_then(|kept| kept.text()) {
                    Ok(text) => Reply::whole(Head::new(200, "text/plain"), text.as_bytes()),
                    Err(refusal) => refused(&refusal),
                };
            }
            _ => Err(missing(&request.path)),
        };
        match answer {
            Ok(body) => Reply::whole(json_head(Route::KimiChat, 200), body.to_string().as_bytes()),
            Err(refusal) => refused(&refusal),
        }
    }

    /// How many were taken, are kept and were deleted.
    #[must_use]
    pub fn counters(&self) -> Value {
        let rows = self.rows();
        json!({"uploads": rows.uploads, "kept": rows.kept.len(), "deleted": rows.deleted})
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key: &str, request: &Request, unix: u64) -> Result<Value, Refusal> {
        let form = Form::read(request).map_err(invalid)?;
        form.check().map_err(invalid)?;
        let mut rows = self.rows();
        let own = rows.kept.iter().filter(|kept| kept.key == key);
        let (count, total) = own.fold((0, 0), |(n, sum), kept| (n + 1, sum + kept.bytes.len()));
        if count >= FILES {
            return Err(invalid("the number of files exceeds the limit of 1000"));
        }
        if total + form.bytes.len() > TOTAL_BYTES {
            return Err(invalid("the total size of files exceeds the limit of 10GB"));
        }
        rows.uploads += 1;
        let kept = Kept {
            id: format!("file-{:020}", rows.uploads),
            key: key.to_owned(),
            name: form.name,
            purpose: form.purpose,
            bytes: form.bytes,
            created: unix,
        };
        let told = kept.told();
        rows.kept.push(kept);
        Ok(told)
    }

    fn list(&self, key: &str) -> Value {
        let rows = self.rows();
        let own = rows.kept.iter().filter(|kept| kept.key == key);
        json!({"object": "list", "data": own.map(Kept::told).collect::<Vec<_>>()})
    }

    fn find(&self, key: &str, id: &str) -> Result<Kept, Refusal> {
        let rows = self.rows();
        let mut own = rows.kept.iter().filter(|kept| kept.key == key);
        own.find(|kept| kept.id == id)
            .cloned()
            .ok_or_else(|| missing(id))
    }

    fn delete(&self, key: &str, id: &str) -> Result<Value, Refusal> {
        let mut rows = self.rows();
        let before = rows.kept.len();
        rows.kept.retain(|kept| kept.key != key || kept.id != id);
        if rows.kept.len() == before {
            return Err(missing(id));
        }
        rows.deleted += 1;
        Ok(json!({"id": id, "object": "file", "deleted": true}))
    }
}

impl Kept {
    fn told(&self) -> Value {
        json!({
            "id": self.id,
            "object": "file",
            "bytes": self.bytes.len(),
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "ready",
            "status_details": "",
        })
    }

    /// The text extracted. Of what is no text the printable runs, as a reader of scans would find
    /// some words and miss the rest.
    fn text(&self) -> Result<String, Refusal> {
        if self.purpose != "file-extract" {
            return Err(invalid(
                "content is available for purpose file-extract only",
            ));
        }
        if let Ok(text) = std::str::from_utf8(&self.bytes) {
            return Ok(text.to_owned());
        }
        let is_print = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let runs = self
            .bytes
            .split(|byte| !is_print(byte))
            .filter(|run| run.len() > 3);
        let runs: Vec<_> = runs.map(String::from_utf8_lossy).collect();
        Ok(runs.join("\n"))
    }
}

impl Form {
    /// Reads `multipart/form-data` (RFC 7578).
    fn read(request: &Request) -> Result<Self, &'static str> {
        let kind = request.header("content-type").unwrap_or_default();
        let boundary = kind
            .strip_prefix("multipart/form-data")
            .and_then(|rest| rest.split("boundary=").nth(1))
            .ok_or("the request is no multipart/form-data")?;
        let mark = format!("--{}", boundary.trim_matches('"'));
        let (mut purpose, mut file) = (None, None);
        for part in parts(&request.body, mark.as_bytes())? {
            let end = find(part, b"\r\n\r\n").ok_or("a part has no head")?;
            let (head, body) = part.split_at(end);
            let (head, body) = (String::from_utf8_lossy(head), &body[4..]);
            let field = |name: &str| {
                let from = head.split(&format!(" {name}=\"")).nth(1)?;
                from.split('"').next().map(str::to_owned)
            };
            match field("name").as_deref() {
                Some("purpose") => purpose = String::from_utf8(body.to_vec()).ok(),
                Some("file") => {
                    let name = field("filename").ok_or("file has no filename")?;
                    file = Some((name, body.to_vec()));
                }
                _ => {}
            }
        }
        let (name, bytes) = file.ok_or("file is required")?;
        let purpose = purpose.ok_or("purpose is required")?;
        Ok(Self {
            purpose,
            name,
            bytes,
        })
    }

    fn check(&self) -> Result<(), &'static str> {
        let extension = self
            .name
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        let extension = extension.to_ascii_lowercase();
        if !PURPOSES.contains(&self.purpose.as_str()) {
            return Err("invalid purpose: use file-extract, image, video or batch");
        }
        if self.bytes.is_empty() {
            return Err("the file is empty");
        }
        if self.bytes.len() > FILE_BYTES {
            return Err("the file exceeds the limit of 100MB");
        }
        if self.purpose == "file-extract" && !READ.contains(&extension.as_str()) {
            return Err("unsupported file type");
        }
        Ok(())
    }
}

/// What stands between the marks; the last mark ends with two hyphens.
fn parts<'a>(body: &'a [u8], mark: &[u8]) -> Result<Vec<&'a [u8]>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = body
        .strip_prefix(mark)
        .ok_or("the body does not begin with its boundary")?;
    let next = [b"\r\n", mark].concat();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, &next).ok_or("a part does not end")?;
        let (part, after) = part.split_at(end);
        parts.push(part);
        rest = &after[next.len()..];
    }
    if rest.starts_with(b"--") {
        Ok(parts)
    } else {
        Err("the last boundary is missing")
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|one| one == what)
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::kimi(
        400,
        "invalid_request_error",
        format!("Invalid request: {message}"),
    )
}

fn missing(what: &str) -> Refusal {
    let message = format!("Not found the file {what} or Permission denied");
    Refusal::kimi(404, "resource_not_found_error", message)
}

#[cfg(test)]
mod tests;
