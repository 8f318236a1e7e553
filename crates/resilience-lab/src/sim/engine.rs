//! Time: a heap of events in exact nanoseconds, and tokio's clock moved from one to the next.

use resilience_core::sync::{Mutex, lock};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Tokio's timers fire at whole milliseconds since the runtime was built.
const TICK: u64 = 1_000_000;

/// With no event to come, timers of the layers may still be waited for: for so long.
const PATIENCE: u64 = 3_600 * 1_000_000_000;

/// Something that happens at a time, without a task that waits for it.
pub(crate) trait Fire: Send + Sync {
    /// It is time. No lock of the engine is held.
    fn fire(self: Arc<Self>, token: u64);
}

/// What happens when.
pub(crate) struct Engine {
    now: AtomicU64,
    ended: AtomicBool,
    events: Mutex<Events>,
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
    /// Unless the sleeper of that number is gone.
    Wake(usize),
    Fire(Arc<dyn Fire>, u64),
}

struct Sleeper {
    nth: u64,
    waker: Waker,
}

impl Engine {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            events: Mutex::default(),
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
        let events = std::mem::take(&mut lock(&self.events).heap);
        drop(events);
    }

    /// Called when no task can go on: moves the clock to the next event, or to the next tick of tokio's timers, whichever
    /// comes first, so that something can.
    ///
    /// An event at a tick happens before the timers of that tick fire.
    pub(crate) fn step(&self) {
        if self.has_ended() {
            return;
        }
        let now = self.now();
        let tick = (now / TICK + 1) * TICK;
        let mut events = lock(&self.events);
        let next = events.next_until(tick);
        if next.is_none() && events.heap.is_empty() {
            assert!(
                now < events.last + PATIENCE,
                "nothing is planned in the simulation, and yet the scenario goes on waiting"
            );
        }
        drop(events);
        let to = next.as_ref().map_or(tick, |entry| entry.at);
        self.now.store(to, Relaxed);
        move_clock(Duration::from_nanos(to - now));
        match next.map(|entry| entry.what) {
            Some(What::Fire(what, token)) => what.fire(token),
            Some(What::Wake(key)) => {
                let waker = lock(&self.events).sleepers[key].waker.clone();
                waker.wake();
            }
            None => {}
        }
    }
}

/// Moves tokio's clock. Its timers fire when the runtime looks at them next, which the yield of `advance` makes it do.
fn move_clock(by: Duration) {
    let advance = pin!(tokio::time::advance(by));
    let _ = advance.poll(&mut Context::from_waker(Waker::noop()));
}

impl Events {
    fn push(&mut self, at: u64, what: What) -> u64 {
        self.planned += 1;
        let nth = self.planned;
        self.last = self.last.max(at);
        self.heap.push(Reverse(Entry { at, nth, what }));
        nth
    }

    /// Takes the next event, if it happens at `limit` or before. Those whose sleeper is gone are forgotten.
    fn next_until(&mut self, limit: u64) -> Option<Entry> {
        loop {
            let Reverse(first) = self.heap.peek()?;
            let gone = match first.what {
                What::Wake(key) => self.sleepers.get(key).is_none_or(|s| s.nth != first.nth),
                What::Fire(..) => false,
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

/// Ready at a time, to the nanosecond: see [`Sim::sleep`](super::Sim::sleep).
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    engine: Arc<Engine>,
    at: u64,
    key: Option<usize>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.engine.now() >= this.at {
            return Poll::Ready(());
        }
        let mut events = lock(&this.engine.events);
        if let Some(key) = this.key {
            events.sleepers[key].waker.clone_from(cx.waker());
        } else {
            let waker = cx.waker().clone();
            let key = events.sleepers.vacant_key();
            let nth = events.push(this.at, What::Wake(key));
            events.sleepers.insert(Sleeper { nth, waker });
            this.key = Some(key);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            lock(&self.engine.events).sleepers.remove(key);
        }
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep")
            .field("until", &Duration::from_nanos(self.at))
            .finish_non_exhaustive()
    }
}
