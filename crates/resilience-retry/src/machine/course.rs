use super::Plan;
use resilience_core::{Deadline, Now, Outcome, Reason, Timestamp, Withdrawal};
use std::time::Duration;

/// One call on its way through its attempts.
#[derive(Debug)]
pub struct Course {
    /// Attempts made, the current one included.
    attempts: u32,
    /// When no further attempt may begin; the end of time where there is no deadline.
    until: Timestamp,
    /// The latest wait, without what was advised, in nanoseconds; zero before the first. (As a `Duration`, the course has a
    /// quarter more bytes, in the future of every call.)
    waited: u64,
    /// Whether this call has been noted in the budget.
    deposited: bool,
}

/// What to do after an attempt.
#[derive(Debug)]
pub enum Decision {
    /// The call is over, and there was nothing to retry.
    Done,
    /// The attempt failed, and is the last.
    Stop(Stop),
    /// Another attempt.
    Retry(Retry),
}

/// Another attempt, to be made after a wait.
#[derive(Debug)]
#[must_use = "dropping it returns the retry to the budget"]
pub struct Retry {
    /// How long to wait; may be zero.
    pub wait: Duration,
    /// What the attempt takes out of the budget, unless there is none. Goes back when dropped unsent.
    pub withdrawal: Option<Withdrawal>,
}

/// Why a failed call is not retried (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// All attempts have been made.
    Attempts,
    /// The budget is spent.
    Budget,
    /// The deadline has passed, or would pass during the wait.
    Deadline,
    /// The request may not be repeated, or is no longer there in full.
    NotReplayable,
    /// The inner service failed to become ready for another attempt.
    NotReady,
    /// The failure is permanent.
    Permanent,
    /// One of the family's layers refused, in a way that waiting does not mend; or a policy that the next attempt would
    /// have to pass [refuses everybody](resilience_core::Policy::refusing).
    Refused,
    /// The caller went away during the wait.
    Abandoned,
}

impl Stop {
    /// The reason as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::NotReplayable => "not_replayable",
            Self::NotReady => "not_ready",
            Self::Permanent => "permanent",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether retries were possible and there is nothing left to try, so that others, further out, need not try again.
    /// (What could not be repeated here may be repeated there; a permanent failure says itself what it is.)
    pub const fn exhausts(self) -> bool {
        matches!(
            self,
            Self::Attempts | Self::Budget | Self::Deadline | Self::NotReady | Self::Refused
        )
    }
}

impl Course {
    /// The first attempt begins, of a call with or without a deadline of its own. Looks at the clock only if the plan
    /// has one.
    #[inline]
    pub fn begin(plan: &Plan, deadline: Option<Deadline>, now: &mut Now) -> Self {
        let mut until = deadline.map_or(Timestamp::MAX, Deadline::timestamp);
        if let Some(own) = plan.deadline
            && plan.retries()
        {
            until = until.min(now.get() + own);
        }
        Self {
            attempts: 1,
            until,
            waited: 0,
            deposited: false,
        }
    }

    /// The number of the current attempt; the first is 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        self.attempts
    }

    /// When no further attempt may begin, if there is a deadline.
    pub fn until(&self) -> Option<Timestamp> {
        Some(self.until).filter(|&until| until != Timestamp::MAX)
    }

    /// Whether the deadline has passed. Looks at the clock only if there is one.
    pub fn too_late(&self, now: &mut Now) -> bool {
        self.until().is_some_and(|until| now.get() >= until)
    }

    /// The current attempt was a success: [`ended`](Self::ended), where there is nothing to decide.
    #[inline]
    pub fn succeeded(&mut self, plan: &Plan) {
        self.deposit(plan);
    }

    /// The current attempt ended with `outcome`. `replayable` says whether the request could be sent again, and `refusing`
    /// whether everybody is refused at present, so that there is nothing to wait for; each is asked only where all depends on it.
    ///
    /// The first attempt that got past the family's own layers earns its share of a retry.
    pub fn ended(
        &mut self,
        plan: &Plan,
        outcome: Outcome,
        replayable: impl FnOnce() -> bool,
        refusing: impl FnOnce(&mut Now) -> bool,
        now: &mut Now,
    ) -> Decision {
        if !matches!(outcome, Outcome::Refused { .. }) {
            self.deposit(plan);
        }
        let after = match advice(plan, outcome) {
            Advice::Done => return Decision::Done,
            Advice::Stop(why) => return Decision::Stop(why),
            Advice::Retry(after) => after,
        };
        if self.attempts >= plan.attempts {
            return Decision::Stop(Stop::Attempts);
        }
        if !replayable() {
            return Decision::Stop(Stop::NotReplayable);
        }
        if refusing(now) {
            return Decision::Stop(Stop::Refused);
        }
        let wait = self.next_wait(plan, after, now);
        if self.until().is_some_and(|until| now.get() + wait >= until) {
            return Decision::Stop(Stop::Deadline);
        }
        // Last, so that only a retry which nothing else prevents is taken out.
        let withdrawal = match &plan.budget {
            None => None,
            Some(budget) => match budget.withdraw(now.get()) {
                None => return Decision::Stop(Stop::Budget),
                some => some,
            },
        };
        Decision::Retry(Retry { wait, withdrawal })
    }

    /// The next attempt is being sent.
    pub fn send(&mut self, withdrawal: Option<Withdrawal>) -> Sent {
        self.attempts = self.attempts.saturating_add(1);
        Sent(withdrawal)
    }

    /// Whether the attempt that [`send`](Self::send) would begin is the last.
    pub fn next_is_last(&self, plan: &Plan) -> bool {
        self.attempts + 1 >= plan.attempts
    }

    #[inline]
    fn deposit(&mut self, plan: &Plan) {
        if let Some(budget) = &plan.budget
            && !self.deposited
        {
            budget.deposit();
            self.deposited = true;
        }
    }

    fn next_wait(&mut self, plan: &Plan, after: After, now: &mut Now) -> Duration {
        // There is a wait before every attempt but the first.
        let made = self.attempts - 1;
        let waited = Duration::from_nanos(self.waited);
        let (backoff, entropy) = (&plan.backoff, &plan.entropy);
        let (delay, wait) = match after {
            After::Backoff(delay) => (delay, backoff.wait(made, waited, entropy)),
            After::Advice(advised) => {
                // Half of what is left then is the attempt's: nobody is given up because others were told the same.
                let room = self.until().map_or(Duration::MAX, |until| {
                    (until - now.get()).saturating_sub(advised) / 2
                });
                let wait = backoff.wait_on_top(advised, room, made, waited, entropy);
                (advised, wait)
            }
        };
        self.waited = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        delay.saturating_add(wait)
    }
}

enum Advice {
    Done,
    Stop(Stop),
    Retry(After),
}

/// What there is to wait for.
#[derive(Clone, Copy)]
enum After {
    /// The backoff's wait, after a delay that is exact, or none.
    Backoff(Duration),
    /// A delay that a server has told who knows how many.
    Advice(Duration),
}

/// What an outcome alone says about a retry.
fn advice(plan: &Plan, outcome: Outcome) -> Advice {
    match outcome {
        Outcome::Success | Outcome::Ignored => Advice::Done,
        Outcome::Transient { retry_after } | Outcome::Overload { retry_after } => {
            let advised = retry_after.unwrap_or_default();
            Advice::Retry(After::Advice(advised.min(plan.advice_cap)))
        }
        Outcome::Unsent => Advice::Retry(After::Backoff(Duration::ZERO)),
        Outcome::Refused {
            reason,
            retry_after,
        } => match (reason, retry_after) {
            (Reason::NotReady, delay) => {
                let delay = delay.unwrap_or_default();
                Advice::Retry(After::Backoff(delay.min(plan.advice_cap)))
            }
            // Our own delays are exact: to come back before them is to be refused again. What comes back together is refused
            // here, at no cost to the dependency, but for what the limit lets pass.
            (Reason::Rate | Reason::Other, Some(delay)) if delay <= plan.advice_cap => {
                Advice::Retry(After::Backoff(delay))
            }
            // An open breaker, a shedding or closing service want to be left alone; a quota without a delay
            // never admits this call; a deadline that has passed stays so. A full bulkhead is there to have nobody wait for
            // it, and a retry would: the one that lets calls wait bounds how many.
            _ => Advice::Stop(Stop::Refused),
        },
        // Permanent, and whatever is not known to be worth another attempt.
        _ => Advice::Stop(Stop::Permanent),
    }
}

/// A retry that has been sent: it stays spent, however the attempt ends.
#[derive(Debug, Default)]
pub struct Sent(Option<Withdrawal>);

impl Sent {
    /// The attempt ended with `outcome`. If one of the family's own layers refused it, the dependency never saw
    /// it, and it returns to the budget.
    #[inline]
    pub fn ended(mut self, outcome: Outcome) {
        if matches!(outcome, Outcome::Refused { .. }) {
            self.0 = None;
        }
    }
}

impl Drop for Sent {
    #[inline]
    fn drop(&mut self) {
        if let Some(withdrawal) = self.0.take() {
            withdrawal.spend();
        }
    }
}
