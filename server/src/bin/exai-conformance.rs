//! `exai` with the fixtures of the official conformance suite in front of its tools: built for that
//! suite alone, by a feature that a release build refuses.

fn main() -> std::process::ExitCode {
    exai_server::cli::main()
}
