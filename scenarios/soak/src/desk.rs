//! What all users share: who they are, whether they rest, and what they count.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use serde_json::json;

/// Bytes of a KiB.
const KIB: u64 = 1_024;

/// One person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The principal's name.
    pub name: String,
    /// Fixes address and program.
    pub number: usize,
    /// The bearer token, without its scheme.
    pub bearer: Option<String>,
}

/// The first line of input, and every later one that brings fresh tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub address: SocketAddr,
    /// How long the soak lasts, s.
    pub seconds: u64,
    /// Who works.
    pub users: Vec<User>,
}

/// A line of input.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Order {
    /// To rest, or to go on.
    Quiet {
        /// Whether to rest.
        quiet: bool,
    },
    /// Who the users are from now on.
    Config(Config),
}

/// The shared state.
#[derive(Debug)]
pub struct Desk {
    config: RwLock<(u64, Config)>,
    is_quiet: AtomicBool,
    next: AtomicU64,
    calls: AtomicU64,
    wrong: AtomicU64,
}

impl Desk {
    /// Nothing done yet.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config: RwLock::new((0, config)),
            is_quiet: AtomicBool::new(false),
            next: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
        }
    }

    /// Follows an order.
    pub fn follow(&self, order: Order) {
        match order {
            Order::Quiet { quiet } => self.is_quiet.store(quiet, Ordering::Relaxed),
            Order::Config(config) => {
                let mut own = self.config.write().unwrap_or_else(PoisonError::into_inner);
                *own = (own.0 + 1, config);
            }
        }
    }

    /// Whether to rest.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Relaxed)
    }

    /// The next person's index.
    pub fn hire(&self) -> usize {
        usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default()
    }

    /// How often tokens have changed, where the server is, and who has that index.
    #[must_use]
    pub fn who(&self, index: usize) -> Option<(u64, SocketAddr, User)> {
        let own = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let (generation, config) = &*own;
        let user = config.users.get(index % config.users.len().max(1))?;
        Some((*generation, config.address, user.clone()))
    }

    /// Counts a call.
    pub fn count(&self, is_right: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.wrong
            .fetch_add(u64::from(!is_right), Ordering::Relaxed);
    }

    /// Says on standard output how far things are; a reader that has gone has seen enough.
    pub fn tell(&self) {
        let said = json!({
            "calls": self.calls.load(Ordering::Relaxed),
            "wrong": self.wrong.load(Ordering::Relaxed),
            "resident_bytes": resident(),
        });
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{said}").and_then(|()| out.flush()));
    }
}

/// Resident memory of this process, bytes; 0 where the kernel does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * KIB
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"address":"127.0.0.1:8079","seconds":60,
        "users":[{"name":"goose-1","number":1,"bearer":"a"}]}"#;

    #[test]
    fn orders_are_told_apart_and_fresh_tokens_begin_another_generation() {
        let first: Config = serde_json::from_str(CONFIG).unwrap();
        let desk = Desk::new(first);
        desk.follow(serde_json::from_str(r#"{"quiet":true}"#).unwrap());
        assert!(desk.is_quiet());
        let later = CONFIG.replace(r#""bearer":"a""#, r#""bearer":"b""#);
        desk.follow(serde_json::from_str(&later).unwrap());
        let (generation, _, user) = desk.who(7).unwrap();
        assert_eq!((generation, user.bearer.as_deref()), (1, Some("b")));
        assert!(serde_json::from_str::<Order>(r#"{"rest":true}"#).is_err());
    }
}
