//! What a process and its descendants use, as the kernel counts it.

use std::collections::{BTreeMap, BTreeSet};

use procfs::process::Process;

/// Summed over a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Anonymous and shared resident memory; the pages of mapped files are not counted.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// User and system time used so far, ms.
    pub cpu_ms: u64,
}

/// What `pid` uses, with its descendants or alone; None when it is gone.
#[must_use]
pub fn usage(pid: u32, with_children: bool) -> Option<Usage> {
    let root = i32::try_from(pid).ok()?;
    let mut sum = of_one(root)?;
    if with_children {
        for descendant in descendants(root) {
            // A descendant that ended meanwhile uses nothing.
            let used = of_one(descendant).unwrap_or_default();
            sum.resident_bytes += used.resident_bytes;
            sum.descriptors += used.descriptors;
            sum.threads += used.threads;
            sum.cpu_ms += used.cpu_ms;
        }
    }
    Some(sum)
}

fn of_one(pid: i32) -> Option<Usage> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    let status = process.status().ok()?;
    let kib = status.rssanon.unwrap_or(0) + status.rssshmem.unwrap_or(0);
    let ticks = stat.utime + stat.stime;
    Some(Usage {
        resident_bytes: kib * 1024,
        // Unreadable descriptors (another user's, without the right) are not counted as none.
        descriptors: u64::try_from(process.fd_count().ok()?).unwrap_or(u64::MAX),
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        cpu_ms: ticks * 1_000 / procfs::ticks_per_second(),
    })
}

fn descendants(root: i32) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let all = procfs::process::all_processes().into_iter().flatten();
    for process in all.filter_map(Result::ok) {
        if let Ok(stat) = process.stat() {
            children.entry(stat.ppid).or_default().push(stat.pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}
