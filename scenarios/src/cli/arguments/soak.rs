//! The words of `verify soak`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::StoreChoice;

/// A soak shorter than this holds no fault of each class, s.
const SHORTEST: u64 = 5;
/// A record of more would not fit a disk that the doctor calls enough, s.
const LONGEST: u64 = 24 * 3_600;
/// Letters of a time and their seconds, the largest first.
const UNITS: [(char, u64); 3] = [('h', 3_600), ('m', 60), ('s', 1)];

/// How long to soak, and on which ground.
#[derive(Debug, Clone, Args)]
pub struct SoakArguments {
    /// How long, such as 4h, 30m or 1h30m; 30m when nothing is said.
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// The store behind the server; auto takes Redis when redis-server is on PATH.
    #[arg(long, value_enum)]
    pub store: Option<StoreChoice>,
    /// Fixes schedule and shape; 7 when nothing is said.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Goose users beside the open-loop stream; 0 for none, and then nothing is built for them.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub users: u32,
    /// Go on for what is left of an earlier soak, named by its folder in reports/runs/; the gap is
    /// stated, and only this run's own piece counts.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["duration", "store", "seed"])]
    pub resume: Option<String>,
    /// Judge this binary instead of the one built here.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Print the result model as JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where runs, the ledger and the latest report go, instead of the workspace's reports/.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
}

/// A time to soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Whole seconds.
    pub seconds: u64,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("{text:?} is no time: say 4h, 30m, 90s or 1h30m");
        let mut rest = text;
        let mut seconds: u64 = 0;
        for (letter, worth) in UNITS {
            let Some((count, behind)) = rest.split_once(letter) else {
                continue;
            };
            let count: u64 = count.parse().map_err(|_| shape())?;
            let more = count
                .checked_mul(worth)
                .and_then(|more| seconds.checked_add(more));
            seconds = more.ok_or_else(shape)?;
            rest = behind;
        }
        if !rest.is_empty() || text.is_empty() {
            return Err(shape());
        }
        if !(SHORTEST..=LONGEST).contains(&seconds) {
            return Err(format!(
                "{text} is {seconds} s: a soak takes {SHORTEST} s to {} h",
                LONGEST / 3_600
            ));
        }
        Ok(Self { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it_and_anything_else_is_told_with_what_may_stand_there() {
        let good = [
            ("4h", 14_400),
            ("30m", 1_800),
            ("90s", 90),
            ("1h30m", 5_400),
            ("24h", 86_400),
        ];
        for (text, seconds) in good {
            assert_eq!(text.parse(), Ok(Span { seconds }), "{text}");
        }
        let bad = [
            ("", "4h"),
            ("soon", "4h"),
            ("30", "4h"),
            ("-5m", "4h"),
            ("1.5h", "4h"),
            ("30m1h", "4h"),
            ("4 h", "4h"),
            ("99999999999999999999h", "4h"),
            ("18446744073709551615h", "4h"),
            ("4s", "5 s to 24 h"),
            ("0m", "5 s to 24 h"),
            ("25h", "5 s to 24 h"),
        ];
        for (text, hint) in bad {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
