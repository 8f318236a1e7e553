//! The machine alone: a naive model, and real threads.
#![cfg(not(resilience_loom))]

use proptest::prelude::*;
use resilience_bulkhead::machine::{Full, Slots};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter,
    Leave,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Enter),
        8 => Just(Step::Leave),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_counter_and_a_flag(limit in 1..6_usize, steps in prop::collection::vec(step(), 0..200)) {
        let slots = Slots::new(limit).unwrap();
        let (mut in_flight, mut closed) = (0, false);
        for step in steps {
            match step {
                Step::Enter => {
                    let expected = match () {
                        () if closed => Err(Full::Closed),
                        () if in_flight == limit => Err(Full::Taken),
                        () => Ok(()),
                    };
                    prop_assert_eq!(slots.enter(), expected);
                    in_flight += usize::from(expected.is_ok());
                }
                Step::Leave if in_flight > 0 => {
                    slots.leave();
                    in_flight -= 1;
                }
                Step::Leave => {}
                Step::Close => {
                    prop_assert_eq!(slots.close(), !closed);
                    closed = true;
                }
            }
            prop_assert_eq!(slots.in_flight(), in_flight);
            prop_assert_eq!(slots.is_closed(), closed);
            prop_assert_eq!(slots.is_refusing(), closed || in_flight == limit);
        }
    }
}

#[test]
fn many_threads_never_exceed_the_limit_and_leave_nothing_behind() {
    const THREADS: usize = 8;
    const LIMIT: usize = 3;
    let slots = Slots::new(LIMIT).unwrap();
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (admitted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for round in 0..20_000 {
                    if slots.enter().is_err() {
                        refused.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        continue;
                    }
                    admitted.fetch_add(1, Ordering::Relaxed);
                    let now_inside = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now_inside, Ordering::SeqCst);
                    if round % 7 == 0 {
                        thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    slots.leave();
                }
            });
        }
    });
    assert_eq!(slots.in_flight(), 0);
    assert_eq!(most.into_inner(), LIMIT, "the limit was reached, and kept");
    assert!(
        refused.into_inner() > 0,
        "the threads got into each other's way"
    );
    assert!(admitted.into_inner() > 0);
}

#[test]
fn a_waiter_that_is_polled_late_does_not_miss_the_empty_moment() {
    let slots = Slots::new(2).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    slots.enter().unwrap();
    let mut wait = slots.drain_wait();
    assert_eq!(slots.poll_drained(&mut wait, cx), Poll::Pending);
    slots.leave();
    slots.enter().unwrap();
    let mut late = slots.drain_wait();
    assert_eq!(slots.poll_drained(&mut wait, cx), Poll::Ready(()));
    assert_eq!(slots.poll_drained(&mut late, cx), Poll::Pending);
}
