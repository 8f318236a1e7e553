//! Outages in virtual time, with the real layers.

pub mod rehearsal;
pub mod report;
pub mod sim;
pub mod suite;
