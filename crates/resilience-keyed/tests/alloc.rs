//! What calls of known keys allocate: nothing, whether they are admitted or refused.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use allocation_counter::measure;
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{Now, Outcome, Permit, Policy, Timestamp};
use resilience_keyed::{Keyed, Overflow, Quota};
use std::time::Duration;

fn at(millis: u64) -> Now {
    Now::at(Timestamp::from_nanos(1 << 58) + Duration::from_millis(millis))
}

/// Allocations of 1,000 calls, a millisecond apart; how many were admitted.
fn allocations(policy: &impl Policy<u64>, key: u64) -> (u64, u64) {
    let mut admitted = 0;
    let mut call = |millis| {
        if let Ok(permit) = policy.admit(&key, &mut at(millis)) {
            permit.finish(Outcome::Success, &mut at(millis));
            admitted += 1;
        }
    };
    call(0);
    let allocated = measure(|| (1..1_000).for_each(&mut call)).count_total;
    (allocated, admitted)
}

#[test]
fn calls_of_a_known_key_allocate_nothing_whether_admitted_or_refused() {
    let limit = Keyed::builder("clients")
        .key(|client: &u64| Some(*client))
        .quota(Quota::per_second(100).burst(1))
        .build()
        .unwrap();
    // So that the calls also sweep others away.
    for other in 0..500 {
        drop(limit.admit(&other, &mut at(0)));
    }
    assert_eq!(allocations(&limit, 1_000), (0, 100));
    assert!(limit.len() < 500);
}

#[test]
fn calls_of_a_known_key_allocate_nothing_beside_their_policy() {
    let keyed = Keyed::builder("hosts")
        .key(|host: &u64| Some(*host))
        .each(|_| (Breaker::new("host"), Bulkhead::new("host", 1).unwrap()))
        .idle(Duration::from_millis(10))
        .build()
        .unwrap();
    for other in 0..500 {
        drop(keyed.admit(&other, &mut at(0)));
    }
    assert_eq!(allocations(&keyed, 1_000), (0, 1_000));
    let held = keyed.admit(&1_000, &mut at(2_000)).unwrap();
    assert_eq!(allocations(&keyed, 1_000), (0, 0));
    drop(held);
}

#[test]
fn keys_without_room_allocate_nothing() {
    for overflow in [Overflow::Share, Overflow::Refuse] {
        let keyed = Keyed::builder("hosts")
            .key(|host: &u64| Some(*host))
            .each(|_| Bulkhead::new("host", 1).unwrap())
            .max_keys(1)
            .overflow(overflow)
            .build()
            .unwrap();
        let _live = keyed.admit(&1, &mut at(0)).unwrap();
        let expected = if overflow == Overflow::Share {
            1_000
        } else {
            0
        };
        assert_eq!(allocations(&keyed, 2), (0, expected));
    }
}
