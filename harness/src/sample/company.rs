//! Whom the server starts and reaches: its descendants, and the connections it opened itself
//! (judging.md §6, I6 and I7). A look each second sees what lasts; what begins and ends between two
//! looks, and what is no TCP, it does not see.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use exai_judge::observation::{CompanySeen, PeerSeen};
use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::Process;

use super::Root;
use super::rig::Read;
use super::tree::Table;
use crate::identity::sockets_of;

/// An address that is not of the run must be found so in so many readings: between the first and
/// the last, the other end's owner has had the time to take the connection.
const READINGS: usize = 3;

/// Both ends of a connection.
type Ends = (SocketAddr, SocketAddr);

/// What was seen of each process of the server, and which addresses are the run's.
#[derive(Default)]
pub(super) struct Company {
    /// The component whose company is kept an eye on; None is nobody's.
    judged: Option<String>,
    known: BTreeSet<SocketAddr>,
    last: BTreeMap<u32, CompanySeen>,
}

impl Company {
    /// Nothing seen yet of that component; None is of nobody.
    pub(super) fn of(judged: Option<String>) -> Self {
        Self {
            judged,
            ..Self::default()
        }
    }

    /// Looks at every process of the judged component among these.
    pub(super) fn look_all(&mut self, roots: &[Root]) -> Vec<Read<Option<CompanySeen>>> {
        let is_judged = |root: &&Root| self.judged.as_ref() == Some(&root.name);
        let judged: Vec<u32> = roots
            .iter()
            .filter(is_judged)
            .map(|root| root.pid)
            .collect();
        let parts = roots.iter().flat_map(|root| root.parts.iter().copied());
        let ours: Vec<u32> = roots.iter().map(|root| root.pid).chain(parts).collect();
        judged.iter().map(|pid| self.look(*pid, &ours)).collect()
    }

    /// Looks at a process of the server; `ours` are the processes of the run. None when nothing
    /// differs from the look before, or the process has ended.
    ///
    /// # Errors
    /// In words, when the process is there and cannot be looked into.
    fn look(&mut self, pid: u32, ours: &[u32]) -> Read<Option<CompanySeen>> {
        let peers = self.peers(pid, ours);
        let read = peers.and_then(|peers| {
            let descendants = descendants(pid)?;
            Ok(CompanySeen {
                pid,
                descendants,
                peers,
            })
        });
        let seen = match read {
            Ok(seen) => seen,
            Err(_) if !is_there(pid) => return Ok(None),
            Err(why) => return Err(why),
        };
        let is_news = self.last.get(&pid) != Some(&seen);
        self.last.insert(pid, seen.clone());
        Ok(is_news.then_some(seen))
    }

    fn peers(&mut self, pid: u32, ours: &[u32]) -> Read<Vec<PeerSeen>> {
        let mut open = Sockets::of(pid)?.opened();
        let all: BTreeSet<SocketAddr> = open.iter().map(|(_, peer)| *peer).collect();
        for _ in 0..READINGS {
            open.retain(|(_, peer)| !self.known.contains(peer));
            if open.is_empty() {
                break;
            }
            let sockets = Sockets::of(pid)?;
            let still = sockets.opened();
            open.retain(|ends| still.contains(ends));
            let held = ours.iter().filter_map(|pid| sockets_of(*pid).ok());
            let held: BTreeSet<u64> = held.flatten().collect();
            let own = open.iter().filter(|ends| sockets.is_held(**ends, &held));
            self.known.extend(own.map(|(_, peer)| *peer));
        }
        open.retain(|(_, peer)| !self.known.contains(peer));
        let unknown: BTreeSet<SocketAddr> = open.into_iter().map(|(_, peer)| peer).collect();
        let told = all
            .into_iter()
            .filter(|peer| unknown.contains(peer) || self.known.contains(peer));
        let told = told.map(|peer| PeerSeen {
            address: peer.to_string(),
            is_of_run: !unknown.contains(&peer),
        });
        Ok(told.collect())
    }
}

/// The kernel's socket table where a process lives, and which of them are its own.
struct Sockets {
    rows: Vec<TcpNetEntry>,
    own: BTreeSet<u64>,
}

impl Sockets {
    fn of(pid: u32) -> Read<Self> {
        let number = i32::try_from(pid).map_err(|error| error.to_string())?;
        let process = Process::new(number).map_err(|error| error.to_string())?;
        let mut rows = process.tcp().map_err(|error| error.to_string())?;
        // A kernel without IPv6 has no such table.
        rows.extend(process.tcp6().unwrap_or_default());
        let own = sockets_of(pid).map_err(|error| error.to_string())?;
        Ok(Self {
            rows,
            own: own.into_iter().collect(),
        })
    }

    /// The connections that the process opened: those on a port that it listens on came to it.
    fn opened(&self) -> BTreeSet<Ends> {
        let own = || self.rows.iter().filter(|row| self.own.contains(&row.inode));
        let listening: BTreeSet<u16> = own()
            .filter(|row| row.state == TcpState::Listen)
            .map(|row| row.local_address.port())
            .collect();
        own()
            .filter(|row| row.state == TcpState::Established)
            .filter(|row| !listening.contains(&row.local_address.port()))
            .map(|row| (plain(row.local_address), plain(row.remote_address)))
            .collect()
    }

    /// Whether the other end of a connection, or the listener it reached, is among these sockets.
    fn is_held(&self, (local, peer): Ends, held: &BTreeSet<u64>) -> bool {
        let is_end = |row: &TcpNetEntry| match row.state {
            TcpState::Listen => {
                let at = plain(row.local_address);
                let is_any = at.ip().is_unspecified() && peer.ip().is_loopback();
                at == peer || (is_any && at.port() == peer.port())
            }
            _ => plain(row.local_address) == peer && plain(row.remote_address) == local,
        };
        let mut held = self.rows.iter().filter(|row| held.contains(&row.inode));
        held.any(is_end)
    }
}

/// An IPv4 address in the clothes of IPv6 is that address.
fn plain(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

/// The executables of all descendants. Between fork and exec a child still runs the server's.
fn descendants(pid: u32) -> Read<Vec<String>> {
    let root = i32::try_from(pid).map_err(|error| error.to_string())?;
    let table = Table::of(Path::new(super::tree::PROC));
    let found = table.descendants(root).map_err(|error| error.to_string())?;
    let own = executable(root);
    let paths = found.into_iter().filter_map(executable);
    let paths: BTreeSet<String> = paths.filter(|path| Some(path) != own.as_ref()).collect();
    Ok(paths.into_iter().collect())
}

/// None for one that has ended.
fn executable(pid: i32) -> Option<String> {
    let link = std::fs::read_link(format!("{}/{pid}/exe", super::tree::PROC));
    Some(link.ok()?.display().to_string())
}

fn is_there(pid: u32) -> bool {
    crate::process::Pair::of(pid).is_some_and(crate::process::Pair::is_alive)
}

#[cfg(test)]
mod tests;
