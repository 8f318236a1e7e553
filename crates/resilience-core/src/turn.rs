//! Policies where callers may wait for their turn.

use crate::{Deadline, Now, Policy, Rejected, Timestamp};
use std::{task::Context, time::Duration};

/// A policy where callers may wait for their turn, first come first served.
///
/// Its adapter is [`QueueLayer`](crate::QueueLayer). While a caller waits, nothing is reserved for it, in the
/// policy or in the inner service. Dropping the ticket leaves the queue; a final answer of [`turn`](Self::turn)
/// has left it already, so that those behind move up whatever becomes of the ticket.
#[diagnostic::on_unimplemented(
    message = "callers cannot wait for `{Self}`",
    label = "this policy has no queue",
    note = "`QueueLayer` needs a policy that implements `resilience_core::Queue<Req>`; with `GuardLayer` any policy refuses at once"
)]
pub trait Queue<Req: ?Sized>: Policy<Req> {
    /// A place in the queue.
    type Ticket;

    /// Takes a place; or refuses, at once, if the turn cannot come within [`max_wait`](Self::max_wait), or before the
    /// call's `deadline`, which has not passed yet.
    fn join(
        &self,
        req: &Req,
        deadline: Option<Deadline>,
        now: &mut Now,
    ) -> Result<Self::Ticket, Rejected>;

    /// Asks whether it is this caller's turn. Unless the answer is final, `cx` is woken when the place in the
    /// queue changes; a time in [`Turn::Wait`] is the caller's to wait for. Not asked again after a final answer.
    fn turn(
        &self,
        ticket: &mut Self::Ticket,
        cx: &mut Context<'_>,
        now: &mut Now,
    ) -> Turn<Self::Permit>;

    /// How long a caller waits at the most, its inner service's readiness included.
    fn max_wait(&self) -> Duration;

    /// The refusal of a caller that has stood in the queue for that long. (One whose deadline passes before is refused by
    /// the adapter, and its ticket dropped. One whose turn came, but whose inner service was not ready in time, is
    /// refused by the adapter too, and its permit reverted.)
    fn too_late(&self, ticket: Self::Ticket) -> Rejected;
}

/// The answer to a caller in a [`Queue`].
#[derive(Debug)]
pub enum Turn<P> {
    /// It is this caller's turn.
    Admitted(P),
    /// Not yet. With a time: ask again then, even if nothing has woken the caller.
    Wait(Option<Timestamp>),
    /// The turn will not come.
    Refused(Rejected),
}
