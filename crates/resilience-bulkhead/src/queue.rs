use crate::{
    Bulkhead, BulkheadPermit,
    bulkhead::Shared,
    config::MAX_WAITING,
    machine::{Full, Waiter},
};
use resilience_core::{
    ConfigError, Deadline, Gate, Now, Policy, Queue, QueueLayer, Rejected, Turn, config,
    sync::{Handle, Handles},
};
use std::{
    fmt, mem,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The layer of a [`BulkheadQueue`].
pub type BulkheadQueueLayer = QueueLayer<BulkheadQueue>;

/// A [`Bulkhead`] where callers wait for a slot, first come, first served. Made by [`Bulkhead::wait_up_to`].
///
/// A clone is the same bulkhead and the same line. All queues of one bulkhead are one line, even with different
/// maximum waits.
#[derive(Clone)]
pub struct BulkheadQueue {
    bulkhead: Bulkhead,
    max_wait: Duration,
    max_waiting: usize,
}

impl BulkheadQueue {
    /// How many callers may stand in line, unless [set](Self::max_waiting).
    pub const DEFAULT_MAX_WAITING: usize = MAX_WAITING;

    pub(crate) fn new(bulkhead: Bulkhead, max: Duration) -> Result<Self, ConfigError> {
        let max_wait = config::duration("wait_up_to", max);
        Ok(Self {
            max_wait: max_wait.map_err(|error| error.of(bulkhead.name().clone()))?,
            bulkhead,
            max_waiting: Self::DEFAULT_MAX_WAITING,
        })
    }

    /// How many callers may stand in line before more are refused: from 1 to 10,000,000, by default 1,000. Each of
    /// them keeps its request in memory.
    ///
    /// More than can get in within the maximum wait are of no use: with calls that take 50 ms and a limit of 10, 200
    /// per second.
    pub fn max_waiting(mut self, callers: usize) -> Result<Self, ConfigError> {
        let callers = config::count("max_waiting", callers, 1, 10_000_000);
        self.max_waiting = callers.map_err(|error| error.of(self.bulkhead.name().clone()))?;
        Ok(self)
    }

    /// A Tower layer over this bulkhead, where callers wait.
    pub fn layer(&self) -> BulkheadQueueLayer {
        QueueLayer::new(self.clone())
    }

    /// The bulkhead, and the handle to it.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }

    fn shared(&self) -> &Handles<Shared> {
        &self.bulkhead.shared
    }
}

/// Decides at once, as the [`Bulkhead`] does.
impl<Req: ?Sized> Policy<Req> for BulkheadQueue {
    type Permit = BulkheadPermit;

    fn admit(&self, req: &Req, now: &mut Now) -> Result<BulkheadPermit, Rejected> {
        self.bulkhead.admit(req, now)
    }

    fn refusing(&self, now: &mut Now) -> bool {
        Policy::<Req>::refusing(&self.bulkhead, now)
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        Policy::<Req>::gates(&self.bulkhead, each);
    }
}

impl<Req: ?Sized> Queue<Req> for BulkheadQueue {
    type Ticket = BulkheadTicket;

    fn join(&self, _: &Req, _: Option<Deadline>, _: &mut Now) -> Result<BulkheadTicket, Rejected> {
        match self.shared().slots.join(self.max_waiting) {
            Ok(waiter) => Ok(BulkheadTicket::new(self.shared(), waiter)),
            Err(why) => Err(self.shared().reject(why)),
        }
    }

    fn turn(
        &self,
        ticket: &mut BulkheadTicket,
        cx: &mut Context<'_>,
        _: &mut Now,
    ) -> Turn<BulkheadPermit> {
        match ticket.poll_turn(self.shared(), cx) {
            Poll::Ready(Ok(permit)) => Turn::Admitted(permit),
            Poll::Ready(Err(why)) => Turn::Refused(self.shared().reject(why)),
            Poll::Pending => Turn::Wait(None),
        }
    }

    fn max_wait(&self) -> Duration {
        self.max_wait
    }

    fn too_late(&self, mut ticket: BulkheadTicket) -> Rejected {
        ticket.answered = true;
        drop(ticket);
        self.shared().reject(Full::Taken)
    }
}

impl fmt::Debug for BulkheadQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadQueue")
            .field("bulkhead", &self.bulkhead)
            .field("waiting", &self.bulkhead.waiting())
            .field("max_wait", &self.max_wait)
            .field("max_waiting", &self.max_waiting)
            .finish()
    }
}

/// A place in the line of a [`BulkheadQueue`]; dropping it leaves the line.
///
/// A caller that found a slot when it joined did not stand in line: its ticket holds the slot until its first turn.
#[must_use = "dropping it leaves the line"]
pub struct BulkheadTicket {
    shared: Handle<Shared>,
    waiter: Waiter,
    /// Whether this caller is in the gauge of those who wait.
    counted: bool,
    /// Whether it has had its answer, and does not just go away.
    answered: bool,
}

impl BulkheadTicket {
    fn new(shared: &Handles<Shared>, waiter: Waiter) -> Self {
        let ticket = Self {
            shared: shared.handle(),
            counted: waiter.is_waiting(),
            answered: false,
            waiter,
        };
        if ticket.counted {
            ticket.shared.telemetry.waiting.increment();
        }
        ticket
    }

    fn poll_turn(
        &mut self,
        shared: &Handles<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BulkheadPermit, Full>> {
        let slots = &self.shared.slots;
        let answer = ready!(slots.poll_turn(&mut self.waiter, cx.waker()));
        // First of all somebody has to own the slot.
        let answer = answer.map(|()| BulkheadPermit::new(shared.handle()));
        self.answered = true;
        self.uncount();
        Poll::Ready(answer)
    }

    fn uncount(&mut self) {
        if mem::take(&mut self.counted) {
            let telemetry = &self.shared.telemetry;
            telemetry.waiting.decrement();
            if !self.answered {
                telemetry.abandoned.increment();
            }
        }
    }
}

impl Drop for BulkheadTicket {
    fn drop(&mut self) {
        // Before the telemetry, which is foreign code: if a recorder panics, nobody stands in line for ever.
        self.shared.slots.quit(&mut self.waiter);
        self.uncount();
    }
}

impl fmt::Debug for BulkheadTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadTicket")
            .field("bulkhead", &self.shared.name)
            .finish_non_exhaustive()
    }
}
