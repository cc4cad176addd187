//! What a run says while it runs: one line per criterion, replaced in place on a terminal; plain
//! lines elsewhere, at a phase's begin and end and at most one every [`PLAIN_EVERY`] between.
//!
//! Progress says what was done and never how it was judged: verdicts come from the record alone.

mod board;

use std::io::{self, Write};
use std::time::Duration;

use tokio::sync::mpsc;

use board::Board;

/// Between two plain lines that no change of phase asks for.
pub const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Between two drawings of a live screen.
const LIVE_EVERY: Duration = Duration::from_millis(100);
/// Events waiting to be shown; further ones are dropped, since each replaces the one before.
const WAITING: usize = 1024;

/// Something a run has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The run begins.
    Began(Beginning),
    /// A part of the rig is up.
    BootStep {
        /// Such as `server` or `identity 9c1e…41af ✓`.
        what: String,
        /// How long it took, if that says anything.
        took_ms: Option<u64>,
    },
    /// A criterion's phase begins.
    PhaseBegan {
        /// The criterion.
        criterion: String,
        /// What the phase is called.
        phase: String,
        /// How many operations or events its floor asks for.
        target: u64,
    },
    /// A phase moved on.
    Advanced {
        /// The criterion.
        criterion: String,
        /// Done so far.
        done: u64,
        /// Of how many.
        of: u64,
        /// What is going on.
        note: String,
    },
    /// A phase is over.
    PhaseEnded {
        /// The criterion.
        criterion: String,
        /// What was done; no verdict.
        note: String,
    },
    /// Something worth a line of its own.
    Note(String),
}

/// What is known when a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The server's version.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// The profile.
    pub profile: String,
    /// The driver.
    pub driver: String,
    /// The store, behind the number of instances on it where there are several.
    pub store: String,
    /// The seed.
    pub seed: u64,
    /// The claim asked for.
    pub claim: String,
    /// The criteria that will have a line each, in order.
    pub criteria: Vec<String>,
    /// How long the profile is expected to take.
    pub planned: Duration,
}

/// The sending end: never waits, and never fails a run because nobody looks.
#[derive(Debug, Clone)]
pub struct Teller {
    sender: mpsc::Sender<Progress>,
}

impl Teller {
    /// Tells the screen. An event that finds the queue full is not shown.
    pub fn tell(&self, event: Progress) {
        // Losing one is harmless: the next of the same line replaces it.
        drop(self.sender.try_send(event));
    }
}

/// A teller and the receiver its screen reads.
#[must_use]
pub fn channel() -> (Teller, mpsc::Receiver<Progress>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Teller { sender }, receiver)
}

/// Shows events until every teller is gone. `elapsed` is the time since the run began.
///
/// # Errors
/// When the output cannot be written.
pub async fn follow<W: Write>(
    mut events: mpsc::Receiver<Progress>,
    mut screen: Screen<W>,
    elapsed: impl Fn() -> Duration,
) -> io::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => screen.take(&event, elapsed())?,
                None => return screen.finish(elapsed()),
            },
            _ = ticks.tick() => screen.tick(elapsed())?,
        }
    }
}

/// Where progress is drawn.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    board: Board,
    /// Columns of a live terminal; None for plain lines.
    columns: Option<usize>,
    drawn: usize,
    last: Option<Duration>,
}

impl<W: Write> Screen<W> {
    /// A terminal of so many columns, whose lines are replaced in place.
    pub fn live(out: W, columns: usize) -> Self {
        Self {
            out,
            board: Board::default(),
            columns: Some(columns),
            drawn: 0,
            last: None,
        }
    }

    /// A pipe or a file: lines are only ever added.
    pub fn plain(out: W) -> Self {
        Self {
            out,
            board: Board::default(),
            columns: None,
            drawn: 0,
            last: None,
        }
    }

    /// Shows one event.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn take(&mut self, event: &Progress, elapsed: Duration) -> io::Result<()> {
        self.board.apply(event);
        if let (Some(columns), Progress::Note(note)) = (self.columns, event) {
            self.erase()?;
            writeln!(self.out, "{}", board::fit(note, columns))?;
            return self.draw(columns, elapsed);
        }
        match self.columns {
            Some(columns) if self.is_due(LIVE_EVERY, elapsed) || changes_phase(event) => {
                self.draw(columns, elapsed)
            }
            Some(_) => Ok(()),
            None => self.add_line(event, elapsed),
        }
    }

    /// Redraws a live screen although nothing happened, so that its time moves.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn tick(&mut self, elapsed: Duration) -> io::Result<()> {
        match self.columns {
            Some(columns) if self.is_due(LIVE_EVERY, elapsed) => self.draw(columns, elapsed),
            _ => Ok(()),
        }
    }

    /// Removes a live screen: the final one says all of it again, with verdicts.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(&mut self, _elapsed: Duration) -> io::Result<()> {
        self.erase()?;
        self.out.flush()
    }

    fn is_due(&self, every: Duration, elapsed: Duration) -> bool {
        self.last
            .is_none_or(|last| elapsed.saturating_sub(last) >= every)
    }

    fn add_line(&mut self, event: &Progress, elapsed: Duration) -> io::Result<()> {
        if !changes_phase(event) && !self.is_due(PLAIN_EVERY, elapsed) {
            return Ok(());
        }
        self.last = Some(elapsed);
        for line in self.board.plain(event, elapsed) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    fn draw(&mut self, columns: usize, elapsed: Duration) -> io::Result<()> {
        self.erase()?;
        let lines = self.board.lines(columns, elapsed);
        for line in &lines {
            writeln!(self.out, "{line}")?;
        }
        self.drawn = lines.len();
        self.last = Some(elapsed);
        self.out.flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        if self.drawn > 0 {
            // Up to the first line drawn, then clear to the end of the screen.
            write!(self.out, "\u{1b}[{}A\r\u{1b}[J", self.drawn)?;
            self.drawn = 0;
        }
        Ok(())
    }
}

const fn changes_phase(event: &Progress) -> bool {
    !matches!(event, Progress::Advanced { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning() -> Progress {
        Progress::Began(Beginning {
            version: "0.1.0".to_owned(),
            commit: "4f1c9ae".to_owned(),
            profile: "quick".to_owned(),
            driver: "local".to_owned(),
            store: "redis".to_owned(),
            seed: 7,
            claim: "merge-ready".to_owned(),
            criteria: vec!["V.1".to_owned(), "V.2".to_owned()],
            planned: Duration::from_secs(240),
        })
    }

    fn events() -> Vec<(u64, Progress)> {
        let advanced = |done| Progress::Advanced {
            criterion: "V.1".to_owned(),
            done,
            of: 1000,
            note: "chat over stdio".to_owned(),
        };
        let mut events = vec![
            (0, beginning()),
            (
                0,
                Progress::BootStep {
                    what: "server".to_owned(),
                    took_ms: Some(41),
                },
            ),
            (
                0,
                Progress::BootStep {
                    what: "redis".to_owned(),
                    took_ms: Some(11),
                },
            ),
        ];
        events.push((
            1,
            Progress::PhaseBegan {
                criterion: "V.1".to_owned(),
                phase: "every tool".to_owned(),
                target: 1000,
            },
        ));
        events.extend((1..=25).map(|second| (second, advanced(second * 20))));
        events.push((
            26,
            Progress::PhaseEnded {
                criterion: "V.1".to_owned(),
                note: "1 000 calls over 4 transports".to_owned(),
            },
        ));
        events
    }

    fn shown(mut screen: Screen<Vec<u8>>, events: &[(u64, Progress)]) -> String {
        for (second, event) in events {
            screen
                .take(event, Duration::from_secs(*second))
                .expect("a vector takes anything");
        }
        String::from_utf8(screen.out).expect("text")
    }

    #[test]
    fn plain_lines_come_at_most_every_ten_seconds_within_a_phase() {
        let text = shown(Screen::plain(Vec::new()), &events());
        assert!(!text.contains('\u{1b}'), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_live_screen_replaces_its_lines_in_place() {
        let text = shown(Screen::live(Vec::new(), 100), &events()[..20]);
        let last = text
            .rsplit("\u{1b}[J")
            .next()
            .expect("at least one drawing");
        insta::assert_snapshot!(last);
        let erased = text.matches("\u{1b}[J").count();
        assert!(erased > 10, "drawn over {erased} times");
    }

    #[test]
    fn no_live_line_is_wider_than_its_terminal() {
        let text = shown(Screen::live(Vec::new(), 60), &events());
        for line in text
            .lines()
            .map(|line| line.rsplit("\u{1b}[J").next().unwrap_or(line))
        {
            assert!(line.chars().count() <= 60, "{line}");
        }
    }

    #[tokio::test]
    async fn a_screen_ends_when_its_last_teller_is_gone() {
        let (teller, receiver) = channel();
        for (_, event) in events() {
            teller.tell(event);
        }
        drop(teller);
        let mut out = Vec::new();
        follow(receiver, Screen::plain(&mut out), || Duration::ZERO)
            .await
            .expect("written");
        assert!(String::from_utf8_lossy(&out).contains("merge-ready"));
    }
}
