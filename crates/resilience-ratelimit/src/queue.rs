use crate::{
    Cost, One, RateLimit, RateLimitPermit, config::MAX_WAITING, limit::Shared, machine::Refusal,
};
use resilience_core::{
    Ahead, ConfigError, Deadline, Gate, Now, Place, Policy, Queue, QueueLayer, Reason, Rejected,
    Timestamp, Turn, config,
    sync::{Handle, Handles},
};
use std::{fmt, task::Context, time::Duration};

/// The layer of a [`RateLimitQueue`].
pub type RateLimitQueueLayer<C = One> = QueueLayer<RateLimitQueue<C>>;

/// A [`RateLimit`] where callers wait for their turn, first come, first served. Made by
/// [`RateLimit::wait_up_to`].
///
/// A clone is the same limit and the same line. All queues of one limit are one line, even with different
/// maximum waits.
#[derive(Clone)]
pub struct RateLimitQueue<C = One> {
    limit: RateLimit<C>,
    max_wait: Duration,
    max_waiting: usize,
}

impl<C> RateLimitQueue<C> {
    /// How many callers may stand in line, unless [set](Self::max_waiting).
    pub const DEFAULT_MAX_WAITING: usize = MAX_WAITING;

    pub(crate) fn new(limit: RateLimit<C>, max: Duration) -> Result<Self, ConfigError> {
        let max_wait = config::duration("wait_up_to", max);
        Ok(Self {
            max_wait: max_wait.map_err(|error| error.of(limit.name().clone()))?,
            limit,
            max_waiting: Self::DEFAULT_MAX_WAITING,
        })
    }

    /// How many callers may stand in line before more are refused, with
    /// [`Reason::Concurrency`](resilience_core::Reason::Concurrency): from 1 to 10,000,000, by default 10,000. The
    /// maximum wait is a limit too, and for most quotas the narrower one.
    pub fn max_waiting(mut self, callers: usize) -> Result<Self, ConfigError> {
        let callers = config::count("max_waiting", callers, 1, 10_000_000);
        self.max_waiting = callers.map_err(|error| error.of(self.limit.name().clone()))?;
        Ok(self)
    }

    /// A Tower layer over this limit, where callers wait.
    pub fn layer(&self) -> RateLimitQueueLayer<C>
    where
        C: Clone,
    {
        QueueLayer::new(self.clone())
    }

    /// The limit, and the handle to it.
    pub fn limit(&self) -> &RateLimit<C> {
        &self.limit
    }

    fn shared(&self) -> &Handles<Shared> {
        &self.limit.shared
    }

    /// Whether a caller behind `ahead`, which has until `deadline`, may join.
    fn may_join(
        &self,
        ahead: Ahead,
        cost: u32,
        deadline: Option<Deadline>,
        now: Timestamp,
    ) -> Result<(), No> {
        let wait = self.shared().gcra.wait(ahead.cost, cost, now);
        let wait = wait.map_err(No::Spent)?;
        if let Some(early) = wait.checked_sub(self.max_wait).filter(|d| !d.is_zero()) {
            return Err(No::Spent(Refusal::For(early)));
        }
        if ahead.callers >= self.max_waiting {
            return Err(No::Full);
        }
        match deadline {
            Some(deadline) if now + wait >= deadline.timestamp() => Err(No::Late),
            _ => Ok(()),
        }
    }

    /// The refusal of a caller that has left the line because others went past it: when it may join again.
    fn overtaken(&self, ticket: &Ticket, now: Timestamp) -> Rejected {
        match self.may_join(
            self.shared().line.ahead(),
            ticket.cost,
            ticket.deadline,
            now,
        ) {
            Ok(()) => self.shared().reject(Some(Duration::ZERO)),
            Err(no) => self.refuse(no),
        }
    }

    fn refuse(&self, no: No) -> Rejected {
        match no {
            No::Spent(why) => self.shared().reject(why.retry_after()),
            No::Full => self.shared().refuse(Reason::Concurrency),
            No::Late => self.shared().refuse(Reason::Deadline),
        }
    }
}

/// Why a caller may not join.
#[derive(Clone, Copy)]
enum No {
    /// Its turn would come too late; if ever, it may join after that time.
    Spent(Refusal),
    /// Too many wait, and nobody knows when the first of them leaves.
    Full,
    /// Its turn would come when its deadline has passed.
    Late,
}

/// Decides at once, without overtaking those who wait: while there are any, everybody is refused whose request
/// costs something.
impl<Req: ?Sized, C: Cost<Req>> Policy<Req> for RateLimitQueue<C> {
    type Permit = RateLimitPermit;

    fn admit(&self, req: &Req, now: &mut Now) -> Result<RateLimitPermit, Rejected> {
        let cost = self.limit.cost.cost(req);
        let shared = self.shared();
        let ahead = shared.line.ahead();
        if ahead.callers == 0 || cost == 0 {
            let admitted = self.limit.take(cost, now);
            return admitted.map_err(|why| shared.reject(why.retry_after()));
        }
        let wait = shared.gcra.wait(ahead.cost, cost, now.get());
        Err(shared.reject(wait.map_or_else(Refusal::retry_after, Some)))
    }

    fn refusing(&self, now: &mut Now) -> bool {
        Policy::<Req>::refusing(&self.limit, now)
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        Policy::<Req>::gates(&self.limit, each);
    }
}

impl<Req: ?Sized, C: Cost<Req>> Queue<Req> for RateLimitQueue<C> {
    type Ticket = Ticket;

    fn join(
        &self,
        req: &Req,
        deadline: Option<Deadline>,
        now: &mut Now,
    ) -> Result<Ticket, Rejected> {
        let cost = self.limit.cost.cost(req);
        let now = now.get();
        let place = match cost {
            0 => None,
            cost => {
                let may_join = |ahead| self.may_join(ahead, cost, deadline, now);
                let joined = self.shared().line.join(u64::from(cost), may_join);
                Some(joined.map_err(|no| self.refuse(no))?)
            }
        };
        Ok(Ticket {
            cost,
            deadline,
            until: now + self.max_wait,
            place,
            waiting: None,
        })
    }

    fn turn(
        &self,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
        now: &mut Now,
    ) -> Turn<RateLimitPermit> {
        let shared = self.shared();
        // Registers first and looks after, so that what comes back in between is not missed.
        if ticket
            .place
            .as_ref()
            .is_some_and(|place| !place.is_head(cx.waker()))
        {
            ticket.waits(shared);
            return Turn::Wait(None);
        }
        match self.limit.take(ticket.cost, now) {
            Ok(permit) => {
                ticket.leave();
                Turn::Admitted(permit)
            }
            Err(Refusal::For(delay)) if ticket.is_served_at(now.get() + delay) => {
                ticket.waits(shared);
                Turn::Wait(Some(now.get() + delay))
            }
            // Somebody went past the line, and now the turn comes too late.
            Err(_) => {
                ticket.leave();
                Turn::Refused(self.overtaken(ticket, now.get()))
            }
        }
    }

    fn max_wait(&self) -> Duration {
        self.max_wait
    }

    fn too_late(&self, mut ticket: Ticket) -> Rejected {
        ticket.leave();
        self.overtaken(&ticket, Now::lazy().get())
    }
}

impl<C> fmt::Debug for RateLimitQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitQueue")
            .field("limit", &self.limit)
            .field("max_wait", &self.max_wait)
            .field("max_waiting", &self.max_waiting)
            .finish()
    }
}

/// A place in the line of a [`RateLimitQueue`]. Nothing is spent until its turn; dropping it leaves the line.
#[derive(Debug)]
#[must_use = "dropping it leaves the line"]
pub struct Ticket {
    cost: u32,
    deadline: Option<Deadline>,
    /// When the caller will have waited for long enough.
    until: Timestamp,
    /// `None` for a request that costs nothing, and after a final answer.
    place: Option<Place>,
    /// Set once the caller had to wait.
    waiting: Option<Waiting>,
}

impl Ticket {
    /// Whether a turn at `at` is in time.
    fn is_served_at(&self, at: Timestamp) -> bool {
        at <= self.until
            && self
                .deadline
                .is_none_or(|deadline| at < deadline.timestamp())
    }

    fn waits(&mut self, shared: &Handles<Shared>) {
        self.waiting.get_or_insert_with(|| Waiting::new(shared));
    }

    fn leave(&mut self) {
        self.place = None;
        if let Some(waiting) = self.waiting.take() {
            waiting.over();
        }
    }
}

/// One caller in the gauge of those who wait.
struct Waiting {
    shared: Handle<Shared>,
    abandoned: bool,
}

impl Waiting {
    fn new(shared: &Handles<Shared>) -> Self {
        shared.telemetry.waiting.increment();
        Self {
            shared: shared.handle(),
            abandoned: true,
        }
    }

    fn over(mut self) {
        self.abandoned = false;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let telemetry = &self.shared.telemetry;
        telemetry.waiting.decrement();
        if self.abandoned {
            telemetry.abandoned.increment();
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}
