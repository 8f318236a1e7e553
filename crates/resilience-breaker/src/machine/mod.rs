//! The algorithm: plain data, with the time as an argument.
//!
//! [`Machine`] is what a [`Breaker`](crate::Breaker) drives. It reads no clock, emits nothing and calls nobody:
//! transitions leave it as values. Use it for simulations, and where there is no Tower.
//!
//! ```
//! use std::time::Duration;
//! use resilience_breaker::{BreakerBuilder, State};
//! use resilience_core::{Now, Outcome, Timestamp};
//!
//! # fn main() -> Result<(), resilience_core::ConfigError> {
//! let machine = BreakerBuilder::new("inventory")
//!     .consecutive_failures(2)
//!     .minimum_spread(Duration::ZERO)
//!     .open_for(Duration::from_secs(1))
//!     .machine()?;
//!
//! let start = Timestamp::from_nanos(0);
//! for _ in 0..2 {
//!     let ticket = machine.admit(&mut Now::at(start)).ticket.expect("closed");
//!     machine.finish(ticket, Outcome::TRANSIENT, &mut Now::at(start));
//! }
//! assert_eq!(machine.state(), State::Open);
//! let refused = machine.admit(&mut Now::at(start)).ticket.unwrap_err();
//! assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
//! # Ok(())
//! # }
//! ```

pub(crate) mod config;
mod core;
mod probes;
mod run;
mod state;
mod ticket;
mod undated;
mod window;

pub use config::Abandoned;
pub use state::{Cause, Snapshot, State, Transition};
pub use ticket::{Admission, Ended, Ending, Refused, Ticket};

use self::{
    config::Config,
    core::{Core, Said},
    state::Word,
    ticket::Head,
    undated::Undated,
    window::Mark,
};
use resilience_core::{
    Entropy, Now, Outcome, Timestamp,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, Padded, lock},
};

/// A circuit breaker without clock, telemetry or Tower.
///
/// Made by [`BreakerBuilder::machine`](crate::BreakerBuilder::machine). Every ticket of an admitted call ends in
/// [`finish`](Self::finish), [`abandon`](Self::abandon) or [`revert`](Self::revert).
#[derive(Debug)]
pub struct Machine {
    config: Config,
    entropy: Entropy,
    /// Of the configuration, what each call asks for.
    times_calls: bool,
    has_no_window: bool,
    /// A copy of the state and epoch in `core`, written under its lock: what a call needs to be admitted by a
    /// closed breaker.
    word: AtomicU64,
    /// A copy of the time until which an open breaker refuses everybody, written before the word.
    open_until: AtomicU64,
    /// Where successes are dated later.
    undated: Option<Undated>,
    /// Away from the words, so that who takes the lock does not take the line from those who read them.
    core: Padded<Mutex<Core>>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a ticket is spent when it ends"
)]
impl Machine {
    pub(crate) fn new(config: Config, entropy: Entropy) -> Self {
        let core = Core::new(&config);
        let epoch = core.word().epoch;
        Self {
            times_calls: config.times_calls(),
            has_no_window: config.has_no_window(),
            word: AtomicU64::new(core.word().pack()),
            open_until: AtomicU64::new(0),
            undated: config
                .dates_later()
                .then(|| Undated::new(config.success_batch, epoch)),
            core: Padded(Mutex::new(core)),
            config,
            entropy,
        }
    }

    /// Admits a call, or refuses it.
    ///
    /// A closed breaker answers with one atomic load, and reads `now` only if the duration of calls matters; an open one
    /// with two, and a look at `now`.
    pub fn admit(&self, now: &mut Now) -> Admission {
        match self.admit_closed(now) {
            Some(ticket) => Admission {
                ticket: Ok(ticket),
                transition: None,
            },
            None => self.admit_refusing(now),
        }
    }

    /// Admits a call while nobody is refused.
    #[inline]
    pub(crate) fn admit_closed(&self, now: &mut Now) -> Option<Ticket> {
        let Word { state, epoch, .. } = self.word();
        if state.refuses() {
            return None;
        }
        let admitted = self.times_calls.then(|| now.get());
        Some(Ticket::new(epoch, None, admitted))
    }

    fn admit_refusing(&self, now: &mut Now) -> Admission {
        if let Some(refused) = self.refuse_open(now) {
            return Admission {
                ticket: Err(refused),
                transition: None,
            };
        }
        self.admit_under_lock(now)
    }

    /// Decides by all that there is to know: for whom neither [`admit_closed`](Self::admit_closed) nor
    /// [`refuse_open`](Self::refuse_open) has an answer.
    pub(crate) fn admit_under_lock(&self, now: &mut Now) -> Admission {
        let at = now.get();
        self.locked(|core| core.admit(at, &self.config, &self.entropy))
    }

    /// Refuses a call while the time is not over for which the breaker opened: nothing is locked, and nothing written.
    #[inline]
    pub(crate) fn refuse_open(&self, now: &mut Now) -> Option<Refused> {
        if self.state() != State::Open {
            return None;
        }
        let at = now.get();
        // Read after the word: of the opening that the word speaks of, or of a later one, which refuses as well.
        let until = Timestamp::from_nanos(self.open_until.load(Ordering::Relaxed));
        let retry_after = Some(until - at);
        (at < until).then_some(Refused { retry_after })
    }

    /// The head of the response is there, and the verdict is not: the time of the call ends here.
    ///
    /// Where head and verdict come together, only [`finish`](Self::finish) is called.
    pub fn head(&self, ticket: &mut Ticket, now: &mut Now) -> Option<Transition> {
        let slow = self.slow(ticket, now);
        ticket.head = Some(Head { slow });
        let probe = ticket.probe?;
        let at = self.current(ticket).then(|| now.get())?;
        self.locked(|core| {
            if core.word().epoch != ticket.epoch {
                return None;
            }
            core.probe_head(probe, slow, at, &self.config, &self.entropy)
        })
    }

    /// The call is over.
    pub fn finish(&self, ticket: Ticket, outcome: Outcome, now: &mut Now) -> Ended {
        if matches!(outcome, Outcome::Success) && self.succeed(&ticket) {
            return Ended {
                ending: Ending::Success,
                transition: None,
            };
        }
        self.finish_under_lock(ticket, outcome, now)
    }

    /// Ends a call that has succeeded, where there is no more to do than to count it: the breaker is closed, and there were
    /// no failures before it that it would end. `false`: nothing has been done.
    #[inline]
    pub(crate) fn succeed(&self, ticket: &Ticket) -> bool {
        let unmoved = Word {
            state: State::Closed,
            run: false,
            epoch: ticket.epoch,
        };
        if ticket.probe.is_some() || self.word.load(Ordering::Acquire) != unmoved.pack() {
            return false;
        }
        match &self.undated {
            Some(undated) => undated.count(ticket.epoch),
            None => self.has_no_window || self.succeed_in_order(ticket),
        }
    }

    /// Records a success in a count window, which knows no other order than that of the calls.
    fn succeed_in_order(&self, ticket: &Ticket) -> bool {
        if self.times_calls {
            return false;
        }
        let mut core = lock(&self.core);
        core.word().epoch == ticket.epoch && core.push_success()
    }

    /// Ends a call for which [`succeed`](Self::succeed) has done nothing.
    pub(crate) fn finish_under_lock(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        now: &mut Now,
    ) -> Ended {
        let failure = outcome.is_failure();
        if !failure && outcome != Outcome::Success {
            return Ended {
                ending: Ending::Ignored,
                transition: self.settle(&ticket, Said::Nothing, now),
            };
        }
        let slow = self.slow(&ticket, now);
        Ended {
            ending: match (failure, slow) {
                (true, _) => Ending::Failure,
                (false, true) => Ending::Slow,
                (false, false) => Ending::Success,
            },
            transition: self.settle(&ticket, Said::Result(Mark { failure, slow }), now),
        }
    }

    /// The call was given up: abandoned if its head was not there, and otherwise ignored.
    pub fn abandon(&self, ticket: Ticket, now: &mut Now) -> Ended {
        if ticket.head.is_some() {
            return Ended {
                ending: Ending::Ignored,
                transition: self.settle(&ticket, Said::Nothing, now),
            };
        }
        let said = match self.config.abandoned {
            Abandoned::ExtendsRun => Said::Abandoned,
            Abandoned::Ignored => Said::Nothing,
            Abandoned::FailureAfter(limit) if ticket.age(now) < limit => Said::Nothing,
            Abandoned::Failure | Abandoned::FailureAfter(_) => Said::Result(Mark {
                failure: true,
                slow: self.slow(&ticket, now),
            }),
        };
        Ended {
            ending: Ending::Abandoned,
            transition: self.settle(&ticket, said, now),
        }
    }

    /// The call was never made: as if it had not been admitted.
    pub fn revert(&self, ticket: Ticket) {
        let Some(probe) = ticket.probe else { return };
        self.locked(|core| {
            if core.word().epoch == ticket.epoch {
                core.probe_back(probe, &self.config);
            }
        });
    }

    /// The state. An open breaker whose time is over stays open until a call comes.
    pub fn state(&self) -> State {
        self.word().state
    }

    /// The number of transitions so far; a reset of a closed breaker counts as one.
    pub fn epoch(&self) -> u64 {
        self.word().epoch
    }

    /// The figures.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.locked(|core| core.snapshot(now, self.undated.as_ref()))
    }

    /// Refuses all calls until [`reset`](Self::reset).
    pub fn force_open(&self) -> Option<Transition> {
        self.locked(|core| core.force(core::Phase::ForcedOpen))
    }

    /// Admits all calls, whatever becomes of them, until [`reset`](Self::reset).
    pub fn force_closed(&self) -> Option<Transition> {
        self.locked(|core| core.force(core::Phase::ForcedClosed))
    }

    /// Closes, and forgets everything. No transition if it was closed.
    pub fn reset(&self) -> Option<Transition> {
        self.locked(Core::reset)
    }

    fn settle(&self, ticket: &Ticket, said: Said, now: &mut Now) -> Option<Transition> {
        if !self.current(ticket) {
            return None;
        }
        if let Some(probe) = ticket.probe {
            let at = now.get();
            return self.locked(|core| {
                if core.word().epoch != ticket.epoch {
                    return None;
                }
                core.probe_end(probe, said, at, &self.config, &self.entropy)
            });
        }
        if self.state() != State::Closed {
            return None;
        }
        let at = self.time_of(said, now)?;
        let cause = self.locked(|core| {
            (core.word().epoch == ticket.epoch)
                .then(|| core.record(said, at, &self.config, self.undated.as_ref()))?
        })?;
        // The clock is not read under the lock, and only the record that trips always needs it: hence twice.
        let at = now.get();
        self.locked(|core| {
            (core.word().epoch == ticket.epoch)
                .then(|| core.open(at, cause, &self.config, &self.entropy))
        })
    }

    /// The time, where recording needs it, or else any; `None` where there is nothing to record.
    fn time_of(&self, said: Said, now: &mut Now) -> Option<Timestamp> {
        let needed = match said {
            Said::Nothing => return None,
            Said::Abandoned => self.config.spread(),
            Said::Result(mark) => {
                self.config.time_window() || (mark.failure && self.config.spread())
            }
        };
        Some(if needed {
            now.get()
        } else {
            Timestamp::default()
        })
    }

    /// Whether the call took too long; until now, if its head is not there.
    fn slow(&self, ticket: &Ticket, now: &mut Now) -> bool {
        match (self.config.rates.slow, ticket.head) {
            (None, _) => false,
            (Some(_), Some(head)) => head.slow,
            (Some(slow), None) => ticket.age(now) >= slow.from,
        }
    }

    /// Whether the ticket may still move something. Looked at again under the lock.
    fn current(&self, ticket: &Ticket) -> bool {
        self.word().epoch == ticket.epoch
    }

    #[inline]
    fn word(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Runs a step under the lock, and publishes the state that it leads to.
    fn locked<T>(&self, step: impl FnOnce(&mut Core) -> T) -> T {
        let mut core: MutexGuard<'_, Core> = lock(&self.core);
        let before = core.word();
        let result = step(&mut core);
        let after = core.word();
        if after.epoch != before.epoch {
            self.begin_epoch(&mut core);
        }
        if after != before {
            self.word.store(after.pack(), Ordering::Release);
        }
        result
    }

    /// Prepares what is read beside the word, for an epoch that the word does not speak of yet.
    fn begin_epoch(&self, core: &mut Core) {
        if let Some(undated) = &self.undated {
            let Word { state, epoch, .. } = core.word();
            core.stop_counting(undated);
            undated.begin((state == State::Closed).then_some(epoch));
        }
        self.open_until
            .store(core.open_until().as_nanos(), Ordering::Relaxed);
    }
}
