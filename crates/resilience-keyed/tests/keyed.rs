//! Policies and limits per key, as policies: keys, overflow, permits, handles, threads.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use proptest::{collection::vec, prelude::*};
use resilience_bulkhead::Bulkhead;
use resilience_core::{Now, Outcome, Permit, Policy, Reason, Rejected, Timestamp};
use resilience_keyed::{Keyed, KeyedRateLimit, NoKey, Overflow, Pace, Quota};
use resilience_ratelimit::{RateLimit, machine::Gcra};
use std::{
    collections::HashMap,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const START: Timestamp = Timestamp::from_nanos(1 << 58);

fn at(millis: u64) -> Now {
    Now::at(START + Duration::from_millis(millis))
}

/// The key of a request that is its key; 0 has none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a request is borrowed")]
fn key(req: &u64) -> Option<u64> {
    (*req > 0).then_some(*req)
}

type Key = fn(&u64) -> Option<u64>;

fn one_each() -> resilience_keyed::KeyedBuilder<u64, Key, resilience_keyed::Each<u64, Bulkhead>> {
    Keyed::builder("tenants")
        .key(key as Key)
        .each(|tenant: Option<&u64>| {
            let name = tenant.map_or("the others".to_owned(), u64::to_string);
            Bulkhead::new(name, 1).unwrap()
        })
}

fn why<P>(answer: Result<P, Rejected>) -> (Reason, String, Option<Duration>) {
    let Err(why) = answer else {
        panic!("it should have been refused")
    };
    (why.reason(), why.policy().to_string(), why.delay())
}

#[test]
fn each_key_has_a_policy_of_its_own() {
    let keyed = one_each().build().unwrap();
    let one = keyed.admit(&1, &mut at(0)).unwrap();
    let two = keyed.admit(&2, &mut at(0)).unwrap();
    let refused = keyed.admit(&1, &mut at(0));
    assert_eq!(why(refused), (Reason::Concurrency, "1".into(), None));
    drop(one);
    keyed.admit(&1, &mut at(0)).unwrap().revert(&mut at(0));
    two.finish(Outcome::Success, &mut at(0));
    let in_flight = |key: u64| keyed.get(&key).unwrap().in_flight();
    assert_eq!((in_flight(1), in_flight(2), keyed.len()), (0, 0, 2));
}

#[test]
fn requests_without_a_key_are_refused_or_pass() {
    let keyed = one_each().build().unwrap();
    let refused = keyed.admit(&0, &mut at(0));
    assert_eq!(why(refused), (Reason::NoKey, "tenants".into(), None));

    let keyed = one_each().no_key(NoKey::Pass).build().unwrap();
    let pass = || keyed.admit(&0, &mut at(0)).unwrap();
    let (first, second) = (pass(), pass());
    assert!(first.is_none() && second.is_none());
    assert!(keyed.is_empty());

    let limit = limit().build().unwrap();
    let refused = limit.admit(&0, &mut at(0));
    assert_eq!(why(refused), (Reason::NoKey, "clients".into(), None));
    let limit = self::limit().no_key(NoKey::Pass).build().unwrap();
    for _ in 0..100 {
        assert!(limit.admit(&0, &mut at(0)).unwrap().is_none());
    }
}

#[test]
fn keys_without_room_share_what_one_key_may() {
    let keyed = one_each().max_keys(2).build().unwrap();
    let _live = [1, 2].map(|key| keyed.admit(&key, &mut at(0)).unwrap());
    let third = keyed.admit(&3, &mut at(0)).unwrap();
    assert_eq!(keyed.overflow().unwrap().in_flight(), 1);
    let others = (Reason::Concurrency, "the others".into(), None);
    assert_eq!(why(keyed.admit(&4, &mut at(0))), others);
    assert_eq!(why(keyed.admit(&3, &mut at(0))), others);
    drop(third);
    assert_eq!(keyed.overflow().unwrap().in_flight(), 0);
    let _fourth = keyed.admit(&4, &mut at(0)).unwrap();
    assert_eq!((keyed.len(), keyed.get(&4).is_none()), (2, true));
}

#[test]
fn keys_without_room_are_refused_if_that_is_wanted() {
    let asked_for_others = Arc::new(AtomicUsize::new(0));
    let asked = asked_for_others.clone();
    let keyed = Keyed::builder("tenants")
        .key(key)
        .each(move |tenant: Option<&u64>| {
            asked.fetch_add(tenant.is_none().into(), Ordering::Relaxed);
            Bulkhead::new("tenant", 1).unwrap()
        })
        .max_keys(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    let live = keyed.admit(&1, &mut at(0)).unwrap();
    let refused = keyed.admit(&2, &mut at(0));
    assert_eq!(why(refused), (Reason::Shed, "tenants".into(), None));
    drop(live);
    let _room = keyed.admit(&2, &mut at(0)).unwrap();
    assert_eq!(keyed.keys(), [2]);
    assert!(keyed.overflow().is_none());
    assert_eq!(asked_for_others.load(Ordering::Relaxed), 0);

    let limit = limit()
        .max_keys(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    limit.admit(&1, &mut at(0)).unwrap();
    let refused = limit.admit(&2, &mut at(0));
    assert_eq!(why(refused), (Reason::Shed, "clients".into(), None));
    limit.admit(&2, &mut at(200)).unwrap();
    assert_eq!(limit.overflow_available(at(0).get()), None);
}

#[test]
fn a_handle_lists_reads_and_removes() {
    let keyed = one_each().build().unwrap();
    let handle: Keyed<u64, Bulkhead> = keyed.handle();
    let _calls = [3, 1, 2].map(|key| keyed.admit(&key, &mut at(0)).unwrap());
    let mut keys = handle.keys();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3]);

    let read = handle.get(&1).unwrap();
    assert_eq!((&**read.name(), read.in_flight()), ("1", 1));
    read.close();
    assert_eq!(why(keyed.admit(&1, &mut at(0))).0, Reason::ShuttingDown);
    assert!(handle.get(&4).is_none());

    // The call that is under way ends where it began.
    let removed = handle.remove(&1).unwrap();
    assert!(removed.is_closed() && handle.remove(&1).is_none());
    let _again = keyed.admit(&1, &mut at(0)).unwrap();
    assert_eq!(removed.in_flight(), 1);

    handle.clear();
    assert_eq!((handle.len(), keyed.len()), (0, 0));
}

#[test]
fn keys_are_found_by_what_they_borrow() {
    let keyed = Keyed::builder("hosts")
        .key(|host: &String| Some(host.clone()))
        .each(|_| Bulkhead::new("host", 1).unwrap())
        .build()
        .unwrap();
    let _call = keyed.admit(&"a.example".to_owned(), &mut at(0)).unwrap();
    assert_eq!(keyed.get("a.example").unwrap().in_flight(), 1);
    assert!(keyed.remove("a.example").is_some());
}

#[test]
fn clones_and_requests_of_another_type_have_the_same_policies() {
    let keyed = one_each().build().unwrap();
    let others = keyed.key(|req: &(u64, &str)| Some(req.0));
    let call = keyed.admit(&1, &mut at(0)).unwrap();
    assert!(others.admit(&(1, "x"), &mut at(0)).is_err());
    assert!(keyed.clone().admit(&1, &mut at(0)).is_err());
    drop(call);
    let _call = others.admit(&(1, "x"), &mut at(0)).unwrap();
    assert!(keyed.admit(&1, &mut at(0)).is_err());

    let limit = limit().build().unwrap();
    let dear = limit
        .key(|req: &(u64, u32)| Some(req.0))
        .cost(|req: &(u64, u32)| req.1);
    limit.admit(&1, &mut at(0)).unwrap();
    assert!(dear.admit(&(1, 2), &mut at(0)).is_err());
    dear.admit(&(1, 1), &mut at(0)).unwrap();
    assert!(limit.admit(&1, &mut at(0)).is_err());
}

#[test]
fn a_policy_of_the_family_that_is_idle_makes_room_in_a_tuple_too() {
    let keyed = Keyed::builder("tenants")
        .key(key)
        .each(|_| {
            let quota = Quota::per_second(10).burst(1);
            let rate = RateLimit::builder("tenant").quota(quota).build().unwrap();
            (rate, Bulkhead::new("tenant", 1).unwrap())
        })
        .max_keys(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    let call = keyed.admit(&1, &mut at(0)).unwrap();
    assert_eq!(why(keyed.admit(&2, &mut at(0))).0, Reason::Shed);
    call.finish(Outcome::Success, &mut at(0));
    // The bulkhead is free, but the quota is spent until 100 ms.
    assert_eq!(why(keyed.admit(&2, &mut at(99))).0, Reason::Shed);
    drop(keyed.admit(&2, &mut at(100)).unwrap());
}

#[test]
fn a_policy_made_anew_is_asked_no_earlier_than_its_forerunner_was_dropped() {
    let keyed = Keyed::builder("tenants")
        .key(key)
        .each(|_| {
            let quota = Quota::per_second(10).burst(1);
            RateLimit::builder("tenant").quota(quota).build().unwrap()
        })
        .max_keys(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    drop(keyed.admit(&1, &mut at(0)).unwrap());
    // Makes room, and leaves the room to another.
    drop(keyed.admit(&2, &mut at(100)).unwrap());
    keyed.remove(&2);
    // A thread that read its clock before, and comes only now.
    drop(keyed.admit(&1, &mut at(50)).unwrap());
    assert!(keyed.admit(&1, &mut at(150)).is_err());
    drop(keyed.admit(&1, &mut at(200)).unwrap());
}

fn limit() -> resilience_keyed::KeyedBuilder<u64, Key, resilience_keyed::Quotas<u64>> {
    Keyed::builder("clients")
        .key(key as Key)
        .quota(Quota::per_second(10).burst(2))
}

#[test]
fn each_key_has_a_quota_of_its_own() {
    let limit = limit().build().unwrap();
    for client in [1, 2] {
        for _ in 0..2 {
            limit.admit(&client, &mut at(0)).unwrap();
        }
        let refused = limit.admit(&client, &mut at(30));
        let delay = Some(Duration::from_millis(70));
        assert_eq!(why(refused), (Reason::Rate, "clients".into(), delay));
        assert_eq!(limit.available(&client, at(100).get()), 1);
    }
    assert_eq!((limit.len(), limit.available(&3, at(0).get())), (2, 2));
}

#[test]
fn quotas_may_differ_by_key_and_the_others_get_their_own() {
    let pace = |n| Pace::new(Quota::per_second(n)).unwrap();
    let (small, large, others) = (pace(1), pace(5), pace(2));
    let limit = Keyed::builder("tenants")
        .key(key)
        .quota_by(move |tenant: Option<&u64>| match tenant {
            None => others,
            Some(tenant) if *tenant >= 100 => large,
            Some(_) => small,
        })
        .max_keys(2)
        .build()
        .unwrap();
    let admitted = |tenant: u64| {
        let calls = 0..10;
        calls
            .filter(|_| limit.admit(&tenant, &mut at(0)).is_ok())
            .count()
    };
    assert_eq!((admitted(1), admitted(100)), (1, 5));
    assert_eq!(limit.overflow_available(at(0).get()), Some(2));
    assert_eq!((admitted(101), admitted(2)), (2, 0));
    assert_eq!(limit.overflow_available(at(0).get()), Some(0));
}

#[test]
fn a_reverted_call_gives_back_to_its_key_or_to_the_others() {
    let limit = limit().max_keys(1).build().unwrap();
    let available = || {
        let now = at(0).get();
        (
            limit.available(&1, now),
            limit.overflow_available(now).unwrap(),
        )
    };
    let one = limit.admit(&1, &mut at(0)).unwrap();
    let two = limit.admit(&2, &mut at(0)).unwrap();
    assert_eq!(available(), (1, 1));
    two.revert(&mut at(0));
    assert_eq!(available(), (1, 2));
    one.revert(&mut at(0));
    assert_eq!(available(), (2, 2));
    drop(limit.admit(&1, &mut at(0)).unwrap());
    assert_eq!(available(), (1, 2), "what is dropped was made");
}

#[test]
fn what_costs_nothing_needs_no_room_and_what_costs_too_much_gets_none() {
    let limit = limit().build().unwrap();
    let limit = limit
        .key(|req: &(u64, u32)| Some(req.0))
        .cost(|req: &(u64, u32)| req.1);
    limit.admit(&(1, 0), &mut at(0)).unwrap().revert(&mut at(0));
    let never = limit.admit(&(1, 3), &mut at(0));
    assert_eq!(why(never), (Reason::Rate, "clients".into(), None));
    assert!(limit.is_empty());
}

#[test]
fn removing_a_key_forgets_its_calls() {
    let limit = limit().build().unwrap();
    let handle: KeyedRateLimit<u64> = limit.handle();
    for _ in 0..2 {
        limit.admit(&1, &mut at(0)).unwrap();
    }
    assert!(limit.admit(&1, &mut at(0)).is_err());
    assert!(handle.remove(&1) && !handle.remove(&1));
    assert_eq!(handle.available(&1, at(0).get()), 2);
    limit.admit(&1, &mut at(0)).unwrap();
    handle.clear();
    assert!(handle.is_empty());
}

#[test]
fn keys_go_by_sweeps_of_other_calls() {
    let limit = limit().build().unwrap();
    for client in 1..=1_000 {
        limit.admit(&client, &mut at(0)).unwrap();
    }
    assert_eq!(limit.len(), 1_000);
    // None is new: the sweeps of one client's calls are enough, and free requests and refusals count too.
    for call in 0..64 * 64 * 8 {
        let _ = limit.admit(&1, &mut at(100 + call));
    }
    assert_eq!(limit.keys(), [1]);
}

#[test]
fn threads_that_race_for_a_new_key_use_one_policy() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let keyed = Keyed::builder("tenants")
        .key(key)
        .each(move |tenant: Option<&u64>| {
            count.fetch_add(tenant.is_some().into(), Ordering::Relaxed);
            Bulkhead::new("tenant", 1).unwrap()
        })
        .build()
        .unwrap();
    let start = Barrier::new(4);
    for round in 1..=500_u64 {
        let race = || {
            start.wait();
            let admitted = keyed.admit(&round, &mut at(0));
            // Nobody gives back before all have asked.
            start.wait();
            admitted.is_ok()
        };
        let admitted = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(race));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 1);
        assert_eq!(keyed.get(&round).unwrap().in_flight(), 0);
    }
    assert_eq!(keyed.len(), 500);
    assert!(made.load(Ordering::Relaxed) >= 500);
}

#[test]
fn threads_never_see_more_keys_than_the_cap() {
    let limit = limit().max_keys(100).build().unwrap();
    thread::scope(|scope| {
        for seed in 0..4 {
            let limit = &limit;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for call in 0..20_000 {
                    let permit = limit.admit(&random.u64(1..), &mut at(call / 10));
                    assert!(limit.len() <= 100);
                    if let Ok(permit) = permit
                        && random.bool()
                    {
                        permit.revert(&mut at(call / 10));
                    }
                }
            });
        }
    });
    assert_eq!(limit.keys().len(), limit.len());
    limit.sweep(at(1_000_000).get());
    assert!(limit.is_empty() && limit.keys().is_empty());
}

#[test]
fn a_factory_that_panics_leaves_no_trace() {
    let keyed = Keyed::builder("tenants")
        .key(key)
        .each(|tenant: Option<&u64>| {
            assert_ne!(tenant, Some(&13), "bad luck");
            Bulkhead::new("tenant", 1).unwrap()
        })
        .max_keys(1)
        .overflow(Overflow::Refuse)
        .build()
        .unwrap();
    let call = std::panic::AssertUnwindSafe(|| keyed.admit(&13, &mut at(0)).is_ok());
    assert!(std::panic::catch_unwind(call).is_err());
    assert!(keyed.is_empty());
    let _room = keyed.admit(&1, &mut at(0)).unwrap();
}

#[test]
fn bad_configuration_is_an_error() {
    let field = |error: resilience_core::ConfigError| error.to_string();
    for keys in [0, 100_000_001] {
        let expected = |policy| {
            format!("policy {policy:?}: `max_keys` is {keys}; it must be from 1 to 100000000")
        };
        let each = one_each().max_keys(keys).build().unwrap_err();
        assert_eq!(field(each), expected("tenants"));
        let limit = limit().max_keys(keys).build().unwrap_err();
        assert_eq!(field(limit), expected("clients"));
    }
    let never = one_each().idle(Duration::ZERO).build().unwrap_err();
    assert_eq!(never.field(), "idle");
    let decades = Duration::from_secs(86_400 * 3_650);
    assert_eq!(
        one_each().idle(decades).build().unwrap_err().field(),
        "idle"
    );
    let nothing = Keyed::builder("x").key(key).quota(Quota::per_second(0));
    assert_eq!(nothing.build().unwrap_err().field(), "quota.n");
    let defaults = one_each().build().unwrap();
    assert_eq!(defaults.max_keys(), 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A call is decided by its key's limit as if that had never been forgotten; or, without room, by that of the others.
    #[test]
    fn every_call_is_decided_by_its_own_limit_or_by_the_shared_one(
        cap in 1..6_usize,
        calls in vec((0..150_u64, 1..10_u64, 0..3_u32), 1..200),
    ) {
        let quota = Quota::per_second(20).burst(2);
        let limit = Keyed::builder("clients").key(key).quota(quota).max_keys(cap).build().unwrap();
        let limit = limit.key(|req: &(u64, u32)| Some(req.0)).cost(|req: &(u64, u32)| req.1);
        let mut own: HashMap<u64, Gcra> = HashMap::new();
        let others = Gcra::new(quota).unwrap();
        let mut millis = 0;
        for (wait, client, cost) in calls {
            millis += wait;
            let now = at(millis).get();
            let admitted = limit.admit(&(client, cost), &mut Now::at(now)).is_ok();
            let by = if limit.keys().contains(&client) || cost == 0 {
                own.entry(client).or_insert_with(|| Gcra::new(quota).unwrap())
            } else {
                &others
            };
            prop_assert_eq!(by.admit(cost, now).is_ok(), admitted);
            prop_assert!(limit.len() <= cap);
            prop_assert_eq!(limit.overflow_available(now), Some(others.available(now)));
        }
    }
}
