//! The algorithm, without Tower, tokio or telemetry: a map that forgets, with the time as an argument.

mod map;
mod policies;
mod rates;
mod shard;

pub use map::{Map, Room};
pub use policies::{Kept, Policies};
pub use rates::{Changes, Grant, NotAdmitted, Rates, Word};
pub use shard::{Look, Moment, Value};
