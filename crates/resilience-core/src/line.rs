//! A queue that is first come, first served, over all clones of a service.

use crate::sync::{Arc, Mutex, lock};
use std::{collections::VecDeque, fmt, task::Waker};

/// Callers in the order in which they came, each with what its turn costs.
///
/// Only the head may take its turn, so that a heavy request waits without being overtaken. Clones are the same
/// line.
#[derive(Clone, Default)]
pub struct Line(Arc<Mutex<Queued>>);

#[derive(Default)]
struct Queued {
    next: u64,
    /// The sum of the costs. Wider than a cost, since a saturated sum could not be taken apart again.
    cost: u128,
    places: VecDeque<(u64, u64, Option<Waker>)>,
}

impl Queued {
    fn ahead(&self) -> Ahead {
        Ahead {
            callers: self.places.len(),
            cost: u64::try_from(self.cost).unwrap_or(u64::MAX),
        }
    }
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins at the end if `may_join`, which sees the line as it is, allows it.
    ///
    /// `may_join` runs under the line's lock, so that nobody joins between its answer and the place taken: it is
    /// to be a short computation.
    pub fn join<E>(
        &self,
        cost: u64,
        may_join: impl FnOnce(Ahead) -> Result<(), E>,
    ) -> Result<Place, E> {
        let mut queued = lock(&self.0);
        may_join(queued.ahead())?;
        let id = queued.next;
        queued.next += 1;
        queued.cost += u128::from(cost);
        queued.places.push_back((id, cost, None));
        Ok(Place {
            line: self.clone(),
            id,
            cost,
        })
    }

    /// Whom a caller that joined now would find before it.
    pub fn ahead(&self) -> Ahead {
        lock(&self.0).ahead()
    }

    /// How many callers stand in line.
    pub fn len(&self) -> usize {
        lock(&self.0).places.len()
    }

    /// Whether nobody stands in line.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wakes the head, for example because what it waits for has become free.
    pub fn wake_head(&self) {
        let head = lock(&self.0)
            .places
            .front_mut()
            .and_then(|(_, _, waker)| waker.take());
        if let Some(waker) = head {
            waker.wake();
        }
    }

    /// Wakes everybody, for example because nobody's turn will come any more.
    pub fn wake_all(&self) {
        let mut wakers = Vec::new();
        for (_, _, waker) in &mut lock(&self.0).places {
            wakers.extend(waker.take());
        }
        for waker in wakers {
            waker.wake();
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("callers", &self.len())
            .finish()
    }
}

/// Who stands before a caller that wants to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Their number.
    pub callers: usize,
    /// The sum of their costs, at most [`u64::MAX`].
    pub cost: u64,
}

/// A place in a [`Line`]; dropping it leaves, and wakes the next one if this was the head.
///
/// To leave without that: [`leave`](Self::leave).
#[derive(Debug)]
pub struct Place {
    line: Line,
    id: u64,
    cost: u64,
}

impl Place {
    /// Whether this is the head of the line. `waker` is woken when that changes, or by [`Line::wake_head`].
    pub fn is_head(&self, waker: &Waker) -> bool {
        // Wakers run foreign code when they are cloned and when they are dropped (the last reference to a task
        // may own another place in this line): both happen outside of the lock.
        let mut spare = Some(waker.clone());
        let mut queued = lock(&self.line.0);
        // Ids grow along the line.
        let Ok(place) = queued
            .places
            .binary_search_by_key(&self.id, |place| place.0)
        else {
            return false;
        };
        let known = &mut queued.places[place].2;
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            std::mem::swap(known, &mut spare);
        }
        place == 0
    }

    /// What this caller's turn costs.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Leaves without waking anybody, for a policy that knows whether there is anything to wake the next one for.
    ///
    /// `left` is told who stays, and whether this was the head. It runs under the line's lock, so that nobody joins
    /// or leaves meanwhile: it is to be a short computation.
    pub fn leave<T>(self, left: impl FnOnce(Ahead, bool) -> T) -> T {
        let (answer, _place) = {
            let mut queued = lock(&self.line.0);
            let place = self.remove(&mut queued);
            let was_head = place.as_ref().is_some_and(|(_, was_head)| *was_head);
            (left(queued.ahead(), was_head), place)
        };
        answer
    }

    /// Takes the place out, unless that was done before, and says whether it was the head's. What comes back is to
    /// be dropped outside of the lock.
    fn remove(&self, queued: &mut Queued) -> Option<(Option<Waker>, bool)> {
        let place = queued
            .places
            .binary_search_by_key(&self.id, |place| place.0)
            .ok()?;
        queued.cost -= u128::from(self.cost);
        let (_, _, waker) = queued.places.remove(place)?;
        Some((waker, place == 0))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Bound to a name, so that the lock is released before the waker goes.
        let removed = self.remove(&mut lock(&self.line.0));
        if let Some((_waker, true)) = removed {
            self.line.wake_head();
        }
    }
}
