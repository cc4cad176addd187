//! The impostor: a proxy that makes a good server look bad in one named way, so that each detector
//! of the judge can be shown to work. It stands between client and server (HTTP, WebSocket or
//! stdio), before the admin endpoints, or between the server and a provider or its store, or it
//! becomes the server once it has company; `none` passes everything through.

pub mod admin;
pub mod call;
pub mod client;
pub mod company;
pub mod journal;
pub mod message;
pub mod params;
pub mod provider;
pub mod proxy;
pub mod registry;
pub mod spoiler;
pub mod stdio;
pub mod store;
pub mod trigger;
pub mod websocket;
