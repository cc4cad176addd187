//! The `exai` binary; everything else is in the library.

/// A call makes some thousand small pieces on whichever thread has it, and frees them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    exai_server::cli::main()
}
