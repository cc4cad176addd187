//! The gate's hands: opens records, holds them against ledger, signatures and rules, and asks what
//! runs. What the evidence is worth is decided by `exai_judge::gate`, which sees only what was
//! admitted here.

pub mod admission;
pub mod register;
pub mod runtime;
pub mod shelf;

pub use admission::{Admitted, Rules, admit, read};
pub use register::Register;
pub use shelf::{Shelf, Shown};
