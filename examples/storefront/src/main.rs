//! A shop that survives the outage of its dependencies.
fn main() {}
