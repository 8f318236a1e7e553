//! The line: its order against a naive list, its wake-ups, and both under every interleaving.
//!
//! The latter with `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-core --no-default-features --test
//! line --release --target-dir target/loom`.

use resilience_core::Line;
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Wake, Waker},
};

#[cfg(not(resilience_loom))]
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(resilience_loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};

/// Counts how often it is woken.
struct Bell(AtomicUsize);

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell(AtomicUsize::new(0)));
    (bell.clone(), bell.into())
}

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

fn join(line: &Line, cost: u64) -> resilience_core::Place {
    line.join(cost, |_| Ok::<_, Infallible>(())).unwrap()
}

#[cfg(not(resilience_loom))]
mod alone {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use resilience_core::{Ahead, Place};
    use std::sync::OnceLock;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Join(u64),
        /// Leaves from this place, counted modulo the length.
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => prop_oneof![0..9_u64, Just(u64::MAX)].prop_map(Step::Join),
            2 => any::<usize>().prop_map(Step::Leave),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(steps in vec(step(), 0..80)) {
            let line = Line::new();
            let mut list: Vec<Place> = Vec::new();
            for step in steps {
                match step {
                    Step::Join(cost) => {
                        let sum: u128 = list.iter().map(|place| u128::from(place.cost())).sum();
                        let expected = Ahead {
                            callers: list.len(),
                            cost: u64::try_from(sum).unwrap_or(u64::MAX),
                        };
                        prop_assert_eq!(line.ahead(), expected);
                        let joined = line.join(cost, |ahead| {
                            assert_eq!(ahead, expected);
                            Ok::<_, ()>(())
                        });
                        list.push(joined.unwrap());
                    }
                    Step::Leave(_) if list.is_empty() => {}
                    Step::Leave(place) => drop(list.remove(place % list.len())),
                }
                prop_assert_eq!(line.len(), list.len());
                prop_assert_eq!(line.is_empty(), list.is_empty());
                for (index, place) in list.iter().enumerate() {
                    prop_assert_eq!(place.is_head(Waker::noop()), index == 0);
                }
            }
            drop(list);
            prop_assert_eq!(line.ahead(), Ahead { callers: 0, cost: 0 });
        }
    }

    #[test]
    fn who_may_not_join_leaves_no_trace() {
        let line = Line::new();
        let _first = join(&line, 2);
        assert_eq!(line.join(3, |_| Err("full")).unwrap_err(), "full");
        assert_eq!(
            line.ahead(),
            Ahead {
                callers: 1,
                cost: 2
            }
        );
    }

    #[test]
    fn a_clone_is_the_same_line() {
        let line = Line::new();
        let first = join(&line.clone(), 1);
        let second = join(&line, 1);
        assert!(first.is_head(Waker::noop()) && !second.is_head(Waker::noop()));
    }

    #[test]
    fn only_the_departure_of_the_head_wakes_and_only_the_next_one() {
        let line = Line::new();
        let places: Vec<_> = (0..4).map(|_| join(&line, 1)).collect();
        let bells: Vec<_> = (0..4).map(|_| bell()).collect();
        for (place, (_, waker)) in places.iter().zip(&bells) {
            place.is_head(waker);
        }
        let rings = || {
            bells
                .iter()
                .map(|(bell, _)| bell.rings())
                .collect::<Vec<_>>()
        };
        let mut places = places.into_iter();
        let (first, second) = (places.next().unwrap(), places.next().unwrap());
        drop(second);
        assert_eq!(rings(), [0, 0, 0, 0]);
        drop(first);
        assert_eq!(rings(), [0, 0, 1, 0]);
        // Woken, it goes without another look: the next one has to hear of it.
        drop(places.next());
        assert_eq!(rings(), [0, 0, 1, 1]);
    }

    #[test]
    fn the_head_is_woken_once_for_each_look_and_by_its_latest_waker() {
        let line = Line::new();
        let place = join(&line, 1);
        let ((old, old_waker), (new, new_waker)) = (bell(), bell());
        line.wake_head();
        place.is_head(&old_waker);
        place.is_head(&new_waker);
        line.wake_head();
        line.wake_head();
        assert_eq!((old.rings(), new.rings()), (0, 1));
        place.is_head(&new_waker);
        line.wake_head();
        assert_eq!((old.rings(), new.rings()), (0, 2));
    }

    #[test]
    fn who_leaves_on_purpose_wakes_nobody_and_hears_who_stays() {
        let line = Line::new();
        let places: Vec<_> = (1..4).map(|cost| join(&line, cost)).collect();
        let ((bell, waker), mut places) = (bell(), places.into_iter());
        let (first, second) = (places.next().unwrap(), places.next().unwrap());
        let third = places.next().unwrap();
        third.is_head(&waker);
        let stays = |callers, cost| Ahead { callers, cost };
        assert_eq!(
            second.leave(|behind, head| (behind, head)),
            (stays(2, 4), false)
        );
        assert_eq!(
            first.leave(|behind, head| (behind, head)),
            (stays(1, 3), true)
        );
        assert_eq!(bell.rings(), 0);
        assert!(third.is_head(&waker));
        assert_eq!(
            third.leave(|behind, head| (behind, head)),
            (stays(0, 0), true)
        );
        assert_eq!((bell.rings(), line.is_empty()), (0, true));
    }

    #[test]
    fn everybody_can_be_woken_once_for_each_look() {
        let line = Line::new();
        let places: Vec<_> = (0..3).map(|_| join(&line, 1)).collect();
        let bells: Vec<_> = (0..3).map(|_| bell()).collect();
        // The last one has not looked yet.
        for (place, (_, waker)) in places.iter().zip(&bells[..2]) {
            place.is_head(waker);
        }
        for _ in 0..2 {
            line.wake_all();
        }
        let rings: Vec<_> = bells.iter().map(|(bell, _)| bell.rings()).collect();
        assert_eq!(rings, [1, 1, 0]);
        assert_eq!(line.len(), 3, "nobody leaves because of it");
    }

    /// A task that owns a place, and is owned by a waker that stands in the same line.
    struct Owner(OnceLock<Place>);

    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_waker_that_owns_a_place_may_be_dropped_anywhere() {
        let line = Line::new();
        let place = join(&line, 1);
        for replace in [true, false] {
            let owner = Arc::new(Owner(OnceLock::new()));
            owner.0.set(join(&line, 1)).unwrap();
            place.is_head(&owner.into());
            assert_eq!(line.len(), 2);
            if replace {
                place.is_head(Waker::noop());
                assert_eq!(line.len(), 1, "dropped with the waker, without a deadlock");
            }
        }
        drop(place);
        assert!(line.is_empty());
    }

    #[test]
    fn a_panic_in_may_join_does_not_break_the_line() {
        let line = Line::new();
        let join_and_panic = || line.join(1, |_| -> Result<(), ()> { panic!("may_join") });
        let joined = std::panic::catch_unwind(std::panic::AssertUnwindSafe(join_and_panic));
        assert!(joined.is_err());
        assert!(line.is_empty());
        assert!(join(&line, 1).is_head(Waker::noop()));
    }
}

#[cfg(resilience_loom)]
mod interleaved {
    use super::*;
    use loom::thread;

    /// The head leaves while the next one looks: it sees that it is the head, or is woken.
    #[test]
    fn loom_the_next_one_sees_it_or_is_woken() {
        loom::model(|| {
            let line = Line::new();
            let (head, next) = (join(&line, 1), join(&line, 1));
            let leaving = thread::spawn(move || drop(head));
            let (bell, waker) = bell();
            let seen = next.is_head(&waker);
            leaving.join().unwrap();
            assert!(seen || bell.rings() > 0);
            assert!(next.is_head(&waker));
        });
    }

    /// Two leave at the same time, in whatever order: the third one hears of it.
    #[test]
    fn loom_the_third_one_is_not_forgotten_when_both_before_it_leave() {
        loom::model(|| {
            let line = Line::new();
            let (first, second, third) = (join(&line, 1), join(&line, 1), join(&line, 1));
            let (bell, waker) = bell();
            assert!(!third.is_head(&waker));
            let leaving = thread::spawn(move || drop(first));
            drop(second);
            leaving.join().unwrap();
            assert!(bell.rings() > 0);
            assert!(third.is_head(&waker));
        });
    }

    /// What the head waits for comes while it looks: it sees it, or is woken.
    #[test]
    fn loom_the_head_does_not_miss_what_it_waits_for() {
        loom::model(|| {
            let line = Line::new();
            let head = join(&line, 1);
            let free = loom::sync::Arc::new(AtomicUsize::new(0));
            let freeing = thread::spawn({
                let (line, free) = (line.clone(), free.clone());
                move || {
                    free.store(1, Ordering::Relaxed);
                    line.wake_head();
                }
            });
            let (bell, waker) = bell();
            // As a policy does: registers first, looks after.
            assert!(head.is_head(&waker));
            let seen = free.load(Ordering::Relaxed) == 1;
            freeing.join().unwrap();
            assert!(seen || bell.rings() > 0);
        });
    }

    /// Two join at the same time under a cap of one.
    #[test]
    fn loom_the_answer_of_may_join_holds_when_the_place_is_taken() {
        loom::model(|| {
            let line = Line::new();
            let join_if_first = |line: &Line| {
                line.join(1, |ahead| match ahead.callers {
                    0 => Ok(()),
                    _ => Err(()),
                })
            };
            let other = thread::spawn({
                let line = line.clone();
                move || join_if_first(&line)
            });
            let mine = join_if_first(&line);
            let theirs = other.join().unwrap();
            assert!(mine.is_ok() != theirs.is_ok());
            assert_eq!(line.len(), 1);
        });
    }
}
