//! When a bulkhead may be forgotten: never while it is in use.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_bulkhead::Bulkhead;
use resilience_core::{Forget, Now, Policy, Timestamp};

fn is_fresh(bulkhead: &Bulkhead) -> bool {
    let now = &mut Now::at(Timestamp::from_nanos(1));
    assert_eq!(bulkhead.is_fresh(now), bulkhead.is_at_rest(now));
    bulkhead.is_fresh(now)
}

#[test]
fn one_that_is_not_in_use_may_be_forgotten() {
    let bulkhead = Bulkhead::new("tenant", 2).unwrap();
    assert!(is_fresh(&bulkhead));
    let permit = bulkhead.admit(&(), &mut Now::at(Timestamp::from_nanos(1)));
    assert!(!is_fresh(&bulkhead));
    drop(permit);
    assert!(is_fresh(&bulkhead));
}

#[test]
fn another_handle_keeps_it_and_so_do_a_layer_and_a_waiter() {
    let bulkhead = Bulkhead::new("tenant", 2).unwrap();
    let other = bulkhead.clone();
    assert!(!is_fresh(&bulkhead));
    drop(other);
    let layer = bulkhead.layer();
    assert!(!is_fresh(&bulkhead));
    drop(layer);
    let drained = bulkhead.drained();
    assert!(!is_fresh(&bulkhead));
    drop(drained);
    assert!(is_fresh(&bulkhead));
}

#[test]
fn one_that_is_closed_is_never_forgotten() {
    let bulkhead = Bulkhead::new("tenant", 2).unwrap();
    bulkhead.close();
    assert!(!is_fresh(&bulkhead));
}
