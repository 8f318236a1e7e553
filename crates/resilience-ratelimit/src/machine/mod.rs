//! The algorithm, without Tower, tokio or telemetry: GCRA over one atomic word, with the time as an argument.

mod gcra;
mod pace;
mod quota;

pub use gcra::{Gcra, Grant, Refusal};
pub use pace::{Pace, give_back};
pub use quota::Quota;
