//! What a place shows or keeps, and whether it was that place at all: a search through an empty
//! text, a refusal or another page finds nothing and proves nothing.

use std::io;
use std::path::Path;

use exai_harness::raw::RawReply;
use exai_harness::report::secrets::Secrets;

use super::super::super::asker::either;
use super::super::KEY;

/// A text, and what it lacks to be what that place shows.
#[derive(Debug)]
pub(super) struct Shown {
    text: String,
    lack: Option<String>,
}

impl Shown {
    /// A text in which `mark` stands whenever it comes from that place.
    pub(super) fn text(text: impl Into<String>, mark: &str) -> Self {
        let text = text.into();
        let lack = (!text.contains(mark)).then(|| format!("nothing of {mark}"));
        Self { text, lack }
    }

    /// A page or a tool's result: accepted, and of status 200.
    pub(super) fn reply(reply: &RawReply, mark: &str) -> Self {
        let mut shown = Self::text(String::from_utf8_lossy(&reply.body), mark);
        match (reply.status, reply.word()) {
            (Some(200), word) if word == "accepted" => {}
            (Some(status), word) if word == "accepted" => shown.lack = Some(status.to_string()),
            (_, word) => shown.lack = Some(word),
        }
        shown
    }

    /// Replies that must all be refusals, one of them with that mark.
    pub(super) fn refusals(replies: &[RawReply], mark: &str) -> Self {
        let all: String = replies.iter().map(text_of).collect();
        let is_none = |reply: &&RawReply| reply.status.is_none() || reply.word() == "accepted";
        let other = replies.iter().find(is_none).map(RawReply::word);
        let other = other.map(|word| format!("an error that is none: {word}"));
        Self::text(all, mark).lacking(other)
    }

    /// Every file below a folder.
    pub(super) fn folder(folder: &Path, mark: &str) -> Self {
        match kept(folder) {
            Ok(text) => Self::text(text, mark),
            Err(error) => Self {
                text: String::new(),
                lack: Some(format!("{}: {error}", folder.display())),
            },
        }
    }

    /// The same, which lacks this as well.
    pub(super) fn lacking(mut self, what: Option<String>) -> Self {
        self.lack = self.lack.or(what);
        self
    }

    pub(super) fn contains(&self, part: &str) -> bool {
        self.text.contains(part)
    }

    /// `accepted`, or why it is not what that place shows.
    pub(super) fn word(&self) -> &str {
        self.lack.as_deref().unwrap_or("accepted")
    }

    /// Whether a secret stands in it, and whether one would be found: the words of the attack and
    /// of its good case.
    pub(super) fn searched(&self, canaries: &Secrets, place: &str) -> (&'static str, String) {
        let is_found = |text: &str| canaries.scan(place, text).is_err();
        let found = either(is_found(&self.text), "a secret", "none");
        let control = match is_found(&format!("{} {KEY}", self.text)) {
            true => self.word(),
            false => "planted one not found",
        };
        (found, control.to_owned())
    }
}

/// Everything of a reply, headers and body.
pub(super) fn text_of(reply: &RawReply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    format!("{:?}\n{body}\n", reply.headers)
}

/// Everything in a folder, as text.
fn kept(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match read(&path) {
            Ok(one) => text.push_str(&one),
            // A running server may take a file away meanwhile, such as a store's log.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(text)
}

/// A file or all below a folder; a socket or a pipe keeps nothing.
fn read(path: &Path) -> io::Result<String> {
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return kept(path);
    }
    if !kind.is_file() {
        return Ok(String::new());
    }
    let bytes = std::fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(shown: &Shown) -> (&'static str, String) {
        shown.searched(&Secrets::new([KEY]).unwrap(), "a place")
    }

    fn page(status: u16, body: &str) -> RawReply {
        RawReply {
            status: Some(status),
            body: body.into(),
            ..RawReply::default()
        }
    }

    #[test]
    fn a_search_through_something_else_has_no_good_case() {
        let mark = "\"firing\":";
        let refusal = r#"{"error":{"code":-32000}}"#;
        for shown in [
            Shown::text("", mark),
            Shown::reply(&page(401, "{\"firing\":[]}"), mark),
            Shown::reply(&page(204, "{\"firing\":[]}"), mark),
            Shown::reply(&page(200, "{}"), mark),
            Shown::reply(&page(200, refusal), mark),
            Shown::reply(&RawReply::default(), mark),
            Shown::folder(Path::new("/no/such/folder"), mark),
            Shown::text("{\"firing\":[]}", mark).lacking(Some("a refusal".to_owned())),
        ] {
            let (found, good) = searched(&shown);
            assert_eq!(found, "none");
            assert_ne!(good, "accepted", "{shown:?}");
        }
    }

    #[test]
    fn what_a_place_shows_is_searched_whole() {
        let clean = Shown::reply(&page(200, "{\"firing\":[]}"), "\"firing\":");
        assert_eq!(searched(&clean), ("none", "accepted".to_owned()));
        let told = Shown::reply(&page(401, &format!("no: {KEY}")), "\"firing\":");
        assert_eq!(searched(&told), ("a secret", "401".to_owned()));
    }

    #[test]
    fn what_was_provoked_are_refusals_one_and_all() {
        let failed = page(
            200,
            r#"{"result":{"isError":true,"error":"provider_error"}}"#,
        );
        let denied = page(401, "no");
        let word =
            |replies: &[RawReply]| Shown::refusals(replies, "provider_error").word().to_owned();
        assert_eq!(word(&[failed.clone(), denied.clone()]), "accepted");
        for other in [page(200, "{}"), RawReply::default()] {
            assert_ne!(word(&[failed.clone(), other]), "accepted");
        }
        assert_ne!(word(&[denied]), "accepted");
        assert_ne!(word(&[]), "accepted");
    }

    #[test]
    fn every_file_below_a_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("audit"), "\"decision\":\"deny\"").unwrap();
        let mark = "\"decision\":\"deny\"";
        let clean = Shown::folder(folder.path(), mark);
        assert_eq!(searched(&clean), ("none", "accepted".to_owned()));
        std::fs::write(folder.path().join("below/one"), KEY).unwrap();
        let spoiled = Shown::folder(folder.path(), mark);
        assert_eq!(searched(&spoiled).0, "a secret");
    }
}
