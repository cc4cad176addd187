//! Progress on standard error: lines replaced in place on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use exai_harness::clock::RunClock;
use exai_harness::report::progress::{self, Progress, Screen};
use tokio::sync::mpsc;

/// Columns where the terminal does not say.
const COLUMNS: usize = 100;

/// Shows events until the last teller has gone. A screen that cannot be written to is not worth a
/// run, so its errors end the showing and nothing else.
pub async fn follow(events: mpsc::Receiver<Progress>, is_quiet: bool, clock: RunClock) {
    let elapsed = move || Duration::from_nanos(clock.now());
    let out = std::io::stderr();
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let shown = if is_quiet {
        progress::follow(events, Screen::plain(std::io::sink()), elapsed).await
    } else if out.is_terminal() && !dumb {
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        let screen = Screen::live(out, columns.unwrap_or(COLUMNS));
        progress::follow(events, screen, elapsed).await
    } else {
        progress::follow(events, Screen::plain(out), elapsed).await
    };
    drop(shown);
}
