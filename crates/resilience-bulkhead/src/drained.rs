use crate::{bulkhead::Shared, machine::DrainWait};
use resilience_core::sync::Handle;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Waits until nothing is in flight. Made by [`Bulkhead::drained`](crate::Bulkhead::drained).
#[must_use = "futures do nothing unless polled"]
pub struct Drained {
    shared: Handle<Shared>,
    wait: DrainWait,
}

impl Drained {
    pub(crate) fn new(shared: Handle<Shared>) -> Self {
        let wait = shared.slots.drain_wait();
        Self { shared, wait }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.slots.poll_drained(&mut this.wait, cx)
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained")
            .field("bulkhead", &self.shared.name)
            .field("in_flight", &self.shared.slots.in_flight())
            .finish_non_exhaustive()
    }
}
