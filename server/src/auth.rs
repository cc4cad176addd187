//! Who is calling and what they may do: tokens, roles, the record of denials.

pub mod access;
pub mod audit;
pub mod daemon_key;
pub mod denial;
pub mod keys;
pub mod mint;
pub mod policy;
pub mod principal;
pub mod remote;
pub mod shared;
pub mod strict_json;
pub mod token;

pub use principal::Principal;
