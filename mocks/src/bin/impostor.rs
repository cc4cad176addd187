//! `impostor`: not built yet.

fn main() {}
