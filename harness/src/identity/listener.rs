//! Who listens on a port, and how many connections a process holds, by the inodes of the kernel's
//! socket table.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// The state of a socket that listens.
const LISTEN: &str = "0A";

/// Who listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owners {
    /// Listening sockets on the port.
    pub listeners: usize,
    /// How many of them are descriptors of the process asked about.
    pub of_process: usize,
}

impl Owners {
    /// Whether the process has the one and only listener.
    #[must_use]
    pub const fn is_sole(self) -> bool {
        self.listeners == 1 && self.of_process == 1
    }
}

/// Counts listeners on `port`, over IPv4 and IPv6, in the network that `pid` lives in, and which of
/// them are `pid`'s.
///
/// # Errors
/// When the process is gone or may not be looked into.
pub fn owners(pid: u32, port: u16) -> io::Result<Owners> {
    let mut inodes = listening(
        &std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))?,
        port,
    );
    // A kernel without IPv6 has no such table.
    if let Ok(table) = std::fs::read_to_string(format!("/proc/{pid}/net/tcp6")) {
        inodes.extend(listening(&table, port));
    }
    let held = sockets_of(pid)?;
    Ok(Owners {
        listeners: inodes.len(),
        of_process: inodes.iter().filter(|inode| held.contains(inode)).count(),
    })
}

/// Inodes of sockets in state LISTEN (0A) on a port.
fn listening(table: &str, port: u16) -> Vec<u64> {
    let wanted = format!(":{port:04X}");
    let row = |line: &str| {
        let (local, state, inode) = row(line)?;
        (local.ends_with(&wanted) && state == LISTEN).then_some(inode)
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// TCP connections that a process holds, over IPv4 and IPv6, in any state but listening: also one
/// whose peer has gone and that the process never closed.
///
/// # Errors
/// When the process is gone or may not be looked into.
pub fn connections(pid: u32) -> io::Result<u64> {
    let held: BTreeSet<u64> = sockets_of(pid)?.into_iter().collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
    let mut count = connected(&table, &held);
    // As above.
    if let Ok(table) = std::fs::read_to_string(format!("/proc/{pid}/net/tcp6")) {
        count += connected(&table, &held);
    }
    Ok(count)
}

/// Rows of a table that do not listen and are among those held.
fn connected(table: &str, held: &BTreeSet<u64>) -> u64 {
    let rows = table.lines().skip(1).filter_map(row);
    let ours = rows.filter(|(_, state, inode)| *state != LISTEN && held.contains(inode));
    ours.map(|_| 1).sum()
}

/// Local address, state and inode of a row.
fn row(line: &str) -> Option<(&str, &str, u64)> {
    let mut words = line.split_whitespace();
    let local = words.nth(1)?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?.parse().ok()?;
    Some((local, state, inode))
}

/// Inodes of the sockets that a process holds.
///
/// # Errors
/// When the process is gone or may not be looked into.
pub(crate) fn sockets_of(pid: u32) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(&format!("/proc/{pid}/fd")))? {
        // A descriptor may close while we look.
        let Ok(link) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let name = link.to_string_lossy();
        let inode = name
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        found.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_and_does_not_listen_is_a_connection_in_whatever_state() {
        let row = |state: &str, inode: u64| {
            format!("   0: 0100007F:1F90 0100007F:C350 {state} 00:0 00:0 00 0 0 {inode} 1\n")
        };
        let rows = [("0A", 1), ("01", 2), ("08", 3), ("01", 4), ("06", 0)];
        let rows = rows.map(|(state, inode)| row(state, inode)).concat();
        let table = format!("  sl  local_address rem_address st\n{rows}");
        assert_eq!(connected(&table, &BTreeSet::from([1, 2, 3])), 2);
        assert_eq!(connected(&table, &BTreeSet::new()), 0);
        assert_eq!(listening(&table, 8_080), [1]);
    }
}
