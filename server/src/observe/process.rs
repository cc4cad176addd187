//! Figures of this process, read from the kernel.

use std::time::{Duration, Instant};

/// Resident memory in bytes; 0 where the platform has no `/proc`.
#[must_use]
pub fn resident_bytes() -> u64 {
    row_bytes(&status(), "VmRSS:")
}

/// Resident memory in bytes without the pages of mapped files, which the kernel takes back when it
/// needs them; 0 where the platform has no `/proc`.
#[must_use]
pub fn own_bytes() -> u64 {
    let status = status();
    row_bytes(&status, "RssAnon:") + row_bytes(&status, "RssShmem:")
}

fn status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// A row of kibibytes, in bytes; 0 where there is none.
fn row_bytes(rows: &str, name: &str) -> u64 {
    let row = rows.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = row.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Open descriptors; 0 where the platform has no `/proc`.
#[must_use]
pub fn open_descriptors() -> u64 {
    // The listing itself holds one descriptor open.
    std::fs::read_dir("/proc/self/fd").map_or(0, |listing| listing.count().saturating_sub(1) as u64)
}

/// The bytes this process may use: its control group's limit, else the machine's memory; 0 where
/// neither can be read.
#[must_use]
pub fn memory_limit() -> u64 {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let group = read("/sys/fs/cgroup/memory.max")
        .or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = row_bytes(&meminfo, "MemTotal:");
    match group {
        Some(limit) if machine == 0 || limit < machine => limit,
        _ => machine,
    }
}

/// Processor time used up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    at: Instant,
    used: Duration,
}

impl Usage {
    /// Up to now; zero where the platform cannot tell.
    #[must_use]
    pub fn read(now: Instant) -> Self {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeValLike as _;
        let used = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
        });
        Self {
            at: now,
            used: Duration::from_micros(u64::try_from(used).unwrap_or(0)),
        }
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.used.as_secs_f64()
    }

    /// The share of all cores that was used since; 0 to 1.
    #[must_use]
    pub fn ratio_since(self, before: Self) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let passed = self.at.saturating_duration_since(before.at).as_secs_f64();
        if passed <= 0.0 {
            return 0.0;
        }
        (self.used.saturating_sub(before.used).as_secs_f64() / passed / cores).min(1.0)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_opened_file_raises_the_descriptor_count() {
        assert!(resident_bytes() > 100_000);
        assert!((100_000..=resident_bytes()).contains(&own_bytes()));
        let before = open_descriptors();
        let held: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/proc/self/status").unwrap())
            .collect();
        assert!(open_descriptors() >= before + 40);
        drop(held);
    }
}
