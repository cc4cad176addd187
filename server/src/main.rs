//! The `exai` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    exai_server::cli::main()
}
