//! Every interleaving of the sliding window's calls, reverts and resets, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-ratelimit --no-default-features --test loom_sliding --release`
#![cfg(resilience_loom)]

use loom::{sync::Arc, thread};
use resilience_core::Timestamp;
use resilience_ratelimit::{Quota, machine::SlidingWindow};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn window(n: u32) -> Arc<SlidingWindow> {
    Arc::new(SlidingWindow::new(Quota::per_second(n), 4).unwrap())
}

#[test]
fn loom_of_two_callers_for_one_unit_one_gets_it() {
    loom::model(|| {
        let window = window(1);
        let other = thread::spawn({
            let window = window.clone();
            move || window.admit(1, NOW).is_ok()
        });
        let mine = window.admit(1, NOW).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
        assert_eq!(window.available(NOW), 0);
    });
}

#[test]
fn loom_a_reverted_unit_goes_to_at_most_one_other() {
    loom::model(|| {
        let window = window(1);
        let grant = window.admit(1, NOW).unwrap();
        let other = thread::spawn({
            let window = window.clone();
            move || window.admit(1, NOW).is_ok()
        });
        window.give_back(grant);
        let mine = window.admit(1, NOW).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
    });
}

/// The thread that comes with the old clock is counted with the latest call, whichever comes first.
#[test]
fn loom_an_old_clock_never_lets_more_than_n_into_a_period() {
    loom::model(|| {
        let window = window(2);
        let later = NOW + SECOND / 2;
        let late = thread::spawn({
            let window = window.clone();
            move || window.admit(1, NOW).is_ok()
        });
        let mut made = 0;
        for _ in 0..2 {
            made += u32::from(window.admit(1, later).is_ok());
        }
        made += u32::from(late.join().unwrap());
        assert_eq!(made, 2);
        // Whatever came first, one of them at least was counted at the later time.
        assert!(window.admit(2, NOW + SECOND).is_err());
        assert!(window.admit(2, later + SECOND).is_ok());
    });
}

#[test]
fn loom_two_reverts_in_any_order_leave_nothing() {
    loom::model(|| {
        let window = window(3);
        let (one, two) = (
            window.admit(1, NOW).unwrap(),
            window.admit(2, NOW + SECOND / 3).unwrap(),
        );
        let other = thread::spawn({
            let window = window.clone();
            move || window.give_back(one)
        });
        window.give_back(two);
        other.join().unwrap();
        assert_eq!(window.available(NOW + SECOND / 3), 3);
        assert!(window.admit(3, NOW + SECOND / 3).is_ok());
    });
}

#[test]
fn loom_nothing_from_before_a_reset_is_given_back_after_it() {
    loom::model(|| {
        let window = window(2);
        let before = window.admit(2, NOW).unwrap();
        let reset = thread::spawn({
            let window = window.clone();
            move || {
                window.reset();
                window.admit(2, NOW).map(drop)
            }
        });
        window.give_back(before);
        assert!(reset.join().unwrap().is_ok());
        assert_eq!(window.available(NOW), 0);
    });
}
