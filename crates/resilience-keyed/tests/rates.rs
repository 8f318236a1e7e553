//! Limits per key that forget, against limits that do not: whole `Gcra`s, and lists of calls.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_core::Timestamp;
use resilience_keyed::{
    Pace, Quota,
    machine::{Grant, NotAdmitted, Rates},
};
use resilience_ratelimit::machine::{self, Gcra, Refusal};
use std::{collections::HashMap, time::Duration};

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// A grant, and how the model would give it back.
type Held = (Grant<u8>, machine::Grant);

/// One step of a random run.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Call { key: u8, cost: u32, hold: bool },
    Revert(usize),
    Sweep,
}

fn steps(longest: u64, costs: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Vec<Step>> {
    let call = (0..12_u8, costs, any::<bool>());
    let step = prop_oneof![
        3 => (0..=longest).prop_map(Step::Wait),
        8 => call.prop_map(|(key, cost, hold)| Step::Call { key, cost, hold }),
        2 => any::<usize>().prop_map(Step::Revert),
        1 => Just(Step::Sweep),
    ];
    vec(step, 1..150)
}

/// A quota, a cap that is small enough to be reached, and steps around the time that a burst takes.
fn runs() -> impl Strategy<Value = (Quota, usize, Vec<Step>)> {
    let quotas = (1..6_u32, 1..5_u32, 10..60_u64);
    quotas.prop_flat_map(|(n, burst, per)| {
        let quota = Quota::per(n, Duration::from_nanos(per)).burst(burst);
        let interval = per.div_ceil(n.into());
        let steps = steps(2 * interval * u64::from(burst), 1..=burst);
        (Just(quota), 1..9_usize, steps)
    })
}

/// Limits that never forget anything.
struct Unforgetting(Quota, HashMap<u8, Gcra>);

impl Unforgetting {
    fn limit(&mut self, key: u8) -> &Gcra {
        let quota = self.0;
        self.1
            .entry(key)
            .or_insert_with(|| Gcra::new(quota).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn decides_as_limits_that_never_forget((quota, cap, steps) in runs()) {
        let (rates, pace) = (Rates::new(cap).unwrap(), Pace::new(quota).unwrap());
        let mut model = Unforgetting(quota, HashMap::new());
        let mut now = 1_000;
        for step in steps {
            match step {
                Step::Wait(nanos) => now += nanos,
                Step::Call { key, cost, .. } => {
                    let nanos = pace.cost(cost).unwrap();
                    let (decision, _) = rates.admit(key, &pace, nanos, at(now));
                    if matches!(decision, Err(NotAdmitted::NoRoom)) {
                        // It was not this key's turn to be counted.
                        prop_assert!(!rates.map().keys().contains(&key));
                    } else {
                        let expected = model.limit(key).admit(cost, at(now)).map(drop);
                        let decision = decision.map(drop);
                        prop_assert_eq!(decision, expected.map_err(NotAdmitted::Refused));
                    }
                    let expected = model.limit(key).available(at(now));
                    prop_assert_eq!(rates.available(&key, &pace, at(now)), expected);
                }
                Step::Sweep => {
                    rates.map().sweep(at(now));
                    // What is left is what is in force.
                    for key in rates.map().keys() {
                        let left = model.limit(key).available(at(now));
                        prop_assert!(left < quota.burst_size());
                    }
                }
                Step::Revert(_) => {}
            }
            prop_assert!(rates.map().len() <= cap);
            prop_assert_eq!(rates.map().len(), rates.map().keys().len());
        }
    }

    #[test]
    fn with_permits_held_and_reverted_admits_no_more_than_limits_that_never_forget(
        (quota, cap, steps) in runs(),
    ) {
        let (rates, pace) = (Rates::new(cap).unwrap(), Pace::new(quota).unwrap());
        let mut model = Unforgetting(quota, HashMap::new());
        let mut held: Vec<(u8, Held)> = Vec::new();
        let mut latest = HashMap::new();
        let mut now = 1_000;
        for step in steps {
            match step {
                Step::Wait(nanos) => now += nanos,
                Step::Call { key, cost, hold } => {
                    let nanos = pace.cost(cost).unwrap();
                    if let (Ok(grant), _) = rates.admit(key, &pace, nanos, at(now)) {
                        let allowed = model.limit(key).admit(cost, at(now));
                        let Ok(allowed) = allowed else {
                            return Err(TestCaseError::fail(format!("{key} at {now}: {allowed:?}")));
                        };
                        latest.insert(key, at(now));
                        if hold {
                            held.push((key, (grant, allowed)));
                        }
                    }
                }
                Step::Revert(which) if !held.is_empty() => {
                    let (key, (grant, allowed)) = held.swap_remove(which % held.len());
                    let came_back = rates.give_back(grant);
                    // The most that may come back: reckoned to the latest call of this very key.
                    let model_back = model.limit(key).give_back(allowed, || latest[&key]);
                    prop_assert!(model_back || !came_back);
                }
                Step::Sweep => { rates.map().sweep(at(now)); }
                Step::Revert(_) => {}
            }
            for key in 0..12 {
                let allowed = model.limit(key).available(at(now));
                prop_assert!(rates.available(&key, &pace, at(now)) <= allowed);
            }
            prop_assert!(rates.map().len() <= cap);
        }
    }

    /// Threads read their clocks and are overtaken: calls come with times that are past.
    #[test]
    fn every_window_of_a_key_keeps_to_the_bound_whatever_the_clocks_say(
        (quota, cap, steps) in runs(),
        lags in vec(0..4_u64, 150),
    ) {
        let (rates, pace) = (Rates::new(cap).unwrap(), Pace::new(quota).unwrap());
        let period = u64::try_from(quota.period().as_nanos()).unwrap();
        let interval = u64::try_from(pace.interval().as_nanos()).unwrap();
        let mut made: HashMap<u8, Vec<(u64, u64)>> = HashMap::new();
        let mut held: Vec<Grant<u8>> = Vec::new();
        let mut now = 1_000;
        for (step, lag) in steps.into_iter().zip(lags) {
            let claimed = at(now - lag * interval / 2);
            match step {
                Step::Wait(nanos) => now += nanos,
                Step::Call { key, cost, hold } => {
                    let nanos = pace.cost(cost).unwrap();
                    if let (Ok(grant), _) = rates.admit(key, &pace, nanos, claimed) {
                        prop_assert!(grant.at() >= claimed && grant.at() <= at(now));
                        if hold {
                            held.push(grant);
                        } else {
                            let calls = made.entry(key).or_default();
                            calls.push((grant.at().as_nanos(), cost.into()));
                        }
                    }
                }
                Step::Revert(which) if !held.is_empty() => {
                    rates.give_back(held.swap_remove(which % held.len()));
                }
                Step::Sweep => { rates.map().sweep(claimed); }
                Step::Revert(_) => {}
            }
        }
        let bound = u64::from(quota.n()) + u64::from(quota.burst_size()) - 1;
        for (key, calls) in made {
            for (start, _) in &calls {
                let window = *start..start + period;
                let inside = calls.iter().filter(|(time, _)| window.contains(time));
                let cost: u64 = inside.map(|(_, cost)| cost).sum();
                prop_assert!(cost <= bound, "{key}: {cost} from {start}");
            }
        }
    }
}

/// One per second for each of two keys, and room for one.
fn narrow() -> (Rates<u8>, Pace) {
    let pace = Pace::new(Quota::per_second(1)).unwrap();
    (Rates::new(1).unwrap(), pace)
}

const SECOND: u64 = 1_000_000_000;

fn admit(rates: &Rates<u8>, pace: &Pace, key: u8, now: u64) -> Result<Grant<u8>, NotAdmitted> {
    rates.admit(key, pace, pace.cost(1).unwrap(), at(now)).0
}

#[test]
fn a_limit_in_force_keeps_its_place_and_one_whose_time_has_passed_makes_room() {
    let (rates, pace) = narrow();
    let _made = admit(&rates, &pace, 1, SECOND).unwrap();
    assert_eq!(
        admit(&rates, &pace, 2, 2 * SECOND - 1).map(drop),
        Err(NotAdmitted::NoRoom)
    );
    let one = Refusal::For(Duration::from_nanos(1));
    assert_eq!(
        admit(&rates, &pace, 1, 2 * SECOND - 1).map(drop),
        Err(NotAdmitted::Refused(one))
    );
    let _made = admit(&rates, &pace, 2, 2 * SECOND).unwrap();
    assert_eq!(rates.map().keys(), [2]);
}

#[test]
fn a_call_whose_key_was_dropped_and_came_back_gives_nothing_back() {
    let (rates, pace) = narrow();
    let late = admit(&rates, &pace, 1, SECOND).unwrap();
    let _made = admit(&rates, &pace, 2, 2 * SECOND).unwrap();
    let _made = admit(&rates, &pace, 1, 3 * SECOND).unwrap();
    assert_eq!(rates.map().keys(), [1]);
    assert!(!rates.give_back(late));
    assert!(admit(&rates, &pace, 1, 3 * SECOND).is_err());
}

#[test]
fn a_call_whose_key_was_dropped_gives_nothing_back_to_nobody() {
    let (rates, pace) = narrow();
    let late = admit(&rates, &pace, 1, SECOND).unwrap();
    assert_eq!(rates.map().sweep(at(2 * SECOND)), 1);
    assert!(!rates.give_back(late));
    assert!(rates.map().is_empty());
}

#[test]
fn a_call_from_before_a_removal_gives_nothing_back_after_it() {
    let (rates, pace) = narrow();
    let before = admit(&rates, &pace, 1, SECOND).unwrap();
    assert!(rates.remove(&1));
    assert!(!rates.remove(&1));
    let _made = admit(&rates, &pace, 1, SECOND).unwrap();
    assert!(!rates.give_back(before));
    assert!(admit(&rates, &pace, 1, SECOND).is_err());

    let before = admit(&rates, &pace, 1, 2 * SECOND).unwrap();
    assert_eq!(rates.map().clear(), 1);
    let _made = admit(&rates, &pace, 1, 2 * SECOND).unwrap();
    assert!(!rates.give_back(before));
}

#[test]
fn a_call_reverted_at_once_leaves_no_trace() {
    let (rates, pace) = narrow();
    let grant = admit(&rates, &pace, 1, SECOND).unwrap();
    assert!(rates.give_back(grant));
    assert_eq!(rates.available(&1, &pace, at(SECOND)), 1);
    let _made = admit(&rates, &pace, 1, SECOND).unwrap();
}

#[test]
fn a_thread_that_was_overtaken_by_an_eviction_does_not_come_from_the_past() {
    let (rates, pace) = narrow();
    let _made = admit(&rates, &pace, 1, SECOND).unwrap();
    assert_eq!(rates.map().sweep(at(2 * SECOND)), 1);
    // Without the memory of the eviction, the next unit would flow in half a second early.
    let grant = admit(&rates, &pace, 1, SECOND + SECOND / 2).unwrap();
    assert_eq!(grant.at(), at(2 * SECOND));
    assert!(admit(&rates, &pace, 1, 3 * SECOND - 1).is_err());
    let _made = admit(&rates, &pace, 1, 3 * SECOND).unwrap();
}

#[test]
fn the_pace_of_a_key_may_change_from_one_call_to_the_next() {
    let (rates, slow) = narrow();
    let fast = Pace::new(Quota::per_second(10)).unwrap();
    let _made = admit(&rates, &slow, 1, SECOND).unwrap();
    assert!(admit(&rates, &slow, 1, SECOND).is_err());
    let _made = rates
        .admit(1, &fast, fast.cost(1).unwrap(), at(SECOND + SECOND / 10))
        .0
        .unwrap();
}
