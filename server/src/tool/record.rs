//! Tools that look back: the calls of this process, and for administrators its log.

use jiff::Timestamp;

use super::call::Reply;
use super::journal::Entry;
use super::pages;
use super::run::Run;
use crate::failure::{Category, Failure};
use crate::observe::log;

/// The `activity` tool.
///
/// # Errors
/// A time that cannot be read, or the server's log for somebody who is no administrator.
pub fn activity(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    let most = arguments.whole("lines").map_or(200, |lines| lines as usize);
    let filter = arguments.text("filter").unwrap_or_default().to_lowercase();
    if arguments.text("source") == Some("server") {
        return server_log(&run, most, &filter);
    }
    let (since, until) = (time(&run, "since")?, time(&run, "until")?);
    let is_wanted = |entry: &Entry| {
        since.is_none_or(|since| entry.at >= since)
            && until.is_none_or(|until| entry.at <= until)
            && entry.line().to_lowercase().contains(&filter)
    };
    let found = run.around.journal.seen_by(&run, most, is_wanted);
    let is_structured = arguments.flag("structured", false);
    let lines: Vec<String> = found
        .iter()
        .map(|entry| match is_structured {
            true => serde_json::to_string(entry).unwrap_or_default(),
            false => entry.line(),
        })
        .collect();
    Ok(Reply::of_text(fitted(&run, &lines, "calls")))
}

/// The `toolcall_log_tail` tool.
///
/// # Errors
/// Any `path`: the record is held in memory.
pub fn call_log(run: Run<'_>) -> Result<Reply, Failure> {
    let arguments = run.arguments();
    if arguments.text("path").is_some() {
        let message = "/path: this server keeps its record of calls in memory and reads no file \
                       for it. Leave path out.";
        return Err(Failure::validation("/path", message).with_code("file_not_readable"));
    }
    let most = arguments.whole("n").map_or(20, |n| n as usize);
    let found = run.around.journal.seen_by(&run, most, |_| true);
    let lines: Vec<String> = found
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap_or_default())
        .collect();
    Ok(Reply::of_text(fitted(&run, &lines, "calls")))
}

fn server_log(run: &Run<'_>, most: usize, filter: &str) -> Result<Reply, Failure> {
    if !run.is_administrator() {
        let message = "The server's log holds the calls of everybody, so it is shown to \
                       administrators alone. Your own calls are in source activity.";
        let failure = Failure::new(Category::AuthError, "not_permitted", message);
        return Err(failure.with_retryable(false));
    }
    let mut lines = log::tail(most, |line| line.to_lowercase().contains(filter));
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    Ok(Reply::of_text(fitted(run, &lines, "lines of the log")))
}

/// The newest lines that fit one result, and how many did not.
fn fitted(run: &Run<'_>, lines: &[String], what: &str) -> String {
    let mut room = pages::limit(&run.around.settings.limits) / 2;
    let shown = lines
        .iter()
        .rev()
        .take_while(|line| {
            let length = line.chars().count() + 1;
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        })
        .count();
    let left_out = lines.len() - shown;
    if lines.is_empty() {
        return format!("No {what} of this process match.");
    }
    let mut text = lines[left_out..].join("\n");
    if left_out > 0 {
        text.insert_str(0, &format!("({left_out} older {what} left out)\n"));
    }
    text
}

fn time(run: &Run<'_>, name: &str) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = run.arguments().text(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        let message = format!("/{name} is no time such as 2026-01-31T08:00:00Z.");
        Failure::validation(format!("/{name}"), message)
    })
}
