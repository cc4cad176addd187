//! `verify`: boots the server, breaks it, judges it, and answers for claims.

use std::process::ExitCode;

fn main() -> ExitCode {
    exai_scenarios::cli::main()
}
