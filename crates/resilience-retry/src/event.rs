use resilience_core::{Name, Outcome};
use std::time::Duration;

/// A retry that has been decided: what [`on_retry`](crate::RetryBuilder::on_retry) is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryEvent {
    /// The name of the layer.
    pub policy: Name,
    /// The number of the attempt to come; the first retry is 2.
    pub attempt: u32,
    /// How the attempt before it ended.
    pub outcome: Outcome,
    /// How long the wait for it is.
    pub wait: Duration,
}
