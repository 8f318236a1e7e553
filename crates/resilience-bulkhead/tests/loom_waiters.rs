//! Every interleaving of slots that come free with callers that wait, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-bulkhead --no-default-features --test loom_waiters --release`
#![cfg(resilience_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use resilience_bulkhead::machine::{Full, Slots, Waiter};
use std::task::{Context, Poll, Wake, Waker};

/// Explores what three threads can do with at most three preemptions: more than that takes hours, and bugs of
/// this kind show with one or two.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

struct Bell(AtomicUsize);

impl Bell {
    fn new() -> (std::sync::Arc<Self>, Waker) {
        let bell = std::sync::Arc::new(Self(AtomicUsize::new(0)));
        (bell.clone(), bell.into())
    }

    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task that waits: it looks again only if it has been woken.
struct Task {
    waiter: Waiter,
    bell: std::sync::Arc<Bell>,
    waker: Waker,
    seen: usize,
    answer: Poll<Result<(), Full>>,
}

impl Task {
    fn new(waiter: Waiter) -> Self {
        let (bell, waker) = Bell::new();
        Self {
            waiter,
            bell,
            waker,
            seen: 0,
            answer: Poll::Pending,
        }
    }

    fn look(&mut self, slots: &Slots) -> Poll<Result<(), Full>> {
        if self.answer.is_pending() {
            self.seen = self.bell.rings();
            self.answer = slots.poll_turn(&mut self.waiter, &self.waker);
        }
        self.answer
    }

    /// Whether it has anything to do: otherwise it sleeps.
    fn is_awake(&self) -> bool {
        self.answer.is_pending() && self.bell.rings() > self.seen
    }
}

/// One in flight, one slot.
fn full() -> Arc<Slots> {
    let slots = Arc::new(Slots::new(1).unwrap());
    slots.enter().unwrap();
    slots
}

fn leaves(slots: &Arc<Slots>) -> thread::JoinHandle<()> {
    let slots = slots.clone();
    thread::spawn(move || slots.leave())
}

#[test]
fn loom_a_slot_that_comes_free_while_somebody_joins_is_not_missed() {
    loom::model(|| {
        let slots = full();
        let leaving = leaves(&slots);
        let mut task = Task::new(slots.join(1).unwrap());
        let seen = task.look(&slots);
        leaving.join().unwrap();
        assert!(seen.is_ready() || task.is_awake(), "asleep for good");
        assert_eq!(task.look(&slots), Poll::Ready(Ok(())));
        assert_eq!((slots.in_flight(), slots.waiting()), (1, 0));
        slots.leave();
        assert!(!slots.is_refusing());
    });
}

#[test]
fn loom_the_next_one_gets_the_slot_of_a_head_that_goes_away() {
    bounded(|| {
        let slots = full();
        let mut head = Task::new(slots.join(2).unwrap());
        let mut next = Task::new(slots.join(2).unwrap());
        assert!(head.look(&slots).is_pending());
        assert!(next.look(&slots).is_pending());
        let leaving = leaves(&slots);
        slots.quit(&mut head.waiter);
        leaving.join().unwrap();
        assert!(next.is_awake(), "asleep for good");
        assert_eq!(next.look(&slots), Poll::Ready(Ok(())));
    });
}

/// Two slots come free while the head takes one: the next one gets the other.
#[test]
fn loom_two_slots_wake_two_callers() {
    bounded(|| {
        let slots = Arc::new(Slots::new(2).unwrap());
        slots.enter().unwrap();
        slots.enter().unwrap();
        let mut head = Task::new(slots.join(2).unwrap());
        let mut next = Task::new(slots.join(2).unwrap());
        assert!(head.look(&slots).is_pending());
        assert!(next.look(&slots).is_pending());
        let (one, two) = (leaves(&slots), leaves(&slots));
        let _ = head.look(&slots);
        one.join().unwrap();
        two.join().unwrap();
        while head.is_awake() || next.is_awake() {
            if head.is_awake() {
                let _ = head.look(&slots);
            }
            if next.is_awake() {
                let _ = next.look(&slots);
            }
        }
        assert_eq!(head.answer, Poll::Ready(Ok(())), "asleep for good");
        assert_eq!(next.answer, Poll::Ready(Ok(())), "asleep for good");
        assert_eq!((slots.in_flight(), slots.waiting()), (2, 0));
    });
}

#[test]
fn loom_nobody_overtakes_a_caller_in_line() {
    bounded(|| {
        let slots = full();
        let mut task = Task::new(slots.join(1).unwrap());
        assert!(task.look(&slots).is_pending());
        let leaving = leaves(&slots);
        let immediate = thread::spawn({
            let slots = slots.clone();
            move || slots.enter()
        });
        assert_eq!(slots.enter(), Err(Full::Taken));
        leaving.join().unwrap();
        assert_eq!(immediate.join().unwrap(), Err(Full::Taken));
        assert!(task.is_awake());
        assert_eq!(task.look(&slots), Poll::Ready(Ok(())));
    });
}

/// The word says that nobody waits only when nobody does, whoever joins and leaves the line at the same time.
#[test]
fn loom_the_word_and_the_line_agree() {
    bounded(|| {
        let slots = full();
        let mut first = slots.join(2).unwrap();
        let joining = thread::spawn({
            let slots = slots.clone();
            move || {
                let mut second = slots.join(2).unwrap();
                slots.quit(&mut second);
            }
        });
        let mut third = {
            slots.quit(&mut first);
            slots.join(2).unwrap()
        };
        joining.join().unwrap();
        slots.leave();
        assert_eq!(slots.waiting(), 1);
        assert_eq!(slots.enter(), Err(Full::Taken), "one waits");
        slots.quit(&mut third);
        assert_eq!(slots.waiting(), 0);
        slots.enter().unwrap();
    });
}

#[test]
fn loom_closing_reaches_everybody_who_waits_and_who_is_about_to() {
    bounded(|| {
        let slots = full();
        let mut first = Task::new(slots.join(2).unwrap());
        assert!(first.look(&slots).is_pending());
        let closing = thread::spawn({
            let slots = slots.clone();
            move || assert!(slots.close())
        });
        let second = slots.join(2).map(|waiter| {
            let mut task = Task::new(waiter);
            let _ = task.look(&slots);
            task
        });
        closing.join().unwrap();
        assert!(first.is_awake(), "asleep for good");
        assert_eq!(first.look(&slots), Poll::Ready(Err(Full::Closed)));
        match second {
            Err(why) => assert_eq!(why, Full::Closed),
            Ok(mut second) => {
                assert!(second.answer.is_ready() || second.is_awake());
                assert_eq!(second.look(&slots), Poll::Ready(Err(Full::Closed)));
            }
        }
        assert_eq!((slots.in_flight(), slots.waiting()), (1, 0));
    });
}

/// The last call leaves while the last caller in line goes away: whoever waits for that hears of it.
#[test]
fn loom_the_last_of_calls_and_callers_wakes_who_waits_for_it() {
    bounded(|| {
        let slots = full();
        let mut waiter = slots.join(1).unwrap();
        let (bell, waker) = Bell::new();
        let mut wait = slots.drain_wait();
        let cx = &mut Context::from_waker(&waker);
        assert!(slots.poll_drained(&mut wait, cx).is_pending());
        let leaving = leaves(&slots);
        slots.quit(&mut waiter);
        leaving.join().unwrap();
        assert_eq!(bell.rings(), 1);
        assert!(slots.poll_drained(&mut wait, cx).is_ready());
    });
}

/// Never empty in between: from the line into the slot there is no gap.
#[test]
fn loom_a_caller_that_moves_up_is_never_out_of_sight() {
    bounded(|| {
        let slots = full();
        let mut task = Task::new(slots.join(1).unwrap());
        assert!(task.look(&slots).is_pending());
        let cx = &mut Context::from_waker(Waker::noop());
        let mut wait = slots.drain_wait();
        let leaving = leaves(&slots);
        let _ = task.look(&slots);
        assert!(slots.poll_drained(&mut wait, cx).is_pending());
        leaving.join().unwrap();
        let _ = task.look(&slots);
        assert!(slots.poll_drained(&mut wait, cx).is_pending());
        slots.leave();
        assert!(slots.poll_drained(&mut wait, cx).is_ready());
    });
}

/// A slot comes free while somebody joins, and is taken again by that: who waits for the inner service and has just
/// seen that not everybody is refused is sent home.
#[test]
fn loom_who_finds_a_slot_while_it_joins_releases_the_gate() {
    bounded(|| {
        let slots = full();
        let leaving = leaves(&slots);
        let guard = thread::spawn({
            let slots = slots.clone();
            move || {
                // As the adapter does: registers first, asks after.
                let (bell, waker) = Bell::new();
                let place = slots.refusing().wait(&waker);
                (slots.is_refusing(), bell, place)
            }
        });
        let mut waiter = slots.join(1).unwrap();
        leaving.join().unwrap();
        let (seen, bell, _place) = guard.join().unwrap();
        assert!(slots.is_refusing());
        assert!(seen || bell.rings() > 0, "neither seen nor woken");
        slots.quit(&mut waiter);
        assert!(!slots.is_refusing());
    });
}

#[test]
fn loom_nobody_gets_in_after_the_closing_whichever_way() {
    bounded(|| {
        let slots = full();
        let closing = thread::spawn({
            let slots = slots.clone();
            move || {
                slots.leave();
                slots.close();
                slots.in_flight()
            }
        });
        let joined = slots.join(1);
        let after_closing = closing.join().unwrap();
        assert!(slots.in_flight() <= after_closing, "came in later");
        match joined {
            Ok(mut waiter) => slots.quit(&mut waiter),
            Err(why) => assert_eq!(why, Full::Closed),
        }
        assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    });
}
