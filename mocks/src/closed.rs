//! Whoever holds the run key shows nothing of itself: another process of the same user can then
//! read neither its memory nor its environment, nor follow its descriptors.

use nix::sys::prctl;

/// Closes this process to every other without `CAP_SYS_PTRACE`; it leaves no core dump either. To
/// be called before the key is read.
///
/// # Errors
/// When the kernel refuses.
pub fn close() -> Result<(), String> {
    prctl::set_dumpable(false).map_err(|error| format!("could not close this process: {error}"))
}
