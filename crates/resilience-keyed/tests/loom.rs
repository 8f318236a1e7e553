//! Every interleaving of first calls, calls and evictions, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-keyed --no-default-features --test loom --release`
#![cfg(resilience_loom)]

use loom::thread;
use resilience_core::{
    Forget, Now, Timestamp,
    sync::{Arc, AtomicU64, Ordering, is_unshared},
};
use resilience_keyed::{
    Pace, Quota,
    machine::{Map, NotAdmitted, Policies, Rates},
};
use std::{
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

/// Runs must repeat: no random numbers.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte) << 7);
        }
    }
}

type Fixed = BuildHasherDefault<Plain>;

/// Counts calls in flight, as a bulkhead of one.
#[derive(Clone, Debug, Default)]
struct One(Arc<AtomicU64>);

struct Permit(One);

impl One {
    fn admit(&self) -> Option<Permit> {
        let taken = self
            .0
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok().then(|| Permit(self.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Release);
    }
}

impl Forget for One {
    fn is_fresh(&self, _: &mut Now) -> bool {
        is_unshared(&self.0) && self.0.load(Ordering::Relaxed) == 0
    }
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn map<V>(max_keys: usize) -> Map<u8, V, Fixed> {
    Map::with_hasher(max_keys, Duration::from_nanos(1), Fixed::default()).unwrap()
}

fn policy(policies: &Policies<u8, One, Fixed>, key: u8) -> Option<One> {
    let map = policies.map();
    let hash = map.hash(&key);
    let known = policies.call(hash, &key, at(1)).0;
    known.map(|(policy, _)| policy).or_else(|| {
        let room = map.room(at(1)).0?;
        let made = One::default();
        Some(policies.first_call(room, hash, key, made, at(1)).0.0)
    })
}

#[test]
fn loom_two_first_calls_of_a_key_use_one_policy() {
    explore(|| {
        let policies = Arc::new(Policies::of(map(2)));
        let other = thread::spawn({
            let policies = policies.clone();
            move || policy(&policies, 7).unwrap().admit()
        });
        let mine = policy(&policies, 7).unwrap().admit();
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(policies.map().len(), 1);
    });
}

#[test]
fn loom_a_policy_in_use_is_not_dropped_under_the_caller() {
    explore(|| {
        let policies = Arc::new(Policies::of(map(1)));
        drop(policy(&policies, 7).unwrap());
        let other = thread::spawn({
            let policies = policies.clone();
            // Wants the only room for another key.
            move || policy(&policies, 8).is_some()
        });
        let mine = policy(&policies, 7).map(|policy| policy.admit());
        let _theirs = other.join().unwrap();
        if let Some(permit) = &mine {
            assert!(permit.is_some());
            // Whoever finds the key finds the call in flight.
            let again = policies.get(&7).expect("a call is in flight");
            assert!(again.admit().is_none());
        }
        drop(mine);
        assert!(policies.map().len() <= 1);
    });
}

#[test]
fn loom_a_place_is_taken_from_a_call_that_is_over_or_not_at_all() {
    explore(|| {
        let policies = Arc::new(Policies::of(map(1)));
        let permit = policy(&policies, 7).unwrap().admit();
        let other = thread::spawn(move || drop(permit));
        let room = policies.map().room(at(2)).0.is_some();
        other.join().unwrap();
        // Either it was still there, or it was over: never half of both.
        assert_eq!(policies.map().len(), usize::from(!room));
    });
}

#[test]
fn loom_the_last_room_goes_to_one() {
    explore(|| {
        let rates = Arc::new(Rates::of(map(1)));
        let pace = Pace::new(Quota::per_second(1)).unwrap();
        let cost = pace.cost(1).unwrap();
        let other = thread::spawn({
            let rates = rates.clone();
            move || rates.admit(1, &pace, cost, at(1)).0.map(drop)
        });
        let mine = rates.admit(2, &pace, cost, at(1)).0.map(drop);
        let theirs = other.join().unwrap();
        assert!(mine.is_ok() != theirs.is_ok());
        assert!(mine == Err(NotAdmitted::NoRoom) || theirs == Err(NotAdmitted::NoRoom));
        assert_eq!((rates.map().len(), rates.map().keys().len()), (1, 1));
    });
}

#[test]
fn loom_of_two_callers_for_one_unit_of_a_new_key_one_gets_it() {
    explore(|| {
        let rates = Arc::new(Rates::of(map(2)));
        let pace = Pace::new(Quota::per_second(1)).unwrap();
        let cost = pace.cost(1).unwrap();
        let other = thread::spawn({
            let rates = rates.clone();
            move || rates.admit(1, &pace, cost, at(1)).0.is_ok()
        });
        let mine = rates.admit(1, &pace, cost, at(1)).0.is_ok();
        assert!(mine != other.join().unwrap());
        assert_eq!(rates.map().len(), 1);
    });
}
