use crate::{
    breaker::Shared,
    machine::{Ended, Ending, Ticket},
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
    #[inline]
    pub(crate) fn new(shared: Handle<Shared>, ticket: Ticket) -> Self {
        Self {
            shared,
            ticket: Some(ticket),
        }
    }

    /// What a good call of a closed breaker brings, which is next to nothing. `false`: it is more than that.
    #[inline]
    fn succeed(&mut self) -> bool {
        let shared = &self.shared;
        let done = self
            .ticket
            .as_ref()
            .is_some_and(|ticket| shared.machine.succeed(ticket));
        if done {
            self.ticket = None;
            shared.telemetry.ended(Ending::Success, &shared.machine);
        }
        done
    }

    /// Not by the machine's `finish`, which would ask once more what `succeed` has answered.
    #[inline]
    fn record(&mut self, outcome: Outcome, now: &mut Now) {
        if !(matches!(outcome, Outcome::Success) && self.succeed()) {
            self.end(|shared, ticket| shared.machine.finish_under_lock(ticket, outcome, now));
        }
    }

    #[cold]
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
            return self.record(outcome, now);
        }
        if let Some(ticket) = &mut self.ticket {
            let transition = self.shared.machine.head(ticket, now);
            self.shared.announce(transition);
        }
    }

    #[inline]
    fn finish(mut self, outcome: Outcome, now: &mut Now) {
        self.record(outcome, now);
    }

    fn revert(mut self, _: &mut Now) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.machine.revert(ticket);
        }
    }
}

impl Drop for BreakerPermit {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.end(|shared, ticket| shared.machine.abandon(ticket, &mut Now::lazy()));
        }
    }
}

impl fmt::Debug for BreakerPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerPermit")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
