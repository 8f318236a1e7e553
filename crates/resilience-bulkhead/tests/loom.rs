//! Every interleaving of the slots, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-bulkhead --no-default-features --test loom --release`
#![cfg(resilience_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use resilience_bulkhead::machine::{Full, Slots};
use std::task::{Context, Poll, Wake, Waker};

/// Explores what three threads can do with at most three preemptions: more than that takes hours, and bugs of
/// this kind show with one or two.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

struct Flag(AtomicUsize);

impl Flag {
    fn new() -> (std::sync::Arc<Self>, Waker) {
        let flag = std::sync::Arc::new(Self(AtomicUsize::new(0)));
        (flag.clone(), flag.into())
    }

    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn loom_three_callers_two_slots() {
    bounded(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        let inside = Arc::new(AtomicUsize::new(0));
        let visit = |slots: Arc<Slots>, inside: Arc<AtomicUsize>| {
            move || {
                if slots.enter().is_ok() {
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    slots.leave();
                }
            }
        };
        let others: Vec<_> = (0..2)
            .map(|_| thread::spawn(visit(slots.clone(), inside.clone())))
            .collect();
        visit(slots.clone(), inside)();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(slots.in_flight(), 0);
        slots.enter().unwrap();
        slots.enter().unwrap();
        assert_eq!(slots.enter(), Err(Full::Taken));
    });
}

#[test]
fn loom_of_two_callers_for_one_slot_one_gets_it() {
    loom::model(|| {
        let slots = Arc::new(Slots::new(1).unwrap());
        let other = thread::spawn({
            let slots = slots.clone();
            move || slots.enter()
        });
        let mine = slots.enter();
        let theirs = other.join().unwrap();
        assert!(mine.is_ok() != theirs.is_ok());
        assert_eq!(slots.in_flight(), 1);
    });
}

#[test]
fn loom_close_counts_everybody_who_got_in() {
    loom::model(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        let caller = thread::spawn({
            let slots = slots.clone();
            move || {
                let entered = slots.enter();
                if entered.is_ok() {
                    slots.leave();
                }
                entered
            }
        });
        let first = slots.close();
        let after = slots.enter();
        assert!(first);
        assert_eq!(after, Err(Full::Closed));
        // Drained after the close means drained for good.
        let cx = &mut Context::from_waker(Waker::noop());
        if slots.in_flight() == 0 {
            let mut wait = slots.drain_wait();
            assert_eq!(slots.poll_drained(&mut wait, cx), Poll::Ready(()));
            assert_eq!(slots.in_flight(), 0);
        }
        let entered = caller.join().unwrap();
        assert!(matches!(entered, Ok(()) | Err(Full::Closed)));
        assert_eq!(slots.in_flight(), 0);
    });
}

#[test]
fn loom_the_last_call_wakes_every_waiter_that_did_not_see_it_go() {
    bounded(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        slots.enter().unwrap();
        slots.enter().unwrap();
        let leave = || {
            let slots = slots.clone();
            thread::spawn(move || slots.leave())
        };
        let (one, two) = (leave(), leave());
        let (flag, waker) = Flag::new();
        let mut wait = slots.drain_wait();
        let ready = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
        one.join().unwrap();
        two.join().unwrap();
        if ready.is_pending() {
            assert_eq!(flag.wakes(), 1);
            let again = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
            assert!(again.is_ready());
        }
    });
}

#[test]
fn loom_a_waiter_is_not_starved_by_callers_that_follow() {
    loom::model(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        slots.enter().unwrap();
        let (flag, waker) = Flag::new();
        let mut wait = slots.drain_wait();
        let before = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
        assert!(before.is_pending());
        let other = thread::spawn({
            let slots = slots.clone();
            move || {
                slots.leave();
                slots.enter().unwrap();
            }
        });
        let during = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
        other.join().unwrap();
        if during.is_pending() {
            assert!(flag.wakes() > 0);
            let after = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
            assert!(after.is_ready(), "there was a moment without calls");
        }
    });
}

/// One has watched for long, and another begins when the last call goes and one more comes and goes.
#[test]
fn loom_of_two_who_watch_none_is_left_behind() {
    bounded(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        slots.enter().unwrap();
        let (first_flag, first_waker) = Flag::new();
        let mut first = slots.drain_wait();
        let first_cx = &mut Context::from_waker(&first_waker);
        assert!(slots.poll_drained(&mut first, first_cx).is_pending());
        let leaving = thread::spawn({
            let slots = slots.clone();
            move || slots.leave()
        });
        let watching = thread::spawn({
            let slots = slots.clone();
            move || {
                let (flag, waker) = Flag::new();
                let mut wait = slots.drain_wait();
                let ready = slots.poll_drained(&mut wait, &mut Context::from_waker(&waker));
                (ready.is_ready(), flag, wait)
            }
        });
        slots.enter().unwrap();
        slots.leave();
        leaving.join().unwrap();
        let (ready, flag, _second) = watching.join().unwrap();
        assert!(first_flag.wakes() > 0, "the first was not woken");
        assert!(ready || flag.wakes() > 0, "the second was not woken");
        assert!(slots.poll_drained(&mut first, first_cx).is_ready());
    });
}

#[test]
fn loom_filling_and_closing_release_the_gate() {
    for close in [false, true] {
        loom::model(move || {
            let slots = Arc::new(Slots::new(1).unwrap());
            let other = thread::spawn({
                let slots = slots.clone();
                move || match close {
                    true => assert!(slots.close()),
                    false => slots.enter().unwrap(),
                }
            });
            // As the adapter does: registers first, asks after.
            let (flag, waker) = Flag::new();
            let _place = slots.refusing().wait(&waker);
            let seen = slots.is_refusing();
            other.join().unwrap();
            assert!(seen || flag.wakes() > 0, "neither seen nor woken");
            assert!(slots.is_refusing());
        });
    }
}
