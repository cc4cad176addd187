//! Figures of this process, read from the kernel.

/// Resident memory in bytes; 0 where the platform has no `/proc`.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Open descriptors; 0 where the platform has no `/proc`.
#[must_use]
pub fn open_descriptors() -> u64 {
    // The listing itself holds one descriptor open.
    std::fs::read_dir("/proc/self/fd").map_or(0, |listing| listing.count().saturating_sub(1) as u64)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_opened_file_raises_the_descriptor_count() {
        assert!(resident_bytes() > 100_000);
        let before = open_descriptors();
        let held: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/proc/self/status").unwrap())
            .collect();
        assert!(open_descriptors() >= before + 40);
        drop(held);
    }
}
