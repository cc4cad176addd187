//! How many heaps the C library's allocator opens.

/// As many heaps as cores. Left alone the allocator opens up to eight times as many, one for each
/// thread that happens to be blocked in a file, and each keeps what it had at its own worst moment.
/// To be called before threads are started; without effect under another C library.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "mallopt has no safe face")
)]
pub(super) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_ARENA_MAX, mallopt};
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let heaps = i32::try_from(cores).unwrap_or(i32::MAX);
        // SAFETY: it takes two numbers, and the allocator's own lock.
        let was_taken = unsafe { mallopt(M_ARENA_MAX, heaps) };
        if was_taken == 0 {
            tracing::warn!("the allocator takes no bound on its heaps; the process may be larger");
        }
    }
}
