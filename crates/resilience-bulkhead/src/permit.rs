use crate::{bulkhead::Shared, machine::Slots};
use resilience_core::{Now, Outcome, Permit, sync::Arc};
use std::fmt;

/// A slot in a [`Bulkhead`](crate::Bulkhead), given back when the call is over, reverted, or dropped.
#[must_use = "dropping it gives the slot back"]
pub struct BulkheadPermit {
    shared: Arc<Shared>,
    end: End,
}

/// How the call ends if the permit is dropped now.
enum End {
    Abandoned,
    Finished(Outcome),
    Reverted,
}

impl BulkheadPermit {
    /// For a slot that was just taken.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let permit = Self {
            shared,
            end: End::Abandoned,
        };
        permit.shared.telemetry.in_flight.increment();
        permit
    }
}

impl Permit for BulkheadPermit {
    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.end = End::Finished(outcome);
    }

    fn revert(mut self, _: &mut Now) {
        self.end = End::Reverted;
    }
}

impl Drop for BulkheadPermit {
    fn drop(&mut self) {
        // Leaves when it is dropped, also if a metrics recorder panics; and after the gauge went down, so that the
        // gauge is never seen above the limit.
        let _leave = Leave(&self.shared.slots);
        let telemetry = &self.shared.telemetry;
        telemetry.in_flight.decrement();
        match self.end {
            End::Abandoned => telemetry.over(None),
            End::Finished(outcome) => telemetry.over(Some(outcome)),
            End::Reverted => {}
        }
    }
}

struct Leave<'a>(&'a Slots);

impl Drop for Leave<'_> {
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
