//! What is a failure, and what becomes of it.

mod failure;
mod first;

pub use failure::Failure;
pub use first::{FirstFailure, Primary};

use resilience_core::Outcome;

/// Whether a call that ended so is answered by the fallback: failures of the dependency are, and refusals by the
/// family's own layers.
#[inline]
pub fn degrades(outcome: Outcome) -> bool {
    outcome.is_failure() || matches!(outcome, Outcome::Refused { .. })
}
