//! Every interleaving of records, trips and probes, by loom:
//! `RUSTFLAGS="--cfg resilience_loom" cargo test -p resilience-breaker --no-default-features --test loom --release`
#![cfg(resilience_loom)]

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use resilience_breaker::{BreakerBuilder, State, Transition, machine::Machine};
use resilience_core::{Now, Outcome, Timestamp};
use std::time::Duration;

fn now(millis: u64) -> Now {
    Now::at(Timestamp::from_nanos(millis * 1_000_000))
}

fn touchy() -> BreakerBuilder {
    BreakerBuilder::new("loom")
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .failure_rate(None)
        .open_for(Duration::from_millis(1))
}

/// Explores all interleavings in which threads are interrupted at most three times: more than enough for every
/// pair of steps to meet, and done in seconds.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Runs `step` in `threads` threads at once, this one among them, and collects what they return.
fn race<T: 'static>(
    machine: &Arc<Machine>,
    threads: usize,
    step: impl Fn(&Machine, usize) -> T + Clone + 'static,
) -> Vec<T> {
    let others: Vec<_> = (1..threads)
        .map(|index| {
            let (machine, step) = (machine.clone(), step.clone());
            thread::spawn(move || step(&machine, index))
        })
        .collect();
    let mut results = vec![step(machine, 0)];
    results.extend(others.into_iter().map(|other| other.join().unwrap()));
    results
}

fn openings(transitions: impl IntoIterator<Item = Option<Transition>>) -> usize {
    let opens = |change: &Transition| change.to == State::Open;
    transitions.into_iter().flatten().filter(opens).count()
}

/// However failures of one epoch interleave, none is lost, and they open it once.
#[test]
fn concurrent_failures_open_it_exactly_once() {
    explore(|| {
        let builder = BreakerBuilder::new("loom")
            .consecutive_failures(None)
            .count_window(4)
            .minimum_calls(3)
            .failure_rate(1.0);
        let machine = Arc::new(builder.machine().unwrap());
        let tickets: Vec<_> = (0..3)
            .map(|_| machine.admit(&mut now(0)).ticket.unwrap())
            .collect();
        let others: Vec<_> = tickets
            .into_iter()
            .map(|ticket| {
                let machine = machine.clone();
                thread::spawn(move || machine.finish(ticket, Outcome::TRANSIENT, &mut now(0)))
            })
            .collect();
        let ended = others
            .into_iter()
            .map(|other| other.join().unwrap().transition);
        assert_eq!(openings(ended), 1);
        assert_eq!((machine.state(), machine.epoch()), (State::Open, 1));
    });
}

/// Whoever is admitted while others trip it is of the epoch before, or refused; what it brings moves nothing.
#[test]
fn a_trip_and_an_admission() {
    explore(|| {
        let machine = Arc::new(touchy().machine().unwrap());
        let results = race(&machine, 3, |machine, _| {
            let admission = machine.admit(&mut now(0));
            assert_eq!(admission.transition, None);
            let ticket = admission.ticket.ok()?;
            assert_eq!((ticket.epoch(), ticket.is_probe()), (0, false));
            machine
                .finish(ticket, Outcome::TRANSIENT, &mut now(0))
                .transition
        });
        assert_eq!(openings(results), 1);
        assert_eq!((machine.state(), machine.epoch()), (State::Open, 1));
    });
}

fn probes_under_way(limit: usize) {
    explore(move || {
        let machine = Arc::new(touchy().probes(limit).machine().unwrap());
        let ticket = machine.admit(&mut now(0)).ticket.unwrap();
        machine.finish(ticket, Outcome::TRANSIENT, &mut now(0));
        let under_way = Arc::new(AtomicUsize::new(0));
        let results = race(&machine, 3, move |machine, index| {
            let admission = machine.admit(&mut now(1));
            let Ok(ticket) = admission.ticket else {
                return (false, admission.transition);
            };
            assert!(ticket.is_probe());
            let before = under_way.fetch_add(1, Ordering::SeqCst);
            assert!(before < limit, "{} probes at once", before + 1);
            under_way.fetch_sub(1, Ordering::SeqCst);
            if index == 0 {
                machine.revert(ticket);
            } else {
                machine.finish(ticket, Outcome::Ignored, &mut now(1));
            }
            (true, admission.transition)
        });
        assert!(results.iter().any(|result| result.0), "somebody probes");
        let half_opened = results.iter().filter_map(|result| result.1);
        assert_eq!(half_opened.count(), 1);
        assert_eq!((machine.state(), machine.epoch()), (State::HalfOpen, 2));
        let ticket = machine
            .admit(&mut now(1))
            .ticket
            .expect("all places are free");
        machine.revert(ticket);
    });
}

#[test]
fn one_probe_at_once() {
    probes_under_way(1);
}

#[test]
fn two_probes_at_once() {
    probes_under_way(2);
}

/// The result of a probe races a late one, and a reset: every change of state has its own epoch, and the state
/// is that of the last one.
#[test]
fn no_epoch_is_lost() {
    explore(|| {
        let machine = Arc::new(touchy().successes_to_close(1).machine().unwrap());
        let late = machine.admit(&mut now(0)).ticket.unwrap();
        let ticket = machine.admit(&mut now(0)).ticket.unwrap();
        machine.finish(ticket, Outcome::TRANSIENT, &mut now(0));
        let probe = machine.admit(&mut now(1)).ticket.unwrap();
        assert_eq!(machine.epoch(), 2);

        let results = {
            let (first, second) = (machine.clone(), machine.clone());
            let first = thread::spawn(move || {
                first
                    .finish(late, Outcome::TRANSIENT, &mut now(1))
                    .transition
            });
            let second = thread::spawn(move || second.force_open());
            let third = machine
                .finish(probe, Outcome::Success, &mut now(1))
                .transition;
            assert_eq!(first.join().unwrap(), None, "of an earlier epoch");
            [second.join().unwrap(), third]
        };
        let mut epochs: Vec<u64> = results
            .into_iter()
            .flatten()
            .map(|change| change.epoch)
            .collect();
        epochs.sort_unstable();
        let expected: Vec<u64> = (3..=machine.epoch()).collect();
        assert_eq!(epochs, expected);
        let last = results
            .into_iter()
            .flatten()
            .max_by_key(|change| change.epoch);
        assert_eq!(last.map(|change| change.to), Some(machine.state()));
        assert_eq!(machine.state(), State::ForcedOpen);
    });
}

/// A result that races a reset comes before it, and is forgotten, or after it, and is late.
#[test]
fn a_reset_forgets_what_is_under_way() {
    for failures in [1, 2] {
        explore(move || {
            let builder = touchy().consecutive_failures(failures);
            let machine = Arc::new(builder.machine().unwrap());
            let ticket = machine.admit(&mut now(0)).ticket.unwrap();
            let other = machine.clone();
            let other = thread::spawn(move || {
                other.finish(ticket, Outcome::TRANSIENT, &mut now(0));
            });
            machine.reset();
            other.join().unwrap();
            let snapshot = machine.snapshot(now(0).get());
            assert_eq!(snapshot.state, State::Closed);
            assert_eq!(snapshot.consecutive_failures, 0);
        });
    }
}

/// The result of a probe that races the end of its half-open time does not speak for a probe of the next one.
#[test]
fn a_late_probe_does_not_speak_for_a_later_one() {
    explore(|| {
        let machine = Arc::new(touchy().machine().unwrap());
        let half_open = |machine: &Machine, at: u64| {
            let ticket = machine.admit(&mut now(at)).ticket.unwrap();
            machine.finish(ticket, Outcome::TRANSIENT, &mut now(at));
            machine.admit(&mut now(at + 1)).ticket.expect("a probe")
        };
        let probe = half_open(&machine, 0);
        let other = machine.clone();
        let other = thread::spawn(move || {
            other.finish(probe, Outcome::TRANSIENT, &mut now(1));
        });
        machine.reset();
        let current = half_open(&machine, 1);
        other.join().unwrap();
        let snapshot = machine.snapshot(now(2).get());
        assert_eq!((snapshot.state, snapshot.probes), (State::HalfOpen, 1));
        machine.revert(current);
    });
}

/// Successes are counted beside the lock, each thread's at a place of its own: none is lost, and none counted twice,
/// whoever takes the lock meanwhile.
#[test]
fn no_success_is_lost_between_the_places() {
    explore(|| {
        let builder = BreakerBuilder::new("loom").consecutive_failures(None);
        let machine = Arc::new(builder.machine().unwrap());
        let succeed = |machine: &Machine| {
            let ticket = machine.admit(&mut now(0)).ticket.unwrap();
            let ended = machine.finish(ticket, Outcome::Success, &mut now(0));
            assert_eq!(ended.transition, None);
        };
        // The first of each place takes the lock.
        succeed(&machine);
        let others = machine.clone();
        let other = thread::spawn(move || (0..2).for_each(|_| succeed(&others)));
        succeed(&machine);
        machine.snapshot(now(0).get());
        let ticket = machine.admit(&mut now(0)).ticket.unwrap();
        machine.finish(ticket, Outcome::TRANSIENT, &mut now(0));
        other.join().unwrap();
        let snapshot = machine.snapshot(now(0).get());
        assert_eq!((snapshot.calls, snapshot.failures), (5, 1));
    });
}

/// A success that races a reset comes before it, and is forgotten, or after it, and is late.
#[test]
fn a_success_of_an_earlier_epoch_is_never_counted() {
    explore(|| {
        let builder = BreakerBuilder::new("loom").consecutive_failures(None);
        let machine = Arc::new(builder.machine().unwrap());
        let tickets = [0, 1, 2].map(|_| machine.admit(&mut now(0)).ticket.unwrap());
        let [first, second, third] = tickets;
        machine.finish(first, Outcome::Success, &mut now(0));
        let other = machine.clone();
        let other = thread::spawn(move || {
            other.finish(second, Outcome::Success, &mut now(0));
        });
        machine.reset();
        machine.finish(third, Outcome::Success, &mut now(0));
        other.join().unwrap();
        assert_eq!(machine.snapshot(now(0).get()).calls, 0);
    });
}

/// A success ends the run of failures that were recorded before it.
#[test]
fn a_success_after_a_failure_ends_the_run() {
    explore(|| {
        let builder = touchy().consecutive_failures(3);
        let machine = Arc::new(builder.machine().unwrap());
        let fail = |machine: &Machine| {
            let ticket = machine.admit(&mut now(0)).ticket.unwrap();
            machine.finish(ticket, Outcome::TRANSIENT, &mut now(0));
        };
        let other = machine.clone();
        let other = thread::spawn(move || fail(&other));
        fail(&machine);
        let ticket = machine.admit(&mut now(0)).ticket.unwrap();
        machine.finish(ticket, Outcome::Success, &mut now(0));
        let own = machine.snapshot(now(0).get()).consecutive_failures;
        assert!(own <= 1, "{own} in a row");
        other.join().unwrap();
        let ticket = machine.admit(&mut now(0)).ticket.unwrap();
        machine.finish(ticket, Outcome::Success, &mut now(0));
        assert_eq!(machine.snapshot(now(0).get()).consecutive_failures, 0);
    });
}
