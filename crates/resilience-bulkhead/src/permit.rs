use crate::{bulkhead::Shared, machine::Slots, telemetry::Ended};
use resilience_core::{Now, Outcome, Permit, sync::Handle};
use std::fmt;

/// A slot in a [`Bulkhead`](crate::Bulkhead), given back when the call is over, reverted, or dropped.
#[must_use = "dropping it gives the slot back"]
pub struct BulkheadPermit {
    shared: Handle<Shared>,
    /// How the call ends if the permit is dropped now; `None` if it was never made.
    ended: Option<Ended>,
}

impl BulkheadPermit {
    /// For a slot that was just taken.
    #[inline]
    pub(crate) fn new(shared: Handle<Shared>) -> Self {
        let permit = Self {
            shared,
            ended: Some(Ended::Abandoned),
        };
        permit.shared.telemetry.in_flight.increment();
        permit
    }
}

impl Permit for BulkheadPermit {
    #[inline]
    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.ended = Some(Ended::of(outcome));
    }

    fn revert(mut self, _: &mut Now) {
        self.ended = None;
    }
}

impl Drop for BulkheadPermit {
    #[inline]
    fn drop(&mut self) {
        // Leaves when it is dropped, also if a metrics recorder panics; and after the gauge went down, so that the
        // gauge is never seen above the limit.
        let _leave = Leave(&self.shared.slots);
        let telemetry = &self.shared.telemetry;
        telemetry.in_flight.decrement();
        if let Some(ended) = self.ended {
            telemetry.over(ended);
        }
    }
}

struct Leave<'a>(&'a Slots);

impl Drop for Leave<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl fmt::Debug for BulkheadPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadPermit")
            .field("bulkhead", &self.shared.name)
            .finish_non_exhaustive()
    }
}
