//! The budget under every interleaving.
//!
//! Run with `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-core --no-default-features --test loom
//! --release --target-dir target/loom`.
#![cfg(resilience_loom)]

use loom::thread;
use resilience_core::{Budget, Timestamp};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn budget(ratio: f64, floor: f64) -> Budget {
    let budget = Budget::builder().ratio(ratio).floor_per_second(floor);
    let budget = budget.build().expect("valid");
    // The first look, from which on calls earn something.
    budget.available(at(10));
    budget
}

fn withdrawn(budget: &Budget) -> u64 {
    match budget.withdraw(at(10)) {
        Some(retry) => {
            retry.spend();
            1
        }
        None => 0,
    }
}

#[test]
fn loom_one_retry_is_handed_out_once() {
    loom::model(|| {
        let budget = budget(1.0, 0.0);
        budget.deposit();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let budget = budget.clone();
                thread::spawn(move || withdrawn(&budget))
            })
            .collect();
        let sum: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(sum, 1);
        assert_eq!(budget.available(at(10)), 0);
    });
}

#[test]
fn loom_no_deposit_is_lost_or_counted_twice() {
    loom::model(|| {
        let budget = budget(1.0, 0.0);
        let calling = {
            let budget = budget.clone();
            thread::spawn(move || {
                budget.deposit();
                budget.deposit();
            })
        };
        let taking = {
            let budget = budget.clone();
            thread::spawn(move || withdrawn(&budget))
        };
        let before = withdrawn(&budget);
        calling.join().unwrap();
        let spent = before + taking.join().unwrap();
        assert_eq!(spent + budget.available(at(10)), 2);
    });
}

#[test]
fn loom_what_goes_back_can_be_taken_once() {
    loom::model(|| {
        let budget = budget(1.0, 0.0);
        budget.deposit();
        let held = budget.withdraw(at(10)).expect("earned");
        let returning = thread::spawn(move || drop(held));
        let taking = {
            let budget = budget.clone();
            thread::spawn(move || withdrawn(&budget))
        };
        let spent = withdrawn(&budget);
        returning.join().unwrap();
        let spent = spent + taking.join().unwrap();
        assert_eq!(spent + budget.available(at(10)), 1);
    });
}

/// A refund races with the look that forgets what it was taken out of.
#[test]
fn loom_what_has_expired_does_not_come_back() {
    loom::model(|| {
        let budget = budget(1.0, 0.0);
        budget.deposit();
        let held = budget.withdraw(at(10)).expect("earned");
        let returning = thread::spawn(move || drop(held));
        budget.available(at(20));
        returning.join().unwrap();
        assert_eq!(budget.available(at(20)), 0);
    });
}
