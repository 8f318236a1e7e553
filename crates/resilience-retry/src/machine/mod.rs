//! The decision after each attempt: stop, or retry after a wait. Pure: time is an argument.

mod course;
mod plan;

pub use course::{Course, Decision, Retry, Sent, Stop};
pub use plan::Plan;
