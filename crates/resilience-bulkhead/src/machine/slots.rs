use resilience_core::{
    ConfigError, Gate, Registration, config,
    sync::{AtomicU64, Ordering},
};
use std::task::{Context, Poll};

/// Calls in flight: the lower half of the word.
const IN_FLIGHT: u64 = 0xffff_ffff;
/// How often the slots have become empty, modulo 2³¹: the upper half, but for the top bit.
const EMPTIED_ONE: u64 = 1 << 32;
const EMPTIED: u64 = 0x7fff_ffff_0000_0000;
const CLOSED: u64 = 1 << 63;

/// A limited number of slots for calls in flight.
///
/// One atomic word holds the count, whether the slots are closed, and how often they have become empty; every
/// change is one compare-exchange, so that the limit is exact in every interleaving. A refusal writes nothing.
#[derive(Debug)]
pub struct Slots {
    word: AtomicU64,
    limit: u64,
    /// Released when everybody starts to be refused.
    refusing: Gate,
    /// Released when nothing is in flight any more.
    idle: Gate,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All slots are taken.
    Taken,
    /// The slots are closed, for good.
    Closed,
}

impl Slots {
    /// The highest limit: 2³¹ − 1.
    pub const MAX_LIMIT: usize = 0x7fff_ffff;

    /// `limit` free slots: from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn new(limit: usize) -> Result<Self, ConfigError> {
        let limit = config::count("limit", limit, 1, Self::MAX_LIMIT)?;
        Ok(Self {
            word: AtomicU64::new(0),
            limit: limit as u64,
            refusing: Gate::new(),
            idle: Gate::new(),
        })
    }

    /// Takes a slot, which the caller gives back with [`leave`](Self::leave).
    pub fn enter(&self) -> Result<(), Full> {
        let taken = self.update(|word| {
            if word & CLOSED != 0 {
                return Err(Full::Closed);
            }
            if word & IN_FLIGHT >= self.limit {
                return Err(Full::Taken);
            }
            Ok(word + 1)
        })?;
        if taken & IN_FLIGHT == self.limit {
            self.refusing.release();
        }
        Ok(())
    }

    /// Gives a slot back. To be called once for every [`enter`](Self::enter) that succeeded.
    pub fn leave(&self) {
        let left = self.update(|word| {
            debug_assert_ne!(word & IN_FLIGHT, 0, "more have left than entered");
            let left = word - 1;
            if left & IN_FLIGHT != 0 {
                return Ok::<_, Full>(left);
            }
            let emptied = left.wrapping_add(EMPTIED_ONE) & EMPTIED;
            Ok(left & !EMPTIED | emptied)
        });
        if left.is_ok_and(|word| word & IN_FLIGHT == 0) {
            self.idle.release();
        }
    }

    /// Refuses everybody from now on. Whether this was the call that closed.
    pub fn close(&self) -> bool {
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        if before & CLOSED != 0 {
            return false;
        }
        self.refusing.release();
        true
    }

    /// Runs `decide`, which has no side effects, on the word until its answer could be written.
    fn update<E>(&self, decide: impl Fn(u64) -> Result<u64, E>) -> Result<u64, E> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let next = decide(word)?;
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(next),
                Err(current) => word = current,
            }
        }
    }

    fn load(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    /// How many slots are taken.
    pub fn in_flight(&self) -> usize {
        count(self.load())
    }

    /// How many slots there are.
    pub fn limit(&self) -> usize {
        count(self.limit)
    }

    /// Whether the slots are closed.
    pub fn is_closed(&self) -> bool {
        self.load() & CLOSED != 0
    }

    /// Whether nobody can enter: closed, or all slots taken.
    pub fn is_refusing(&self) -> bool {
        let word = self.load();
        word & CLOSED != 0 || word & IN_FLIGHT >= self.limit
    }

    /// Released whenever [`is_refusing`](Self::is_refusing) becomes true.
    pub fn refusing(&self) -> &Gate {
        &self.refusing
    }

    /// Begins to wait until nothing is in flight.
    pub fn drain_wait(&self) -> DrainWait {
        DrainWait {
            emptied: self.load() & EMPTIED,
            place: None,
        }
    }

    /// Ready once nothing is in flight, or nothing was at some moment since `wait` began: a waiter that is slow
    /// to be polled does not miss that moment, however many calls follow it.
    pub fn poll_drained(&self, wait: &mut DrainWait, cx: &mut Context<'_>) -> Poll<()> {
        // Registers first and looks after: a last call that leaves in between finds the waker.
        match &mut wait.place {
            Some(place) => place.renew(cx.waker()),
            None => wait.place = Some(self.idle.wait(cx.waker())),
        }
        let word = self.load();
        if word & IN_FLIGHT != 0 && word & EMPTIED == wait.emptied {
            return Poll::Pending;
        }
        wait.place = None;
        Poll::Ready(())
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "at most `MAX_LIMIT`, which came as a `usize`; the lint fires on 32-bit targets only"
)]
fn count(word: u64) -> usize {
    (word & IN_FLIGHT) as usize
}

/// A waiter for [`Slots::poll_drained`]; dropping it stops waiting.
#[derive(Debug)]
pub struct DrainWait {
    emptied: u64,
    place: Option<Registration>,
}

#[cfg(all(test, not(resilience_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_emptyings_wraps_without_touching_its_neighbours() {
        let slots = Slots::new(1).unwrap();
        slots.word.store(EMPTIED, Ordering::Relaxed);
        slots.enter().unwrap();
        slots.leave();
        assert_eq!(slots.load(), 0);

        slots.word.store(EMPTIED, Ordering::Relaxed);
        slots.enter().unwrap();
        slots.close();
        slots.leave();
        assert_eq!(slots.load(), CLOSED);
    }

    #[test]
    fn a_collision_runs_the_decision_again_on_the_new_word() {
        let slots = Slots::new(1).unwrap();
        let runs = std::cell::Cell::new(0);
        let taken = slots.update(|word| {
            runs.set(runs.get() + 1);
            if runs.get() == 1 {
                slots.enter().unwrap(); // somebody else comes between the load and the exchange
            }
            if word & IN_FLIGHT >= slots.limit {
                return Err(());
            }
            Ok(word + 1)
        });
        assert_eq!((taken, runs.get(), slots.in_flight()), (Err(()), 2, 1));
    }
}
