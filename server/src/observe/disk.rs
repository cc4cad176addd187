//! The disk of the state folder.

use std::path::Path;

/// Free and whole bytes of a folder's file system, as a process that is not root may use them.
#[must_use]
pub fn space(folder: &Path) -> Option<(u64, u64)> {
    let figures = nix::sys::statvfs::statvfs(folder).ok()?;
    let unit = figures.fragment_size();
    let free = figures.blocks_available() * unit;
    // Blocks kept for root are neither free nor of use.
    let used = (figures.blocks() - figures.blocks_free()) * unit;
    Some((free, used + free))
}

/// The used share, 0 to 1.
#[must_use]
pub fn used_ratio(folder: &Path) -> Option<f64> {
    let (free, whole) = space(folder)?;
    Some(1.0 - free as f64 / whole.max(1) as f64)
}
