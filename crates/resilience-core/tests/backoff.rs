//! Waits: how they grow, how they spread, and what no configuration may do.
#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_core::{Backoff, ConfigError, Entropy, Jitter, config};
use std::time::Duration;

const JITTERS: [Jitter; 4] = [
    Jitter::None,
    Jitter::Full,
    Jitter::Equal,
    Jitter::Decorrelated,
];

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn exponential(base: u64, factor: f64, cap: u64) -> Backoff {
    Backoff::exponential(millis(base), factor, millis(cap)).expect("valid")
}

fn waits(backoff: &Backoff, seed: u64, count: usize) -> Vec<Duration> {
    let mut waits = backoff.waits(Entropy::seeded(seed));
    (0..count).map(|_| waits.next_wait()).collect()
}

#[test]
fn without_jitter_the_wait_doubles_up_to_the_cap() {
    let backoff = exponential(100, 2.0, 1_000).jitter(Jitter::None);
    let expected = [100, 200, 400, 800, 1_000, 1_000].map(millis);
    assert_eq!(waits(&backoff, 1, 6), expected);
}

#[test]
fn constant_is_constant() {
    let backoff = Backoff::constant(millis(30)).expect("valid");
    assert_eq!(waits(&backoff, 1, 4), [millis(30); 4]);
}

#[test]
fn the_default_spreads_fully_up_to_ten_seconds() {
    let mut longest = Duration::ZERO;
    for seed in 0..500 {
        let waits = waits(&Backoff::default(), seed, 12);
        let plain = waits.iter().zip(0..).map(|(wait, n)| (wait, 1 << n));
        for (wait, doubled) in plain {
            assert!(*wait < millis(100 * doubled).min(Duration::from_secs(10)));
        }
        longest = longest.max(waits[11]);
    }
    assert!(longest > Duration::from_secs(9), "spread over all of it");
}

/// A mean far from the middle would mean that the jitter is not uniform.
#[test]
fn jitters_spread_evenly_over_their_range() {
    for (jitter, low, high) in [
        (Jitter::Full, 0, 100),
        (Jitter::Equal, 50, 100),
        (Jitter::Decorrelated, 100, 300),
    ] {
        let backoff = exponential(100, 2.0, 10_000).jitter(jitter);
        let entropy = Entropy::seeded(7);
        let firsts: Vec<_> = (0..4_000)
            .map(|_| backoff.waits(entropy.clone()).next_wait())
            .collect();
        let mean = firsts.iter().sum::<Duration>() / 4_000;
        assert!(
            firsts
                .iter()
                .all(|&wait| wait >= millis(low) && wait <= millis(high))
        );
        let middle = millis(u64::midpoint(low, high));
        assert!(mean.abs_diff(middle) < millis(5), "{jitter:?}: {mean:?}");
    }
}

#[test]
fn decorrelated_waits_follow_the_previous_one() {
    let backoff = exponential(100, 2.0, 2_000).jitter(Jitter::Decorrelated);
    for seed in 0..200 {
        let mut previous = millis(100);
        for wait in waits(&backoff, seed, 20) {
            assert!(wait >= millis(100));
            assert!(wait <= (previous * 3).min(millis(2_000)));
            previous = wait;
        }
    }
}

#[test]
fn clones_of_a_generator_are_not_in_step() {
    let backoff = Backoff::default();
    let entropy = Entropy::seeded(3);
    let (mut one, mut other) = (backoff.waits(entropy.clone()), backoff.waits(entropy));
    let mut third = one.clone();
    for _ in 0..5 {
        let (a, b, c) = (one.next_wait(), other.next_wait(), third.next_wait());
        assert!(a != b && b != c && a != c);
    }
}

#[test]
fn one_seed_is_one_sequence() {
    let backoff = Backoff::default();
    assert_eq!(waits(&backoff, 5, 10), waits(&backoff, 5, 10));
    assert_ne!(waits(&backoff, 5, 10), waits(&backoff, 6, 10));
}

#[test]
fn advice_is_a_lower_bound_with_the_wait_on_top() {
    let plain = exponential(100, 2.0, 1_000).jitter(Jitter::None);
    let mut advised = plain.waits(Entropy::seeded(1));
    assert_eq!(advised.next_after(millis(2_000)), millis(2_100));
    assert_eq!(advised.next_after(Duration::ZERO), millis(200));
    assert_eq!(advised.next_after(Duration::MAX), Duration::MAX);
}

/// Everybody who is advised is told the same.
#[test]
fn advice_is_spread_over_as_long_again_evenly() {
    for (jitter, advised, low, high) in [
        (Jitter::None, 2_000, 100, 100),
        (Jitter::Full, 2_000, 0, 2_000),
        (Jitter::Equal, 2_000, 50, 2_000),
        (Jitter::Decorrelated, 2_000, 100, 2_000),
        // Less than the backoff spreads by itself, or nothing.
        (Jitter::Full, 60, 0, 100),
        (Jitter::Equal, 60, 50, 100),
        (Jitter::Equal, 0, 50, 100),
        (Jitter::Decorrelated, 60, 100, 300),
    ] {
        let backoff = exponential(100, 2.0, 10_000).jitter(jitter);
        let entropy = Entropy::seeded(7);
        let firsts: Vec<_> = (0..4_000)
            .map(|_| backoff.waits(entropy.clone()).next_after(millis(advised)))
            .collect();
        let (least, most) = (millis(advised + low), millis(advised + high));
        assert!(firsts.iter().all(|wait| (least..=most).contains(wait)));
        let (mean, middle) = (firsts.iter().sum::<Duration>() / 4_000, (least + most) / 2);
        let error = millis(high - low) / 40;
        assert!(
            mean.abs_diff(middle) <= error,
            "{jitter:?}, {advised}: {mean:?}"
        );
    }
}

#[test]
fn advice_is_spread_over_the_room_that_there_is() {
    let second = Duration::from_secs(1);
    for jitter in JITTERS {
        let backoff = exponential(100, 2.0, 10_000).jitter(jitter);
        let entropy = Entropy::seeded(7);
        let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
        for _ in 0..500 {
            let wait = backoff.wait_on_top(second, millis(30), 0, Duration::ZERO, &entropy);
            (shortest, longest) = (shortest.min(wait), longest.max(wait));
        }
        let expected = match jitter {
            // It is not spread, and so not cut.
            Jitter::None => (millis(100), millis(100)),
            // Those that would wait for longer at least, too.
            _ => (millis(29), millis(30)),
        };
        assert!(
            longest >= expected.0 && longest <= expected.1,
            "{jitter:?}: {longest:?}"
        );
        assert_eq!(shortest < millis(1), jitter != Jitter::None);
        let wait = backoff.wait_on_top(second, Duration::ZERO, 0, Duration::ZERO, &entropy);
        assert_eq!(wait.is_zero(), jitter != Jitter::None);
        // Nothing is advised, so nothing is cut.
        let wait = backoff.wait_on_top(Duration::ZERO, Duration::ZERO, 0, Duration::ZERO, &entropy);
        assert!(!wait.is_zero());
    }
}

#[test]
fn bad_configuration_names_the_field() {
    let day = Duration::from_secs(86_400);
    let exponential = Backoff::exponential;
    let second = Duration::from_secs(1);
    let table: [(&str, Result<Backoff, ConfigError>); 13] = [
        ("wait", Backoff::constant(Duration::ZERO)),
        ("wait", Backoff::constant(366 * day)),
        ("wait", Backoff::constant(Duration::MAX)),
        ("base", exponential(Duration::ZERO, 2.0, second)),
        ("base", exponential(366 * day, 2.0, 367 * day)),
        ("cap", exponential(second, 2.0, Duration::ZERO)),
        ("cap", exponential(second, 2.0, Duration::MAX)),
        ("cap", exponential(second, 2.0, second / 2)),
        ("factor", exponential(second, 0.99, second)),
        ("factor", exponential(second, -1.0, second)),
        ("factor", exponential(second, f64::NAN, second)),
        ("factor", exponential(second, f64::INFINITY, second)),
        ("factor", exponential(second, 100.1, second)),
    ];
    for (field, built) in table {
        let error = built.unwrap_err();
        assert_eq!(error.field(), field);
        assert!(!error.value().is_empty() && !error.expected().is_empty());
    }
    assert!(exponential(config::LONGEST, 100.0, config::LONGEST).is_ok());
    assert!(exponential(Duration::from_nanos(1), 1.0, Duration::from_nanos(1)).is_ok());
}

proptest! {
    /// However long a call goes on, no wait is above the cap, and nothing overflows.
    #[test]
    fn no_wait_is_above_the_cap(
        base in 1_u64..=u64::MAX,
        longer in 0_u64..=u64::MAX,
        factor in 1.0_f64..=100.0,
        jitter in proptest::sample::select(&JITTERS[..]),
        seed in any::<u64>(),
    ) {
        let longest = u64::try_from(config::LONGEST.as_nanos()).expect("fits");
        let base = base % longest + 1;
        let cap = Duration::from_nanos((base + longer % longest).min(longest));
        let backoff = Backoff::exponential(Duration::from_nanos(base), factor, cap)
            .expect("valid")
            .jitter(jitter);
        let mut waits = backoff.waits(Entropy::seeded(seed));
        for _ in 0..300 {
            let wait = waits.next_wait();
            prop_assert!(wait <= cap);
            if jitter == Jitter::Decorrelated {
                prop_assert!(wait >= Duration::from_nanos(base));
            }
        }
    }
}
