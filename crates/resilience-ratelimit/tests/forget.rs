//! When a rate limit may be forgotten: when all that it has admitted has flowed in again, and not before.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_core::{Forget, Now, Outcome, Permit, Policy, Timestamp};
use resilience_ratelimit::{Quota, RateLimit};
use std::time::Duration;

fn after(millis: u64) -> Now {
    Now::at(Timestamp::from_nanos(1 << 58) + Duration::from_millis(millis))
}

fn limit() -> RateLimit {
    let quota = Quota::per_second(10).burst(2);
    RateLimit::builder("client").quota(quota).build().unwrap()
}

fn is_fresh(limit: &RateLimit, millis: u64) -> bool {
    let fresh = limit.is_fresh(&mut after(millis));
    assert_eq!(limit.is_at_rest(&mut after(millis)), fresh);
    fresh
}

#[test]
fn what_has_not_flowed_in_again_keeps_it() {
    let limit = limit();
    assert!(is_fresh(&limit, 0));
    for _ in 0..2 {
        let permit = limit.admit(&(), &mut after(0)).unwrap();
        permit.finish(Outcome::Success, &mut after(0));
    }
    assert!(!is_fresh(&limit, 0));
    assert!(!is_fresh(&limit, 199));
    assert!(is_fresh(&limit, 200));
}

#[test]
fn a_call_under_way_keeps_it_and_so_do_other_handles() {
    let limit = limit();
    let permit = limit.admit(&(), &mut after(0)).unwrap();
    assert!(!is_fresh(&limit, 1_000));
    drop(permit);
    assert!(is_fresh(&limit, 1_000));

    let queue = limit.clone().wait_up_to(Duration::from_secs(1)).unwrap();
    assert!(!is_fresh(&limit, 1_000));
    drop(queue);
    let layer = limit.layer();
    assert!(!is_fresh(&limit, 1_000));
    drop(layer);
    assert!(is_fresh(&limit, 1_000));
}
