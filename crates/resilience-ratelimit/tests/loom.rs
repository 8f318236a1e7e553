//! Every interleaving of the word and of what serves reverts and resets, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-ratelimit --no-default-features --test loom --release`
#![cfg(resilience_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use resilience_core::Timestamp;
use resilience_ratelimit::{Quota, machine::Gcra};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn loom_of_two_callers_for_one_unit_one_gets_it() {
    loom::model(|| {
        let gcra = Arc::new(Gcra::new(Quota::per_second(1)).unwrap());
        let other = thread::spawn({
            let gcra = gcra.clone();
            move || gcra.admit(1, NOW).is_ok()
        });
        let mine = gcra.admit(1, NOW).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
        assert_eq!(gcra.available(NOW), 0);
    });
}

#[test]
fn loom_a_reverted_unit_goes_to_at_most_one_other() {
    loom::model(|| {
        let gcra = Arc::new(Gcra::new(Quota::per_second(1)).unwrap());
        let grant = gcra.admit(1, NOW).unwrap();
        let other = thread::spawn({
            let gcra = gcra.clone();
            move || gcra.admit(1, NOW).is_ok()
        });
        assert!(gcra.give_back(grant, || NOW));
        let mine = gcra.admit(1, NOW).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
    });
}

/// The clock goes on between the admission of the call that is reverted and its end. In every interleaving, what was made
/// at the later time is at most the burst.
#[test]
fn loom_an_old_clock_never_gives_back_too_much() {
    loom::model(|| {
        let gcra = Arc::new(Gcra::new(Quota::per_second(1).burst(10)).unwrap());
        let later = NOW + seconds(5);
        let clock = Arc::new(AtomicU64::new(NOW.as_nanos()));
        let reverting = thread::spawn({
            let (gcra, clock) = (gcra.clone(), clock.clone());
            move || {
                if let Ok(grant) = gcra.admit(5, NOW) {
                    let present = || Timestamp::from_nanos(clock.load(Ordering::Relaxed));
                    gcra.give_back(grant, present);
                }
            }
        });
        clock.store(later.as_nanos(), Ordering::Relaxed);
        let mut made = 0;
        for cost in [10, 5] {
            if gcra.admit(cost, later).is_ok() {
                made += cost;
            }
        }
        reverting.join().unwrap();
        for cost in [5, 1] {
            if gcra.admit(cost, later).is_ok() {
                made += cost;
            }
        }
        assert!(made <= 10, "made {made}");
    });
}

/// The numbers are such that the word after the reset is the word before it: only the epoch tells them apart.
#[test]
fn loom_nothing_from_before_a_reset_is_given_back_after_it() {
    loom::model(|| {
        let gcra = Arc::new(Gcra::new(Quota::per_second(1).burst(2)).unwrap());
        let before = gcra.admit(2, NOW).unwrap();
        let reset = thread::spawn({
            let gcra = gcra.clone();
            move || {
                gcra.reset();
                gcra.admit(2, NOW).map(drop)
            }
        });
        gcra.give_back(before, || NOW);
        let made = reset.join().unwrap();
        assert!(made.is_ok());
        assert_eq!(gcra.available(NOW), 0);
    });
}

/// A call that is admitted while somebody resets gives back its own, or nothing.
#[test]
fn loom_a_reset_during_an_admission_creates_nothing() {
    loom::model(|| {
        let gcra = Arc::new(Gcra::new(Quota::per_second(1).burst(2)).unwrap());
        let reset = thread::spawn({
            let gcra = gcra.clone();
            move || {
                gcra.reset();
                // One unit of the burst of two is spent after the reset.
                gcra.admit(1, NOW).map(drop)
            }
        });
        if let Ok(grant) = gcra.admit(1, NOW) {
            gcra.give_back(grant, || NOW);
        }
        assert!(reset.join().unwrap().is_ok());
        assert!(gcra.available(NOW) <= 1);
    });
}
