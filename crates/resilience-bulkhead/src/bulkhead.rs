use crate::{
    BulkheadConfig, BulkheadPermit, BulkheadQueue, BulkheadQueueConfig, Drained, PriorityBulkhead,
    machine::{Full, Slots},
    telemetry::{self, Telemetry},
};
use resilience_core::{
    ConfigError, Gate, GuardLayer, Name, Now, Policy, Priority, Reason, Rejected, sync::Handles,
};
use std::{fmt, time::Duration};

/// The layer of a [`Bulkhead`].
pub type BulkheadLayer = GuardLayer<Bulkhead>;

/// A limit on calls in flight; and the handle to it.
///
/// A clone is the same bulkhead, and so is every layer made of it: keep a clone to read and to close it.
#[derive(Clone)]
pub struct Bulkhead {
    pub(crate) shared: Handles<Shared>,
}

pub(crate) struct Shared {
    pub(crate) name: Name,
    pub(crate) slots: Slots,
    pub(crate) telemetry: Telemetry,
}

impl Bulkhead {
    /// The highest limit: 2³¹ − 1 calls.
    pub const MAX_LIMIT: usize = Slots::MAX_LIMIT;

    /// A bulkhead that admits `limit` calls at once, from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    ///
    /// `name` stands in refusals, metrics and events.
    pub fn new(name: impl Into<Name>, limit: usize) -> Result<Self, ConfigError> {
        Self::builder(name).limit(limit).build()
    }

    /// Begins a bulkhead of this name.
    pub fn builder(name: impl Into<Name>) -> BulkheadBuilder {
        BulkheadBuilder {
            name: name.into(),
            config: BulkheadConfig::default(),
        }
    }

    /// The bulkhead that `config` describes, or what is wrong with it.
    pub fn from_config(name: impl Into<Name>, config: BulkheadConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }

    /// A Tower layer over this bulkhead.
    pub fn layer(&self) -> BulkheadLayer {
        GuardLayer::new(self.clone())
    }

    /// The same bulkhead, for callers that wait for a slot: first come, first served, at most `max`, which
    /// includes the time until the inner service is ready. From more than zero to 365 days.
    pub fn wait_up_to(&self, max: Duration) -> Result<BulkheadQueue, ConfigError> {
        BulkheadQueue::new(self.clone(), max)
    }

    /// [`wait_up_to`](Self::wait_up_to), and how many may wait, as `config` says.
    pub fn queue(&self, config: &BulkheadQueueConfig) -> Result<BulkheadQueue, ConfigError> {
        let Some(max) = config.wait_up_to else {
            let expected = "set: more than zero and at most 365 days";
            let unset = format_args!("not set");
            let error = ConfigError::new("wait_up_to", unset, expected);
            return Err(error.of(self.name().clone()));
        };
        self.wait_up_to(max)?.max_waiting(config.max_waiting)
    }

    /// The same bulkhead, for calls of which some are more important: the last slots are kept for those. `priority` says
    /// how important a request is; for HTTP, `resilience_http::priority` looks into its extensions.
    ///
    /// ```
    /// use resilience_bulkhead::Bulkhead;
    /// use resilience_core::Priority;
    ///
    /// let bulkhead = Bulkhead::new("inventory", 100)?.by_priority(|path: &str| match path {
    ///     "/checkout" => Priority::Critical,
    ///     "/recommendations" => Priority::Sheddable,
    ///     _ => Priority::Normal,
    /// });
    /// assert_eq!(bulkhead.limit(Priority::Sheddable), 50);
    /// assert_eq!(bulkhead.limit(Priority::Normal), 90);
    /// # Ok::<(), resilience_core::ConfigError>(())
    /// ```
    pub fn by_priority<Req: ?Sized, F>(&self, priority: F) -> PriorityBulkhead<F>
    where
        F: Fn(&Req) -> Priority,
    {
        PriorityBulkhead::new(self.clone(), priority)
    }

    /// The name given by the user.
    pub fn name(&self) -> &Name {
        &self.shared.name
    }

    /// How many calls are in flight. Never more than [`limit`](Self::limit).
    pub fn in_flight(&self) -> usize {
        self.shared.slots.in_flight()
    }

    /// How many callers stand in line, over all queues of this bulkhead.
    pub fn waiting(&self) -> usize {
        self.shared.slots.waiting()
    }

    /// How many calls are admitted at once.
    pub fn limit(&self) -> usize {
        self.shared.slots.limit()
    }

    /// Refuses new calls from now on, and those that wait in line, with [`Reason::ShuttingDown`]. Calls in flight
    /// go on; [`drained`](Self::drained) waits for them.
    ///
    /// There is no way back, and closing again does nothing.
    pub fn close(&self) {
        if self.shared.slots.close() {
            telemetry::closed(&self.shared.name, self.in_flight());
        }
    }

    /// Whether the bulkhead has been [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        self.shared.slots.is_closed()
    }

    /// Waits until nothing is in flight and nobody stands in line, whether or not the bulkhead is
    /// [closed](Self::close).
    ///
    /// Ready as soon as there was such a moment since this method was called. Only a closed bulkhead stays empty
    /// afterwards. Any number of tasks may wait, and dropping the future stops waiting. A waiting task is woken once,
    /// when the last call is over, or when the last caller in line has gone, if that is later.
    pub fn drained(&self) -> Drained {
        Drained::new(self.shared.handle())
    }

    /// Uses this recorder for metrics instead of the global one. Without effect on those used before.
    #[cfg(feature = "metrics")]
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        self.shared.telemetry.bind(recorder);
    }

    /// Takes a slot, while fewer than `most` are taken.
    #[inline]
    pub(crate) fn admit_below(&self, most: usize) -> Result<BulkheadPermit, Rejected> {
        match self.shared.slots.enter_below(most) {
            Ok(()) => Ok(BulkheadPermit::new(self.shared.handle())),
            Err(why) => Err(self.shared.reject(why)),
        }
    }
}

impl Shared {
    /// Counts a refusal. There is no `retry_after`: nobody knows when a call will end.
    #[cold]
    #[inline(never)]
    pub(crate) fn reject(&self, why: Full) -> Rejected {
        self.telemetry.rejected(why);
        let reason = match why {
            Full::Taken => Reason::Concurrency,
            Full::Reserved => Reason::Shed,
            Full::Closed => Reason::ShuttingDown,
        };
        Rejected::new(reason, self.name.clone())
    }
}

/// Decides at once, without overtaking those who [wait](Bulkhead::wait_up_to): while there are any, everybody else is
/// refused.
impl<Req: ?Sized> Policy<Req> for Bulkhead {
    type Permit = BulkheadPermit;

    #[inline]
    fn admit(&self, _: &Req, _: &mut Now) -> Result<BulkheadPermit, Rejected> {
        self.admit_below(usize::MAX)
    }

    fn refusing(&self, _: &mut Now) -> bool {
        self.shared.slots.is_refusing()
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        each(self.shared.slots.refusing());
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("name", &self.shared.name)
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Builds a [`Bulkhead`].
#[derive(Clone, Debug)]
pub struct BulkheadBuilder {
    name: Name,
    config: BulkheadConfig,
}

impl BulkheadBuilder {
    /// All settings at once.
    pub fn config(mut self, config: BulkheadConfig) -> Self {
        self.config = config;
        self
    }

    /// How many calls may be in flight at once: from 1 to [`Bulkhead::MAX_LIMIT`]. There is no default.
    pub fn limit(mut self, calls: usize) -> Self {
        self.config.limit = Some(calls);
        self
    }

    /// The bulkhead, or what is wrong with its configuration.
    pub fn build(&self) -> Result<Bulkhead, ConfigError> {
        let Some(limit) = self.config.limit else {
            let expected = format!("set, from 1 to {}", Bulkhead::MAX_LIMIT);
            let error = ConfigError::new("limit", format_args!("not set"), expected);
            return Err(error.of(self.name.clone()));
        };
        let slots = Slots::new(limit).map_err(|error| error.of(self.name.clone()))?;
        Ok(Bulkhead {
            shared: Handles::new(Shared {
                slots,
                telemetry: Telemetry::new(&self.name),
                name: self.name.clone(),
            }),
        })
    }
}
