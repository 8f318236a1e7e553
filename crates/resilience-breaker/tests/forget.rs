//! When a breaker may be forgotten: never while it is in use, or not closed.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_breaker::{Breaker, BreakerBuilder, State};
use resilience_core::{Forget, Now, Outcome, Permit, Policy, Timestamp};
use std::time::Duration;

const START: Timestamp = Timestamp::from_nanos(1 << 58);

fn after(millis: u64) -> Now {
    Now::at(START + Duration::from_millis(millis))
}

fn builder() -> BreakerBuilder {
    Breaker::builder("host")
        .time_window(Duration::from_secs(1), 10)
        .consecutive_failures(2)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_secs(1))
        .successes_to_close(1)
}

fn call(breaker: &Breaker, outcome: Outcome, millis: u64) {
    let permit = breaker.admit(&(), &mut after(millis)).unwrap();
    permit.finish(outcome, &mut after(millis));
}

/// Fresh, and at rest.
fn ask(breaker: &Breaker, millis: u64) -> (bool, bool) {
    let fresh = breaker.is_fresh(&mut after(millis));
    (fresh, breaker.is_at_rest(&mut after(millis)))
}

#[test]
fn a_new_one_may_be_forgotten() {
    assert_eq!(ask(&builder().build().unwrap(), 0), (true, true));
}

#[test]
fn a_call_in_flight_keeps_it() {
    let breaker = builder().build().unwrap();
    let mut permit = breaker.admit(&(), &mut after(0)).unwrap();
    assert_eq!(ask(&breaker, 100_000), (false, false));
    // Recorded, but the body still streams.
    permit.head(Some(Outcome::Success), &mut after(0));
    assert_eq!(ask(&breaker, 100_000), (false, false));
    drop(permit);
    assert_eq!(ask(&breaker, 100_000), (true, true));
}

#[test]
fn another_handle_keeps_it_and_so_does_a_layer() {
    let breaker = builder().build().unwrap();
    let layer = breaker.layer();
    assert_eq!(ask(&breaker, 0), (false, false));
    drop(layer);
    assert_eq!(ask(&breaker, 0), (true, true));
}

#[test]
fn what_is_in_the_window_is_remembered_until_it_is_too_old() {
    let breaker = builder().build().unwrap();
    call(&breaker, Outcome::Success, 0);
    assert_eq!(ask(&breaker, 899), (false, true));
    assert_eq!(ask(&breaker, 1_000), (true, true));
}

#[test]
fn a_run_of_failures_is_remembered_but_rests() {
    let breaker = builder().build().unwrap();
    call(&breaker, Outcome::TRANSIENT, 0);
    assert_eq!(ask(&breaker, 1_000_000), (false, true));
    call(&breaker, Outcome::Success, 1_000_000);
    assert_eq!(ask(&breaker, 2_000_000), (true, true));
}

#[test]
fn a_count_window_is_remembered_but_rests() {
    let breaker = builder().count_window(10).build().unwrap();
    call(&breaker, Outcome::Success, 0);
    assert_eq!(ask(&breaker, 1_000_000), (false, true));
}

#[test]
fn one_that_is_not_closed_is_never_forgotten() {
    let breaker = builder().build().unwrap();
    call(&breaker, Outcome::TRANSIENT, 0);
    call(&breaker, Outcome::TRANSIENT, 0);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(ask(&breaker, 1_000_000), (false, false));

    let probe = breaker.admit(&(), &mut after(1_000_000)).unwrap();
    probe.revert(&mut after(1_000_000));
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(ask(&breaker, 2_000_000), (false, false));

    call(&breaker, Outcome::Success, 2_000_000);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(ask(&breaker, 2_000_000), (true, true));

    breaker.force_open();
    assert_eq!(ask(&breaker, 3_000_000), (false, false));
    breaker.force_closed();
    assert_eq!(ask(&breaker, 3_000_000), (false, false));
    breaker.reset();
    assert_eq!(ask(&breaker, 3_000_000), (true, true));
}
