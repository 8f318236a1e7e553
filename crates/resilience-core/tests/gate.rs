//! The gate: who is woken, and who is not.
#![cfg(not(resilience_loom))]

use resilience_core::{Gate, Registration};
use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};
use tokio_test::task;

/// A place to wake, and what came of it.
fn waiter() -> (task::Spawn<()>, Waker) {
    let mut task = task::spawn(());
    let waker = task.enter(|cx, _| cx.waker().clone());
    (task, waker)
}

#[test]
fn release_wakes_all_who_wait_once() {
    let gate = Gate::new();
    let ((first, one), (second, two)) = (waiter(), waiter());
    let _places = (gate.wait(&one), gate.clone().wait(&two));
    assert_eq!(gate.len(), 2);
    assert!(!first.is_woken() && !second.is_woken());

    gate.release();
    assert!(first.is_woken() && second.is_woken());
    assert!(gate.is_empty());

    let (mut first, _) = (first, second);
    first.enter(|_, _| ()); // clears the wake-up
    gate.release();
    assert!(!first.is_woken(), "woken again without waiting again");
}

#[test]
fn dropping_the_registration_leaves() {
    let gate = Gate::new();
    let ((first, one), (second, two)) = (waiter(), waiter());
    let leaves = gate.wait(&one);
    let _stays = gate.wait(&two);
    drop(leaves);
    assert_eq!(gate.len(), 1);
    gate.release();
    assert!(!first.is_woken());
    assert!(second.is_woken());
}

#[test]
fn dropping_after_a_release_leaves_others_alone() {
    let gate = Gate::new();
    let ((_first, one), (second, two)) = (waiter(), waiter());
    let released = gate.wait(&one);
    gate.release();
    let _stays = gate.wait(&two);
    drop(released);
    assert_eq!(gate.len(), 1);
    gate.release();
    assert!(second.is_woken());
}

#[test]
fn renew_replaces_the_waker() {
    let gate = Gate::new();
    let ((first, one), (second, two)) = (waiter(), waiter());
    let mut place = gate.wait(&one);
    place.renew(&two);
    assert_eq!(gate.len(), 1);
    gate.release();
    assert!(!first.is_woken());
    assert!(second.is_woken());
}

#[test]
fn renew_takes_the_place_again_after_a_release() {
    let gate = Gate::new();
    let ((first, one), (second, two)) = (waiter(), waiter());
    let mut place = gate.wait(&one);
    gate.release();
    assert!(first.is_woken());
    place.renew(&two);
    assert_eq!(gate.len(), 1);
    gate.release();
    assert!(second.is_woken());
    place.renew(&two);
    drop(place);
    assert!(gate.is_empty());
}

/// A task as small executors keep it: owned by its wakers alone, so that the last one takes it along.
struct Orphan(#[expect(dead_code, reason = "held to be dropped")] Mutex<Option<Registration>>);

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {}
}

/// Would deadlock if a waker were dropped, replaced or woken under the gate's lock.
#[test]
fn a_waker_may_use_the_gate_when_it_is_dropped_or_woken() {
    struct Curious(Gate);

    impl Wake for Curious {
        fn wake(self: Arc<Self>) {
            assert!(self.0.is_empty());
        }
    }

    let gate = Gate::new();
    let orphan = |gate: &Gate| {
        let place = gate.wait(Waker::noop());
        Waker::from(Arc::new(Orphan(Mutex::new(Some(place)))))
    };

    let mut place = gate.wait(&orphan(&gate));
    place.renew(Waker::noop());
    assert_eq!(gate.len(), 1, "replaced");

    place.renew(&orphan(&gate));
    drop(place);
    assert_eq!(gate.len(), 0, "dropped");

    let _place = gate.wait(&orphan(&gate));
    gate.release();
    assert_eq!(gate.len(), 0, "released");

    let _place = gate.wait(&Waker::from(Arc::new(Curious(gate.clone()))));
    gate.release();
}
