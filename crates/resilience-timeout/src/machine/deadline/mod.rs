//! How much time a call is allotted, and what it means to have used it up.

mod allotted;
mod error;

pub use allotted::{Allotted, Terms};
pub use error::{DeadlineError, DeadlineExceeded, MalformedDeadline};
