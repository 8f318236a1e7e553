//! Policies per key that are forgotten, against policies that are not; and what is never forgotten.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use proptest::{collection::vec, prelude::*};
use resilience_breaker::{Breaker, State};
use resilience_bulkhead::{Bulkhead, BulkheadPermit};
use resilience_core::{Forget, Now, Outcome, Permit, Policy, Timestamp};
use resilience_keyed::machine::Policies;
use std::{collections::HashMap, time::Duration};

const START: Timestamp = Timestamp::from_nanos(1 << 58);
const LONG: Duration = Duration::from_secs(86_400);

fn at(millis: u64) -> Timestamp {
    START + Duration::from_millis(millis)
}

/// The policy of a key, if there is one or room for one.
fn policy<P: Forget + Clone>(
    policies: &Policies<u8, P>,
    key: u8,
    now: Timestamp,
    new: impl FnOnce() -> P,
) -> Option<P> {
    let map = policies.map();
    let hash = map.hash(&key);
    let (known, _) = policies.call(hash, &key, now);
    known.map(|(policy, _)| policy).or_else(|| {
        let room = map.room(now).0?;
        let ((policy, _), _) = policies.first_call(room, hash, key, new(), now);
        Some(policy)
    })
}

/// Dates every success when it comes: whoever asks whether one may be forgotten looks at its figures, and so dates what has
/// been counted.
fn breaker() -> Breaker {
    Breaker::builder("host")
        .success_batch(1)
        .time_window(Duration::from_millis(100), 10)
        .minimum_covered(Duration::ZERO)
        .minimum_calls(2)
        .failure_rate(0.5)
        .consecutive_failures(3)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_millis(50))
        .successes_to_close(1)
        .build()
        .unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Call(u8),
    End(usize, u8),
    Sweep,
}

fn steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let step = prop_oneof![
        2 => (0..150_u64).prop_map(Step::Wait),
        5 => (0..8_u8).prop_map(Step::Call),
        5 => (any::<usize>(), 0..5_u8).prop_map(|(which, how)| Step::End(which, how)),
        1 => Just(Step::Sweep),
    ];
    (1..5_usize, vec(step, 1..150))
}

fn end(permit: impl Permit, how: u8, now: Timestamp) {
    let now = &mut Now::at(now);
    match how {
        0 => permit.finish(Outcome::Success, now),
        1 | 2 => permit.finish(Outcome::TRANSIENT, now),
        3 => permit.finish(Outcome::Ignored, now),
        _ => permit.revert(now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Under the pressure of the cap alone, since the idle time is long: no future decision changes.
    #[test]
    fn breakers_decide_as_breakers_that_are_never_forgotten((cap, steps) in steps()) {
        let policies = Policies::new(cap, LONG).unwrap();
        let mut model: HashMap<u8, Breaker> = HashMap::new();
        let mut calls = Vec::new();
        let mut millis = 0;
        for step in steps {
            let now = at(millis);
            match step {
                Step::Wait(longer) => millis += longer,
                Step::Call(key) => {
                    let Some(policy) = policy(&policies, key, now, breaker) else { continue };
                    let expected = model.entry(key).or_insert_with(breaker);
                    match (policy.admit(&(), &mut Now::at(now)), expected.admit(&(), &mut Now::at(now))) {
                        (Ok(permit), Ok(model)) => calls.push((permit, model)),
                        (Err(why), Err(expected)) => prop_assert_eq!(why, expected),
                        (one, other) => prop_assert!(false, "{key}: {one:?} and not {other:?}"),
                    }
                    prop_assert_eq!(policy.state(), expected.state());
                }
                Step::End(which, how) if !calls.is_empty() => {
                    let (permit, model) = calls.swap_remove(which % calls.len());
                    end(permit, how, now);
                    end(model, how, now);
                }
                Step::Sweep => { policies.map().sweep(now); }
                Step::End(..) => {}
            }
            for (key, model) in &model {
                // A key that is not there stands for a closed one.
                let state = policies.get(key).map_or(State::Closed, |policy| policy.state());
                prop_assert_eq!(state, model.state());
            }
            prop_assert!(policies.map().len() <= cap);
        }
    }

    #[test]
    fn no_more_calls_are_in_flight_than_a_bulkhead_admits((cap, steps) in steps()) {
        // The shortest idle time: every look that finds one at rest again drops it.
        let policies = Policies::new(cap, Duration::from_nanos(1)).unwrap();
        let mut calls: Vec<(u8, BulkheadPermit)> = Vec::new();
        let mut millis = 0;
        for step in steps {
            let now = at(millis);
            match step {
                Step::Wait(longer) => millis += longer,
                Step::Call(key) => {
                    let new = || Bulkhead::new("tenant", 2).unwrap();
                    let Some(policy) = policy(&policies, key, now, new) else { continue };
                    if let Ok(permit) = policy.admit(&(), &mut Now::at(now)) {
                        calls.push((key, permit));
                    }
                }
                Step::End(which, how) if !calls.is_empty() => {
                    let (_, permit) = calls.swap_remove(which % calls.len());
                    end(permit, how, now);
                }
                Step::Sweep => { policies.map().sweep(now); }
                Step::End(..) => {}
            }
            for key in 0..8 {
                let in_flight = calls.iter().filter(|(of, _)| *of == key).count();
                prop_assert!(in_flight <= 2);
                let known = policies.get(&key).map_or(0, |policy| policy.in_flight());
                prop_assert_eq!(known, in_flight);
            }
            prop_assert!(policies.map().len() <= cap);
        }
    }
}

/// Sweeps long after, and often.
fn sweep_for_ever<P: Forget + Clone>(policies: &Policies<u8, P>) -> bool {
    let dropped = (1..100).map(|day| policies.map().sweep(at(day * 86_400_000)));
    dropped.sum::<usize>() > 0
}

fn one_breaker() -> (Policies<u8, Breaker>, Breaker) {
    let policies = Policies::new(1, Duration::from_secs(1)).unwrap();
    let made = policy(&policies, 7, at(0), breaker).unwrap();
    (policies, made)
}

#[test]
fn an_open_breaker_is_never_forgotten_and_gives_its_place_to_nobody() {
    let (policies, made) = one_breaker();
    let calls = [(); 3].map(|()| made.admit(&(), &mut Now::at(at(0))).unwrap());
    for permit in calls {
        permit.finish(Outcome::TRANSIENT, &mut Now::at(at(0)));
    }
    assert_eq!(made.state(), State::Open);
    drop(made);
    assert!(!sweep_for_ever(&policies));
    assert!(policies.map().room(at(9_000_000)).0.is_none());
    policies.get(&7).unwrap().reset();
    assert!(sweep_for_ever(&policies));
}

#[test]
fn a_breaker_with_a_call_in_flight_is_never_forgotten() {
    let (policies, made) = one_breaker();
    let permit = made.admit(&(), &mut Now::at(at(0))).unwrap();
    drop(made);
    assert!(!sweep_for_ever(&policies));
    assert!(policies.map().room(at(9_000_000)).0.is_none());
    permit.revert(&mut Now::at(at(0)));
    assert!(sweep_for_ever(&policies));
}

#[test]
fn a_policy_that_somebody_holds_is_never_forgotten() {
    let (policies, made) = one_breaker();
    assert!(!sweep_for_ever(&policies));
    drop(made);
    assert!(sweep_for_ever(&policies));
}

#[test]
fn a_policy_goes_when_it_has_rested_for_the_idle_time() {
    let (policies, made) = one_breaker();
    drop(made);
    let sweep = |millis| policies.map().sweep(at(millis));
    assert_eq!(sweep(10_000), 0, "now it is known to rest");
    assert_eq!(sweep(10_999), 0);
    assert_eq!(sweep(11_000), 1);
}

#[test]
fn a_call_starts_the_idle_time_anew_and_so_does_its_end() {
    let (policies, made) = one_breaker();
    drop(made);
    let sweep = |millis| policies.map().sweep(at(millis));
    assert_eq!(sweep(10_000), 0);
    let made = policy(&policies, 7, at(10_500), breaker).unwrap();
    let permit = made.admit(&(), &mut Now::at(at(10_500))).unwrap();
    drop(made);
    // A long call, which no sweep sees, and which fails at its end: that is remembered for the whole idle time.
    permit.finish(Outcome::TRANSIENT, &mut Now::at(at(90_000)));
    assert_eq!(sweep(90_000), 0);
    assert_eq!(sweep(90_999), 0);
    let failures = policies.get(&7).unwrap().snapshot().consecutive_failures;
    assert_eq!(failures, 1);
    assert_eq!(sweep(91_000), 1);
}

#[test]
fn a_look_at_one_in_use_starts_the_idle_time_anew() {
    let (policies, made) = one_breaker();
    drop(made);
    let sweep = |millis| policies.map().sweep(at(millis));
    assert_eq!(sweep(10_000), 0);
    let held = policies.get(&7);
    assert_eq!(sweep(20_000), 0);
    drop(held);
    assert_eq!(sweep(20_500), 0);
    assert_eq!(sweep(21_499), 0);
    assert_eq!(sweep(21_500), 1);
}

#[test]
fn what_a_breaker_only_remembers_keeps_its_place_before_the_idle_time() {
    let (policies, made) = one_breaker();
    let permit = made.admit(&(), &mut Now::at(at(0))).unwrap();
    permit.finish(Outcome::TRANSIENT, &mut Now::at(at(0)));
    drop(made);
    assert!(policies.map().room(at(0)).0.is_none());
    assert!(policies.map().room(at(999)).0.is_none());
    assert!(policies.map().room(at(1_000)).0.is_some());
}

#[test]
fn one_that_is_as_good_as_new_makes_room_at_once() {
    let (policies, made) = one_breaker();
    drop(made);
    assert!(policies.map().room(at(0)).0.is_some());
    assert!(
        policies.map().is_empty(),
        "a room that is not used goes back"
    );
}
