//! The machine against naive models: whole numbers without bounds, lists of calls, and real threads.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_core::Timestamp;
use resilience_ratelimit::{
    Quota,
    machine::{Gcra, Grant, Refusal},
};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// For reverts that need no clock.
fn nobody_came() -> Timestamp {
    unreachable!("nobody was admitted since");
}

/// A bucket that holds `burst` units, each `interval` drops, and is filled by one drop per nanosecond.
struct Bucket {
    interval: i128,
    capacity: i128,
    level: i128,
    filled_at: i128,
}

impl Bucket {
    fn new(quota: Quota) -> Self {
        let (n, per) = (u128::from(quota.n()), quota.period().as_nanos());
        let interval = i128::try_from(per / n + u128::from(per % n != 0)).unwrap();
        let capacity = interval * i128::from(quota.burst_size());
        Self {
            interval,
            capacity,
            level: capacity,
            filled_at: 0,
        }
    }

    fn admit(&mut self, cost: u32, now: u64) -> Result<(), Option<u64>> {
        let now = i128::from(now);
        self.level = (self.level + now - self.filled_at).min(self.capacity);
        self.filled_at = now;
        let drops = i128::from(cost) * self.interval;
        if drops > self.capacity {
            return Err(None);
        }
        if drops > self.level {
            return Err(Some(u64::try_from(drops - self.level).unwrap()));
        }
        self.level -= drops;
        Ok(())
    }
}

fn quotas() -> impl Strategy<Value = Quota> {
    let small = (1..20_u32, 1..50_u64, 1..20_u32).prop_filter_map(
        "no more than one per nanosecond",
        |(n, per, burst)| {
            let quota = Quota::per(n, Duration::from_nanos(per)).burst(burst);
            (u64::from(n) <= per).then_some(quota)
        },
    );
    let usual =
        (1..5_000_u32, 1..5_000_u32).prop_map(|(n, burst)| Quota::per_minute(n).burst(burst));
    prop_oneof![3 => small, 1 => usual]
}

/// Steps between calls that matter to this quota: from no time at all to a whole burst and more.
fn steps(quota: Quota) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let period = u64::try_from(quota.period().as_nanos()).unwrap();
    let interval = period.div_ceil(u64::from(quota.n()));
    let burst = quota.burst_size();
    let step = prop_oneof![
        4 => Just(0),
        4 => 0..=interval,
        2 => 0..=period,
        1 => 0..=2 * interval * u64::from(burst),
    ];
    vec((step, 0..=burst.min(8) + 1), 1..80)
}

fn quota_and_steps() -> impl Strategy<Value = (Quota, Vec<(u64, u32)>)> {
    quotas().prop_flat_map(|quota| (Just(quota), steps(quota)))
}

/// The most that any window of the quota's length holds.
fn fullest_window(calls: &[(u64, u32)], period: u64) -> u64 {
    let within = |start: u64| {
        let inside = calls
            .iter()
            .filter(move |(time, _)| (start..start + period).contains(time));
        inside.map(|(_, cost)| u64::from(*cost)).sum()
    };
    // A window that begins between two calls holds no more than the one that begins with the second.
    calls
        .iter()
        .map(|(time, _)| within(*time))
        .max()
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decides_as_a_leaky_bucket_of_unbounded_integers_does((quota, steps) in quota_and_steps()) {
        let (gcra, mut bucket) = (Gcra::new(quota).unwrap(), Bucket::new(quota));
        let mut now = 1;
        for (step, cost) in steps {
            now += step;
            let decision = gcra.admit(cost, at(now)).map(drop).map_err(|why| match why {
                Refusal::For(delay) => Some(u64::try_from(delay.as_nanos()).unwrap()),
                Refusal::Never => None,
            });
            prop_assert_eq!(decision, bucket.admit(cost, now));
            let whole = u32::try_from(bucket.level / bucket.interval).unwrap();
            prop_assert_eq!(gcra.available(at(now)), whole);
            prop_assert_eq!(gcra.is_spent(at(now)), whole == 0);
        }
    }

    #[test]
    fn every_window_holds_at_most_n_plus_burst_minus_one((quota, steps) in quota_and_steps()) {
        let gcra = Gcra::new(quota).unwrap();
        let (mut now, mut admitted) = (1, Vec::new());
        for (step, cost) in steps {
            now += step;
            if gcra.admit(cost, at(now)).is_ok() {
                admitted.push((now, cost));
            }
        }
        let period = u64::try_from(quota.period().as_nanos()).unwrap();
        let bound = u64::from(quota.n()) + u64::from(quota.burst_size()) - 1;
        prop_assert!(fullest_window(&admitted, period) <= bound);
    }

    #[test]
    fn retry_after_is_exact_to_the_nanosecond((quota, steps) in quota_and_steps()) {
        let gcra = Gcra::new(quota).unwrap();
        let mut now = 1;
        for (step, cost) in steps {
            now += step;
            if let Err(Refusal::For(delay)) = gcra.admit(cost, at(now)) {
                prop_assert!(!delay.is_zero());
                let due = at(now) + delay;
                let early = gcra.admit(cost, due - Duration::from_nanos(1)).map(drop);
                prop_assert_eq!(early, Err(Refusal::For(Duration::from_nanos(1))));
                prop_assert!(gcra.admit(cost, due).is_ok());
                now = due.as_nanos();
            }
        }
    }

    /// Clocks of several threads: calls reach the word in another order than that of their times. Some of them are
    /// reverted, sooner or later.
    #[test]
    fn what_was_really_made_keeps_to_the_bound_whatever_is_reverted_and_when(
        (quota, steps) in quota_and_steps(),
        fates in vec((0..4_u64, prop::option::of(0..20_usize)), 80),
    ) {
        let gcra = Gcra::new(quota).unwrap();
        let interval = u64::try_from(gcra.interval().as_nanos()).unwrap();
        let (mut now, mut made) = (100 * interval, Vec::new());
        let mut to_revert: Vec<(usize, Grant)> = Vec::new();
        for (round, ((step, cost), (lag, revert_after))) in steps.into_iter().zip(fates).enumerate() {
            now += step;
            let claimed = now - lag * interval / 2;
            if let Ok(grant) = gcra.admit(cost, at(claimed)) {
                match revert_after {
                    Some(rounds) => to_revert.push((round + rounds, grant)),
                    None => made.push((claimed, cost)),
                }
            }
            for (_, grant) in to_revert.extract_if(.., |(due, _)| *due <= round) {
                gcra.give_back(grant, || at(now));
            }
        }
        let period = u64::try_from(quota.period().as_nanos()).unwrap();
        let bound = u64::from(quota.n()) + u64::from(quota.burst_size()) - 1;
        prop_assert!(fullest_window(&made, period) <= bound, "{made:?}");
    }

    #[test]
    fn a_call_reverted_at_once_leaves_no_trace((quota, steps) in quota_and_steps()) {
        let (gcra, plain) = (Gcra::new(quota).unwrap(), Gcra::new(quota).unwrap());
        let mut now = 1;
        for (step, cost) in steps {
            now += step;
            if let Ok(grant) = gcra.admit(cost.min(2), at(now)) {
                prop_assert_eq!(gcra.give_back(grant, nobody_came), cost > 0);
            }
            let decision = gcra.admit(cost, at(now)).map(drop);
            prop_assert_eq!(decision, plain.admit(cost, at(now)).map(drop));
        }
    }

    /// The wait that a caller is told is when its turn comes, if those ahead go as early as they can.
    #[test]
    fn the_wait_behind_others_is_when_the_turn_comes(
        (quota, steps) in quota_and_steps(),
        line in vec(1..9_u32, 1..20),
    ) {
        let gcra = Gcra::new(quota).unwrap();
        let mut now = 1;
        for (step, cost) in steps {
            now += step;
            let _made = gcra.admit(cost, at(now));
        }
        let line: Vec<_> = line.into_iter().map(|cost| cost.min(quota.burst_size())).collect();
        let (last, before) = line.split_last().unwrap();
        let ahead = before.iter().map(|cost| u64::from(*cost)).sum();
        let told = gcra.wait(ahead, *last, at(now)).unwrap();
        let mut turn = at(now);
        for &cost in &line {
            if let Err(Refusal::For(delay)) = gcra.admit(cost, turn) {
                turn = turn + delay;
                prop_assert!(gcra.admit(cost, turn).is_ok());
            }
        }
        prop_assert_eq!(told, turn - at(now));
    }
}

#[test]
fn a_burst_after_a_quiet_time_then_one_by_one() {
    let gcra = Gcra::new(Quota::per_second(10).burst(3)).unwrap();
    let start = at(5_000_000_000);
    let step = Duration::from_millis(100);
    for _ in 0..3 {
        let _made = gcra.admit(1, start).unwrap();
    }
    assert_eq!(gcra.admit(1, start).map(drop), Err(Refusal::For(step)));
    let _made = gcra.admit(1, start + step).unwrap();
    assert_eq!(
        gcra.admit(1, start + step).map(drop),
        Err(Refusal::For(step))
    );
}

#[test]
fn the_bound_is_reached_and_so_cannot_be_lower() {
    // 10 at once, then one whenever one flows in.
    let gcra = Gcra::new(Quota::per(10, Duration::from_nanos(100))).unwrap();
    let admitted = (1_000..1_100).flat_map(|now| {
        let here = std::iter::repeat_with(move || now);
        here.take_while(|now| gcra.admit(1, at(*now)).is_ok())
            .collect::<Vec<_>>()
    });
    assert_eq!(admitted.count(), 19);
}

#[test]
fn reverted_tokens_come_back_whole_at_once_and_not_at_all_after_their_time() {
    let quota = Quota::per_second(1).burst(4);
    // What is available in the end is what would be, had the reverted call never been admitted.
    for (after, back) in [
        (0, 2),
        (1_000_000_000, 1),
        (1_500_000_000, 1),
        (2_000_000_000, 0),
        (9_000_000_000, 0),
    ] {
        let gcra = Gcra::new(quota).unwrap();
        let start = at(1_000_000_000_000);
        let grant = gcra.admit(2, start).unwrap();
        let later = start + Duration::from_nanos(after);
        let spent = gcra.available(later);
        let _rest = gcra.admit(spent, later).unwrap();
        let came_back = gcra.give_back(grant, || later);
        assert_eq!(
            (came_back, gcra.available(later)),
            (after < 2_000_000_000, back),
            "after {after} ns"
        );
    }
}

#[test]
fn what_the_bucket_lost_before_a_later_call_is_not_given_back() {
    let gcra = Gcra::new(Quota::per_second(1).burst(10)).unwrap();
    let start = at(1_000_000_000_000);
    let five_later = start + Duration::from_secs(5);
    let unmade = gcra.admit(5, start).unwrap();
    let _made = gcra.admit(10, five_later).unwrap();
    // Without the first call the bucket would have stayed full until the second came, and been emptied by it too.
    assert!(!gcra.give_back(unmade, || five_later));
    assert!(gcra.admit(1, five_later).is_err());
}

#[test]
fn however_late_all_comes_back_if_nobody_came_in_between() {
    let gcra = Gcra::new(Quota::per_second(1).burst(10)).unwrap();
    let start = at(1_000_000_000_000);
    let _made = gcra.admit(6, start).unwrap();
    let unmade = gcra.admit(4, start).unwrap();
    assert_eq!(gcra.available(start + Duration::from_secs(3)), 3);
    assert!(gcra.give_back(unmade, nobody_came));
    assert_eq!(gcra.available(start + Duration::from_secs(3)), 7);
}

#[test]
fn a_word_that_came_back_by_later_calls_is_not_taken_for_the_old_one() {
    let gcra = Gcra::new(Quota::per_second(1).burst(10)).unwrap();
    let start = at(1_000_000_000_000);
    let later = start + Duration::from_millis(500);
    let first = gcra.admit(1, start).unwrap();
    let second = gcra.admit(1, start).unwrap();
    assert!(gcra.give_back(first, || start));
    // Now the word is what the second call wrote, but half of a unit of what that took is lost to this one.
    let _made = gcra.admit(1, later).unwrap();
    assert!(gcra.give_back(second, || later));
    let decision = gcra.admit(10, later).map(drop);
    assert_eq!(decision, Err(Refusal::For(Duration::from_secs(1))));
}

#[test]
fn after_a_reset_nothing_from_before_is_given_back() {
    let gcra = Gcra::new(Quota::per_second(1).burst(2)).unwrap();
    let now = at(1_000_000_000);
    let before = gcra.admit(2, now).unwrap();
    gcra.reset();
    assert_eq!(gcra.available(now), 2);
    let _made = gcra.admit(2, now).unwrap();
    assert!(!gcra.give_back(before, nobody_came));
    assert_eq!(gcra.available(now), 0);
}

#[test]
fn free_calls_pass_and_calls_above_the_burst_never_do() {
    let gcra = Gcra::new(Quota::per_second(5).burst(2)).unwrap();
    let now = at(1);
    assert_eq!(gcra.admit(3, now).map(drop), Err(Refusal::Never));
    let _made = gcra.admit(2, now).unwrap();
    let free = gcra.admit(0, now).unwrap();
    assert!(!gcra.give_back(free, nobody_came));
    assert_eq!(gcra.wait(0, 3, now), Err(Refusal::Never));
    assert!(gcra.is_spent(now));
}

#[test]
fn the_end_of_time_admits_nothing_and_overflows_nowhere() {
    let gcra = Gcra::new(Quota::per_hour(2)).unwrap();
    assert_eq!(gcra.admit(1, Timestamp::MAX).map(drop), Err(Refusal::Never));
    let near = Timestamp::MAX - Duration::from_secs(1_800);
    let grant = gcra.admit(1, near).unwrap();
    assert!(gcra.admit(2, near).is_err());
    assert!(gcra.give_back(grant, nobody_came));
    assert_eq!(gcra.available(near), 2);
    let forever = gcra.wait(u64::MAX, 2, near).unwrap();
    assert!(forever > Duration::from_secs(500 * 365 * 86_400));
}

#[test]
fn the_interval_is_rounded_up_so_that_the_rate_is_never_above_the_quota() {
    for (quota, nanos) in [
        (Quota::per_second(1_000), 1_000_000),
        (Quota::per_second(3), 333_333_334),
        (Quota::per_minute(7), 8_571_428_572),
        (Quota::per_hour(3_600), 1_000_000_000),
        (Quota::per(2, Duration::from_nanos(3)), 2),
        (Quota::per_second(1_000_000_000), 1),
    ] {
        let interval = Gcra::new(quota).unwrap().interval();
        assert_eq!(interval, Duration::from_nanos(nanos), "{quota}");
    }
}

#[test]
fn threads_that_collide_admit_exactly_the_burst() {
    const THREADS: usize = 8;
    const BURST: u32 = 100_000;
    let gcra = Gcra::new(Quota::per_hour(BURST)).unwrap();
    let now = at(1);
    let admitted = AtomicU64::new(0);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (gcra, admitted, start) = (&gcra, &admitted, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0.. {
                    let Ok(grant) = gcra.admit(1, now) else { break };
                    if thread % 2 == 0 && round % 3 == 0 {
                        assert!(gcra.give_back(grant, || now));
                    } else {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // A thread that leaves may have met a call that was reverted after: what is left is still there, and no more.
    let left = gcra.available(now);
    assert_eq!(admitted.into_inner() + u64::from(left), u64::from(BURST));
}

#[test]
fn bad_quotas_name_field_value_and_range() {
    let year = Duration::from_secs(365 * 86_400);
    for (quota, field, value, expected) in [
        (Quota::per_second(0), "quota.n", "0", "from 1 to 1000000000"),
        (Quota::per_minute(0), "quota.n", "0", "from 1 to 4294967295"),
        (
            Quota::per_second(3_000_000_000),
            "quota.n",
            "3000000000",
            "from 1 to 1000000000",
        ),
        (
            Quota::per(3, Duration::from_nanos(1)),
            "quota.n",
            "3",
            "from 1 to 1",
        ),
        (
            Quota::per(1, Duration::ZERO),
            "quota.per",
            "0ns",
            "more than zero and at most 365 days",
        ),
        (
            Quota::per(1, year + Duration::from_nanos(1)),
            "quota.per",
            "31536000.000000001s",
            "more than zero and at most 365 days",
        ),
        (
            Quota::per(1, Duration::MAX),
            "quota.per",
            "18446744073709551615.999999999s",
            "more than",
        ),
        (
            Quota::per_second(5).burst(0),
            "quota.burst",
            "0",
            "from 1 to",
        ),
        (
            Quota::per_hour(1).burst(8_761),
            "quota.burst",
            "8761",
            "from 1 to 8760",
        ),
        (
            Quota::per(1, year).burst(u32::MAX),
            "quota.burst",
            "4294967295",
            "from 1 to 1",
        ),
    ] {
        let error = Gcra::new(quota).unwrap_err();
        assert_eq!((error.field(), error.value()), (field, value), "{quota}");
        assert!(error.expected().starts_with(expected), "{error}");
    }
    for quota in [
        Quota::per_second(1),
        Quota::per_second(1_000_000_000),
        Quota::per_hour(u32::MAX),
        Quota::per(u32::MAX, year),
        Quota::per(1, year),
        Quota::per_hour(1).burst(8_760),
        Quota::per_hour(9_000),
        Quota::per_second(1).burst(31_536_000),
    ] {
        Gcra::new(quota).unwrap();
    }
}
