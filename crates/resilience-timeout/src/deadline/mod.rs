//! Deadlines: how long a whole call may take, whatever is done for it.

mod answer;
mod before;
mod carry;
mod future;
mod layer;
mod service;
mod telemetry;

pub use answer::{BodyBound, OnDeadline};
pub use before::{Before, before};
pub use carry::Carry;
pub use future::DeadlineFuture;
pub use layer::{DeadlineBuilder, DeadlineLayer};
pub use service::DeadlineService;
