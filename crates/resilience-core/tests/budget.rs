//! The budget against a naive model, and against the bound that its documentation states.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_core::{Budget, Timestamp, Withdrawal};
use std::{collections::BTreeMap, time::Duration};

/// Whole seconds of the tests are whole seconds of the budget.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(288_230_376_000_000_000) + Duration::from_millis(millis)
}

fn budget(ratio: f64, floor: f64) -> Budget {
    Budget::builder()
        .ratio(ratio)
        .floor_per_second(floor)
        .build()
        .expect("valid")
}

fn spend_all(budget: &Budget, now: Timestamp) -> u64 {
    let mut spent = 0;
    while let Some(retry) = budget.withdraw(now) {
        retry.spend();
        spent += 1;
    }
    spent
}

fn deposit(budget: &Budget, calls: u64) {
    for _ in 0..calls {
        budget.deposit();
    }
}

#[test]
fn a_fresh_default_has_ten_seconds_of_its_floor() {
    let budget = Budget::default();
    assert_eq!(budget.available(at(0)), 10);
    assert_eq!(spend_all(&budget, at(0)), 10);
    assert_eq!(spend_all(&budget, at(400)), 0);
    assert_eq!(spend_all(&budget, at(3_000)), 3);
}

#[test]
fn calls_earn_a_fifth_of_a_retry_each_for_ten_seconds() {
    let budget = budget(0.2, 0.0);
    assert_eq!(budget.available(at(0)), 0);
    deposit(&budget, 100);
    assert_eq!(budget.available(at(500)), 20);
    assert_eq!(budget.available(at(9_999)), 20);
    assert_eq!(budget.available(at(10_000)), 0);
}

/// Each thread notes its calls at a place of its own.
#[test]
fn the_calls_of_all_threads_count_and_count_once() {
    let budget = budget(1.0, 0.0);
    budget.available(at(0));
    let threads: Vec<_> = (0..64)
        .map(|_| {
            let budget = budget.clone();
            std::thread::spawn(move || deposit(&budget, 2))
        })
        .collect();
    for thread in threads {
        thread.join().expect("it only counts");
    }
    deposit(&budget, 1);
    assert_eq!(budget.available(at(0)), 129);
    assert_eq!(budget.available(at(0)), 129, "at every look");
}

#[test]
fn the_oldest_earnings_go_first() {
    let budget = budget(1.0, 0.0);
    budget.available(at(0));
    deposit(&budget, 2);
    budget.available(at(0));
    deposit(&budget, 3);
    assert_eq!(budget.available(at(5_000)), 5);
    for _ in 0..2 {
        budget.withdraw(at(5_000)).expect("there are five").spend();
    }
    assert_eq!(
        budget.available(at(10_000)),
        3,
        "the two that expired were spent"
    );
}

/// A failure after an hour of success must not find an hour's earnings.
#[test]
fn a_long_time_without_a_look_earns_no_more_than_the_window() {
    let budget = budget(0.2, 0.0);
    budget.available(at(0));
    deposit(&budget, 360_000);
    let hour = 3_600_000;
    assert_eq!(
        budget.available(at(hour)),
        200,
        "a hundred calls a second, for ten seconds"
    );
}

#[test]
fn what_came_before_the_first_look_could_be_of_any_age() {
    let budget = budget(0.2, 1.0);
    deposit(&budget, 1_000_000);
    assert_eq!(budget.available(at(0)), 10, "the floor alone");
}

#[test]
fn a_retry_that_was_not_sent_goes_back() {
    let budget = budget(0.5, 0.0);
    budget.available(at(0));
    deposit(&budget, 2);
    let retry = budget.withdraw(at(0)).expect("earned");
    assert!(budget.withdraw(at(0)).is_none());
    drop(retry);
    assert_eq!(spend_all(&budget, at(0)), 1);
}

/// Otherwise a retry that goes in and out lives for ever.
#[test]
fn what_goes_back_is_as_old_as_it_was() {
    let budget = budget(0.5, 0.0);
    budget.available(at(0));
    deposit(&budget, 2);
    let retry = budget.withdraw(at(0)).expect("earned");
    assert_eq!(budget.available(at(9_000)), 0);
    drop(retry);
    assert_eq!(budget.available(at(9_000)), 1);
    let retry = budget.withdraw(at(9_000)).expect("went back");
    assert_eq!(budget.available(at(10_000)), 0);
    drop(retry);
    assert_eq!(budget.available(at(10_000)), 0);
}

/// Otherwise the floor refills while its retries are held, and then there is twice as much.
#[test]
fn holding_and_returning_does_not_pile_up_the_floor() {
    let budget = budget(0.0, 1.0);
    let held: Vec<_> = (0..10).map(|_| budget.withdraw(at(0))).collect();
    assert!(held.iter().all(Option::is_some));
    assert_eq!(budget.available(at(10_000)), 10);
    drop(held);
    assert_eq!(budget.available(at(10_000)), 10);
}

#[test]
fn clones_share_it() {
    let budget = budget(0.0, 1.0);
    let clone = budget.clone();
    assert_eq!(spend_all(&budget, at(0)), 10);
    assert_eq!(spend_all(&clone, at(0)), 0);
}

#[test]
fn time_that_goes_back_earns_and_forgets_nothing() {
    let budget = budget(0.2, 1.0);
    assert_eq!(spend_all(&budget, at(20_000)), 10);
    deposit(&budget, 10);
    assert_eq!(budget.available(at(0)), 2);
    assert_eq!(spend_all(&budget, at(20_000)), 2);
    assert_eq!(budget.available(at(19_000)), 0);
}

#[test]
fn nothing_earned_is_nothing_to_spend() {
    let budget = budget(0.0, 0.0);
    deposit(&budget, 1_000);
    budget.available(at(0));
    deposit(&budget, 1_000);
    assert_eq!(spend_all(&budget, at(100_000)), 0);
}

/// (field, build): every value that makes no sense.
#[test]
fn bad_configuration_names_the_field() {
    let ratios = [-0.1, 1.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for ratio in ratios {
        let error = Budget::builder().ratio(ratio).build().unwrap_err();
        assert_eq!(error.field(), "ratio");
        assert_eq!(error.value(), format!("{ratio:?}"));
        assert_eq!(error.expected(), "from 0 to 1");
    }
    let floors = [-1.0, 1e6 + 0.1, f64::NAN, f64::INFINITY];
    for floor in floors {
        let error = Budget::builder()
            .floor_per_second(floor)
            .build()
            .unwrap_err();
        assert_eq!(error.field(), "floor_per_second");
        assert_eq!(error.value(), format!("{floor:?}"));
        assert_eq!(error.expected(), "from 0 to 1000000");
    }
    for (ratio, floor) in [(0.0, 0.0), (1.0, 1e6), (0.2, 1.0)] {
        assert!(
            Budget::builder()
                .ratio(ratio)
                .floor_per_second(floor)
                .build()
                .is_ok()
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Calls(u64),
    Pass(u64),
    /// Takes a retry out and spends it, or keeps it for later.
    Withdraw {
        spend: bool,
    },
    /// What becomes of the retry kept the longest.
    Settle {
        spend: bool,
    },
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0_u64..60).prop_map(Step::Calls),
        2 => prop_oneof![0_u64..1_500, 0_u64..9_999, 0_u64..40_000].prop_map(Step::Pass),
        6 => any::<bool>().prop_map(|spend| Step::Withdraw { spend }),
        2 => any::<bool>().prop_map(|spend| Step::Settle { spend }),
        1 => Just(Step::Look),
    ];
    vec(step, 1..200)
}

/// Earnings in thousandths, each with the second in which they were made.
struct Model {
    ratio: u64,
    floor: u64,
    earned: BTreeMap<u64, u64>,
    looked: Option<u64>,
    calls: u64,
}

impl Model {
    fn look(&mut self, now: u64) {
        let second = now / 1_000;
        let (from, share) = match self.looked {
            None => (second.saturating_sub(9), 0),
            Some(before) => {
                let share = self.calls * self.ratio * 10_000 / (now - before).max(10_000);
                (before / 1_000 + 1, share)
            }
        };
        for second in from..=second {
            *self.earned.entry(second).or_default() += self.floor;
        }
        if self.looked.is_none() {
            // The model's time begins at ten seconds, so that there is a window before it.
            assert!(second >= 10);
        }
        *self.earned.entry(second).or_default() += share;
        self.earned.retain(|&earned, _| earned + 10 > second);
        self.calls = 0;
        self.looked = Some(now);
    }

    fn withdraw(&mut self) -> Option<Vec<(u64, u64)>> {
        if self.earned.values().sum::<u64>() < 1_000 {
            return None;
        }
        let mut due = 1_000;
        let mut parts = Vec::new();
        for (&second, earned) in &mut self.earned {
            let part = due.min(*earned);
            *earned -= part;
            due -= part;
            parts.push((second, part));
        }
        Some(parts)
    }

    fn put_back(&mut self, parts: Vec<(u64, u64)>) {
        let current = self.looked.expect("withdrawn before") / 1_000;
        for (second, part) in parts {
            if second + 10 > current {
                *self.earned.entry(second).or_default() += part;
            }
        }
    }
}

proptest! {
    #[test]
    fn behaves_as_the_model(
        ratio in 0_u32..=1_000,
        floor in prop_oneof![Just(0), 0_u32..5_000],
        steps in steps(),
    ) {
        let budget = budget(f64::from(ratio) / 1e3, f64::from(floor) / 1e3);
        let mut model = Model {
            ratio: ratio.into(),
            floor: floor.into(),
            earned: BTreeMap::new(),
            looked: None,
            calls: 0,
        };
        let mut now = 10_000;
        let mut kept: Vec<(Withdrawal, Vec<(u64, u64)>)> = Vec::new();
        for step in steps {
            match step {
                Step::Calls(calls) => {
                    deposit(&budget, calls);
                    model.calls += calls;
                }
                Step::Pass(millis) => now += millis,
                Step::Withdraw { spend } => {
                    model.look(now);
                    let (real, expected) = (budget.withdraw(at(now)), model.withdraw());
                    prop_assert_eq!(real.is_some(), expected.is_some());
                    let Some(pair) = real.zip(expected) else { continue };
                    if spend {
                        pair.0.spend();
                    } else {
                        kept.push(pair);
                    }
                }
                Step::Settle { spend } if !kept.is_empty() => {
                    let (real, expected) = kept.remove(0);
                    if spend {
                        real.spend();
                    } else {
                        drop(real);
                        model.put_back(expected);
                    }
                }
                Step::Settle { .. } => {}
                Step::Look => {
                    model.look(now);
                    let total: u64 = model.earned.values().sum();
                    prop_assert_eq!(budget.available(at(now)), total / 1_000);
                }
            }
        }
    }

    /// The documented bound, over every interval between two withdrawals, where looks are never more than ten
    /// seconds apart: then every call is dated within ten seconds.
    #[test]
    fn keeps_the_documented_bound(
        ratio in 0_u32..=1_000,
        floor in prop_oneof![Just(0), 0_u32..5_000],
        steps in steps(),
    ) {
        let budget = budget(f64::from(ratio) / 1e3, f64::from(floor) / 1e3);
        let mut now = 10_000_u64;
        let mut looked = now;
        budget.available(at(now));
        let mut calls: Vec<(u64, u64)> = Vec::new();
        let mut kept: Vec<(u64, Withdrawal)> = Vec::new();
        let mut sent: Vec<u64> = Vec::new();
        for step in steps {
            match step {
                Step::Calls(count) => {
                    deposit(&budget, count);
                    calls.push((now, count));
                }
                Step::Pass(millis) => {
                    now += millis;
                    while now - looked > 10_000 {
                        looked += 10_000;
                        budget.available(at(looked));
                    }
                }
                Step::Withdraw { spend } => {
                    looked = now;
                    match budget.withdraw(at(now)) {
                        Some(retry) if spend => {
                            retry.spend();
                            sent.push(now);
                        }
                        Some(retry) => kept.push((now, retry)),
                        None => {}
                    }
                }
                Step::Settle { spend } if !kept.is_empty() => {
                    let (taken, retry) = kept.remove(0);
                    if spend {
                        retry.spend();
                        sent.push(taken);
                    }
                }
                Step::Settle { .. } => {}
                Step::Look => {
                    looked = now;
                    budget.available(at(now));
                }
            }
        }
        sent.extend(kept.iter().map(|(taken, _)| *taken));
        sent.sort_unstable();
        for (first, &from) in sent.iter().enumerate() {
            for (last, &to) in sent.iter().enumerate().skip(first) {
                let retries = (last - first + 1) as u64;
                let called: u64 = calls
                    .iter()
                    .filter(|&&(when, _)| when + 20_000 >= from && when <= to)
                    .map(|&(_, count)| count)
                    .sum();
                let earned = u64::from(ratio) * called * 1_000;
                let floor = u64::from(floor) * (to - from + 11_000);
                prop_assert!(
                    retries * 1_000_000 <= earned + floor,
                    "{retries} retries from {from} to {to} ms, {called} calls"
                );
            }
        }
    }
}
