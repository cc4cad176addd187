//! Free loopback ports that stay ours across a restart.
//!
//! The kernel hands out its ephemeral range to outgoing connections, so a killed server's port in
//! that range can be taken by a client before the server is back. Ports here come from below it.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

const LOWEST: u16 = 10_240;
/// Assumed when the kernel does not tell its range.
const EPHEMERAL_FROM: u16 = 32_768;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// No port could be had.
#[derive(Debug, thiserror::Error)]
#[error("could not find a free loopback port in {from}..{until}")]
pub struct NoPort {
    from: u16,
    until: u16,
}

/// A port of 127.0.0.1 that nobody listens on now and that this process has not given out before.
///
/// # Errors
/// When none of some thousand candidates was free.
pub fn free_port() -> Result<u16, NoPort> {
    let until = ephemeral_from().max(LOWEST + 1);
    let span = u32::from(until - LOWEST);
    for _ in 0..4_096 {
        let mut bytes = [0; 4];
        if getrandom::fill(&mut bytes).is_err() {
            break;
        }
        let offset = u16::try_from(u32::from_le_bytes(bytes) % span).unwrap_or(0);
        let port = LOWEST + offset;
        if probe(port).is_ok()
            && GIVEN
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(port)
        {
            return Ok(port);
        }
    }
    Err(NoPort {
        from: LOWEST,
        until,
    })
}

/// Binds a port on which nobody listens, and does not listen there itself: whoever is started at
/// this moment has a copy of the socket until it executes its program, and one that listened would
/// keep the port from its new owner for so long.
fn probe(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

/// An address that refuses every connection. A listener that is dropped leaves none: the next test
/// may be given its port, and a process started at that moment still listens with its copy.
#[cfg(test)]
pub(crate) fn nobody() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()))
}

fn ephemeral_from() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(EPHEMERAL_FROM)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn ports_are_free_distinct_and_below_the_ephemeral_range() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        for port in ports {
            assert!(port < ephemeral_from());
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_copy_of_the_probe_keeps_the_port_from_nobody_and_a_listener_does() {
        let port = free_port().unwrap();
        let copy = probe(port).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(probe(port).is_err());
        drop((copy, listener));
    }
}
