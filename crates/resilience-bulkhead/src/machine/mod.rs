//! The algorithm, without Tower, tokio or telemetry: a counter with a limit, in one atomic word, and a line of those
//! who wait.

mod slots;
mod waiter;

pub use slots::{DrainWait, Full, Slots};
pub use waiter::Waiter;
