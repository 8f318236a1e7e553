//! Time: a heap of events in exact nanoseconds, and tokio's clock moved from one to the next; or waited for, in real time.

use super::Lateness;
use resilience_core::{
    Timestamp, clock, nanos,
    sync::{Mutex, lock},
};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::Duration,
};
use tokio::time::sleep_until;

mod sleep;

pub use sleep::Sleep;

/// Tokio's timers fire at whole milliseconds since the runtime was built.
const TICK: u64 = 1_000_000;

/// An event that is farther away than this is not gone to tick by tick: tokio then looks which of its timers is next.
const FAR: u64 = 8 * TICK;

/// With no event to come, timers of the layers may still be waited for: for more than any of them may last.
const PATIENCE: u64 = 366 * 86_400 * 1_000_000_000;

/// Something that happens at a time, without a task that waits for it.
pub(crate) trait Fire: Send + Sync {
    /// It is time. No lock of the engine is held.
    fn fire(self: Arc<Self>, token: u64);
}

/// Who moves the clock.
pub(crate) enum Pace {
    /// The engine moves it, as fast as events can happen.
    Virtual,
    /// Nobody: events wait for the clock of the system, and how late they are is noted.
    Real(Lateness),
}

/// What happens when.
pub(crate) struct Engine {
    pace: Pace,
    now: AtomicU64,
    ended: AtomicBool,
    events: Mutex<Events>,
    /// Present while tokio moves the clock from one of its timers to the next, this one being the last.
    doze: Mutex<Option<Pin<Box<tokio::time::Sleep>>>>,
    /// The family's timestamp of the beginning.
    origin: OnceLock<Timestamp>,
}

#[derive(Default)]
struct Events {
    heap: BinaryHeap<Reverse<Entry>>,
    sleepers: Slab<Sleeper>,
    /// Numbers the events, so that those of one instant happen in the order in which they were planned.
    planned: u64,
    last: u64,
}

struct Entry {
    at: u64,
    nth: u64,
    what: What,
}

enum What {
    /// Nothing of the lab's: a whole millisecond, at which timers may fire.
    Tick,
    /// Unless the sleeper of that number is gone.
    Wake(usize),
    Fire(Arc<dyn Fire>, u64),
}

/// How the clock is to be moved.
enum Move {
    To(Entry),
    /// As far as this, by tokio.
    Doze(u64),
}

struct Sleeper {
    nth: u64,
    waker: Waker,
}

impl Engine {
    pub(crate) fn new(pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            pace,
            now: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            events: Mutex::default(),
            doze: Mutex::default(),
            origin: OnceLock::new(),
        })
    }

    /// Nanoseconds since the simulation began.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// Plans `what.fire(token)`.
    pub(crate) fn plan(&self, at: u64, what: Arc<dyn Fire>, token: u64) {
        lock(&self.events).push(at.max(self.now()), What::Fire(what, token));
    }

    /// The future that is ready at `at`.
    pub(crate) fn sleep_until(self: &Arc<Self>, at: u64) -> Sleep {
        Sleep {
            engine: self.clone(),
            at,
            key: None,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Nothing happens any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Relaxed);
        lock(&self.doze).take();
        let events = std::mem::take(&mut lock(&self.events).heap);
        drop(events);
    }

    /// Begins at the present of the family's clock.
    pub(crate) fn begin(&self) {
        self.origin.get_or_init(clock::now);
    }

    /// Called before tasks go on: the clock may have been moved by tokio.
    pub(crate) fn look(&self) {
        if lock(&self.doze).take().is_some()
            && let Some(origin) = self.origin.get()
        {
            self.now.store(nanos(clock::now() - *origin), Relaxed);
        }
    }

    /// Time since the simulation began as the layers see it. In virtual time it is [`now`](Self::now); in real time it is later,
    /// by as much as the engine is late.
    pub(crate) fn clock(&self) -> u64 {
        let origin = self.origin.get();
        origin.map_or(0, |origin| nanos(clock::now() - *origin))
    }

    /// Called when no task can go on: moves the clock to the next event, or to the next tick of tokio's timers, whichever
    /// comes first, so that something can. In real time: waits for it, and moves only what the simulated world takes for
    /// the present, so that being late once makes nothing later that was planned from there.
    ///
    /// An event at a tick happens before the timers of that tick fire.
    pub(crate) fn step(&self) {
        let Some(origin) = self.origin.get().copied().filter(|_| !self.has_ended()) else {
            return;
        };
        let now = self.now();
        let may_doze = matches!(self.pace, Pace::Virtual);
        let next = match lock(&self.events).next_move(now, may_doze) {
            Move::To(next) => next,
            Move::Doze(to) => return self.doze_until(origin + Duration::from_nanos(to)),
        };
        match &self.pace {
            Pace::Virtual => move_clock(Duration::from_nanos(next.at - now)),
            Pace::Real(lateness) => {
                let late = wait_for_clock(origin + Duration::from_nanos(next.at));
                if !matches!(next.what, What::Tick) {
                    lateness.note(late);
                }
            }
        }
        self.now.store(next.at, Relaxed);
        match next.what {
            What::Tick => {}
            What::Fire(what, token) => what.fire(token),
            What::Wake(key) => {
                let waker = lock(&self.events).sleepers[key].waker.clone();
                waker.wake();
            }
        }
    }

    /// Lets tokio move the clock to the next of its timers, `at` at the latest.
    fn doze_until(&self, at: Timestamp) {
        let mut doze = Box::pin(sleep_until(clock::instant(at)));
        // Known to the runtime from its first poll on. Nobody is woken: the step after it sees the time.
        let _ = doze.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        *lock(&self.doze) = Some(doze);
    }
}

/// Moves tokio's clock. Its timers fire when the runtime looks at them next, which the yield of `advance` makes it do.
fn move_clock(by: Duration) {
    let advance = pin!(tokio::time::advance(by));
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
}

/// Waits until the clock of the system shows `at`; returns how long ago that was. Timers fire as after [`move_clock`].
///
/// Like that, it counts on tokio not to park while a waker is deferred, which it is by `yield_now`: nothing else may be there
/// to wake it.
fn wait_for_clock(at: Timestamp) -> Duration {
    let early = at - clock::now();
    if !early.is_zero() {
        std::thread::sleep(early);
    }
    let yielded = pin!(tokio::task::yield_now());
    let _ = yielded.poll(&mut Context::from_waker(Waker::noop()));
    clock::now() - at
}

impl Events {
    fn push(&mut self, at: u64, what: What) -> u64 {
        self.planned += 1;
        let nth = self.planned;
        self.last = self.last.max(at);
        self.heap.push(Reverse(Entry { at, nth, what }));
        nth
    }

    fn next_move(&mut self, now: u64, may_doze: bool) -> Move {
        let tick = (now / TICK + 1) * TICK;
        if let Some(next) = self.next_until(tick) {
            return Move::To(next);
        }
        let far = match self.heap.peek() {
            Some(Reverse(next)) => next.at,
            None => self.last.saturating_add(PATIENCE),
        };
        assert!(
            far > now,
            "nothing is planned in the simulation, and yet the scenario goes on waiting"
        );
        // Tokio moves by whole milliseconds: from between two ticks it would go too far.
        if may_doze && now.is_multiple_of(TICK) && far - now > FAR {
            return Move::Doze(far / TICK * TICK);
        }
        let (at, nth, what) = (tick, 0, What::Tick);
        Move::To(Entry { at, nth, what })
    }

    /// Takes the next event, if it happens at `limit` or before. Those whose sleeper is gone are forgotten.
    fn next_until(&mut self, limit: u64) -> Option<Entry> {
        loop {
            let Reverse(first) = self.heap.peek()?;
            let gone = match first.what {
                What::Wake(key) => self.sleepers.get(key).is_none_or(|s| s.nth != first.nth),
                What::Tick | What::Fire(..) => false,
            };
            if !gone && first.at > limit {
                return None;
            }
            let Reverse(first) = self.heap.pop()?;
            if !gone {
                return Some(first);
            }
        }
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.nth == other.nth
    }
}

impl Eq for Entry {}
