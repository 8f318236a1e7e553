//! The gate under every interleaving: whoever waits is woken, or sees for itself that it need not wait.
//!
//! Run with `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-core --no-default-features
//! --test loom_gate --release --target-dir target/loom`.
#![cfg(resilience_loom)]

use loom::thread;
use resilience_core::{
    Gate,
    sync::{Arc, AtomicBool, Ordering},
};
use std::task::{Wake, Waker};

/// Notes that it was woken.
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn bell() -> (std::sync::Arc<Bell>, Waker) {
    let bell = std::sync::Arc::new(Bell(AtomicBool::new(false)));
    (bell.clone(), bell.into())
}

impl Bell {
    fn rang(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A policy that starts refusing: changes its state, then releases. The state is relaxed on purpose: the gate
/// orders it.
fn start_refusing(refusing: &AtomicBool, gate: &Gate) {
    refusing.store(true, Ordering::Relaxed);
    gate.release();
}

#[test]
fn no_waiter_sleeps_through_the_release() {
    loom::model(|| {
        let (gate, refusing) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let policy = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || start_refusing(&refusing, &gate))
        };
        let (bell, waker) = bell();
        let _place = gate.wait(&waker);
        let saw = refusing.load(Ordering::Relaxed);
        policy.join().unwrap();
        assert!(saw || bell.rang(), "asleep for good");
    });
}

#[test]
fn two_waiters_are_both_released() {
    loom::model(|| {
        let (gate, refusing) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let waiter = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || {
                let (bell, waker) = bell();
                let place = gate.wait(&waker);
                let saw = refusing.load(Ordering::Relaxed);
                (place, bell, saw)
            })
        };
        let policy = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || start_refusing(&refusing, &gate))
        };
        let (bell, waker) = bell();
        let _place = gate.wait(&waker);
        let saw = refusing.load(Ordering::Relaxed);
        policy.join().unwrap();
        let (_other, other_bell, other_saw) = waiter.join().unwrap();
        assert!(saw || bell.rang());
        assert!(other_saw || other_bell.rang());
    });
}

/// A place that is renewed, by another task's waker, while the policy starts refusing.
#[test]
fn renewing_loses_no_release() {
    loom::model(|| {
        let (gate, refusing) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let (_old, old_waker) = bell();
        let mut place = gate.wait(&old_waker);
        let policy = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || start_refusing(&refusing, &gate))
        };
        let (bell, waker) = bell();
        place.renew(&waker);
        let saw = refusing.load(Ordering::Relaxed);
        policy.join().unwrap();
        assert!(saw || bell.rang(), "asleep for good");
    });
}

/// The policy has opened and closed before; a waiter that renews must be found by the next opening.
#[test]
fn renewing_after_a_release_counts() {
    loom::model(|| {
        let (gate, refusing) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let (first, waker) = bell();
        let mut place = gate.wait(&waker);
        gate.release();
        assert!(first.rang());
        let policy = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || start_refusing(&refusing, &gate))
        };
        let (bell, waker) = bell();
        place.renew(&waker);
        let saw = refusing.load(Ordering::Relaxed);
        policy.join().unwrap();
        assert!(saw || bell.rang(), "asleep for good");
    });
}

#[test]
fn leaving_during_a_release_leaves_nothing_behind() {
    loom::model(|| {
        let gate = Gate::new();
        let (_leaver, leaves) = bell();
        let (stayer, stays) = bell();
        let place = gate.wait(&leaves);
        let _stays = gate.wait(&stays);
        let policy = {
            let gate = gate.clone();
            thread::spawn(move || gate.release())
        };
        drop(place);
        policy.join().unwrap();
        assert!(gate.is_empty());
        assert!(stayer.rang(), "the other one was forgotten");
    });
}

/// A policy that opens and closes again while a waiter comes: the late release of the first opening must not
/// take the waiter along without waking it, or the second opening does not find it.
#[test]
fn a_release_swallows_nobody() {
    loom::model(|| {
        let (gate, refusing) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let opens = {
            let (gate, refusing) = (gate.clone(), refusing.clone());
            thread::spawn(move || start_refusing(&refusing, &gate))
        };
        let closes = {
            let refusing = refusing.clone();
            thread::spawn(move || refusing.store(false, Ordering::Relaxed))
        };
        let (bell, waker) = bell();
        let _place = gate.wait(&waker);
        let saw = refusing.load(Ordering::Relaxed);
        opens.join().unwrap();
        closes.join().unwrap();
        start_refusing(&refusing, &gate);
        assert!(saw || bell.rang(), "asleep for good");
    });
}
