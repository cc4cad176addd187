//! The container driver's leaf process: JSON lines in, JSON lines out, as
//! `exai_harness::engine::wire` has them.
//!
//! It owns what it puts up. End of input, SIGTERM, SIGINT and a panic take everything down again;
//! what a SIGKILL leaves is found by its labels and removed by the next one that starts.
//!
//! `containers pipe` is a process of its own: a program in a container, on its pipes. `containers
//! linger` is how a container's main program begins late.

mod engine;
mod fleet;
mod image;
mod label;
mod leaf;
mod linger;
mod pipe;
mod sweep;
mod trouble;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, millis, rest @ ..] = &words[..]
        && verb == "linger"
    {
        return linger::run(millis, rest);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = match &words[..] {
                [] => runtime.block_on(leaf::run()),
                [verb, errand] if verb == "pipe" => runtime.block_on(pipe::run(errand)),
                _ => {
                    eprintln!("containers: takes no words, pipe ERRAND, or linger MS PROGRAM …");
                    ExitCode::from(64)
                }
            };
            // Standard input is read on a thread of its own that no signal wakes.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            eprintln!("containers: could not start a runtime: {error}");
            ExitCode::from(70)
        }
    }
}
