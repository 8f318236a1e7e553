//! What single steps of the machine do.
#![cfg(not(resilience_loom))]

use resilience_breaker::{
    Abandoned, BreakerBuilder, Cause, State, Transition,
    machine::{Ending, Machine, Ticket},
};
use resilience_core::{Now, Outcome, Reason, Timestamp};
use std::time::Duration;

fn now(millis: u64) -> Now {
    Now::at(Timestamp::from_nanos(1 << 58) + ms(millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn admit(machine: &Machine, at: u64) -> Ticket {
    machine.admit(&mut now(at)).ticket.expect("admitted")
}

fn call(machine: &Machine, at: u64, outcome: Outcome) -> Option<Transition> {
    let ticket = admit(machine, at);
    machine.finish(ticket, outcome, &mut now(at)).transition
}

fn retry_after(machine: &Machine, at: u64) -> Option<Duration> {
    machine
        .admit(&mut now(at))
        .ticket
        .expect_err("refused")
        .retry_after
}

/// A breaker that opens with its first failure, for a second.
fn touchy() -> BreakerBuilder {
    BreakerBuilder::new("touchy")
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .open_for(ms(1_000))
}

/// A touchy breaker that opened at 0.
fn opened(builder: &BreakerBuilder) -> Machine {
    let machine = builder.machine().unwrap();
    let transition = call(&machine, 0, Outcome::TRANSIENT).expect("it opens");
    assert_eq!(transition.cause, Cause::ConsecutiveFailures);
    machine
}

fn by_count(calls: usize) -> BreakerBuilder {
    BreakerBuilder::new("by count")
        .consecutive_failures(None)
        .count_window(calls)
}

#[test]
fn a_million_successes_do_not_delay_the_trip() {
    let machine = by_count(100).failure_rate(0.5).machine().unwrap();
    for _ in 0..1_000_000 {
        assert_eq!(call(&machine, 0, Outcome::Success), None);
    }
    for failure in 1..50 {
        assert_eq!(
            call(&machine, 0, Outcome::TRANSIENT),
            None,
            "{failure} of 100"
        );
    }
    let transition = call(&machine, 0, Outcome::TRANSIENT).expect("50 of 100 are 50 %");
    assert_eq!(
        (transition.from, transition.to),
        (State::Closed, State::Open)
    );
    assert_eq!(transition.cause, Cause::FailureRate);
}

#[test]
fn five_of_ten_are_half_and_so_is_every_rate_that_can_be_written() {
    for (rate, failures, calls) in [
        (0.5, 5, 10),
        (0.1, 1, 10),
        (0.7, 7, 10),
        (0.29, 29, 100),
        (1.0, 7, 7),
    ] {
        let machine = by_count(calls)
            .failure_rate(rate)
            .minimum_calls(calls as u64)
            .machine()
            .unwrap();
        for index in 0..calls {
            let outcome = if index < calls - failures {
                Outcome::Success
            } else {
                Outcome::TRANSIENT
            };
            let last = index + 1 == calls;
            assert_eq!(call(&machine, 0, outcome).is_some(), last, "{rate}");
        }
    }
}

#[test]
fn a_success_does_not_trip_though_it_makes_the_window_large_enough() {
    let machine = by_count(10)
        .failure_rate(0.5)
        .minimum_calls(2)
        .machine()
        .unwrap();
    assert_eq!(call(&machine, 0, Outcome::TRANSIENT), None);
    assert_eq!(call(&machine, 0, Outcome::Success), None, "one of two");
    let transition = call(&machine, 0, Outcome::TRANSIENT).expect("two of three");
    assert_eq!(transition.cause, Cause::FailureRate);
    assert_eq!(
        transition.open_for.map(|length| length > Duration::ZERO),
        Some(true)
    );
}

#[test]
fn slow_successes_trip() {
    let machine = by_count(10)
        .failure_rate(None)
        .minimum_calls(4)
        .slow_call_duration(ms(100))
        .slow_call_rate(0.5)
        .machine()
        .unwrap();
    for duration in [99, 99, 100, 100] {
        assert_eq!(machine.state(), State::Closed);
        let ticket = admit(&machine, 0);
        let ended = machine.finish(ticket, Outcome::Success, &mut now(duration));
        let slow = duration >= 100;
        assert_eq!(
            ended.ending,
            if slow { Ending::Slow } else { Ending::Success }
        );
    }
    assert_eq!(machine.state(), State::Open);
}

#[test]
fn slow_call_time_ends_at_the_head() {
    let machine = by_count(10)
        .minimum_calls(1)
        .slow_call_duration(ms(100))
        .slow_call_rate(0.5)
        .machine()
        .unwrap();
    let mut ticket = admit(&machine, 0);
    assert_eq!(machine.head(&mut ticket, &mut now(99)), None);
    let ended = machine.finish(ticket, Outcome::Success, &mut now(60_000));
    assert_eq!(ended.ending, Ending::Success);
    assert_eq!(machine.snapshot(now(60_000).get()).slow_calls, 0);
}

#[test]
fn no_gap_wedges_the_time_window_or_keeps_what_is_old() {
    let century = 100 * 365 * 86_400_000;
    for gap in [5_000, 5_001, 7_777, 86_400_000, century] {
        let machine = BreakerBuilder::new("gap")
            .consecutive_failures(None)
            .minimum_calls(10)
            .machine()
            .unwrap();
        // All failed, but in too short a time to be judged.
        for at in 0..50 {
            assert_eq!(call(&machine, at, Outcome::TRANSIENT), None);
        }
        let start = 49 + gap;
        assert_eq!(
            machine.snapshot(now(start).get()).calls,
            0,
            "after {gap} ms"
        );
        for at in 0..1_000 {
            assert_eq!(call(&machine, start + at, Outcome::TRANSIENT), None);
        }
        let transition = call(&machine, start + 1_000, Outcome::TRANSIENT);
        assert_eq!(
            transition.expect("a second is covered").cause,
            Cause::FailureRate
        );
    }
}

/// The second that must be covered is one of outcomes, not one since the breaker was made.
#[test]
fn a_call_long_ago_does_not_count_as_covered_time() {
    let machine = BreakerBuilder::new("gap")
        .consecutive_failures(None)
        .minimum_calls(10)
        .machine()
        .unwrap();
    call(&machine, 0, Outcome::Success);
    call(&machine, 4_900, Outcome::Success);
    for at in 5_500..5_550 {
        assert_eq!(call(&machine, at, Outcome::TRANSIENT), None);
    }
}

#[test]
fn a_time_before_the_newest_counts_as_the_newest() {
    let machine = BreakerBuilder::new("threads").machine().unwrap();
    let early = admit(&machine, 1_000);
    call(&machine, 9_000, Outcome::Success);
    machine.finish(early, Outcome::TRANSIENT, &mut now(1_000));
    let snapshot = machine.snapshot(now(9_000).get());
    assert_eq!((snapshot.calls, snapshot.failures), (2, 1));
    assert_eq!(machine.snapshot(now(14_000).get()).calls, 0);
}

#[test]
fn a_run_needs_its_spread_and_ends_with_a_success() {
    let machine = BreakerBuilder::new("run")
        .consecutive_failures(3)
        .machine()
        .unwrap();
    for at in [0, 10, 29] {
        assert_eq!(call(&machine, at, Outcome::TRANSIENT), None);
    }
    assert_eq!(call(&machine, 29, Outcome::Success), None);
    for at in [100, 129, 129] {
        assert_eq!(call(&machine, at, Outcome::TRANSIENT), None);
    }
    let transition = call(&machine, 130, Outcome::TRANSIENT).expect("30 ms");
    assert_eq!(transition.cause, Cause::ConsecutiveFailures);
}

#[test]
fn outcomes_that_say_nothing_are_not_counted() {
    let machine = touchy().machine().unwrap();
    let refused = Outcome::Refused {
        reason: Reason::Concurrency,
        retry_after: None,
    };
    for outcome in [Outcome::Ignored, refused] {
        let ticket = admit(&machine, 0);
        let ended = machine.finish(ticket, outcome, &mut now(0));
        assert_eq!(ended.ending, Ending::Ignored);
    }
    assert_eq!(machine.snapshot(now(0).get()).calls, 0);
    for outcome in [
        Outcome::Permanent,
        Outcome::TRANSIENT,
        Outcome::OVERLOAD,
        Outcome::Unsent,
    ] {
        assert!(
            call(&machine, 0, outcome).is_some(),
            "{outcome:?} is a failure"
        );
        machine.reset();
    }
}

#[test]
fn the_time_to_retry_after_is_exact() {
    let machine = opened(&touchy());
    assert_eq!(retry_after(&machine, 0), Some(ms(1_000)));
    assert_eq!(retry_after(&machine, 999), Some(ms(1)));
    let admission = machine.admit(&mut now(1_000));
    assert_eq!(
        admission.transition.expect("half-open").cause,
        Cause::OpenTimeOver
    );
    assert!(admission.ticket.expect("a probe").is_probe());
    assert_eq!(
        retry_after(&machine, 1_000),
        None,
        "that depends on the probe"
    );
    machine.force_open();
    assert_eq!(retry_after(&machine, 1_000), None);
}

#[test]
fn three_successes_in_a_row_close_and_one_failure_reopens() {
    let machine = opened(&touchy());
    for _ in 0..2 {
        assert!(call(&machine, 1_000, Outcome::Success).is_none());
    }
    let transition = call(&machine, 1_000, Outcome::Success).expect("the third");
    assert_eq!(
        (transition.to, transition.cause),
        (State::Closed, Cause::ProbesSucceeded)
    );

    let machine = opened(&touchy());
    for _ in 0..2 {
        assert!(call(&machine, 1_000, Outcome::Success).is_none());
    }
    let transition = call(&machine, 1_000, Outcome::TRANSIENT).expect("the first failure");
    assert_eq!(
        (transition.to, transition.cause),
        (State::Open, Cause::ProbesFailed)
    );
    assert_eq!(machine.snapshot(now(1_000).get()).openings_in_a_row, 2);
}

#[test]
fn a_slow_probe_reopens_when_its_head_is_there() {
    let builder = touchy().slow_call_duration(ms(100)).slow_call_rate(0.5);
    let machine = opened(&builder);
    let mut probe = admit(&machine, 1_000);
    let transition = machine.head(&mut probe, &mut now(1_100)).expect("slow");
    assert_eq!(transition.to, State::Open);
    assert_eq!(
        machine
            .finish(probe, Outcome::Success, &mut now(1_101))
            .transition,
        None
    );
}

#[test]
fn a_rate_of_probes_is_judged_only_after_enough_of_them() {
    let builder = touchy().failure_rate(0.5).probes(2).judge_probes_after(4);
    for (failures, to) in [(1, State::Closed), (2, State::Open)] {
        let machine = opened(&builder);
        for result in 0..4 {
            assert_ne!(machine.state(), State::Closed);
            assert_eq!(machine.snapshot(now(1_000).get()).openings_in_a_row, 1);
            let failed = result < failures;
            call(
                &machine,
                1_000,
                if failed {
                    Outcome::TRANSIENT
                } else {
                    Outcome::Success
                },
            );
        }
        assert_eq!(machine.state(), to, "{failures} of 4");
    }
}

#[test]
fn an_ignored_or_reverted_probe_gives_its_place_back() {
    let machine = opened(&touchy());
    for _ in 0..10 {
        assert_eq!(call(&machine, 1_000, Outcome::Ignored), None);
        machine.revert(admit(&machine, 1_000));
        let mut stream = admit(&machine, 1_000);
        machine.head(&mut stream, &mut now(1_000));
        let ended = machine.abandon(stream, &mut now(1_000));
        assert_eq!(ended.ending, Ending::Ignored, "dropped after its head");
    }
    assert_eq!(machine.state(), State::HalfOpen);
    assert_eq!(machine.snapshot(now(1_000).get()).probes, 0);
}

#[test]
fn a_hung_probe_frees_its_place_and_its_late_result_moves_nothing() {
    let machine = opened(&touchy());
    let hung = admit(&machine, 1_000);
    assert_eq!(retry_after(&machine, 5_999), None);
    // A failure, seen by the next call: open again from then.
    let admission = machine.admit(&mut now(6_000));
    assert_eq!(
        admission.transition.expect("reopened").cause,
        Cause::ProbesFailed
    );
    assert_eq!(admission.ticket.unwrap_err().retry_after, Some(ms(1_000)));

    assert_eq!(call(&machine, 7_000, Outcome::Success), None);
    assert_eq!(machine.state(), State::HalfOpen);
    assert_eq!(
        machine
            .finish(hung, Outcome::TRANSIENT, &mut now(7_000))
            .transition,
        None
    );
    for _ in 0..2 {
        call(&machine, 7_000, Outcome::Success);
    }
    assert_eq!(machine.state(), State::Closed);
}

/// In the same epoch: the result of a probe that has lost its place is not that of the one which has it now.
#[test]
fn a_late_probe_does_not_speak_for_another() {
    let builder = touchy().failure_rate(0.9).judge_probes_after(3);
    let machine = opened(&builder);
    let hung = admit(&machine, 1_000);
    let current = admit(&machine, 6_000);
    assert!(current.is_probe());
    assert_eq!(machine.snapshot(now(6_000).get()).probes, 1);
    machine.finish(hung, Outcome::Success, &mut now(6_000));
    assert_eq!(
        machine.snapshot(now(6_000).get()).probes,
        1,
        "the other is still there"
    );
    machine.finish(current, Outcome::Success, &mut now(6_000));
    assert_eq!(
        machine.state(),
        State::HalfOpen,
        "two results, and not three"
    );
}

#[test]
fn a_probe_whose_head_has_arrived_is_a_success_in_the_end() {
    let machine = opened(&touchy().successes_to_close(1));
    let mut stream = admit(&machine, 1_000);
    assert_eq!(machine.head(&mut stream, &mut now(1_500)), None);
    assert_eq!(retry_after(&machine, 5_999), None);
    let admission = machine.admit(&mut now(6_000));
    assert_eq!(admission.transition.expect("closed").to, State::Closed);
    assert!(!admission.ticket.expect("admitted").is_probe());
    assert_eq!(
        machine
            .finish(stream, Outcome::TRANSIENT, &mut now(9_000))
            .transition,
        None
    );
}

/// What a result is worth does not depend on whether another call came in between.
#[test]
fn a_result_after_the_limit_is_late_even_if_nobody_asked_before() {
    let machine = opened(&touchy().successes_to_close(1));
    let slow = admit(&machine, 1_000);
    let transition = machine
        .finish(slow, Outcome::Success, &mut now(6_000))
        .transition;
    assert_eq!(transition.expect("failed").to, State::Open);
}

#[test]
fn results_of_an_earlier_epoch_move_nothing() {
    let machine = touchy().machine().unwrap();
    let early: Vec<Ticket> = (0..6).map(|_| admit(&machine, 0)).collect();
    call(&machine, 0, Outcome::TRANSIENT);
    let probe = admit(&machine, 1_000);
    let mut early = early.into_iter();
    let mut late = |outcome| {
        let ticket = early.next().unwrap();
        machine.finish(ticket, outcome, &mut now(1_000)).transition
    };
    assert_eq!(late(Outcome::Success), None);
    assert_eq!(late(Outcome::TRANSIENT), None);
    assert_eq!(machine.state(), State::HalfOpen);
    machine.finish(probe, Outcome::Success, &mut now(1_000));
    for _ in 0..2 {
        call(&machine, 1_000, Outcome::Success);
    }
    assert_eq!(machine.state(), State::Closed);
    assert_eq!(late(Outcome::TRANSIENT), None);
    machine.abandon(early.next().unwrap(), &mut now(1_000));
    machine.revert(early.next().unwrap());
    let snapshot = machine.snapshot(now(1_000).get());
    assert_eq!((snapshot.state, snapshot.calls), (State::Closed, 0));
    assert_eq!(snapshot.consecutive_failures, 0);
}

#[test]
fn abandoned_calls_count_as_they_are_to() {
    // Calls and failures in the window, failures in a row.
    let table = [
        (Abandoned::ExtendsRun, 100, (0, 0, 1)),
        (Abandoned::Ignored, 100, (0, 0, 0)),
        (Abandoned::Failure, 100, (1, 1, 1)),
        (Abandoned::FailureAfter(ms(100)), 99, (0, 0, 0)),
        (Abandoned::FailureAfter(ms(100)), 100, (1, 1, 1)),
    ];
    for (abandoned, after, expected) in table {
        let machine = BreakerBuilder::new("abandoned")
            .abandoned(abandoned)
            .machine()
            .unwrap();
        let ticket = admit(&machine, 0);
        let ended = machine.abandon(ticket, &mut now(after));
        assert_eq!(ended.ending, Ending::Abandoned);
        let snapshot = machine.snapshot(now(after).get());
        let counts = (
            snapshot.calls,
            snapshot.failures,
            snapshot.consecutive_failures,
        );
        assert_eq!(counts, expected, "{abandoned:?} after {after} ms");
    }
}

#[test]
fn openings_grow_until_it_closes() {
    let builder = touchy()
        .open_growing(ms(100), 2, 3.0, ms(700))
        .open_jitter(0.0);
    let machine = opened(&builder);
    let mut at = 0;
    for length in [100, 100, 300, 700, 700] {
        assert_eq!(retry_after(&machine, at), Some(ms(length)));
        at += length;
        call(&machine, at, Outcome::TRANSIENT);
    }
    at += 700;
    for _ in 0..3 {
        call(&machine, at, Outcome::Success);
    }
    call(&machine, at, Outcome::TRANSIENT);
    assert_eq!(retry_after(&machine, at), Some(ms(100)));
}

#[test]
fn forced_states_stay_until_reset() {
    let machine = touchy().machine().unwrap();
    assert_eq!(
        machine.force_open().map(|change| change.to),
        Some(State::ForcedOpen)
    );
    assert_eq!(machine.force_open(), None, "it is already");
    assert_eq!(retry_after(&machine, 1 << 40), None);
    assert_eq!(
        machine.force_closed().map(|change| change.to),
        Some(State::ForcedClosed)
    );
    for _ in 0..100 {
        assert_eq!(call(&machine, 0, Outcome::TRANSIENT), None);
    }
    let under_way = admit(&machine, 0);
    let transition = machine.reset().expect("closed");
    assert_eq!(
        (transition.to, transition.cause),
        (State::Closed, Cause::Handle)
    );
    assert_eq!(
        machine
            .finish(under_way, Outcome::TRANSIENT, &mut now(0))
            .transition,
        None
    );
    assert_eq!(machine.reset(), None, "it is closed already");
    assert_eq!(machine.snapshot(now(0).get()).calls, 0);
}

#[test]
fn rates_of_a_snapshot() {
    let machine = by_count(10).machine().unwrap();
    assert_eq!(machine.snapshot(now(0).get()).failure_rate(), None);
    for outcome in [
        Outcome::TRANSIENT,
        Outcome::Success,
        Outcome::Success,
        Outcome::Success,
    ] {
        call(&machine, 0, outcome);
    }
    let snapshot = machine.snapshot(now(0).get());
    assert_eq!(
        (snapshot.failure_rate(), snapshot.slow_call_rate()),
        (Some(0.25), Some(0.0))
    );
}

/// The clock is read where the configuration needs it, and nowhere else.
#[cfg(feature = "tower")]
#[test]
fn clock_reads() {
    let unread = |now: &Now| format!("{now:?}") == "Now(None)";
    let reads = |builder: BreakerBuilder, outcome| {
        let machine = builder.machine().unwrap();
        let (mut before, mut after) = (Now::lazy(), Now::lazy());
        let ticket = machine.admit(&mut before).ticket.unwrap();
        machine.finish(ticket, outcome, &mut after);
        (!unread(&before), !unread(&after))
    };
    let builder = || BreakerBuilder::new("clock");
    let slow = |builder: BreakerBuilder| builder.slow_call_duration(ms(1)).slow_call_rate(0.5);
    let at_once = Duration::ZERO;
    let table = [
        (
            reads(builder().count_window(10), Outcome::Success),
            (false, false),
        ),
        (
            reads(builder().count_window(10), Outcome::TRANSIENT),
            (false, true),
        ),
        (
            reads(
                builder().count_window(10).minimum_spread(at_once),
                Outcome::TRANSIENT,
            ),
            (false, false),
        ),
        (
            reads(builder().failure_rate(None), Outcome::Success),
            (false, false),
        ),
        (reads(builder(), Outcome::Success), (false, true)),
        (reads(builder(), Outcome::Ignored), (false, false)),
        (
            reads(slow(builder().count_window(10)), Outcome::Success),
            (true, true),
        ),
        (
            reads(
                builder().abandoned(Abandoned::FailureAfter(ms(1))),
                Outcome::Ignored,
            ),
            (true, false),
        ),
    ];
    for (row, (read, expected)) in table.into_iter().enumerate() {
        assert_eq!(read, expected, "row {row}");
    }
}
