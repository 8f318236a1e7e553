//! What a limit is, and what it means to have passed it. Time itself is kept by the runtime's timer.

mod limit;
mod timed_out;

pub use limit::Limit;
pub use timed_out::TimedOut;
