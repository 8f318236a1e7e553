//! Chance: one seed, and a stream of numbers for each component.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// The random numbers of one component, drawn from the seed of the simulation and the component's name alone: what else there is in
/// the simulation does not shift them.
///
/// `ChaCha8`, whose numbers are the same on every machine and in every version.
#[derive(Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream `name` of `seed`; `nth` tells apart those who share the name.
    pub fn new(seed: u64, name: &str, nth: u64) -> Self {
        let mut rng =
            ChaCha8Rng::seed_from_u64(seed.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        rng.set_stream(fnv1a(name));
        Self(rng)
    }

    /// At least 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// True with the probability `share`. Draws nothing if that leaves no doubt.
    pub fn chance(&mut self, share: f64) -> bool {
        share >= 1.0 || (share > 0.0 && self.unit() < share)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// For distributions of `rand`.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// FNV-1a: a hash that is the same in every process.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
