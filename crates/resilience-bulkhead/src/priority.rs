use crate::{
    Bulkhead, BulkheadPermit, PriorityConfig,
    config::{NORMAL_SHARE, SHEDDABLE_SHARE},
};
use resilience_core::{ConfigError, Gate, GuardLayer, Now, Policy, Priority, Rejected, config};
use std::fmt;

/// A [`Bulkhead`] where the last slots are kept for the more important calls. Made by [`Bulkhead::by_priority`].
///
/// Critical calls may take every slot; [normal](Self::normal_share) and [sheddable](Self::sheddable_share) ones are refused
/// while a certain share of the slots is taken, by whomever: with
/// [`Reason::Shed`](resilience_core::Reason::Shed) where a more important call would have got in. So when calls pile up, the
/// least important go first, and when nobody is in a hurry nothing is left unused but what is reserved.
///
/// A clone is the same bulkhead. A bulkhead may be asked with and without priorities at once.
#[derive(Clone)]
pub struct PriorityBulkhead<F> {
    bulkhead: Bulkhead,
    priority: F,
    /// How many slots may be taken before such calls are refused.
    normal: usize,
    sheddable: usize,
}

impl<F> PriorityBulkhead<F> {
    /// The share of the slots that normal calls may fill, unless [set](Self::normal_share).
    pub const DEFAULT_NORMAL_SHARE: f64 = NORMAL_SHARE;
    /// The share of the slots that sheddable calls may fill, unless [set](Self::sheddable_share).
    pub const DEFAULT_SHEDDABLE_SHARE: f64 = SHEDDABLE_SHARE;

    pub(crate) fn new(bulkhead: Bulkhead, priority: F) -> Self {
        let limit = bulkhead.limit();
        Self {
            normal: part(limit, Self::DEFAULT_NORMAL_SHARE),
            sheddable: part(limit, Self::DEFAULT_SHEDDABLE_SHARE),
            bulkhead,
            priority,
        }
    }

    /// Refuses normal calls while this share of the slots is taken: from 0 to 1, by default 0.9. Rounded up to whole
    /// slots, so that only a share of 0 leaves none.
    pub fn normal_share(mut self, share: f64) -> Result<Self, ConfigError> {
        self.normal = self.part("normal_share", share)?;
        Ok(self)
    }

    /// Refuses sheddable calls while this share of the slots is taken: from 0 to 1, by default 0.5. Rounded up to whole
    /// slots. What is more than the normal share has no effect.
    pub fn sheddable_share(mut self, share: f64) -> Result<Self, ConfigError> {
        self.sheddable = self.part("sheddable_share", share)?;
        Ok(self)
    }

    fn part(&self, field: &'static str, share: f64) -> Result<usize, ConfigError> {
        let share = config::within(field, share, 0.0, 1.0);
        let share = share.map_err(|error| error.of(self.bulkhead.name().clone()))?;
        Ok(part(self.bulkhead.limit(), share))
    }

    /// [`normal_share`](Self::normal_share) and [`sheddable_share`](Self::sheddable_share), as `config` says.
    pub fn config(self, config: &PriorityConfig) -> Result<Self, ConfigError> {
        self.normal_share(config.normal_share)?
            .sheddable_share(config.sheddable_share)
    }

    /// A Tower layer over this bulkhead.
    pub fn layer(&self) -> GuardLayer<Self>
    where
        F: Clone,
    {
        GuardLayer::new(self.clone())
    }

    /// The bulkhead, and the handle to it.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }

    /// How many slots may be taken before a call of this priority is refused.
    pub fn limit(&self, priority: Priority) -> usize {
        match priority {
            Priority::Critical => self.bulkhead.limit(),
            Priority::Normal => self.normal,
            Priority::Sheddable => self.sheddable.min(self.normal),
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a limit is at most 2³¹ − 1, and a share from 0 to 1"
)]
fn part(limit: usize, share: f64) -> usize {
    let exact = limit as f64 * share;
    // Seven hundredths are no binary fraction, and of 100 slots they come out a trace above seven.
    let whole = exact.round();
    let is_whole = (exact - whole).abs() <= 2.0 * f64::EPSILON * exact;
    (if is_whole { whole } else { exact.ceil() }) as usize
}

impl<Req: ?Sized, F: Fn(&Req) -> Priority> Policy<Req> for PriorityBulkhead<F> {
    type Permit = BulkheadPermit;

    fn admit(&self, req: &Req, _: &mut Now) -> Result<BulkheadPermit, Rejected> {
        self.bulkhead.admit_below(self.limit((self.priority)(req)))
    }

    fn refusing(&self, now: &mut Now) -> bool {
        Policy::<Req>::refusing(&self.bulkhead, now)
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        Policy::<Req>::gates(&self.bulkhead, each);
    }
}

impl<F> fmt::Debug for PriorityBulkhead<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriorityBulkhead")
            .field("bulkhead", &self.bulkhead)
            .field("normal", &self.limit(Priority::Normal))
            .field("sheddable", &self.limit(Priority::Sheddable))
            .finish_non_exhaustive()
    }
}
