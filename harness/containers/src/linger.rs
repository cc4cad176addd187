//! `containers linger`: waits, then becomes another program. A restart policy has no delay to set,
//! and a store that is back within a tenth of a second is one that nobody has missed.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Waits for `millis`, then executes the program that `words` begin with.
pub(crate) fn run(millis: &str, words: &[String]) -> ExitCode {
    let (Ok(millis), Some((program, arguments))) = (millis.parse(), words.split_first()) else {
        eprintln!("containers: linger takes milliseconds and a command line");
        return ExitCode::from(64);
    };
    std::thread::sleep(Duration::from_millis(millis));
    let cause = Command::new(program).args(arguments).exec();
    eprintln!("containers: could not become {program}: {cause}");
    ExitCode::from(127)
}
