use crate::{
    breaker::Shared,
    machine::{Ended, Ticket},
};
use resilience_core::{Now, Outcome, Permit, sync::Handle};
use std::fmt;

/// The right to make one call that a [`Breaker`](crate::Breaker) has granted.
///
/// Dropped before the head of the response, it is an abandoned call; dropped after a head without a verdict, an
/// ignored one.
pub struct BreakerPermit {
    shared: Handle<Shared>,
    /// Taken when the call's outcome is recorded, which may be before the permit ends.
    ticket: Option<Ticket>,
}

impl BreakerPermit {
    pub(crate) fn new(shared: Handle<Shared>, ticket: Ticket) -> Self {
        Self {
            shared,
            ticket: Some(ticket),
        }
    }

    fn end(&mut self, how: impl FnOnce(&Shared, Ticket) -> Ended) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let ended = how(&self.shared, ticket);
        self.shared
            .telemetry
            .ended(ended.ending, &self.shared.machine);
        self.shared.announce(ended.transition);
    }
}

impl Permit for BreakerPermit {
    fn head(&mut self, verdict: Option<Outcome>, now: &mut Now) {
        if let Some(outcome) = verdict {
            return self.end(|shared, ticket| shared.machine.finish(ticket, outcome, now));
        }
        if let Some(ticket) = &mut self.ticket {
            let transition = self.shared.machine.head(ticket, now);
            self.shared.announce(transition);
        }
    }

    fn finish(mut self, outcome: Outcome, now: &mut Now) {
        self.end(|shared, ticket| shared.machine.finish(ticket, outcome, now));
    }

    fn revert(mut self, _: &mut Now) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.machine.revert(ticket);
        }
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        self.end(|shared, ticket| shared.machine.abandon(ticket, &mut Now::lazy()));
    }
}

impl fmt::Debug for BreakerPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerPermit")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
