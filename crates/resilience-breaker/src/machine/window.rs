//! The windows over the last outcomes.

use super::config::WindowKind;
use resilience_core::{Timestamp, nanos};
use std::time::Duration;

/// One outcome, as the windows see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failure: bool,
    pub(crate) slow: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, mark: Mark) {
        self.calls += 1;
        self.failures += u64::from(mark.failure);
        self.slow += u64::from(mark.slow);
    }

    fn take_mark(&mut self, mark: Mark) {
        self.calls -= 1;
        self.failures -= u64::from(mark.failure);
        self.slow -= u64::from(mark.slow);
    }

    fn take(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

#[derive(Debug)]
pub(crate) enum Window {
    Off,
    Count(CountWindow),
    Time(TimeWindow),
}

impl Window {
    pub(crate) fn new(kind: WindowKind) -> Self {
        match kind {
            WindowKind::Off => Self::Off,
            WindowKind::Count(length) => Self::Count(CountWindow::new(length)),
            WindowKind::Time {
                width,
                buckets,
                minimum_covered,
            } => Self::Time(TimeWindow::new(width, buckets, minimum_covered)),
        }
    }

    /// Adds an outcome. Only a time window looks at the time.
    pub(crate) fn push(&mut self, mark: Mark, at: Timestamp) {
        match self {
            Self::Off => {}
            Self::Count(window) => window.push(mark),
            Self::Time(window) => window.push(mark, at),
        }
    }

    /// Adds so many outcomes that are neither failures nor slow, of which nobody noted when they came: evenly spaced
    /// after `from`, the last one at `to`. Only a time window has any use for them.
    pub(crate) fn push_good(&mut self, calls: u64, from: Timestamp, to: Timestamp) {
        if let Self::Time(window) = self {
            window.push_good(calls, from, to);
        }
    }

    /// What the window holds, without forgetting what has become too old since the last [`push`](Self::push).
    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Off => Counts::default(),
            Self::Count(window) => window.counts,
            Self::Time(window) => window.counts,
        }
    }

    /// Forgets what is too old.
    pub(crate) fn advance(&mut self, at: Timestamp) {
        if let Self::Time(window) = self {
            window.advance(at);
        }
    }

    /// Whether the outcomes cover enough time to be judged.
    pub(crate) fn covers_enough(&self, at: Timestamp) -> bool {
        match self {
            Self::Off | Self::Count(_) => true,
            Self::Time(window) => window.covered(at) >= window.minimum_covered,
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Off => {}
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }
}

/// A ring of the last outcomes: when it is full, the newest replaces the oldest.
#[derive(Debug)]
pub(crate) struct CountWindow {
    ring: Box<[Mark]>,
    /// Where the next outcome goes; when the ring is full, that is the oldest one.
    next: usize,
    counts: Counts,
}

impl CountWindow {
    fn new(length: usize) -> Self {
        Self {
            ring: vec![Mark::default(); length].into(),
            next: 0,
            counts: Counts::default(),
        }
    }

    pub(crate) fn push(&mut self, mark: Mark) {
        let full = self.counts.calls == self.ring.len() as u64;
        let oldest = std::mem::replace(&mut self.ring[self.next], mark);
        if full {
            self.counts.take_mark(oldest);
        }
        self.counts.add(mark);
        self.next = if self.next + 1 == self.ring.len() {
            0
        } else {
            self.next + 1
        };
    }

    fn clear(&mut self) {
        self.next = 0;
        self.counts = Counts::default();
    }
}

/// Buckets of equal width, the newest of which is being filled. A bucket leaves as a whole, so that the window
/// covers its length less at most one bucket.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    buckets: Box<[Bucket]>,
    width: u64,
    minimum_covered: Duration,
    /// The newest bucket, in widths since the origin of time.
    head: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    counts: Counts,
    /// When its first outcome came.
    first: Timestamp,
}

impl Bucket {
    fn add_good(&mut self, calls: u64, first: Timestamp) {
        if self.counts.calls == 0 || first < self.first {
            self.first = first;
        }
        self.counts.calls += calls;
    }
}

impl TimeWindow {
    fn new(width: u64, buckets: usize, minimum_covered: Duration) -> Self {
        Self {
            buckets: vec![Bucket::default(); buckets].into(),
            width,
            minimum_covered,
            head: 0,
            counts: Counts::default(),
        }
    }

    /// Makes room for the present. Threads bring their times in any order: an earlier time than the newest
    /// seen changes nothing, and its outcome counts for the newest bucket.
    fn advance(&mut self, at: Timestamp) {
        let head = at.as_nanos() / self.width;
        if head <= self.head {
            return;
        }
        // However long nothing happened, there are no more buckets to empty than there are.
        let passed = (head - self.head).min(self.buckets.len() as u64);
        for index in head - passed + 1..=head {
            let place = self.place(index);
            let gone = std::mem::take(&mut self.buckets[place]);
            self.counts.take(gone.counts);
        }
        self.head = head;
    }

    fn push(&mut self, mark: Mark, at: Timestamp) {
        self.advance(at);
        let place = self.place(self.head);
        let bucket = &mut self.buckets[place];
        if bucket.counts.calls == 0 {
            bucket.first = at;
        }
        bucket.counts.add(mark);
        self.counts.add(mark);
    }

    /// The `n`th of so many comes at `from` and `n` parts of the time until `to`. Those that would have left are left out.
    fn push_good(&mut self, calls: u64, from: Timestamp, to: Timestamp) {
        if calls == 0 {
            return;
        }
        self.advance(to);
        let time = u128::from(nanos(to - from));
        let from = from.min(to).as_nanos();
        // How many of them come before `at`.
        let before = |at: u64| match u128::from(at.saturating_sub(from)) {
            0 => 0,
            _ if time == 0 => calls,
            passed => {
                let parts = (passed * u128::from(calls) - 1) / time;
                u64::try_from(parts).map_or(calls, |parts| parts.min(calls))
            }
        };
        let oldest = self.head.saturating_sub(self.buckets.len() as u64 - 1);
        let mut passed = before(oldest * self.width);
        for index in oldest..=self.head {
            let until = if index == self.head {
                calls
            } else {
                before((index + 1) * self.width)
            };
            if until > passed {
                let first = u128::from(passed + 1) * time / u128::from(calls);
                let first = from + u64::try_from(first).expect("not more than the time");
                let place = self.place(index);
                self.buckets[place].add_good(until - passed, Timestamp::from_nanos(first));
                self.counts.calls += until - passed;
                passed = until;
            }
        }
    }

    /// The time since the oldest outcome that is still in the window.
    fn covered(&self, at: Timestamp) -> Duration {
        // From the one after the newest, round to the newest: the oldest comes first.
        (1..=self.buckets.len() as u64)
            .map(|step| &self.buckets[self.place(self.head.wrapping_add(step))])
            .find(|bucket| bucket.counts.calls > 0)
            .map_or(Duration::ZERO, |oldest| at - oldest.first)
    }

    fn clear(&mut self) {
        self.buckets.fill(Bucket::default());
        self.counts = Counts::default();
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is less than the number of buckets"
    )]
    fn place(&self, index: u64) -> usize {
        (index % self.buckets.len() as u64) as usize
    }
}

#[cfg(all(test, not(resilience_loom)))]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        /// Many at once are as many one by one, at the times that are documented.
        #[test]
        fn many_at_once_are_as_one_by_one(
            width in 1..50_u64,
            buckets in 2..8_usize,
            batches in vec((0..40_u64, 0..100_u64), 1..10),
        ) {
            let new = || TimeWindow::new(width, buckets, Duration::ZERO);
            let (mut one, mut other) = (new(), new());
            let mut from = 1_000;
            for (calls, time) in batches {
                let to = from + time;
                one.push_good(calls, Timestamp::from_nanos(from), Timestamp::from_nanos(to));
                for n in 1..=calls {
                    other.push(Mark::default(), Timestamp::from_nanos(from + n * time / calls));
                }
                other.advance(Timestamp::from_nanos(to));
                one.advance(Timestamp::from_nanos(to));
                from = to;
                prop_assert_eq!(one.counts, other.counts);
                let now = Timestamp::from_nanos(to);
                prop_assert_eq!(one.covered(now), other.covered(now));
            }
        }
    }
}
