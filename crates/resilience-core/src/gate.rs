//! Where callers wait who may have to be sent home early.

use crate::sync::{Arc, Mutex, lock};
use std::{collections::BTreeMap, fmt, task::Waker};

/// The wakers of callers that wait for an inner service to become ready.
///
/// A policy that starts refusing [releases](Self::release) its gate, so that those callers are polled, see the
/// refusal and go. Clones are the same gate.
///
/// The order that loses no wake-up: the caller [waits](Self::wait) first and asks
/// [`refusing`](crate::Policy::refusing) after; the policy changes its state first and releases after.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Gate {
    /// A gate where nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a caller until the returned registration is dropped.
    pub fn wait(&self, waker: &Waker) -> Registration {
        let waker = waker.clone();
        let mut waiting = lock(&self.0);
        let id = waiting.next;
        waiting.next += 1;
        waiting.wakers.insert(id, waker);
        Registration {
            gate: self.clone(),
            id,
        }
    }

    /// Wakes everybody who waits now.
    pub fn release(&self) {
        let wakers = std::mem::take(&mut lock(&self.0).wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }

    /// How many callers wait.
    pub fn len(&self) -> usize {
        lock(&self.0).wakers.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("waiting", &self.len())
            .finish()
    }
}

/// A place at a [`Gate`]; dropping it leaves.
#[derive(Debug)]
pub struct Registration {
    gate: Gate,
    id: u64,
}

impl Registration {
    /// Takes the place again with this waker, also after a release.
    pub fn renew(&mut self, waker: &Waker) {
        let waker = waker.clone();
        // Moved out of the critical section: dropping a waker may drop its task, and with it a registration here.
        let _known = lock(&self.gate.0).wakers.insert(self.id, waker);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Moved out of the critical section, as above.
        let _left = lock(&self.gate.0).wakers.remove(&self.id);
    }
}
