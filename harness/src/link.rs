//! A TCP fault link on one edge: passes bytes, counts them, and breaks the edge on demand.
//!
//! Latency delays each direction, refuse closes the listening socket itself (a new SYN is answered
//! by the kernel with RST) and cuts what flows, reset cuts existing flows once, a black hole
//! swallows bytes, cut ends a flow with RST after so many bytes of replies. It does not reorder or
//! lose packets: it works on streams.
//!
//! With several targets it is a plain round-robin proxy, connection by connection.
//!
//! A client of 127.0.0.0/8 keeps its address behind the link: limits and logs of the target go by
//! it.

mod delay;
mod flow;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::port;
use flow::Shared;
pub use flow::{Counters, Delays};

/// How long a healed link may try to get its own port back.
const REBIND_LIMIT: Duration = Duration::from_secs(5);
const REBIND_EVERY: Duration = Duration::from_millis(10);
/// Pause after the listener itself failed, for instance without descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// What the link does to the edge at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Added to each direction.
    pub latency: Duration,
    /// No new connection; existing ones were cut.
    pub refuse: bool,
    /// Bytes vanish in both directions, connections stay open.
    pub black_hole: bool,
    /// Each flow is reset after so many bytes from the target; bytes passed before count.
    pub cut_after: Option<u64>,
    /// A bystander: healing takes no latency away.
    pub stays_slow: bool,
}

/// A link that could not be set up or healed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No port.
    #[error("could not place link {name}: {cause}")]
    Port {
        /// The edge.
        name: String,
        /// Why.
        cause: port::NoPort,
    },
    /// The listener could not be bound.
    #[error("could not listen on {address} for link {name}: {cause}")]
    Listen {
        /// The edge.
        name: String,
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The listener did not come back after a refusal.
    #[error("could not heal link {name} in {REBIND_LIMIT:?}")]
    NotHealed {
        /// The edge.
        name: String,
    },
}

/// A running link.
pub struct Link {
    name: String,
    address: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    listening: watch::Receiver<bool>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// Listens on a free loopback port and passes each connection on to `target`. `name` is the
    /// edge, such as `server-store`.
    ///
    /// # Errors
    /// When no port could be bound.
    pub async fn start(name: &str, target: SocketAddr) -> Result<Self, LinkError> {
        Self::start_on(Ipv4Addr::LOCALHOST, name, target).await
    }

    /// The same on another address of this machine: the gateway, where containers reach it.
    ///
    /// # Errors
    /// When no port could be bound.
    pub async fn start_on(
        host: Ipv4Addr,
        name: &str,
        target: SocketAddr,
    ) -> Result<Self, LinkError> {
        let port = port::free_port().map_err(|cause| LinkError::Port {
            name: name.to_owned(),
            cause,
        })?;
        let address = SocketAddr::from((host, port));
        let listen = TcpListener::bind(address).await;
        let listener = listen.map_err(|cause| LinkError::Listen {
            name: name.to_owned(),
            address,
            cause,
        })?;
        Ok(Self::over(name, (address, listener), target))
    }

    /// A link that listens already.
    fn over(
        name: &str,
        (address, listener): (SocketAddr, TcpListener),
        target: SocketAddr,
    ) -> Self {
        let (behaviour, wanted) = watch::channel(Behaviour::default());
        let (is_listening, listening) = watch::channel(true);
        let shared = Arc::new(Shared::new(target));
        let accepting = tokio::spawn(accept(Accept {
            address,
            listener: Some(listener),
            wanted,
            is_listening,
            shared: Arc::clone(&shared),
        }));
        Self {
            name: name.to_owned(),
            address,
            behaviour,
            listening,
            shared,
            accepting,
        }
    }

    /// The edge's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients of the edge connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the next connection is passed on to.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.shared.target().unwrap_or(self.address)
    }

    /// Sends connections opened from now on to another target.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.retarget(target);
    }

    /// Sends connections opened from now on to this target too, each to the next in turn and past
    /// one that takes none: a plain round-robin proxy.
    pub fn add_target(&self, target: SocketAddr) {
        self.shared.add_target(target);
    }

    /// What the link does at the moment.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        *self.behaviour.borrow()
    }

    /// Connections and bytes so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// The delays really added since the last call of [`Link::set_latency`].
    #[must_use]
    pub fn delays(&self) -> Delays {
        self.shared.delays()
    }

    /// Delays every byte by `each_way`, in both directions, on new and existing flows.
    pub fn set_latency(&self, each_way: Duration) {
        self.shared.forget_delays();
        self.behaviour.send_modify(|now| now.latency = each_way);
    }

    /// Swallows bytes from now on, or passes them again. Swallowed bytes never arrive.
    pub fn set_black_hole(&self, on: bool) {
        self.behaviour.send_modify(|now| now.black_hole = on);
    }

    /// Resets each flow once its target has sent so many bytes; `None` stops doing so.
    pub fn set_cut_after(&self, bytes: Option<u64>) {
        self.behaviour.send_modify(|now| now.cut_after = bytes);
    }

    /// The bystander: from now on the link keeps what delays it has when it is healed.
    pub fn stay_slow(&self) {
        self.behaviour.send_modify(|now| now.stays_slow = true);
    }

    /// Cuts every existing flow with RST on both sides, once, and says how many there were.
    #[must_use]
    pub fn reset(&self) -> u64 {
        self.shared.cut_all()
    }

    /// Closes the listening socket, then cuts what flows. Returns how many flows were cut, after
    /// new connections are refused for certain.
    pub async fn refuse(&self) -> u64 {
        self.behaviour.send_modify(|now| now.refuse = true);
        let mut listening = self.listening.clone();
        let _closed = listening.wait_for(|open| !open).await;
        self.shared.cut_all()
    }

    /// Back to passing bytes; waits until the port listens again.
    ///
    /// # Errors
    /// When the port could not be had back within some seconds.
    pub async fn heal(&self) -> Result<(), LinkError> {
        self.behaviour.send_modify(|now| {
            *now = Behaviour {
                latency: if now.stays_slow {
                    now.latency
                } else {
                    Duration::ZERO
                },
                stays_slow: now.stays_slow,
                ..Behaviour::default()
            };
        });
        let mut listening = self.listening.clone();
        let open = tokio::time::timeout(REBIND_LIMIT, listening.wait_for(|open| *open)).await;
        match open {
            Ok(Ok(_)) => Ok(()),
            _ => Err(LinkError::NotHealed {
                name: self.name.clone(),
            }),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.cut_all();
    }
}

struct Accept {
    address: SocketAddr,
    listener: Option<TcpListener>,
    wanted: watch::Receiver<Behaviour>,
    is_listening: watch::Sender<bool>,
    shared: Arc<Shared>,
}

/// The accept loop: one listener while connections are welcome, none while they are refused.
async fn accept(mut this: Accept) {
    loop {
        let refuse = this.wanted.borrow_and_update().refuse;
        if refuse {
            this.listener = None;
            this.is_listening.send_replace(false);
            if this.wanted.changed().await.is_err() {
                return;
            }
            continue;
        }
        let listener = match this.listener.take() {
            Some(listener) => listener,
            None => match TcpListener::bind(this.address).await {
                Ok(listener) => listener,
                Err(_taken) => {
                    tokio::time::sleep(REBIND_EVERY).await;
                    continue;
                }
            },
        };
        this.is_listening.send_replace(true);
        tokio::select! {
            (client, from) = next(&listener) => open(&this, client, from.ip()),
            changed = this.wanted.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        this.listener = Some(listener);
    }
}

/// The next connection, however often the listener fails before it.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(arrived) => return arrived,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn open(this: &Accept, client: TcpStream, from: IpAddr) {
    let shared = Arc::clone(&this.shared);
    let wanted = this.wanted.clone();
    // Admitted before the task first runs, so that a cut right now reaches this flow too.
    let cut = shared.admit();
    tokio::spawn(async move { shared.pass((client, from), cut, wanted).await });
}

#[cfg(test)]
mod tests;
