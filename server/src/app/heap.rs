//! What the C library's allocator keeps: few heaps, and in them no more than is in use.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Between two times at which what is free goes back to the kernel.
const EVERY: Duration = Duration::from_secs(15);

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

/// Gives free memory back, four times a minute, until told to stop.
pub(super) async fn trim(stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Its own thread: it walks all heaps.
            _ = ticks.tick() => drop(tokio::task::spawn_blocking(give_back).await),
            () = stop.cancelled() => return,
        }
    }
}

/// Whole free pages go back to the kernel. The allocator itself does so at a heap's end alone,
/// where one small piece in use keeps all that was freed below it.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "malloc_trim has no safe face")
)]
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number, and the allocator's own locks.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::observe::process::resident_bytes;

    #[test]
    fn what_was_freed_below_a_piece_in_use_goes_back_to_the_kernel() {
        const MANY: usize = 256 * 1024;
        let pieces: Vec<Box<[u8]>> = (0..MANY).map(|_| vec![1; 1024].into()).collect();
        let pinned: Box<[u8]> = vec![1; 1024].into();
        let full = resident_bytes();
        drop(pieces);
        give_back();
        let after = resident_bytes();
        assert!(
            after + 128 * 1024 * 1024 < full,
            "{full} before, {after} after"
        );
        drop(pinned);
    }
}
