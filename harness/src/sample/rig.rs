//! The ground under our own feet (judging.md §3.4): CPU of the rig, CPU stolen by the host, steps
//! of the wall clock, descriptors, free disk. Trouble becomes an interval that taints; so does a
//! reading that stays away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use exai_judge::Event;
use exai_judge::observation::CompanySeen;
use nix::errno::Errno;
use procfs::CurrentSI as _;

use super::gaps::Gaps;
use super::tree::Usage;
use crate::history::SEGMENT_BYTES;
use crate::machine;

/// The rig's share of all cores above which it may be the bottleneck.
const RIG_SHARE: f64 = 0.85;
/// The share of CPU taken by the host above which nothing timed can be believed.
const STEAL_SHARE: f64 = 0.10;
/// Wall time may drift this far from the monotonic clock between two looks, ns.
const DRIFT: u64 = 200_000_000;
/// Stepped by more than this in all, the wall clock is wrong: less than any token is good for, ns.
const OFF: u64 = 5_000_000_000;
/// The share of descriptors in use above which the next connection may fail for our own sake.
const DESCRIPTOR_SHARE: f64 = 0.90;
/// Bytes free below which a store's write may fail for our own sake, and the history's next
/// segment with it.
const DISK_FREE: u64 = SEGMENT_BYTES;

/// An interval of trouble that began before now.
pub(super) struct Trouble {
    pub(super) from: u64,
    pub(super) event: Event,
}

/// Where descendants and connections of the server are read.
const COMPANY: &str = "the server's company";

/// A value, or why there is none.
pub(super) type Read<T> = Result<T, String>;

/// What one look found; each part may be missing on its own.
pub(super) struct Look {
    /// Ns on the run's clock.
    pub(super) at: u64,
    pub(super) processes: Vec<ProcessRead>,
    pub(super) host: HostRead,
    /// The company of each process of the server; None where it is as it was.
    pub(super) company: Vec<Read<Option<CompanySeen>>>,
}

/// One followed process; None when it has ended.
pub(super) struct ProcessRead {
    pub(super) name: String,
    pub(super) pid: u32,
    pub(super) used: Read<Option<Usage>>,
}

/// The machine and this process's own limits.
pub(super) struct HostRead {
    /// How far wall time is ahead of the monotonic clock, ns.
    pub(super) drift: i64,
    pub(super) ticks: Read<Ticks>,
    pub(super) descriptors: Read<Descriptors>,
    /// Bytes free for us, per folder.
    pub(super) free: Vec<(PathBuf, Read<u64>)>,
}

/// Over all cores, since boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    pub(super) stolen: u64,
    pub(super) total: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors {
    pub(super) open: u64,
    pub(super) limit: u64,
}

impl HostRead {
    /// Reads the machine; `folders` are where the run writes.
    pub(super) fn now(drift: i64, folders: &[PathBuf]) -> Self {
        let free = folders.iter().map(|folder| {
            let free = machine::free_disk(folder);
            (folder.clone(), free.map_err(|error| error.to_string()))
        });
        Self {
            drift,
            ticks: ticks(),
            descriptors: descriptors(),
            free: free.collect(),
        }
    }
}

fn ticks() -> Read<Ticks> {
    let stat = procfs::KernelStats::current().map_err(|error| error.to_string())?;
    let all = stat.total;
    let stolen = all.steal.ok_or("the kernel counts no stolen time")?;
    let waiting = all.iowait.unwrap_or_default();
    let interrupts = all.irq.unwrap_or_default() + all.softirq.unwrap_or_default();
    let total = all.user + all.nice + all.system + all.idle + waiting + interrupts + stolen;
    Ok(Ticks { stolen, total })
}

/// A look that fails for want of a descriptor has found them all in use.
fn descriptors() -> Read<Descriptors> {
    let limit = machine::descriptor_limit().map_err(|error| error.to_string())?;
    let open = match std::fs::read_dir("/proc/self/fd") {
        Ok(folder) => u64::try_from(folder.count()).unwrap_or(u64::MAX),
        Err(error) if is_exhausted(&error) => limit,
        Err(error) => return Err(error.to_string()),
    };
    Ok(Descriptors { open, limit })
}

fn is_exhausted(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EMFILE as i32)
}

/// CPU time that a process and its children had used.
struct Spent {
    /// When it was read, ns.
    at: u64,
    cpu_ms: u64,
    /// The last look found less.
    is_short: bool,
}

/// What was seen at the last look.
pub(super) struct Rig {
    cores: f64,
    /// The judged component, whose CPU is not the rig's.
    judged: String,
    gaps: Gaps,
    last: Option<(u64, i64)>,
    /// By how much the wall clock was stepped in all, ns.
    off: i64,
    /// What was last read of each process.
    cpu: BTreeMap<(String, u32), Spent>,
    ticks: Option<(u64, Ticks)>,
}

impl Rig {
    pub(super) fn new(judged: &str, began: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            cores: f64::from(u32::try_from(cores).unwrap_or(u32::MAX)),
            judged: judged.to_owned(),
            gaps: Gaps::new(began),
            last: None,
            off: 0,
            cpu: BTreeMap::new(),
            ticks: None,
        }
    }

    /// Compares with the look before.
    pub(super) fn look(&mut self, look: &Look) -> Vec<Trouble> {
        let from = self.last.map_or(look.at, |(at, _)| at);
        let mut found = self.read_processes(look);
        found.extend(self.read_host(look));
        found.extend(self.read_company(look));
        found.extend(self.read_clock(look, from));
        self.last = Some((look.at, look.host.drift));
        found
    }

    /// Nothing could be read of these sources.
    pub(super) fn missed<'a>(&mut self, sources: impl Iterator<Item = &'a str>, cause: &str) {
        for source in sources {
            self.gaps.missed(source, cause);
        }
    }

    /// Nobody will look again: what was not read until now was not read at all.
    pub(super) fn close(&mut self, at: u64) -> Vec<Trouble> {
        self.gaps.close(at)
    }

    fn read_processes(&mut self, look: &Look) -> Vec<Trouble> {
        let from = self.last.map_or(look.at, |(at, _)| at);
        let mut found = Vec::new();
        let mut busy = 0.0;
        for process in &look.processes {
            match &process.used {
                Ok(used) => {
                    found.extend(self.gaps.read(&process.name, look.at));
                    if let Some(used) = used.filter(|_| process.name != self.judged) {
                        busy += self.share_of(process, look.at, used.cpu_ms);
                    }
                }
                Err(cause) => self.gaps.missed(&process.name, cause),
            }
        }
        let alive: Vec<(&str, u32)> = look
            .processes
            .iter()
            .map(|process| (process.name.as_str(), process.pid))
            .collect();
        self.cpu
            .retain(|(name, pid), _| alive.contains(&(name.as_str(), *pid)));
        let used = busy / self.cores;
        if used > RIG_SHARE {
            let detail = format!("the rig used {used:.2} of all cores");
            found.push(trouble("cpu", (from, look.at), detail));
        }
        found
    }

    fn read_company(&mut self, look: &Look) -> Vec<Trouble> {
        let mut found = Vec::new();
        for company in &look.company {
            match company {
                Ok(_) => found.extend(self.gaps.read(COMPANY, look.at)),
                Err(cause) => self.gaps.missed(COMPANY, cause),
            }
        }
        found
    }

    /// The share of one core a process used since it was last read; a process seen for the first
    /// time has no share yet.
    fn share_of(&mut self, process: &ProcessRead, at: u64, cpu_ms: u64) -> f64 {
        let whom = (process.name.clone(), process.pid);
        let now = Spent {
            at,
            cpu_ms,
            is_short: false,
        };
        let Some(last) = self.cpu.get_mut(&whom) else {
            self.cpu.insert(whom, now);
            return 0.0;
        };
        // The time of a child that ended is out of the sum until its parent has collected it, which
        // then comes back at once: a sum that is short is waited for, once.
        if cpu_ms < last.cpu_ms && !std::mem::replace(&mut last.is_short, true) {
            return 0.0;
        }
        let before = std::mem::replace(last, now);
        let used = cpu_ms.saturating_sub(before.cpu_ms);
        share(used, at.saturating_sub(before.at) / 1_000_000)
    }

    /// A step taints its own second. Where the clock is far off from then on, it taints until it is
    /// stepped back: whoever reads the time of day elsewhere may take what we sign for expired. One
    /// that drifts, or is corrected by little, is not wrong.
    fn read_clock(&mut self, look: &Look, from: u64) -> Option<Trouble> {
        let (_, before) = self.last?;
        let moved = look.host.drift - before;
        let is_step = moved.unsigned_abs() > DRIFT;
        if is_step {
            self.off += moved;
        }
        let is_off = self.off.unsigned_abs() > OFF;
        (is_step || is_off).then(|| {
            let detail = format!("the wall clock is {} ms off", self.off / 1_000_000);
            let until = if is_off { until_next(look) } else { look.at };
            trouble("clock_step", (from, until), detail)
        })
    }

    fn read_host(&mut self, look: &Look) -> Vec<Trouble> {
        let from = self.last.map_or(look.at, |(at, _)| at);
        let mut found = Vec::new();
        if let Some(ticks) = self.got("host CPU", look.at, &look.host.ticks, &mut found) {
            found.extend(self.steal(look.at, ticks));
        }
        let descriptors = &look.host.descriptors;
        if let Some(seen) = self.got("descriptors in use", look.at, descriptors, &mut found) {
            let open = share(seen.open, seen.limit);
            if open > DESCRIPTOR_SHARE {
                let detail = format!("{open:.2} of the descriptors are in use");
                found.push(trouble("descriptors", (from, until_next(look)), detail));
            }
        }
        for (folder, free) in &look.host.free {
            let source = format!("free disk of {}", folder.display());
            let free = self.got(&source, look.at, free, &mut found);
            if let Some(free) = free.filter(|free| *free < DISK_FREE) {
                let detail = format!("{free} bytes are free in {}", folder.display());
                found.push(trouble("disk_full", (from, until_next(look)), detail));
            }
        }
        found
    }

    fn got<T: Copy>(
        &mut self,
        source: &str,
        at: u64,
        read: &Read<T>,
        found: &mut Vec<Trouble>,
    ) -> Option<T> {
        match read {
            Ok(value) => {
                found.extend(self.gaps.read(source, at));
                Some(*value)
            }
            Err(cause) => {
                self.gaps.missed(source, cause);
                None
            }
        }
    }

    fn steal(&mut self, at: u64, now: Ticks) -> Option<Trouble> {
        let (from, then) = self.ticks.replace((at, now))?;
        let stolen = share(
            now.stolen.saturating_sub(then.stolen),
            now.total.saturating_sub(then.total),
        );
        (stolen > STEAL_SHARE).then(|| {
            let detail = format!("the host took {stolen:.2} of the CPU");
            trouble("steal", (from, at), detail)
        })
    }
}

/// What is short at a look stays so until another look finds otherwise.
fn until_next(look: &Look) -> u64 {
    let every = u64::try_from(super::EVERY.as_nanos()).unwrap_or(u64::MAX);
    look.at.saturating_add(every)
}

fn trouble(what: &str, (from, until): (u64, u64), detail: String) -> Trouble {
    Trouble {
        from,
        event: Event::Rig {
            what: what.to_owned(),
            until,
            detail,
        },
    }
}

/// 0 of nothing is 0: two looks in the same millisecond or tick say nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "tick, millisecond and descriptor counts are far below 2^52"
)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
