//! The algorithm, without Tower, tokio or telemetry: a counter with a limit, in one atomic word.

mod slots;

pub use slots::{DrainWait, Full, Slots};
