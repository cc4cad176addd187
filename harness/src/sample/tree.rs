//! What a process and its descendants use, as the kernel counts it. A process that ended uses
//! nothing; one that is there and cannot be read makes the whole sum unknown, never smaller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use procfs::process::{Process, Stat, StatFlags};
use procfs::{ProcError, ProcResult};

use crate::identity;

/// Where the kernel shows its processes.
pub(super) const PROC: &str = "/proc";

/// Summed over a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Anonymous and shared resident memory; the pages of mapped files are not counted.
    pub(super) resident_bytes: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// User and system time used so far, ms; with descendants, also of those that have ended.
    pub(super) cpu_ms: u64,
    /// How long its threads were ready to run and had no processor, ms.
    pub(super) wait_ms: u64,
    /// TCP connections of those whose connections are counted; None where they could not be.
    pub(super) connections: Option<u64>,
}

impl Usage {
    /// Both trees together.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes + other.resident_bytes,
            descriptors: self.descriptors + other.descriptors,
            threads: self.threads + other.threads,
            cpu_ms: self.cpu_ms + other.cpu_ms,
            wait_ms: self.wait_ms + other.wait_ms,
            connections: both(self.connections, other.connections),
        }
    }
}

/// Known where both are.
const fn both(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        _ => None,
    }
}

/// The usage of a process that is there is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("could not read process {pid}: {cause}")]
    Process { pid: i32, cause: ProcError },
    #[error("could not list the processes: {0}")]
    List(ProcError),
}

/// Whose usage is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Alone,
    /// With descendants, and how many connections they hold.
    WithConnections,
    /// With descendants, of a process that may show nobody its descriptors: the size of its table
    /// of them stands for those open then, which are as many at the most.
    Closed,
}

/// What `pid` uses; None when it has ended.
///
/// # Errors
/// It, or a descendant, is there and cannot be read.
pub(super) fn usage(pid: u32, scope: Scope) -> Result<Option<Usage>, Unreadable> {
    let Ok(root) = i32::try_from(pid) else {
        return Ok(None);
    };
    let table = Table::of(Path::new(PROC));
    match scope {
        Scope::Alone => table.one(root, scope),
        Scope::WithConnections | Scope::Closed => {
            table.sum((root, scope), &table.descendants(root)?)
        }
    }
}

/// The kernel's table of processes.
pub(super) struct Table {
    folder: PathBuf,
}

impl Table {
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn sum(
        &self,
        (root, scope): (i32, Scope),
        descendants: &BTreeSet<i32>,
    ) -> Result<Option<Usage>, Unreadable> {
        let Some(mut sum) = self.one(root, scope)? else {
            return Ok(None);
        };
        for descendant in descendants {
            // One that ended since it was listed uses nothing any more.
            if let Some(used) = self.one(*descendant, scope)? {
                sum = sum.plus(used);
            }
        }
        Ok(Some(sum))
    }

    fn one(&self, pid: i32, scope: Scope) -> Result<Option<Usage>, Unreadable> {
        match self.read(pid, scope) {
            Ok(used) => Ok(used),
            // It may have ended between two of its files: look again before calling it unreadable.
            Err(_) if self.has_ended(pid) => Ok(None),
            Err(cause) => Err(Unreadable::Process { pid, cause }),
        }
    }

    fn read(&self, pid: i32, scope: Scope) -> ProcResult<Option<Usage>> {
        let process = self.process(pid)?;
        let stat = process.stat()?;
        if is_over(&stat) {
            return Ok(None);
        }
        let status = process.status()?;
        let (Some(anonymous), Some(shared)) = (status.rssanon, status.rssshmem) else {
            return Err(ProcError::Other("its status states no memory".to_owned()));
        };
        let mut ticks = stat.utime + stat.stime;
        if scope != Scope::Alone {
            ticks += stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs();
        }
        Ok(Some(Usage {
            resident_bytes: (anonymous + shared) * 1024,
            descriptors: descriptors(process.fd_count(), status.fdsize, scope)?,
            threads: stat.num_threads.unsigned_abs(),
            cpu_ms: ticks * 1_000 / procfs::ticks_per_second(),
            wait_ms: self.waited(pid) / 1_000_000,
            connections: connections(pid, scope),
        }))
    }

    /// How long the threads of a process were ready to run and had no processor, ns. A thread that
    /// ends meanwhile, and a kernel that does not count this, add nothing.
    fn waited(&self, pid: i32) -> u64 {
        let threads = std::fs::read_dir(self.folder.join(pid.to_string()).join("task"));
        let counts = threads
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|thread| {
                let counted = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
                counted.split_whitespace().nth(1)?.parse::<u64>().ok()
            });
        counts.sum()
    }

    fn has_ended(&self, pid: i32) -> bool {
        match self.process(pid).and_then(|process| process.stat()) {
            Ok(stat) => is_over(&stat),
            Err(cause) => matches!(cause, ProcError::NotFound(_)),
        }
    }

    fn process(&self, pid: i32) -> ProcResult<Process> {
        Process::new_with_root(self.folder.join(pid.to_string()))
    }

    pub(super) fn descendants(&self, root: i32) -> Result<BTreeSet<i32>, Unreadable> {
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        let all = procfs::process::all_processes_with_root(&self.folder);
        for process in all.map_err(Unreadable::List)? {
            match process.and_then(|process| process.stat()) {
                Ok(stat) => children.entry(stat.ppid).or_default().push(stat.pid),
                Err(ProcError::NotFound(_)) => {}
                Err(cause) => return Err(Unreadable::List(cause)),
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
        Ok(found)
    }
}

/// The connections of a process where they are asked for; it may end while we look.
fn connections(pid: i32, scope: Scope) -> Option<u64> {
    let asked = scope == Scope::WithConnections;
    let pid = u32::try_from(pid).ok().filter(|_| asked)?;
    identity::connections(pid).ok()
}

/// The descriptors open, as counted; what may stand for them is the size of the table.
fn descriptors(counted: ProcResult<usize>, table: u32, scope: Scope) -> ProcResult<u64> {
    match counted {
        Err(ProcError::PermissionDenied(_)) if scope == Scope::Closed => Ok(table.into()),
        counted => Ok(u64::try_from(counted?).unwrap_or(u64::MAX)),
    }
}

/// A zombie, dead, or on the way there: an exiting process has given its memory back before its
/// state says so, and holds nothing but its place in the table.
fn is_over(stat: &Stat) -> bool {
    let is_exiting = stat.flags & StatFlags::PF_EXITING.bits() != 0;
    is_exiting || matches!(stat.state, 'Z' | 'X' | 'x')
}

#[cfg(test)]
mod tests;
