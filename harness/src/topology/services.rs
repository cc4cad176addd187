//! The services of a run in containers, as `docker-compose.test.yml` has them: limits, restart
//! policy, health, rights. A test holds the two against each other.

use std::net::Ipv4Addr;

use crate::engine::wire::{Bounds, Health, Plan};

const GIB: u64 = 1024 * 1024 * 1024;
/// Billionths of a processor in one.
const PROCESSOR: u64 = 1_000_000_000;
/// The program of the server in its image.
pub const EXAI: &str = "/usr/local/bin/exai";
/// The store's.
pub const REDIS: &str = "/usr/bin/redis-server";
/// The store's health command.
pub const REDIS_CLI: &str = "/usr/bin/redis-cli";
/// What has the store begin late.
pub const CONTAINERS: &str = "/usr/local/bin/containers";
/// A simulator's.
pub const MOCK_PROVIDER: &str = "/usr/local/bin/mock-provider";

/// A service of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The server under judgement.
    Server,
    /// The same on pipes.
    Stdio,
    /// The store.
    Redis,
    /// A simulated vendor; the compose file has none, since it is for people.
    Vendor(u8, &'static str),
}

impl Service {
    /// Its container's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "exai-mcp-server",
            Self::Stdio => "exai-mcp-stdio",
            Self::Redis => "exai-redis",
            Self::Vendor(_, name) => name,
        }
    }

    /// The last byte of its address in the run's network.
    #[must_use]
    pub const fn host(self) -> u8 {
        match self {
            Self::Server => 10,
            Self::Stdio => 11,
            Self::Redis => 12,
            Self::Vendor(number, _) => 20 + number,
        }
    }

    /// Its executable in its image.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Server | Self::Stdio => EXAI,
            Self::Redis => REDIS,
            Self::Vendor(..) => MOCK_PROVIDER,
        }
    }

    /// Its address, in the network of this gateway.
    #[must_use]
    pub const fn address(self, gateway: Ipv4Addr) -> Ipv4Addr {
        let [first, second, third, _] = gateway.octets();
        Ipv4Addr::new(first, second, third, self.host())
    }

    /// The container, but for its command line, environment, user and folders. `config` is the
    /// server's configuration.
    #[must_use]
    pub fn plan(self, image: &str, config: &str) -> Plan {
        let (processors, memory) = match self {
            Self::Server => (2, 2 * GIB),
            Self::Stdio | Self::Vendor(..) => (1, GIB),
            Self::Redis => (1, 4 * GIB),
        };
        Plan {
            name: self.name().to_owned(),
            image: image.to_owned(),
            host: self.host(),
            tmpfs: match self {
                Self::Redis => Vec::new(),
                _ => vec!["/tmp".to_owned()],
            },
            bounds: Bounds {
                restart: "unless-stopped".to_owned(),
                memory,
                nano_cpus: processors * PROCESSOR,
                descriptors: (4_096, 8_192),
                read_only: true,
                no_capabilities: true,
                no_new_privileges: true,
            },
            health: self.health(config),
            ..Plan::default()
        }
    }

    fn health(self, config: &str) -> Option<Health> {
        let (words, timeout_ms, start_ms) = match self {
            Self::Server => (
                vec![EXAI, "probe", "ready", "--config", config],
                5_000,
                30_000,
            ),
            Self::Stdio => (
                vec![EXAI, "probe", "tools", "--config", config],
                5_000,
                30_000,
            ),
            Self::Redis => (vec![REDIS_CLI, "-e", "ping"], 3_000, 0),
            Self::Vendor(..) => return None,
        };
        Some(Health {
            command: words.into_iter().map(str::to_owned).collect(),
            interval_ms: 10_000,
            timeout_ms,
            retries: 3,
            start_ms,
        })
    }
}
