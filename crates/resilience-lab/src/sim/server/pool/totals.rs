//! What has happened in a pool.

/// What has happened in a pool, with areas under the curves in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) since: u64,
    pub(crate) arrived: u64,
    pub(crate) started: u64,
    pub(crate) served: u64,
    pub(crate) dead: u64,
    pub(crate) refused: u64,
    pub(crate) overflowed: u64,
    pub(crate) waiting: u64,
    pub(crate) busy: u64,
    pub(crate) wait: u128,
    /// Jobs, not refusals, in the queue or with a worker, over time.
    pub(crate) area_waiting: u128,
    pub(crate) area_busy: u128,
    settled: u64,
}

impl Totals {
    /// The areas up to `now`.
    pub(super) fn settle(&mut self, now: u64) {
        let passed = u128::from(now - self.settled);
        self.area_waiting += passed * u128::from(self.waiting);
        self.area_busy += passed * u128::from(self.busy);
        self.settled = now;
    }

    /// Counts from `now`; what is there at present is there still.
    pub(super) fn anew(self, now: u64) -> Self {
        Self {
            since: now,
            settled: now,
            waiting: self.waiting,
            busy: self.busy,
            ..Self::default()
        }
    }
}
