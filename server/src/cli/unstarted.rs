//! What a client is told by a process that could not start: the answer to its first request is the
//! sentence that standard error has.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::say;
use crate::failure::{Category, Failure};
use crate::protocol::caller::fresh_correlation_id;
use crate::protocol::reply;

/// How long the client's first request is waited for.
const WAIT: Duration = Duration::from_secs(5);

/// Bytes of that request; a longer one is not answered.
const LINE: u64 = 1 << 20;

/// Answers the first request on standard input with an error that says why, if one comes.
pub(super) fn tell(why: &str) {
    if std::io::stdin().is_terminal() {
        return;
    }
    let (sender, first) = mpsc::channel();
    // A blocked read cannot be interrupted; the thread ends with the process.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().take(LINE).read_line(&mut line);
        drop(read.map(|_| sender.send(line)));
    });
    let Ok(line) = first.recv_timeout(WAIT) else {
        return;
    };
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    if !request["method"].is_string() || request["id"].is_null() {
        return;
    }
    let message = format!("{why} (run `exai doctor`)");
    let failure = Failure::new(Category::ServerError, "not_started", message);
    let failure = failure.with_retryable(false);
    let data = reply::error_object(&failure, &fresh_correlation_id());
    let error = json!({"code": -32603, "message": failure.message, "data": data});
    say(&json!({"jsonrpc": "2.0", "id": request["id"], "error": error}).to_string());
}
