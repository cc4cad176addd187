//! The words of `verify chaos`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::{Driver, SpoilWord, StoreChoice};

/// Which schedule, on which ground.
#[derive(Debug, Clone, Args)]
pub struct ChaosArguments {
    /// Fixes the schedule together with duration, store and driver; the default is 7.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How long faults go on: 45s, 2m or 1h.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub duration: Duration,
    /// Only these faults of the schedule, by number: 3,7 or none.
    #[arg(long, value_name = "NUMBERS")]
    pub only: Option<Numbers>,
    /// The store behind the server; auto takes Redis when redis-server is on PATH.
    #[arg(long, value_enum, default_value_t = StoreChoice::Auto)]
    pub store: StoreChoice,
    /// As processes of this machine, or as containers, which can also be taken off their network.
    #[arg(long, value_enum, default_value_t = Driver::Local)]
    pub driver: Driver,
    /// Break this binary instead of the one built here.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Do not shrink a schedule that fails.
    #[arg(long)]
    pub no_shrink: bool,
    /// Where the record goes, instead of the workspace's reports/.
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long)]
    pub json: bool,
    /// Put a saboteur on an edge: NAME@EDGE, or NAME@EDGE:EVERY+OFFSET.
    #[arg(long, value_name = "NAME@EDGE", hide = true)]
    pub spoil: Option<SpoilWord>,
}

/// Numbers of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(pub Vec<u32>);

impl FromStr for Numbers {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word == "none" {
            return Ok(Self(Vec::new()));
        }
        let number = |one: &str| {
            let parsed = one.trim().parse::<u32>();
            parsed.map_err(|_| format!("{one:?} is no number; write 3,7 or none"))
        };
        let numbers: Result<Vec<u32>, String> = word.split(',').map(number).collect();
        numbers.map(Self)
    }
}

/// Seconds, minutes or hours; at least one second.
fn time(word: &str) -> Result<Duration, String> {
    let wrong = || format!("{word:?} is no time; write 45s, 2m or 1h");
    let split = word.len() - usize::from(word.ends_with(['s', 'm', 'h']));
    let (number, unit) = word.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        _ => Some(number),
    };
    let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_read_as_written_and_others_are_refused_with_an_example() {
        assert_eq!(time("45s"), Ok(Duration::from_secs(45)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("1h"), Ok(Duration::from_secs(3_600)));
        for bad in ["", "0s", "soon", "-1s"] {
            assert!(time(bad).unwrap_err().contains("45s"), "{bad}");
        }
        assert_eq!("3,7".parse(), Ok(Numbers(vec![3, 7])));
        assert_eq!("none".parse(), Ok(Numbers(Vec::new())));
        assert!("3;7".parse::<Numbers>().unwrap_err().contains("3,7"));
    }
}
