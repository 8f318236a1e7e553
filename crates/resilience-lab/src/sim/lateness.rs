//! How late events are in real time.

use super::Latency;
use hdrhistogram::Histogram;
use resilience_core::{
    nanos,
    sync::{Mutex, lock},
};
use std::{fmt, sync::Arc, time::Duration};

/// How late the events of simulations in [real time](super::Simulation::real_time) were. Clones are the same, and several
/// simulations may share one.
#[derive(Clone)]
pub struct Lateness(Arc<Mutex<Histogram<u64>>>);

impl Lateness {
    /// Of no event yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn note(&self, late: Duration) {
        lock(&self.0).saturating_record(nanos(late));
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        lock(&self.0).len()
    }

    /// How late they were.
    pub fn figures(&self) -> Latency {
        Latency::of(&lock(&self.0))
    }
}

impl Default for Lateness {
    fn default() -> Self {
        // A microsecond to an hour; what is later counts as an hour.
        let histogram = Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3);
        Self(Arc::new(Mutex::new(histogram.expect("bounds that fit"))))
    }
}

impl fmt::Debug for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lateness")
            .field("events", &self.events())
            .field("figures", &self.figures())
            .finish()
    }
}
