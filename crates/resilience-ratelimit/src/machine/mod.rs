//! The algorithms, without Tower, tokio or telemetry, and with the time as an argument: GCRA over one atomic word, and a
//! sliding window.

mod gcra;
mod pace;
mod quota;
mod sliding;

pub use gcra::{Gcra, Grant, Refusal};
pub use pace::{Pace, give_back};
pub use quota::Quota;
pub use sliding::{SlidingGrant, SlidingWindow};
