//! The line of those who wait for a slot: the machine alone, against a naive model that also counts the wake-ups.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_bulkhead::machine::{Full, Slots, Waiter};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter,
    Leave,
    Join,
    /// Asks whether it is the turn of this one, counted modulo their number.
    Ask(usize),
    Quit(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Enter),
        40 => Just(Step::Leave),
        40 => Just(Step::Join),
        60 => any::<usize>().prop_map(Step::Ask),
        20 => any::<usize>().prop_map(Step::Quit),
        1 => Just(Step::Close),
    ]
}

/// One caller that has joined and not had its answer, as the model sees it.
struct Caller {
    waiter: Waiter,
    bell: Arc<Bell>,
    /// Whether it found a slot when it joined.
    inside: bool,
    /// Whether it has asked since it was last woken: only then is there a waker to wake.
    asleep: bool,
    expected_rings: usize,
}

/// Slots, a line and a flag, without anything clever.
struct Model {
    limit: usize,
    most: usize,
    in_flight: usize,
    closed: bool,
    callers: Vec<Caller>,
}

impl Model {
    fn line(&self) -> usize {
        self.callers.iter().filter(|caller| !caller.inside).count()
    }

    fn is_head(&self, index: usize) -> bool {
        self.callers[..index].iter().all(|caller| caller.inside)
    }

    fn enter(&self) -> Result<(), Full> {
        match () {
            () if self.closed => Err(Full::Closed),
            () if self.line() > 0 || self.in_flight == self.limit => Err(Full::Taken),
            () => Ok(()),
        }
    }

    fn join(&self) -> Result<(), Full> {
        match self.enter() {
            Err(Full::Taken) if self.line() < self.most => Ok(()),
            entered => entered,
        }
    }

    fn ask(&self, index: usize) -> Poll<Result<(), Full>> {
        match () {
            () if self.callers[index].inside => Poll::Ready(Ok(())),
            () if self.closed => Poll::Ready(Err(Full::Closed)),
            () if self.is_head(index) && self.in_flight < self.limit => Poll::Ready(Ok(())),
            () => Poll::Pending,
        }
    }

    /// The first one in line hears of a free slot; nobody else hears of anything.
    fn wake_head(&mut self) {
        if let Some(head) = self.callers.iter_mut().find(|caller| !caller.inside)
            && std::mem::take(&mut head.asleep)
        {
            head.expected_rings += 1;
        }
    }

    fn left(&mut self, was_head: bool) {
        if was_head && self.in_flight < self.limit {
            self.wake_head();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn agrees_with_a_list_and_wakes_the_head_for_a_free_slot_and_nobody_else(
        limit in 1..4_usize,
        most in 1..6_usize,
        steps in vec(step(), 0..120),
    ) {
        let slots = Slots::new(limit).unwrap();
        let mut model = Model { limit, most, in_flight: 0, closed: false, callers: Vec::new() };
        for step in steps {
            match step {
                Step::Enter => {
                    let expected = model.enter();
                    prop_assert_eq!(slots.enter(), expected);
                    model.in_flight += usize::from(expected.is_ok());
                }
                Step::Leave => {
                    // Those who hold a slot unknowingly cannot give it back.
                    let inside = model.callers.iter().filter(|caller| caller.inside).count();
                    if model.in_flight > inside {
                        slots.leave();
                        model.in_flight -= 1;
                        model.wake_head();
                    }
                }
                Step::Join => {
                    let inside = model.enter().is_ok();
                    match slots.join(most) {
                        Err(why) => prop_assert_eq!(Err(why), model.join()),
                        Ok(waiter) => {
                            prop_assert_eq!(model.join(), Ok(()));
                            prop_assert_eq!(waiter.is_waiting(), !inside);
                            model.in_flight += usize::from(inside);
                            let bell = Arc::default();
                            model.callers.push(Caller { waiter, bell, inside, asleep: false, expected_rings: 0 });
                        }
                    }
                }
                Step::Ask(index) if !model.callers.is_empty() => {
                    let index = index % model.callers.len();
                    let expected = model.ask(index);
                    let caller = &mut model.callers[index];
                    let waker = caller.bell.clone().into();
                    prop_assert_eq!(slots.poll_turn(&mut caller.waiter, &waker), expected);
                    caller.asleep = true;
                    if expected.is_ready() {
                        let was_head = model.is_head(index);
                        let caller = model.callers.remove(index);
                        prop_assert_eq!(caller.bell.rings(), caller.expected_rings);
                        if !caller.inside {
                            model.in_flight += usize::from(expected == Poll::Ready(Ok(())));
                            model.left(was_head);
                        }
                    }
                }
                Step::Quit(index) if !model.callers.is_empty() => {
                    let index = index % model.callers.len();
                    let was_head = model.is_head(index);
                    let mut caller = model.callers.remove(index);
                    slots.quit(&mut caller.waiter);
                    slots.quit(&mut caller.waiter); // again, and nothing happens
                    if caller.inside {
                        model.in_flight -= 1;
                        model.wake_head();
                    } else {
                        model.left(was_head);
                    }
                }
                Step::Ask(_) | Step::Quit(_) => {}
                Step::Close => {
                    prop_assert_eq!(slots.close(), !model.closed);
                    if !std::mem::replace(&mut model.closed, true) {
                        for caller in model.callers.iter_mut().filter(|caller| !caller.inside) {
                            caller.expected_rings += usize::from(std::mem::take(&mut caller.asleep));
                        }
                    }
                }
            }
            prop_assert_eq!(slots.in_flight(), model.in_flight);
            prop_assert_eq!(slots.waiting(), model.line());
            prop_assert_eq!(slots.is_refusing(), model.enter().is_err());
            for caller in &model.callers {
                prop_assert_eq!(caller.bell.rings(), caller.expected_rings);
            }
            // Nobody sleeps whose turn it is.
            for (index, caller) in model.callers.iter().enumerate() {
                prop_assert!(!(caller.asleep && model.ask(index).is_ready()) || caller.inside);
            }
            let drained = slots.poll_drained(&mut slots.drain_wait(), &mut Context::from_waker(Waker::noop()));
            prop_assert_eq!(drained.is_ready(), model.in_flight + model.line() == 0);
        }
    }
}

#[test]
fn one_slot_that_comes_free_wakes_the_head_and_nobody_when_it_is_taken() {
    let slots = Slots::new(1).unwrap();
    slots.enter().unwrap();
    let mut waiters: Vec<_> = (0..100).map(|_| slots.join(100).unwrap()).collect();
    let bells: Vec<Arc<Bell>> = (0..100).map(|_| Arc::default()).collect();
    for (waiter, bell) in waiters.iter_mut().zip(&bells) {
        assert!(slots.poll_turn(waiter, &bell.clone().into()).is_pending());
    }
    let rings = || bells.iter().map(|bell| bell.rings()).collect::<Vec<_>>();
    let mut expected = vec![0; 100];
    for (turn, waiter) in waiters.iter_mut().enumerate() {
        slots.leave();
        expected[turn] = 1;
        assert_eq!(rings(), expected);
        let answer = slots.poll_turn(waiter, Waker::noop());
        assert_eq!(answer, Poll::Ready(Ok(())));
        assert_eq!(rings(), expected, "the next one hears of the next slot");
        assert_eq!(
            slots.poll_turn(waiter, Waker::noop()),
            Poll::Ready(Err(Full::Taken))
        );
        assert_eq!(slots.in_flight(), 1);
    }
}

#[test]
fn the_gate_opens_for_the_call_that_takes_the_last_slot_whichever_way_it_came() {
    for queued in [false, true] {
        let slots = Slots::new(1).unwrap();
        let bell = Arc::new(Bell::default());
        let _place = slots.refusing().wait(&bell.clone().into());
        assert!(!slots.is_refusing());
        if queued {
            let mut waiter = slots.join(1).unwrap();
            assert!(slots.poll_turn(&mut waiter, Waker::noop()).is_ready());
        } else {
            slots.enter().unwrap();
        }
        assert!(slots.is_refusing());
        assert_eq!(bell.rings(), 1);
    }
}

#[test]
fn between_two_in_line_there_is_no_moment_without_anybody() {
    let slots = Slots::new(1).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    slots.enter().unwrap();
    let mut first = slots.join(2).unwrap();
    let mut second = slots.join(2).unwrap();
    let mut wait = slots.drain_wait();
    slots.leave();
    assert_eq!(
        slots.poll_drained(&mut wait, cx),
        Poll::Pending,
        "nobody is in flight, but two wait"
    );
    assert!(slots.poll_turn(&mut first, Waker::noop()).is_ready());
    slots.leave();
    assert_eq!(slots.poll_drained(&mut wait, cx), Poll::Pending);
    let bell = Arc::new(Bell::default());
    assert!(
        slots
            .poll_drained(&mut wait, &mut Context::from_waker(&bell.clone().into()))
            .is_pending()
    );
    slots.quit(&mut second);
    assert_eq!(bell.rings(), 1, "the last one went from the line");
    slots.enter().unwrap();
    assert_eq!(
        slots.poll_drained(&mut wait, cx),
        Poll::Ready(()),
        "however late it looks"
    );
}

/// Parks the thread until its turn.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn many_threads_wait_for_few_slots_and_each_of_them_gets_its_turn() {
    const THREADS: usize = 8;
    const LIMIT: usize = 2;
    const ROUNDS: usize = 2_000;
    let slots = Slots::new(LIMIT).unwrap();
    let (inside, most, queued) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for id in 0..THREADS {
            let (slots, inside, most, queued, start) = (&slots, &inside, &most, &queued, &start);
            scope.spawn(move || {
                let waker: Waker = Arc::new(Unpark(thread::current())).into();
                start.wait();
                for round in 0..ROUNDS {
                    let mut waiter = slots.join(THREADS).unwrap();
                    queued.fetch_add(usize::from(waiter.is_waiting()), Ordering::Relaxed);
                    if (round + id) % 5 == 0 {
                        // Looks once, and goes away.
                        let turn = slots.poll_turn(&mut waiter, &waker);
                        slots.quit(&mut waiter);
                        if turn.is_ready() {
                            slots.leave();
                        }
                        continue;
                    }
                    // A wake-up that was lost would leave this thread parked for ever.
                    while slots.poll_turn(&mut waiter, &waker).is_pending() {
                        thread::park();
                    }
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if round % 7 == 0 {
                        thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    slots.leave();
                }
            });
        }
    });
    assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    assert!(most.into_inner() <= LIMIT);
    assert!(queued.into_inner() > 0, "somebody had to wait");
    slots.enter().unwrap();
}
