//! The decision after each attempt, alone, over random scripts of outcomes.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, prelude::*};
use resilience_core::{Backoff, Budget, Entropy, Jitter, Now, Outcome, Reason, Timestamp};
use resilience_retry::{
    RetryBuilder,
    machine::{Course, Decision, Plan, Sent, Stop},
};
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1 << 58) + Duration::from_millis(millis)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn plan(change: impl FnOnce(RetryBuilder) -> RetryBuilder) -> Plan {
    let steady = Backoff::constant(millis(100)).expect("valid");
    let builder = RetryBuilder::new("test").backoff(steady).no_budget();
    change(builder).plan().expect("valid")
}

fn now(millis: u64) -> Now {
    Now::at(at(millis))
}

fn wait(decision: &Decision) -> Duration {
    match decision {
        Decision::Retry(retry) => retry.wait,
        other => panic!("{other:?}"),
    }
}

fn stop(decision: &Decision) -> Stop {
    match decision {
        Decision::Stop(why) => *why,
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "tower")]
#[test]
fn without_a_deadline_and_a_failure_nobody_reads_the_clock() {
    let plan = plan(|builder| builder.budget(Budget::default()));
    let mut now = Now::lazy();
    let mut course = Course::begin(&plan, None, &mut now);
    assert_eq!((course.attempt(), course.until()), (1, None));
    assert!(!course.too_late(&mut now));
    let ended = course.ended(
        &plan,
        Outcome::Success,
        || unreachable!(),
        |_| false,
        &mut now,
    );
    assert!(matches!(ended, Decision::Done));
    assert_eq!(format!("{now:?}"), "Now(None)");
}

#[test]
fn a_success_earns_the_share_of_its_call_once() {
    let budget = Budget::builder().ratio(1.0).floor_per_second(0.0);
    let budget = budget.build().expect("valid");
    budget.available(at(0));
    let plan = plan(|builder| builder.budget(budget.clone()));

    let mut course = Course::begin(&plan, None, &mut now(0));
    course.succeeded(&plan);
    assert_eq!(budget.available(at(0)), 1);

    let mut course = Course::begin(&plan, None, &mut now(0));
    let ended = course.ended(&plan, Outcome::TRANSIENT, || true, |_| false, &mut now(0));
    let Decision::Retry(retry) = ended else {
        panic!("{ended:?}")
    };
    let sent = course.send(retry.withdrawal);
    course.succeeded(&plan);
    sent.ended(Outcome::Success);
    assert_eq!(budget.available(at(0)), 1, "one earned more, and one spent");
}

#[test]
fn a_single_attempt_has_no_deadline_to_keep() {
    let plan = plan(|builder| builder.attempts(1).deadline(millis(500)));
    assert!(!plan.retries());
    assert_eq!(Course::begin(&plan, None, &mut now(0)).until(), None);
}

#[test]
fn every_reason_to_stop_is_told() {
    let stopped = |plan: &Plan, outcome, replayable: bool, later| {
        let mut course = Course::begin(plan, None, &mut now(0));
        stop(&course.ended(plan, outcome, || replayable, |_| false, &mut now(later)))
    };
    let bad = Outcome::TRANSIENT;
    let one = plan(|builder| builder.attempts(1));
    let usual = plan(|builder| builder);
    let limited = plan(|builder| builder.deadline(millis(500)));
    let none = Budget::builder().ratio(0.0).floor_per_second(0.0);
    let broke = plan(|builder| builder.budget(none.build().expect("valid")));
    let open = Outcome::Refused {
        reason: Reason::Open,
        retry_after: None,
    };
    assert_eq!(stopped(&one, bad, true, 0), Stop::Attempts);
    assert_eq!(stopped(&one, bad, false, 0), Stop::Attempts);
    assert_eq!(stopped(&usual, bad, false, 0), Stop::NotReplayable);
    assert_eq!(
        stopped(&usual, Outcome::Permanent, true, 0),
        Stop::Permanent
    );
    assert_eq!(stopped(&usual, open, true, 0), Stop::Refused);
    assert_eq!(stopped(&limited, bad, true, 400), Stop::Deadline);
    let mut course = Course::begin(&usual, None, &mut now(0));
    let ended = course.ended(&usual, bad, || true, |_| true, &mut now(0));
    assert_eq!(stop(&ended), Stop::Refused);
    assert_eq!(stopped(&broke, bad, true, 0), Stop::Budget);
}

/// What is taken out must be what nothing else prevents.
#[test]
fn a_call_that_stops_anyway_takes_nothing_out() {
    let budget = Budget::builder().ratio(0.0).floor_per_second(1.0);
    let budget = budget.build().expect("valid");
    let limited = plan(|builder| builder.budget(budget.clone()).deadline(millis(500)));
    let mut course = Course::begin(&limited, None, &mut now(0));
    let ended = course.ended(
        &limited,
        Outcome::TRANSIENT,
        || true,
        |_| false,
        &mut now(450),
    );
    assert_eq!(stop(&ended), Stop::Deadline);
    let ended = course.ended(
        &limited,
        Outcome::TRANSIENT,
        || false,
        |_| false,
        &mut now(0),
    );
    assert_eq!(stop(&ended), Stop::NotReplayable);
    let ended = course.ended(&limited, Outcome::TRANSIENT, || true, |_| true, &mut now(0));
    assert_eq!(stop(&ended), Stop::Refused);
    assert_eq!(budget.available(at(500)), 10);
    let ended = course.ended(
        &limited,
        Outcome::TRANSIENT,
        || true,
        |_| false,
        &mut now(0),
    );
    assert_eq!(wait(&ended), millis(100));
    assert_eq!(budget.available(at(500)), 9);
    drop(ended);
    assert_eq!(budget.available(at(500)), 10);
}

/// Whether everybody is refused matters only to who would be sent again otherwise.
#[test]
fn who_is_not_retried_anyway_does_not_ask_whether_everybody_is_refused() {
    let usual = plan(|builder| builder.attempts(2));
    let mut course = Course::begin(&usual, None, &mut now(0));
    for (outcome, replayable) in [
        (Outcome::Success, true),
        (Outcome::Permanent, true),
        (Outcome::TRANSIENT, false),
    ] {
        let ended = course.ended(
            &usual,
            outcome,
            || replayable,
            |_| unreachable!("{outcome:?}"),
            &mut now(0),
        );
        assert!(!matches!(ended, Decision::Retry(_)));
    }
    let _ = course.send(None);
    let asked = |_: &mut Now| unreachable!("it was the last attempt");
    let ended = course.ended(&usual, Outcome::TRANSIENT, || true, asked, &mut now(0));
    assert_eq!(stop(&ended), Stop::Attempts);
}

#[test]
fn the_wait_just_fits_before_the_deadline() {
    let plan = plan(|builder| builder.deadline(millis(500)));
    let mut course = Course::begin(&plan, None, &mut now(0));
    let mut early = Now::at(at(400) - Duration::from_nanos(1));
    assert_eq!(
        wait(&course.ended(&plan, Outcome::TRANSIENT, || true, |_| false, &mut early)),
        millis(100)
    );
    assert!(!course.too_late(&mut Now::at(at(500) - Duration::from_nanos(1))));
    assert!(course.too_late(&mut now(500)));
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let delay = proptest::option::of((0_u64..100_000).prop_map(Duration::from_millis));
    let reasons = vec![
        Reason::Concurrency,
        Reason::Rate,
        Reason::Open,
        Reason::Shed,
        Reason::Deadline,
        Reason::ShuttingDown,
        Reason::NotReady,
        Reason::NoKey,
        Reason::Other,
    ];
    prop_oneof![
        1 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Permanent),
        6 => delay.clone().prop_map(|retry_after| Outcome::Transient { retry_after }),
        3 => delay.clone().prop_map(|retry_after| Outcome::Overload { retry_after }),
        3 => Just(Outcome::Unsent),
        3 => (proptest::sample::select(reasons), delay)
            .prop_map(|(reason, retry_after)| Outcome::Refused { reason, retry_after }),
    ]
}

/// The documented rule, written down once more.
fn worth_a_retry(outcome: Outcome, cap: Duration) -> bool {
    match outcome {
        Outcome::Transient { .. } | Outcome::Overload { .. } | Outcome::Unsent => true,
        Outcome::Refused {
            reason,
            retry_after,
        } => match reason {
            Reason::NotReady => true,
            Reason::Rate | Reason::Other => retry_after.is_some_and(|delay| delay <= cap),
            _ => false,
        },
        _ => false,
    }
}

proptest! {
    /// Many calls, one after the other, with one budget.
    #[test]
    fn attempts_budget_and_deadline_bound_what_is_sent(
        attempts in 1_u32..8,
        deadline in proptest::option::of(1_u64..60_000),
        cap in 1_u64..60_000,
        retries in 0_u64..12,
        calls in vec(vec((outcomes(), 0_u8..8, 0_u64..3_000), 8), 1..12),
        seed in any::<u64>(),
    ) {
        // So many retries, and nothing that adds to them; all time passes within their ten seconds.
        let budget = Budget::builder().ratio(0.001).floor_per_second(0.0).build().expect("valid");
        budget.available(at(0));
        (0..retries * 1_000).for_each(|_| budget.deposit());
        let backoff = Backoff::exponential(millis(1), 2.0, millis(4_000)).expect("valid");
        let plan = RetryBuilder::new("test")
            .attempts(attempts)
            .backoff(backoff.jitter(Jitter::Full))
            .entropy(Entropy::seeded(seed))
            .advice_cap(millis(cap))
            .budget(budget.clone());
        let plan = match deadline {
            None => plan,
            Some(deadline) => plan.deadline(millis(deadline)),
        };
        let plan = plan.plan().expect("valid");
        let mut spent = 0;
        for script in calls {
            // The budget's time stands still, the call's own goes on.
            let mut clock = Duration::ZERO;
            let mut course = Course::begin(&plan, None, &mut now(0));
            let mut sent = Sent::default();
            for (outcome, says, took) in script {
                let (replayable, refusing) = (says < 6, says % 6 == 0);
                clock += millis(took);
                prop_assert!(course.attempt() <= attempts);
                let before = course.attempt();
                let was_retry = before > 1;
                if was_retry && !matches!(outcome, Outcome::Refused { .. }) {
                    spent += 1;
                }
                sent.ended(outcome);
                let moment = at(0) + clock.min(millis(8_999));
                let elapsed = moment - at(0);
                let mut now = Now::at(moment);
                let ended = course.ended(&plan, outcome, || replayable, |_| refusing, &mut now);
                let may = worth_a_retry(outcome, millis(cap));
                let own = matches!(outcome, Outcome::Refused { .. });
                match &ended {
                    Decision::Done => {
                        prop_assert!(matches!(outcome, Outcome::Success | Outcome::Ignored));
                    }
                    Decision::Stop(Stop::Attempts) => prop_assert!(may && before == attempts),
                    Decision::Stop(Stop::NotReplayable) => {
                        prop_assert!(may && !replayable && before < attempts);
                    }
                    Decision::Stop(Stop::Deadline) => prop_assert!(may && deadline.is_some()),
                    Decision::Stop(Stop::Refused) if may => {
                        prop_assert!(refusing && replayable && before < attempts);
                    }
                    Decision::Stop(Stop::Refused) => prop_assert!(own),
                    Decision::Stop(Stop::Budget) => prop_assert!(may && spent == retries),
                    Decision::Stop(_) => prop_assert!(!may),
                    Decision::Retry(retry) => {
                        prop_assert!(may && replayable && !refusing);
                        prop_assert!(before < attempts && spent < retries);
                        let delay = outcome.retry_after().unwrap_or_default().min(millis(cap));
                        let spread = if own { Duration::ZERO } else { delay };
                        prop_assert!(retry.wait >= delay);
                        prop_assert!(retry.wait <= delay + spread.max(millis(4_000)));
                        let until = deadline.map(millis);
                        prop_assert!(until.is_none_or(|until| elapsed + retry.wait < until));
                    }
                }
                let Decision::Retry(retry) = ended else { break };
                prop_assert_eq!(course.next_is_last(&plan), before + 1 == attempts);
                sent = course.send(retry.withdrawal);
            }
            prop_assert!(spent <= retries);
        }
        // Each call has earned a thousandth, and there are less than a thousand.
        prop_assert_eq!(budget.available(at(9_000)), retries - spent);
    }

    /// The documented rule, in seconds and by a generator of the same seed.
    #[test]
    fn the_spread_of_an_advised_delay_is_as_long_as_it_is_and_leaves_time_before_the_deadline(
        base in 1_u64..2_000,
        grows in any::<bool>(),
        spreads in proptest::sample::select(vec![
            Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated,
        ]),
        deadline in proptest::option::of(1_u64..10_000),
        cap in 1_u64..5_000,
        outcomes in vec((outcomes(), 0_u64..500), 6),
        seed in any::<u64>(),
    ) {
        let seconds = |count| millis(count).as_secs_f64();
        let (factor, longest) = if grows { (2.0, base.max(3_000)) } else { (1.0, base) };
        let backoff = Backoff::exponential(millis(base), factor, millis(longest)).expect("valid");
        let plan = plan(|builder| {
            let builder = builder
                .attempts(100)
                .backoff(backoff.jitter(spreads))
                .entropy(Entropy::seeded(seed))
                .advice_cap(millis(cap));
            match deadline {
                None => builder,
                Some(deadline) => builder.deadline(millis(deadline)),
            }
        });
        let chance = Entropy::seeded(seed);
        let mut course = Course::begin(&plan, None, &mut now(0));
        let (mut clock, mut plain, mut previous) = (0, seconds(base), 0.0_f64);
        for (outcome, took) in outcomes {
            clock += took;
            if !worth_a_retry(outcome, millis(cap)) {
                continue;
            }
            let (mut low, mut high) = match spreads {
                Jitter::None => (plain, plain),
                Jitter::Full => (0.0, plain),
                Jitter::Equal => (plain / 2.0, plain),
                _ => (seconds(base), (3.0 * previous.max(seconds(base))).min(seconds(longest))),
            };
            let delay = outcome.retry_after().unwrap_or_default().min(millis(cap)).as_secs_f64();
            let left = deadline.map_or(f64::INFINITY, |deadline| seconds(deadline) - seconds(clock));
            let by_server = !matches!(outcome, Outcome::Refused { .. });
            let spread = by_server && delay > 0.0 && spreads != Jitter::None;
            if spread {
                high = high.max(delay).min((left - delay).max(0.0) / 2.0);
                low = if low > high { 0.0 } else { low };
            }
            let unit = if low < high { chance.unit() } else { 0.0 };
            let expected = low + unit * (high - low);
            previous = expected;
            plain = (plain * factor).min(seconds(longest));
            let ended = course.ended(&plan, outcome, || true, |_| false, &mut now(clock));
            if let Decision::Stop(why) = ended {
                prop_assert_eq!(why, Stop::Deadline);
                // To the microsecond. Where it is spread, only for the delay.
                prop_assert!(!spread || delay + 1e-6 >= left, "{} {}", delay, left);
                prop_assert!(delay + expected + 1e-6 >= left, "{} {} {}", delay, expected, left);
                break;
            }
            let waits = wait(&ended).as_secs_f64();
            prop_assert!((waits - delay - expected).abs() < 1e-6, "{} {} {}", waits, delay, expected);
            prop_assert!(waits < left);
            let _ = course.send(None);
        }
    }
}
