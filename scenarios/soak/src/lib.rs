//! The goose users of a soak: closed loops of people who converse, ask and look around. A process
//! of its own, because goose runs one attack a process; it adds load and measures nothing that is
//! judged.

pub mod desk;
pub mod journey;
