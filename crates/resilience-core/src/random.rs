//! The source of jitter.

use crate::sync::{Arc, Mutex, lock};
use std::fmt;

/// A random generator for jitter. Clones share one generator, so that no two of them ever go in step.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<fastrand::Rng>>);

impl Entropy {
    /// A generator seeded from the system.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// A generator with a fixed seed, for tests and simulations that must repeat.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number of at least 0 and less than 1, uniformly distributed.
    pub fn unit(&self) -> f64 {
        lock(&self.0).f64()
    }
}

impl Default for Entropy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
