//! B14 over stdio, the transport on which paths are read: nothing but plain files inside the
//! working directory, however they are named.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use super::super::asker::{either, pair};
use super::super::pipe::Pipe;
use super::super::stand_in::StandIn;
use super::super::way::{PIPE, word_of};
use super::arguments::reading;
use super::pipes::place;
use crate::stage::Stage;

/// What stands in files that may not be read.
const SECRET: &str = "no reader may have this line";
/// What stands in one that may.
const PLAIN: &str = "every reader may have this line";
/// The folder outside.
const OUTSIDE: &str = "pipe-bounds-outside";
/// What a path is refused with that may not be read.
const UNREAD: [&str; 2] = ["file_not_readable", "invalid_argument"];

/// Tries B14 on a pipe whose provider is the stand-in.
pub async fn try_all(stage: &Stage, pipe: &mut Pipe, provider: &StandIn) {
    let work = pipe.work().to_owned();
    let outside = work.parent().unwrap_or(&work).join(OUTSIDE);
    if let Err(error) = lay_out(&work, &outside) {
        stage.not_tested("V.6", format!("B14 over stdio: {error}"));
        return;
    }
    let absolute = outside.join("secret.txt").display().to_string();
    let long = "x/".repeat(5_000);
    let rows = [
        ("B14.parent", format!("../{OUTSIDE}/secret.txt")),
        ("B14.absolute", absolute.clone()),
        ("B14.encoded", format!("%2e%2e/{OUTSIDE}/secret.txt")),
        ("B14.scheme", format!("file://{absolute}")),
        ("B14.link", "link.txt".to_owned()),
        ("B14.link on the way", "folder/secret.txt".to_owned()),
        ("B14.dangling link", "dangling.txt".to_owned()),
        ("B14.pipe", "pipe".to_owned()),
        ("B14.device", "/dev/zero".to_owned()),
        ("B14.link to a device", "zero".to_owned()),
        ("B14.folder", ".".to_owned()),
        ("B14.unreadable", "locked.txt".to_owned()),
        ("B14.drive", "C:\\Windows\\win.ini".to_owned()),
        ("B14.share", "\\\\server\\share\\file".to_owned()),
        ("B14.nul", "plain.txt\0".to_owned()),
        ("B14.long", long),
    ];
    for (number, (id, path)) in (500..).zip(rows) {
        let ask = reading(&format!("What is in it? {number}"), &json!(path));
        let said = pipe.ask(number, "chat", ask).await;
        let has_leaked = provider.heard().contains(SECRET) || said.to_string().contains(SECRET);
        let bad = either(has_leaked, "read", &word_of(&said)).to_owned();
        let good = inside(pipe, number + 100, provider).await;
        pair(stage, (id, PIPE), (&bad, &UNREAD), (&good, &["accepted"]));
    }
}

/// A plain file and a link to it are read.
async fn inside(pipe: &mut Pipe, number: u64, provider: &StandIn) -> String {
    let before = provider.heard().matches(PLAIN).count();
    let path = if number.is_multiple_of(2) {
        "plain.txt"
    } else {
        "inner.txt"
    };
    let ask = reading(&format!("What is in it? {number}"), &json!(path));
    let said = word_of(&pipe.ask(number, "chat", ask).await);
    let is_read = provider.heard().matches(PLAIN).count() > before;
    either(is_read, &said, "not read").to_owned()
}

/// Files to read and not to read: inside, outside, and inside for somebody else.
fn lay_out(work: &Path, outside: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(outside)?;
    std::fs::write(outside.join("secret.txt"), SECRET)?;
    place(&work.join("plain.txt"), PLAIN)?;
    symlink("plain.txt", work.join("inner.txt"))?;
    symlink(outside.join("secret.txt"), work.join("link.txt"))?;
    symlink(outside, work.join("folder"))?;
    symlink(outside.join("absent.txt"), work.join("dangling.txt"))?;
    symlink("/dev/zero", work.join("zero"))?;
    mkfifo(&work.join("pipe"), Mode::from_bits_truncate(0o666))?;
    let locked = work.join("locked.txt");
    std::fs::write(&locked, SECRET)?;
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000))
}
