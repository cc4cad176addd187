//! The judge judged: three histories a checker, edges of thresholds, mutations and properties.

mod catalogue;
