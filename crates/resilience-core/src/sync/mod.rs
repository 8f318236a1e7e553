//! Atomics, locks and `Arc`, in one place, so that a model checker can stand in for them.
//!
//! Machines import from here and never from `std::sync`. Built with `--cfg resilience_loom`, these are
//! [loom](https://docs.rs/loom)'s types, and the tests named `loom_*` explore every interleaving.

mod spread;

#[cfg(not(resilience_loom))]
pub use self::spread::{Handle, Handles};
pub use self::spread::{Padded, Spread};

#[cfg(not(resilience_loom))]
pub use std::sync::{
    Arc, Mutex, MutexGuard, Weak,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(resilience_loom)]
pub use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Locks `mutex`, also after a holder panicked.
///
/// The family runs no user code under a lock, but for the `Clone` of a service that is retried, and keeps every critical
/// section consistent at each step, so a poisoned lock carries no broken invariant; refusing every later call because of it
/// would.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// Whether this is the only `Arc` to its value, and all that the others have done to it is seen.
///
/// While the answer is `true`, only who holds this very `Arc` can make another. `Weak` references are not counted: for
/// state that none are made of.
pub fn is_unshared<T: ?Sized>(only: &Arc<T>) -> bool {
    let unshared = Arc::strong_count(only) == 1;
    // Dropping an `Arc` releases what was done through it; the count alone is read without acquiring it.
    fence(Ordering::Acquire);
    unshared
}
