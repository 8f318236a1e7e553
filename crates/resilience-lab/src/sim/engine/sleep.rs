//! Waiting for a time of the simulated world.

use super::{Engine, Sleeper, What};
use resilience_core::sync::lock;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Ready at a time, to the nanosecond: see [`Sim::sleep`](crate::sim::Sim::sleep).
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    pub(super) engine: Arc<Engine>,
    pub(super) at: u64,
    pub(super) key: Option<usize>,
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
