use super::{Quota, Refusal};
use resilience_core::{
    ConfigError, Timestamp, config,
    sync::{Mutex, lock},
};
use std::{collections::VecDeque, time::Duration};

/// A sliding window: never more than `n` in any time of the quota's length, whenever it begins.
///
/// Time is cut into buckets, so many to a period. A call is counted in the bucket of its time, and all of a bucket
/// stays in the window until the latest of its calls has left it. So what is counted is all that belongs into the window,
/// and besides at most what came in one bucket's time before it. Only buckets that hold something are kept: at most
/// one more than there are to a period, in memory that is allocated once.
///
/// The state is behind a lock, which is held for a few steps: one for each bucket that leaves, and for a refusal one
/// for each bucket that has to leave first. A refusal writes nothing.
#[derive(Debug)]
pub struct SlidingWindow {
    quota: Quota,
    buckets: u32,
    period: Duration,
    /// Nanoseconds in a bucket: the period by their number, rounded up.
    width: u64,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    /// From the oldest to the newest; their latest times grow.
    buckets: VecDeque<Bucket>,
    /// How many buckets there were before the oldest one.
    before: u64,
    /// What all buckets hold.
    used: u32,
    /// How many calls have been admitted, but for those that were given back before another one came.
    admitted: u64,
    /// The latest time at which anybody was admitted. A revert does not turn it back.
    latest: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When the latest of its calls was admitted.
    latest: Timestamp,
    cost: u32,
}

/// What a call has taken from a [`SlidingWindow`].
#[derive(Debug)]
#[must_use = "an admitted call that is not made has to be given back"]
pub struct SlidingGrant {
    cost: u32,
    /// The number of the bucket, counted from the first one ever.
    bucket: u64,
    /// The latest time of that bucket before this call.
    latest: Timestamp,
    /// The number of the call.
    number: u64,
    available: u32,
}

impl SlidingGrant {
    /// How much was available after this call.
    pub fn available(&self) -> u32 {
        self.available
    }
}

impl SlidingWindow {
    /// The most buckets that a period may be cut into.
    pub const MAX_BUCKETS: u32 = 4_096;

    /// A limit that nobody has used yet. The quota has no burst other than `n`. `buckets` to a period: from 1 to
    /// [`MAX_BUCKETS`](Self::MAX_BUCKETS), and at most one per nanosecond.
    pub fn new(quota: Quota, buckets: u32) -> Result<Self, ConfigError> {
        let period = quota.window()?;
        let most = u32::try_from(resilience_core::nanos(period)).unwrap_or(u32::MAX);
        let buckets = config::count("buckets", buckets, 1, most.min(Self::MAX_BUCKETS))?;
        Ok(Self {
            quota,
            buckets,
            period,
            width: resilience_core::nanos(period).div_ceil(u64::from(buckets)),
            window: Mutex::new(Window {
                buckets: VecDeque::with_capacity(buckets as usize + 1),
                before: 0,
                used: 0,
                admitted: 0,
                latest: Timestamp::from_nanos(0),
            }),
        })
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// How many buckets there are to a period.
    pub fn buckets(&self) -> u32 {
        self.buckets
    }

    /// Admits a call of this cost now, or refuses it. A call without cost is always admitted, and not counted.
    ///
    /// Threads may come with their times in another order: a call that is earlier than the latest one counts as if it
    /// came with it.
    pub fn admit(&self, cost: u32, now: Timestamp) -> Result<SlidingGrant, Refusal> {
        if cost > self.quota.n() {
            return Err(Refusal::Never);
        }
        let mut window = lock(&self.window);
        let at = window.latest.max(now);
        let gone = self.gone(&window, at);
        let room = self.quota.n() - (window.used - window.cost_of(gone));
        let Some(available) = room.checked_sub(cost) else {
            let delay = self.until_free(&window, gone, cost - room, now);
            return Err(Refusal::For(delay));
        };
        let mut grant = SlidingGrant {
            cost,
            bucket: 0,
            latest: at,
            number: 0,
            available,
        };
        if cost > 0 {
            window.forget(gone);
            self.put(&mut window, &mut grant, at);
        }
        Ok(grant)
    }

    /// How many buckets have left the window at that time.
    fn gone(&self, window: &Window, at: Timestamp) -> usize {
        let buckets = window.buckets.iter();
        buckets
            .take_while(|bucket| at - bucket.latest >= self.period)
            .count()
    }

    /// The time until `missing` has left, besides the buckets that have `gone`.
    fn until_free(
        &self,
        window: &Window,
        gone: usize,
        mut missing: u32,
        now: Timestamp,
    ) -> Duration {
        for bucket in window.buckets.range(gone..) {
            if missing <= bucket.cost {
                let age = now - bucket.latest;
                return (bucket.latest - now) + self.period.saturating_sub(age);
            }
            missing -= bucket.cost;
        }
        unreachable!("a call costs at most `n`, which is there when everything has left")
    }

    /// Counts a call in the bucket of its time.
    fn put(&self, window: &mut Window, grant: &mut SlidingGrant, at: Timestamp) {
        let index = |time: Timestamp| time.as_nanos() / self.width;
        match window.buckets.back_mut() {
            Some(newest) if index(newest.latest) == index(at) => {
                grant.latest = newest.latest;
                newest.latest = at;
                newest.cost += grant.cost;
            }
            _ => window.buckets.push_back(Bucket {
                latest: at,
                cost: grant.cost,
            }),
        }
        debug_assert!(window.buckets.len() <= self.buckets as usize + 1);
        window.used += grant.cost;
        window.latest = at;
        window.admitted += 1;
        grant.number = window.admitted;
        grant.bucket = window.before + window.buckets.len() as u64 - 1;
    }

    /// Undoes an admission whose call was not made: takes its cost out of its bucket, if that is still in the window.
    ///
    /// If nobody was admitted since, nothing is left of the call. Otherwise what else is in the bucket may stay for as
    /// long as if it had been made, which is longer by less than a bucket's time.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is given back once")]
    pub fn give_back(&self, grant: SlidingGrant) {
        let mut window = lock(&self.window);
        let was_last = grant.number == window.admitted;
        let Some(bucket) = window.bucket(&grant) else {
            return;
        };
        bucket.cost -= grant.cost;
        if was_last {
            bucket.latest = grant.latest;
            window.admitted -= 1;
        }
        window.used -= grant.cost;
        // Nobody has a grant of a bucket that holds nothing, so that its number may be used again.
        while window.buckets.back().is_some_and(|newest| newest.cost == 0) {
            window.buckets.pop_back();
        }
    }

    /// Forgets all calls so far: `n` may be admitted at once.
    pub fn reset(&self) {
        let mut window = lock(&self.window);
        let buckets = window.buckets.len();
        window.forget(buckets);
        window.latest = Timestamp::from_nanos(0);
    }

    /// How much cost would be admitted at once now.
    pub fn available(&self, now: Timestamp) -> u32 {
        let window = lock(&self.window);
        let gone = self.gone(&window, now);
        self.quota.n() - (window.used - window.cost_of(gone))
    }
}

impl Window {
    /// The bucket of a call that was made; `None` if it has left, or if the call was not counted.
    fn bucket(&mut self, grant: &SlidingGrant) -> Option<&mut Bucket> {
        if grant.cost == 0 {
            return None;
        }
        let index = grant.bucket.checked_sub(self.before)?;
        self.buckets.get_mut(usize::try_from(index).ok()?)
    }

    /// What the oldest of the buckets hold.
    fn cost_of(&self, buckets: usize) -> u32 {
        self.buckets
            .range(..buckets)
            .map(|bucket| bucket.cost)
            .sum()
    }

    /// Drops the oldest buckets.
    fn forget(&mut self, buckets: usize) {
        self.used -= self.cost_of(buckets);
        self.before += buckets as u64;
        self.buckets.drain(..buckets);
    }
}

#[cfg(all(test, not(resilience_loom)))]
mod tests {
    use super::*;

    fn state(window: &SlidingWindow) -> String {
        format!("{:?}", lock(&window.window))
    }

    /// All but the time up to which calls count as late.
    fn calls(window: &SlidingWindow) -> String {
        let window = lock(&window.window);
        let counts = (window.before, window.used, window.admitted);
        format!("{:?}, {counts:?}", window.buckets)
    }

    #[test]
    fn a_refusal_and_a_call_without_cost_write_nothing() {
        let window = SlidingWindow::new(Quota::per_second(4), 4).unwrap();
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        for millis in [0, 100, 300, 900] {
            let _made = window.admit(1, at(millis)).unwrap();
        }
        // Also where the oldest buckets have left already: the first two at 1.1 s, three at 1.3 s.
        for (millis, costs) in [(950, 1..6), (1_050, 2..6), (1_299, 3..6), (1_300, 4..6)] {
            let before = state(&window);
            for cost in costs {
                assert!(window.admit(cost, at(millis)).is_err());
            }
            assert!(window.admit(0, at(millis)).is_ok());
            assert_eq!(state(&window), before, "at {millis} ms");
        }
    }

    #[test]
    fn of_a_call_that_is_given_back_before_others_come_nothing_is_left() {
        let window = SlidingWindow::new(Quota::per_second(9), 4).unwrap();
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let _made = window.admit(2, at(10)).unwrap();
        // Into the same bucket, into another one, and both, latest first.
        for times in [&[20][..], &[300], &[20, 30, 300, 310]] {
            let before = calls(&window);
            let grants: Vec<_> = times
                .iter()
                .map(|millis| window.admit(1, at(*millis)).unwrap())
                .collect();
            assert_ne!(calls(&window), before);
            for grant in grants.into_iter().rev() {
                window.give_back(grant);
            }
            assert_eq!(calls(&window), before, "at {times:?} ms");
        }
    }

    #[test]
    fn the_buckets_stay_in_the_memory_that_was_allocated() {
        for buckets in [1, 2, 7, 128] {
            let quota = Quota::per(1_000_000, Duration::from_micros(1));
            let window = SlidingWindow::new(quota, buckets).unwrap();
            let allocated = lock(&window.window).buckets.capacity();
            let mut most = 0;
            for nanos in 0..10_000 {
                let _made = window.admit(1, Timestamp::from_nanos(nanos)).unwrap();
                most = most.max(lock(&window.window).buckets.len());
            }
            assert_eq!(lock(&window.window).buckets.capacity(), allocated);
            // The width is rounded up, so that there may be fewer.
            assert!(most <= buckets as usize + 1, "{most} of {buckets}");
        }
    }
}
