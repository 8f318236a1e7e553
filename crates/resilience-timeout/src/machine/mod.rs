//! What a limit is, and what it means to have passed it. Time itself is kept by the runtime's timer.

mod attempt;
mod deadline;
mod kind;
mod limit;
mod timed_out;

pub use attempt::attempt_timeout;
pub use deadline::{Allotted, DeadlineError, DeadlineExceeded, MalformedDeadline, Terms};
pub use kind::Kind;
pub use limit::Limit;
pub use timed_out::TimedOut;
