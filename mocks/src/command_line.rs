//! How both binaries take their arguments and their first line of input, and say what they refuse.

use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use serde::de::DeserializeOwned;

/// The caller's mistake.
const USAGE: u8 = 64;
/// Our own.
pub const SOFTWARE: u8 = 70;

/// Reads the arguments and runs with them; what either refuses is one line and exit code 64.
pub fn main<A: Parser>(run: impl FnOnce(&A) -> Result<ExitCode, String>) -> ExitCode {
    let refusal = match A::try_parse() {
        Ok(arguments) => match run(&arguments) {
            Ok(code) => return code,
            Err(refusal) => refusal,
        },
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    eprintln!("{}: {refusal}", A::command().get_name());
    USAGE.into()
}

/// The first line of the input, called `what` in errors. Read byte by byte, because what follows
/// belongs to somebody else; the input must have no buffer of its own unless it is read on here.
///
/// # Errors
/// The line cannot be read or does not fit; never quotes it, since it holds keys.
pub fn first_line<T: DeserializeOwned>(input: &mut impl Read, what: &str) -> Result<T, String> {
    let mut line = Vec::new();
    let mut byte = [0_u8];
    while input.read(&mut byte).map_err(|error| error.to_string())? == 1 && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    serde_json::from_slice(&line).map_err(|error| {
        let kind = error.classify();
        format!(
            "could not read the {what} line: {kind:?} error at column {}",
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_input_is_left_and_an_error_does_not_quote_the_line() {
        let mut input = &b"[1, 2]\nfor the server\n"[..];
        let numbers: Vec<u8> = first_line(&mut input, "settings").unwrap();
        assert_eq!((numbers, input), (vec![1, 2], &b"for the server\n"[..]));
        let refused = first_line::<Vec<u8>>(&mut &b"[\"sk-secret\"]\n"[..], "settings");
        let said = refused.unwrap_err();
        assert_eq!(
            said,
            "could not read the settings line: Data error at column 12"
        );
    }
}
