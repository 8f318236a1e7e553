use crate::{
    BreakerBuilder, BreakerConfig, BreakerPermit, Snapshot, State, Transition,
    builder::Hook,
    machine::{Machine, Refused},
    telemetry::Telemetry,
};
use resilience_core::{
    ConfigError, Gate, GuardLayer, Name, Now, Policy, Reason, Rejected, sync::Handles,
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A Tower layer that fails fast while a breaker is not closed.
///
/// One layer is one breaker, whatever it is applied to. The methods that set the classification, the end of a
/// call and the answer to refused callers are those of [`GuardLayer`].
pub type BreakerLayer = GuardLayer<Breaker>;

/// A circuit breaker, and the handle on it.
///
/// A clone is the same breaker. Keep one to watch it ([`state`](Self::state), [`snapshot`](Self::snapshot)) and
/// to steer it ([`force_open`](Self::force_open), [`reset`](Self::reset)) while layers use the others. As a
/// [`Policy`] it may stand in a tuple with others: what they refuse leaves no trace here.
#[derive(Clone)]
pub struct Breaker(pub(crate) Handles<Shared>);

pub(crate) struct Shared {
    name: Name,
    pub(crate) machine: Machine,
    gate: Gate,
    pub(crate) telemetry: Telemetry,
    on_transition: Option<Hook>,
}

impl Breaker {
    /// The default breaker: see [the crate page](crate#the-default).
    #[expect(
        clippy::missing_panics_doc,
        reason = "the default is within its ranges, and a test builds it"
    )]
    pub fn new(name: impl Into<Name>) -> Self {
        Self::builder(name)
            .build()
            .expect("the default is within its ranges")
    }

    /// A breaker that differs from the default.
    pub fn builder(name: impl Into<Name>) -> BreakerBuilder {
        BreakerBuilder::new(name)
    }

    /// The breaker that `config` describes, or what is wrong with it.
    pub fn from_config(name: impl Into<Name>, config: BreakerConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// A Tower layer with this breaker.
    pub fn layer(&self) -> BreakerLayer {
        GuardLayer::new(self.clone())
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.0.name
    }

    /// The state. A breaker whose open time is over stays [`Open`](State::Open) until the next call comes.
    pub fn state(&self) -> State {
        self.0.machine.state()
    }

    /// The figures of this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.0.machine.snapshot(Now::lazy().get())
    }

    /// Refuses all calls, without a time to retry after, until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.0.announce(self.0.machine.force_open());
    }

    /// Admits all calls, and watches none of them, until [`reset`](Self::reset).
    pub fn force_closed(&self) {
        self.0.announce(self.0.machine.force_closed());
    }

    /// Closes the breaker, whatever its state, and forgets all outcomes; those of calls that are under way
    /// will not count.
    pub fn reset(&self) {
        self.0.announce(self.0.machine.reset());
    }
}

impl Breaker {
    /// Not closed: beside the way of nearly all calls, so that it takes up no room there.
    #[cold]
    fn admit_slowly(&self, now: &mut Now) -> Result<BreakerPermit, Rejected> {
        if let Some(refused) = self.0.machine.refuse_open(now) {
            return Err(self.0.refuse(refused));
        }
        let admission = self.0.machine.admit_under_lock(now);
        // Before anybody is told of the transition: should the user's hook panic, the ticket comes back.
        let permit = admission
            .ticket
            .map(|ticket| BreakerPermit::new(self.0.handle(), ticket));
        self.0.announce(admission.transition);
        permit.map_err(|refused| self.0.refuse(refused))
    }
}

impl BreakerBuilder {
    /// The breaker, or what is wrong with its configuration.
    pub fn build(self) -> Result<Breaker, ConfigError> {
        Ok(Breaker(Handles::new(Shared {
            machine: self.machine()?,
            gate: Gate::new(),
            telemetry: Telemetry::new(&self.name),
            on_transition: self.on_transition,
            name: self.name,
        })))
    }
}

impl Shared {
    fn refuse(&self, refused: Refused) -> Rejected {
        self.telemetry.refused(&self.machine);
        Rejected::new(Reason::Open, self.name.clone()).retry_after(refused.retry_after)
    }

    /// Tells those who wait, the telemetry and the user. No lock is held here, and no permit is in danger.
    #[inline]
    pub(crate) fn announce(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.announce_one(transition);
        }
    }

    #[cold]
    fn announce_one(&self, transition: Transition) {
        if transition.to.refuses() {
            self.gate.release();
        }
        self.telemetry
            .transition(&self.name, &transition, &self.machine);
        if let Some(hook) = &self.on_transition {
            // Permits are dropped while threads unwind: a second panic from here would end the process. The
            // panic hook has reported this one.
            let _reported = catch_unwind(AssertUnwindSafe(|| hook(transition)));
        }
    }
}

impl<Req: ?Sized> Policy<Req> for Breaker {
    type Permit = BreakerPermit;

    #[inline]
    fn admit(&self, _: &Req, now: &mut Now) -> Result<BreakerPermit, Rejected> {
        match self.0.machine.admit_closed(now) {
            Some(ticket) => Ok(BreakerPermit::new(self.0.handle(), ticket)),
            None => self.admit_slowly(now),
        }
    }

    fn refusing(&self, _: &mut Now) -> bool {
        self.state().refuses()
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        each(&self.0.gate);
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.0.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
