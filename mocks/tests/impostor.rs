//! The impostor over real sockets and pipes: what passes through unchanged, and what does not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, its rig too"
)]

#[path = "impostor/company.rs"]
mod company;
#[path = "impostor/http.rs"]
mod http;
#[path = "impostor/provider.rs"]
mod provider;
#[path = "impostor/rig.rs"]
mod rig;
#[path = "impostor/stdio.rs"]
mod stdio;
#[path = "impostor/store.rs"]
mod store;
#[path = "impostor/upgrade.rs"]
mod upgrade;
#[path = "impostor/websocket.rs"]
mod websocket;
