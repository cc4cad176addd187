//! Who listens on a port, by the inodes of the kernel's socket table.

use std::io;
use std::path::Path;

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
        let mut words = line.split_whitespace();
        let local = words.nth(1)?;
        let state = words.nth(1)?;
        let inode = words.nth(5)?.parse().ok()?;
        (local.ends_with(&wanted) && state == "0A").then_some(inode)
    };
    table.lines().skip(1).filter_map(row).collect()
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
