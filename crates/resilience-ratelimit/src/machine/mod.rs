//! The algorithm, without Tower, tokio or telemetry: GCRA over one atomic word, with the time as an argument.

mod gcra;
mod quota;

pub use gcra::{Gcra, Grant, Refusal};
pub use quota::Quota;
