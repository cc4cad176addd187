//! The state behind a progress screen and the lines it stands in.

use std::time::Duration;

use crate::report::progress::{Beginning, Progress};
use crate::report::wording;

/// Characters of a bar.
const BAR: usize = 20;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Board {
    beginning: Option<Beginning>,
    boot: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    criterion: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Running { done: u64, of: u64, note: String },
    Done { note: String },
}

impl Board {
    pub(super) fn apply(&mut self, event: &Progress) {
        match event {
            Progress::Began(beginning) => {
                let row = |criterion: &String| Row {
                    criterion: criterion.clone(),
                    state: State::Waiting,
                };
                self.rows = beginning.criteria.iter().map(row).collect();
                self.beginning = Some(beginning.clone());
            }
            Progress::BootStep { what, took_ms } => self.boot.push(match took_ms {
                Some(ms) => format!("{what} {} ms", wording::count(*ms)),
                None => what.clone(),
            }),
            Progress::PhaseBegan {
                criterion,
                phase,
                target,
            } => {
                self.set(
                    criterion,
                    State::Running {
                        done: 0,
                        of: *target,
                        note: phase.clone(),
                    },
                );
            }
            Progress::Advanced {
                criterion,
                done,
                of,
                note,
            } => {
                let (done, of) = (*done, *of);
                self.set(
                    criterion,
                    State::Running {
                        done,
                        of,
                        note: note.clone(),
                    },
                );
            }
            Progress::PhaseEnded { criterion, note } => {
                self.set(criterion, State::Done { note: note.clone() });
            }
            Progress::Note(_) => {}
        }
    }

    fn set(&mut self, criterion: &str, state: State) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.criterion == criterion) {
            row.state = state;
        } else {
            self.rows.push(Row {
                criterion: criterion.to_owned(),
                state,
            });
        }
    }

    /// The whole screen of a live terminal.
    pub(super) fn lines(&self, columns: usize, elapsed: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(beginning) = &self.beginning {
            lines.push(head(beginning));
        }
        if !self.boot.is_empty() {
            lines.push(format!("boot  {}", self.boot.join(" · ")));
        }
        lines.extend(self.rows.iter().map(live));
        lines.push(self.time(elapsed));
        lines.iter().map(|line| fit(line, columns)).collect()
    }

    fn time(&self, elapsed: Duration) -> String {
        let spent = wording::span(elapsed.as_secs());
        self.beginning.as_ref().map_or_else(
            || spent.clone(),
            |beginning| {
                format!(
                    "{spent} of about {}",
                    wording::span(beginning.planned.as_secs())
                )
            },
        )
    }

    /// What one event adds to a plain output.
    pub(super) fn plain(&self, event: &Progress, elapsed: Duration) -> Vec<String> {
        let at = format!("[{}]", wording::span(elapsed.as_secs()));
        match event {
            Progress::Began(beginning) => vec![head(beginning)],
            Progress::BootStep { .. } => self
                .boot
                .last()
                .map(|step| format!("boot  {step}"))
                .into_iter()
                .collect(),
            Progress::Note(note) => vec![format!("{at} {note}")],
            Progress::PhaseBegan { criterion, .. }
            | Progress::Advanced { criterion, .. }
            | Progress::PhaseEnded { criterion, .. } => {
                let row = self.rows.iter().find(|row| row.criterion == *criterion);
                row.map(|row| format!("{at} {}", plain(row)))
                    .into_iter()
                    .collect()
            }
        }
    }
}

fn head(beginning: &Beginning) -> String {
    format!(
        "exai {} {}  {}  {} driver, {} store  seed {}  asks for: {}",
        beginning.version,
        beginning.commit,
        beginning.profile,
        beginning.driver,
        beginning.store,
        beginning.seed,
        beginning.claim
    )
}

fn live(row: &Row) -> String {
    let id = &row.criterion;
    match &row.state {
        State::Waiting => format!("{id:<5} {:<BAR$}", "waiting"),
        State::Running { done, of, note } => {
            format!(
                "{id:<5} {} {:>13}  {note}",
                bar(*done, *of),
                share(*done, *of)
            )
        }
        State::Done { note } => format!("{id:<5} {:<BAR$} {:>13}  {note}", "█".repeat(BAR), "done"),
    }
}

fn plain(row: &Row) -> String {
    let id = &row.criterion;
    match &row.state {
        State::Waiting => format!("{id} waiting"),
        State::Running { of: 0, note, .. } => format!("{id} begun  {note}"),
        State::Running { done, of, note } => format!("{id} {}  {note}", share(*done, *of)),
        State::Done { note } => format!("{id} done  {note}"),
    }
}

fn share(done: u64, of: u64) -> String {
    if of == 0 {
        return String::new();
    }
    format!("{}/{}", wording::count(done), wording::count(of))
}

/// Eighths of a block, so that a long phase is seen to move.
fn bar(done: u64, of: u64) -> String {
    let cells = u64::try_from(BAR).unwrap_or(u64::MAX) * 8;
    let eighths = (done.min(of) * cells).checked_div(of).unwrap_or(0);
    let eighths = usize::try_from(eighths).unwrap_or(0);
    let mut bar = "█".repeat(eighths / 8);
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    bar.push_str(parts.get(eighths % 8).copied().unwrap_or_default());
    let used = bar.chars().count();
    bar.push_str(&"·".repeat(BAR.saturating_sub(used)));
    bar
}

/// A line cut to the terminal: a line that wrapped could not be replaced in place.
pub(super) fn fit(line: &str, columns: usize) -> String {
    let clean: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    wording::cut(&clean, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_without_a_count_shows_none() {
        let row = Row {
            criterion: "V.4".to_owned(),
            state: State::Running {
                done: 0,
                of: 0,
                note: "load".to_owned(),
            },
        };
        assert_eq!(plain(&row), "V.4 begun  load");
        assert!(!live(&row).contains('/'), "{}", live(&row));
    }

    #[test]
    fn a_bar_is_always_as_wide_as_it_should_be() {
        for (done, of) in [
            (0, 0),
            (0, 10),
            (3, 7),
            (10, 10),
            (99, 10),
            (u64::from(u32::MAX), 1),
        ] {
            assert_eq!(bar(done, of).chars().count(), BAR, "{done} of {of}");
        }
    }
}
