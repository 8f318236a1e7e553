//! The sliding window against naive models: a log of all that was ever admitted, and real threads.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_core::Timestamp;
use resilience_ratelimit::{
    Quota,
    machine::{Refusal, SlidingGrant, SlidingWindow},
};
use std::{
    collections::VecDeque,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

fn sum(calls: &[(u64, u32)]) -> u64 {
    calls.iter().map(|(_, cost)| u64::from(*cost)).sum()
}

/// A quota, and how many buckets a period has.
#[derive(Clone, Copy, Debug)]
struct Shape {
    quota: Quota,
    buckets: u32,
}

impl Shape {
    fn new(n: u32, period: u64, buckets: u32) -> Self {
        let quota = Quota::per(n, Duration::from_nanos(period));
        Self { quota, buckets }
    }

    fn machine(self) -> SlidingWindow {
        SlidingWindow::new(self.quota, self.buckets).unwrap()
    }

    fn n(self) -> u32 {
        self.quota.n()
    }

    fn period(self) -> u64 {
        nanos(self.quota.period())
    }

    fn width(self) -> u64 {
        self.period().div_ceil(u64::from(self.buckets))
    }
}

/// Everything that was ever admitted, in order. Nothing is forgotten, so that nothing can be forgotten too early.
struct Log {
    shape: Shape,
    calls: Vec<(u64, u32)>,
}

impl Log {
    /// Calls that count at that time: those of buckets whose latest call is less than a period old.
    fn counted(&self, now: u64) -> u64 {
        let index = |time: u64| time / self.shape.width();
        let (mut counted, mut latest) = (0, u64::MAX);
        // Latest first.
        for (time, cost) in self.calls.iter().rev() {
            if latest == u64::MAX || index(*time) != index(latest) {
                latest = *time;
            }
            if latest + self.shape.period() > now {
                counted += u64::from(*cost);
            }
        }
        counted
    }

    /// Calls of any window's length before that time.
    fn within(&self, length: u64, now: u64) -> u64 {
        let inside = |(time, _): &&(u64, u32)| *time + length > now;
        let calls: Vec<_> = self.calls.iter().filter(inside).copied().collect();
        sum(&calls)
    }

    /// A call that comes late counts as if it came with the latest one.
    fn effective(&self, now: u64) -> u64 {
        self.calls
            .last()
            .map_or(now, |(latest, _)| now.max(*latest))
    }

    fn admit(&mut self, cost: u32, now: u64) -> Result<(), Option<u64>> {
        let time = self.effective(now);
        let fits = |time| self.counted(time) + u64::from(cost) <= u64::from(self.shape.n());
        if cost > self.shape.n() {
            return Err(None);
        }
        if !fits(time) {
            // Something can only leave one period after some call.
            let mut leaving = self.calls.iter().map(|call| call.0 + self.shape.period());
            let free = leaving.find(|then| *then > time && fits(*then));
            return Err(Some(free.unwrap() - now));
        }
        if cost > 0 {
            self.calls.push((time, cost));
        }
        Ok(())
    }

    /// The most that any window of the period's length holds.
    fn fullest_window(&self) -> u64 {
        fullest_window(&self.calls, self.shape.period())
    }
}

/// A window that begins between two calls holds no more than the one that begins with the second.
fn fullest_window(calls: &[(u64, u32)], period: u64) -> u64 {
    let within = |start: u64| {
        let inside = calls
            .iter()
            .filter(|(time, _)| (start..start + period).contains(time));
        sum(&inside.copied().collect::<Vec<_>>())
    };
    calls
        .iter()
        .map(|(time, _)| within(*time))
        .max()
        .unwrap_or(0)
}

/// What a client aims at with its next call.
#[derive(Clone, Copy, Debug)]
enum Aim {
    Again,
    /// A share of a bucket's time later, in 1/16.
    Soon(u64),
    /// A share of the period later, in 1/16.
    Later(u64),
    /// Just before, at, or just after the next bucket begins.
    Bucket(u64),
    /// Just before, at, or just after one of the latest calls leaves the window.
    Leaves(usize, u64),
    /// Just before, at, or just after the time that this client was told.
    Retry(u64),
    /// Many periods later, and some more.
    Idle(u64),
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    client: usize,
    aim: Aim,
    cost: u32,
    /// How much earlier the client has read its clock, in 1/16 of a bucket.
    late: u64,
}

const CLIENTS: usize = 8;

fn aims() -> impl Strategy<Value = Aim> {
    prop_oneof![
        6 => Just(Aim::Again),
        6 => (0..=16_u64).prop_map(Aim::Soon),
        2 => (0..=20_u64).prop_map(Aim::Later),
        4 => (0..3_u64).prop_map(Aim::Bucket),
        6 => (0..40_usize, 0..3_u64).prop_map(|(back, off)| Aim::Leaves(back, off)),
        6 => (0..3_u64).prop_map(Aim::Retry),
        1 => (0..1_000_u64).prop_map(Aim::Idle),
    ]
}

fn arrivals(late: u64) -> impl Strategy<Value = Vec<Arrival>> {
    let cost = prop_oneof![8 => Just(1), 2 => 0..6_u32, 1 => 0..50_u32];
    let arrival = (0..CLIENTS, aims(), cost, 0..=late);
    let arrival = arrival.prop_map(|(client, aim, cost, late)| Arrival {
        client,
        aim,
        cost,
        late,
    });
    vec(arrival, 1..120)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let tiny = (1..30_u32, 1..60_u64, 1..20_u32).prop_map(|(n, period, buckets)| {
        Shape::new(n, period, buckets.min(u32::try_from(period).unwrap()))
    });
    let usual = (
        1..60_u32,
        prop_oneof![
            Just(1_000_000_000),
            Just(999_999_937),
            1_000_000..9_000_000_u64
        ],
    )
        .prop_map(|(n, period)| Shape::new(n, period, 128));
    prop_oneof![2 => tiny, 1 => usual]
}

/// Lets the clients call, and shows `each` call with the log before it.
fn run(
    shape: Shape,
    arrivals: &[Arrival],
    mut each: impl FnMut(&SlidingWindow, &mut Log, u32, u64) -> Result<Option<u64>, TestCaseError>,
) -> Result<Log, TestCaseError> {
    let machine = shape.machine();
    let mut log = Log {
        shape,
        calls: Vec::new(),
    };
    let mut retry = [0; CLIENTS];
    let (period, width) = (shape.period(), shape.width());
    let mut now = 50 * width + 7;
    for arrival in arrivals {
        let target = match arrival.aim {
            Aim::Again => now,
            Aim::Soon(part) => now + width * part / 16,
            Aim::Later(part) => now + period * part / 16,
            Aim::Bucket(off) => (now / width + 1) * width + off - 1,
            Aim::Leaves(back, off) => {
                let call = log.calls.iter().rev().nth(back);
                call.map_or(now, |(time, _)| time + period + off - 1)
            }
            Aim::Retry(off) => (retry[arrival.client] + off).saturating_sub(1),
            Aim::Idle(periods) => now + period * periods + periods % 7,
        };
        now = now.max(target);
        let claimed = now - width * arrival.late / 16;
        if let Some(then) = each(&machine, &mut log, arrival.cost, claimed)? {
            retry[arrival.client] = then;
        }
    }
    Ok(log)
}

fn decide(machine: &SlidingWindow, cost: u32, now: u64) -> Result<(), Option<u64>> {
    machine
        .admit(cost, at(now))
        .map(drop)
        .map_err(|why| match why {
            Refusal::For(delay) => Some(nanos(delay)),
            Refusal::Never => None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn decides_as_a_log_of_everything_does_and_no_window_holds_more_than_n(
        shape in shapes(),
        arrivals in arrivals(24),
    ) {
        let log = run(shape, &arrivals, |machine, log, cost, now| {
            let before = log.counted(log.effective(now));
            prop_assert_eq!(u64::from(machine.available(at(now))), u64::from(shape.n()) - before);
            let expected = log.admit(cost, now);
            prop_assert_eq!(decide(machine, cost, now), expected);
            Ok(expected.err().flatten().map(|delay| now + delay))
        })?;
        prop_assert!(log.fullest_window() <= u64::from(shape.n()));
    }

    /// Whoever is refused would have filled, with what came in the period and at most a bucket's time before, more
    /// than the quota.
    #[test]
    fn nobody_is_refused_who_would_fit_into_a_window_longer_by_a_bucket(
        shape in shapes(),
        arrivals in arrivals(0),
    ) {
        run(shape, &arrivals, |machine, log, cost, now| {
            let decision = decide(machine, cost, now);
            let exact = log.within(shape.period(), now) + u64::from(cost);
            let longer = log.within(shape.period() + shape.width() - 1, now) + u64::from(cost);
            match decision {
                Ok(()) => prop_assert!(exact <= u64::from(shape.n())),
                Err(_) => prop_assert!(longer > u64::from(shape.n())),
            }
            if decision.is_ok() && cost > 0 {
                log.calls.push((now, cost));
            }
            Ok(decision.err().flatten().map(|delay| now + delay))
        })?;
    }

    #[test]
    fn retry_after_is_exact_to_the_nanosecond(shape in shapes(), arrivals in arrivals(24)) {
        run(shape, &arrivals, |machine, log, cost, now| {
            let expected = log.admit(cost, now);
            prop_assert_eq!(decide(machine, cost, now), expected);
            let Err(Some(delay)) = expected else { return Ok(None) };
            prop_assert!(delay > 0);
            prop_assert_eq!(decide(machine, cost, now + delay - 1), Err(Some(1)));
            // A look, and not more, so that the others find everything as it was.
            prop_assert!(machine.available(at(now + delay)) >= cost);
            prop_assert!(machine.available(at(now + delay - 1)) < cost);
            Ok(Some(now + delay))
        })?;
    }

    #[test]
    fn a_period_after_the_latest_call_all_is_available(
        shape in shapes(),
        arrivals in arrivals(24),
        gap in prop_oneof![Just(0), 0..1_000_u64, 0..u64::MAX / 4],
    ) {
        run(shape, &arrivals, |machine, log, cost, now| {
            let decision = decide(machine, cost, now);
            prop_assert_eq!(decision, log.admit(cost, now));
            let later = log.effective(now) + shape.period() + gap;
            prop_assert_eq!(machine.available(at(later)), shape.n());
            Ok(decision.err().flatten().map(|delay| now + delay))
        })?;
    }

    /// Clocks of several threads, and calls that are given back sooner or later.
    #[test]
    fn what_was_really_made_keeps_to_n_whatever_is_given_back_and_when(
        shape in shapes(),
        arrivals in arrivals(24),
        fates in vec(prop::option::of(0..20_usize), 120),
    ) {
        let (mut round, mut latest) = (0, 0);
        let mut made: Vec<(u64, u32)> = Vec::new();
        let mut to_give_back: Vec<(usize, SlidingGrant)> = Vec::new();
        run(shape, &arrivals, |machine, _, cost, now| {
            if let Ok(grant) = machine.admit(cost, at(now)) {
                if cost > 0 {
                    latest = latest.max(now);
                }
                match fates[round] {
                    Some(rounds) => to_give_back.push((round + rounds, grant)),
                    None => made.push((now.max(latest), cost)),
                }
            }
            for (_, grant) in to_give_back.extract_if(.., |(due, _)| *due <= round) {
                machine.give_back(grant);
            }
            round += 1;
            let counted: u64 = sum(&made) + to_give_back.len() as u64;
            prop_assert!(counted > 0 || machine.available(at(now)) == shape.n());
            Ok(None)
        })?;
        prop_assert!(fullest_window(&made, shape.period()) <= u64::from(shape.n()), "{made:?}");
    }

    /// Given back at once, a call was never there; given back later, what it has taken comes back whole.
    #[test]
    fn what_is_given_back_comes_back_whole(
        shape in shapes(),
        arrivals in arrivals(0),
        made in 0..3_u32,
    ) {
        let plain = shape.machine();
        run(shape, &arrivals, |machine, _, cost, now| {
            if let Ok(grant) = machine.admit(cost.min(3), at(now)) {
                machine.give_back(grant);
            }
            let decision = decide(machine, cost, now);
            prop_assert_eq!(decision, decide(&plain, cost, now));
            Ok(decision.err().flatten().map(|delay| now + delay))
        })?;

        let mut held: Option<(u64, u32, SlidingGrant)> = None;
        run(shape, &arrivals, |machine, _, cost, now| {
            if let Some((then, cost, grant)) = held.take() {
                let before = machine.available(at(now));
                machine.give_back(grant);
                let back = machine.available(at(now)) - before;
                // And more, if others are in the window only because of this call.
                prop_assert!(back >= cost || now >= then + shape.period());
                prop_assert!(back == 0 || now < then + shape.period() + shape.width());
            }
            // The cheap ones are made, and stay.
            if let Ok(grant) = machine.admit(cost, at(now))
                && cost > made
            {
                held = Some((now, cost, grant));
            }
            Ok(None)
        })?;
    }
}

/// What share of the quota is admitted, if callers come every `step` nanoseconds and cost `cost` each; and what an exact
/// log would have admitted, which keeps the time of every call.
fn utilisation(shape: Shape, step: u64, cost: u32) -> (f64, f64) {
    const PERIODS: u64 = 40;
    let machine = shape.machine();
    let whole = PERIODS * shape.period();
    let start = 3 * shape.period() + 12_345;
    let (mut admitted, mut exact) = (0, 0);
    let mut log = VecDeque::new();
    for now in (start..start + whole).step_by(usize::try_from(step).unwrap()) {
        if machine.admit(cost, at(now)).is_ok() {
            admitted += cost;
        }
        while log
            .front()
            .is_some_and(|first| first + shape.period() <= now)
        {
            log.pop_front();
        }
        if (log.len() + 1) * cost as usize <= shape.n() as usize {
            log.push_back(now);
            exact += cost;
        }
    }
    let all = f64::from(u32::try_from(PERIODS).unwrap() * shape.n());
    (f64::from(admitted) / all, f64::from(exact) / all)
}

#[test]
fn a_steady_demand_gets_ninety_nine_percent_of_the_quota() {
    for n in [1, 3, 10, 50, 100, 127, 128, 129, 200, 1_000, 3_333] {
        let shape = Shape::new(n, SECOND, 128);
        let pace = SECOND.div_ceil(u64::from(n));
        // In per cent of the quota: just as much, and more.
        for demand in [100, 101, 103, 110, 137, 150, 200, 300, 1_000, 5_000] {
            let (admitted, exact) = utilisation(shape, pace * 100 / demand, 1);
            let what =
                format!("{admitted} of {n} a second at a demand of {demand} %, exactly: {exact}");
            // With few calls, much depends on whether somebody comes when something is available again; exact
            // limits know that too.
            assert!(admitted >= 0.992 * exact, "{what}");
            assert!(admitted >= 0.99 || n < 100, "{what}");
            assert!(admitted <= 1.0 && exact <= 1.0, "{what}");
        }
    }
    for cost in [2, 7, 30] {
        let shape = Shape::new(1_000, SECOND, 128);
        let (admitted, exact) = utilisation(shape, SECOND / 1_000, cost);
        assert!(
            admitted >= 0.992 * exact,
            "{admitted} at a cost of {cost}, exactly: {exact}"
        );
    }
}

#[test]
fn few_buckets_cost_what_the_documentation_says_and_no_more() {
    for buckets in [1, 2, 10, 50] {
        let shape = Shape::new(1_000, SECOND, buckets);
        let least = f64::from(buckets) / f64::from(buckets + 1);
        let (admitted, _) = utilisation(shape, SECOND / 1_000, 1);
        assert!(
            (least - 0.001..least + 0.02).contains(&admitted),
            "{admitted} with {buckets}"
        );
    }
}

#[test]
fn a_client_that_keeps_to_the_pace_is_never_refused() {
    // Its calls come into buckets of their own.
    for n in [1, 2, 10, 60, 127] {
        let machine = Shape::new(n, 60 * SECOND, 128).machine();
        let pace = (60 * SECOND).div_ceil(u64::from(n));
        for call in 0..u64::from(n) * 5 {
            assert_eq!(
                decide(&machine, 1, 17 + call * pace),
                Ok(()),
                "call {call} of {n}"
            );
        }
    }
}

#[test]
fn n_at_once_then_nothing_until_they_are_one_period_old() {
    let machine = Shape::new(100, SECOND, 128).machine();
    let start = 5 * SECOND;
    for _ in 0..100 {
        assert_eq!(decide(&machine, 1, start), Ok(()));
    }
    assert_eq!(decide(&machine, 1, start), Err(Some(SECOND)));
    assert_eq!(decide(&machine, 1, start + SECOND - 1), Err(Some(1)));
    for _ in 0..100 {
        assert_eq!(decide(&machine, 1, start + SECOND), Ok(()));
    }
    assert_eq!(decide(&machine, 1, start + SECOND), Err(Some(SECOND)));
}

#[test]
fn a_heavy_call_is_told_when_enough_has_left() {
    let machine = Shape::new(10, SECOND, 10).machine();
    for (time, cost) in [(0, 3), (3, 3), (6, 4)] {
        assert_eq!(decide(&machine, cost, SECOND + time * SECOND / 10), Ok(()));
    }
    let now = SECOND + SECOND * 7 / 10;
    for (cost, tenths) in [(1, 3), (3, 3), (4, 6), (6, 6), (7, 9), (10, 9)] {
        assert_eq!(
            decide(&machine, cost, now),
            Err(Some(tenths * SECOND / 10)),
            "{cost}"
        );
    }
    assert_eq!(decide(&machine, 11, now), Err(None), "never");
    assert_eq!(decide(&machine, 0, now), Ok(()), "not counted");
    assert_eq!(machine.available(at(now)), 0);
}

#[test]
fn gaps_of_any_length_cannot_wedge_it() {
    for shape in [
        Shape::new(5, 1, 1),
        Shape::new(5, 1_000, 7),
        Shape::new(5, 60 * SECOND, 128),
    ] {
        for exponent in 0..62 {
            for gap in [1 << exponent, (1 << exponent) + 1, (1 << exponent) - 1] {
                let machine = shape.machine();
                let mut now = 0;
                for _ in 0..3 {
                    // Fills it, bucket by bucket.
                    for call in 0..5 {
                        assert_eq!(decide(&machine, 1, now + call * shape.width() / 2), Ok(()));
                    }
                    now += 5 * shape.width() / 2 + shape.period() + gap;
                    assert_eq!(machine.available(at(now)), 5, "after {gap} ns");
                    now = now.min(u64::MAX / 4);
                }
            }
        }
    }
    let machine = Shape::new(5, 1_000, 7).machine();
    assert_eq!(decide(&machine, 5, u64::MAX - 1), Ok(()));
    assert_eq!(
        decide(&machine, 1, u64::MAX),
        Err(Some(999)),
        "at the end of time too"
    );
}

#[test]
fn who_comes_with_an_old_clock_counts_with_the_latest_call() {
    let machine = Shape::new(3, SECOND, 10).machine();
    assert_eq!(decide(&machine, 1, 10 * SECOND), Ok(()));
    assert_eq!(decide(&machine, 1, 9 * SECOND), Ok(()));
    assert_eq!(decide(&machine, 1, 0), Ok(()));
    // All three leave at 11 s; the wait is counted from the caller's own time.
    assert_eq!(decide(&machine, 1, 9 * SECOND), Err(Some(2 * SECOND)));
    assert_eq!(decide(&machine, 3, 11 * SECOND - 1), Err(Some(1)));
    assert_eq!(decide(&machine, 3, 11 * SECOND), Ok(()));
}

#[test]
fn time_does_not_go_back_because_the_latest_call_was_given_back() {
    let machine = Shape::new(1, SECOND, 10).machine();
    assert_eq!(decide(&machine, 1, SECOND), Ok(()));
    let grant = machine.admit(1, at(2 * SECOND)).unwrap();
    machine.give_back(grant);
    // The first call has left, as the second one saw. A third one with an old clock comes after both.
    assert_eq!(decide(&machine, 1, SECOND + SECOND / 2), Ok(()));
    assert_eq!(decide(&machine, 1, 3 * SECOND - 1), Err(Some(1)));
    assert_eq!(decide(&machine, 1, 3 * SECOND), Ok(()));
}

#[test]
fn given_back_after_its_bucket_has_left_there_is_nothing_to_return() {
    let machine = Shape::new(4, SECOND, 10).machine();
    let grant = machine.admit(2, at(SECOND)).unwrap();
    assert_eq!(grant.available(), 2);
    assert_eq!(decide(&machine, 4, 2 * SECOND), Ok(()));
    machine.give_back(grant);
    assert_eq!(machine.available(at(2 * SECOND)), 0);
}

#[test]
fn nothing_from_before_a_reset_is_given_back_after_it() {
    let machine = Shape::new(4, SECOND, 10).machine();
    let before = machine.admit(2, at(SECOND)).unwrap();
    machine.reset();
    assert_eq!(machine.available(at(SECOND)), 4);
    assert_eq!(decide(&machine, 3, SECOND), Ok(()));
    machine.give_back(before);
    assert_eq!(machine.available(at(SECOND)), 1);
}

#[test]
fn a_reset_forgets_the_latest_time_too() {
    let machine = Shape::new(1, SECOND, 10).machine();
    assert_eq!(decide(&machine, 1, 9 * SECOND), Ok(()));
    machine.reset();
    assert_eq!(decide(&machine, 1, 5 * SECOND), Ok(()));
    assert_eq!(decide(&machine, 1, 5 * SECOND), Err(Some(SECOND)));
}

#[test]
fn many_threads_at_one_moment_get_n_and_never_more() {
    const THREADS: usize = 8;
    let n = 1_000;
    let machine = Shape::new(n, SECOND, 16).machine();
    for round in 1..=3 {
        let (made, start) = (AtomicU64::new(0), Barrier::new(THREADS));
        thread::scope(|scope| {
            for id in 0..THREADS {
                let (machine, made, start) = (&machine, &made, &start);
                scope.spawn(move || {
                    start.wait();
                    for call in 0..2_000 {
                        // Up to a bucket apart, and not in order.
                        let now = at(round * 10 * SECOND + (call * 7 + id as u64) % 50_000_000);
                        let Ok(grant) = machine.admit(1, now) else {
                            continue;
                        };
                        if call % 3 == 0 {
                            machine.give_back(grant);
                        } else {
                            made.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let now = at(round * 10 * SECOND + 60_000_000);
        let made = made.into_inner();
        assert_eq!(u64::from(machine.available(now)), u64::from(n) - made);
        assert_eq!(made, u64::from(n), "there was more demand than that");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_names_field_value_and_range() {
    let bad = |quota, buckets| {
        let error = SlidingWindow::new(quota, buckets).map(drop).unwrap_err();
        (
            error.field().to_owned(),
            error.value().to_owned(),
            error.expected().to_owned(),
        )
    };
    let text = |field: &str, value: &str, expected: &str| {
        (field.to_owned(), value.to_owned(), expected.to_owned())
    };
    let days = "more than zero and at most 365 days";
    let long = Duration::from_secs(366 * 86_400);
    assert_eq!(
        bad(Quota::per(1, Duration::ZERO), 1),
        text("quota.per", "0ns", days)
    );
    assert_eq!(
        bad(Quota::per(1, long), 1),
        text("quota.per", "31622400s", days)
    );
    assert_eq!(
        bad(Quota::per_second(0), 1),
        text("quota.n", "0", "from 1 to 4294967295")
    );
    let no_burst = "left out: a sliding window admits up to `n` at once";
    assert_eq!(
        bad(Quota::per_second(5).burst(1), 1),
        text("quota.burst", "1", no_burst)
    );
    assert_eq!(
        bad(Quota::per_second(5), 0),
        text("buckets", "0", "from 1 to 4096")
    );
    assert_eq!(
        bad(Quota::per_second(5), 4_097),
        text("buckets", "4097", "from 1 to 4096")
    );
    let short = Quota::per(5, Duration::from_nanos(100));
    assert_eq!(bad(short, 128), text("buckets", "128", "from 1 to 100"));

    // More than one per nanosecond is no trouble here.
    for quota in [
        Quota::per(u32::MAX, Duration::from_nanos(1)),
        Quota::per_second(5).burst(5),
    ] {
        assert!(SlidingWindow::new(quota, 1).is_ok());
    }
    let largest = SlidingWindow::new(Quota::per_second(u32::MAX), 4_096).unwrap();
    assert_eq!(decide(&largest, u32::MAX, 1), Ok(()));
    assert_eq!(decide(&largest, 1, 2), Err(Some(SECOND - 1)));
}
