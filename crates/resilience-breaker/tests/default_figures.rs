//! The figures of the default, by simulation: seeded, in simulated time, with calls that arrive at random
//! (independently of one another) and end at once.
#![cfg(not(resilience_loom))]

use resilience_breaker::{BreakerBuilder, State, Transition, machine::Machine};
use resilience_core::{Entropy, Now, Outcome, Timestamp};
use std::time::Duration;

const SECOND: f64 = 1e9;

/// A default breaker, and a dependency that it calls.
struct Simulation {
    machine: Machine,
    random: fastrand::Rng,
    /// In nanoseconds.
    time: f64,
    calls: u64,
    refused: u64,
    openings: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let machine = BreakerBuilder::new("default")
            .entropy(Entropy::seeded(seed))
            .machine()
            .expect("the default");
        Self {
            machine,
            random: fastrand::Rng::with_seed(seed),
            time: 1e15,
            calls: 0,
            refused: 0,
            openings: 0,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "simulated times are positive, and far from the end of time"
    )]
    fn now(&self) -> Now {
        Now::at(Timestamp::from_nanos(self.time as u64))
    }

    /// Time passes until the next call of a Poisson process.
    fn wait(&mut self, per_second: f64) {
        self.time += -(1.0 - self.random.f64()).ln() / per_second * SECOND;
    }

    /// One call, which fails with this probability. Whether it was admitted.
    fn call(&mut self, failures: f64) -> bool {
        self.calls += 1;
        let mut now = self.now();
        let admission = self.machine.admit(&mut now);
        self.note(admission.transition);
        let Ok(ticket) = admission.ticket else {
            self.refused += 1;
            return false;
        };
        let outcome = if self.random.f64() < failures {
            Outcome::TRANSIENT
        } else {
            Outcome::Success
        };
        let ended = self.machine.finish(ticket, outcome, &mut now);
        self.note(ended.transition);
        true
    }

    fn note(&mut self, transition: Option<Transition>) {
        self.openings += u64::from(transition.is_some_and(|change| change.to == State::Open));
    }

    /// Calls at this rate for this many seconds.
    fn run(&mut self, seconds: f64, per_second: f64, failures: f64) {
        let end = self.time + seconds * SECOND;
        loop {
            self.wait(per_second);
            if self.time >= end {
                self.time = end;
                return;
            }
            self.call(failures);
        }
    }

    /// Calls until the breaker opens: their number, and the seconds they took.
    fn until_open(&mut self, per_second: f64, failures: f64) -> (u64, f64) {
        let (calls, start) = (self.calls, self.time);
        while self.machine.state() != State::Open {
            self.wait(per_second);
            self.call(failures);
        }
        (self.calls - calls, (self.time - start) / SECOND)
    }
}

/// The mean of what `measure` says of so many seeds.
#[expect(clippy::cast_precision_loss, reason = "few seeds")]
fn mean(seeds: u64, measure: impl Fn(Simulation) -> f64) -> f64 {
    (0..seeds)
        .map(|seed| measure(Simulation::new(seed)))
        .sum::<f64>()
        / seeds as f64
}

#[test]
fn independent_errors_of_one_percent_do_not_open_it_in_ten_million_calls() {
    let mut calls = 0;
    for (seed, per_second) in [(1, 12.0), (2, 30.0), (3, 100.0), (4, 1_000.0)] {
        let mut simulation = Simulation::new(seed);
        for _ in 0..2_500_000 {
            simulation.wait(per_second);
            simulation.call(0.01);
        }
        assert_eq!(simulation.openings, 0, "at {per_second} calls per second");
        calls += simulation.calls;
    }
    assert_eq!(calls, 10_000_000);
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "few calls")]
fn total_failure_opens_it_after_10_calls_at_100_per_second_and_32_at_1000() {
    let calls = |per_second| {
        mean(400, |mut simulation| {
            simulation.run(20.0, per_second, 0.0);
            simulation.until_open(per_second, 1.0).0 as f64
        })
    };
    let (slow, fast) = (calls(100.0), calls(1_000.0));
    assert!(
        (10.0..10.1).contains(&slow),
        "{slow} calls at 100 per second"
    );
    assert!(
        (31.0..33.0).contains(&fast),
        "{fast} calls at 1000 per second"
    );
}

#[test]
fn failures_of_30_percent_at_100_per_second_are_noticed_in_3_to_4_seconds() {
    let seconds = mean(200, |mut simulation| {
        simulation.run(20.0, 100.0, 0.0);
        simulation.until_open(100.0, 0.3).1
    });
    assert!((3.0..4.0).contains(&seconds), "{seconds} s");
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "far fewer calls than 2^53")]
fn bursts_of_errors_refuse_at_most_one_call_in_a_thousand() {
    for per_second in [100_u32, 200, 333, 500, 1_000] {
        let (mut calls, mut refused) = (0, 0);
        for seed in 0..4 {
            let mut simulation = Simulation::new(seed);
            // 200,000 calls, whatever the rate.
            for _ in 0..20_000 / per_second {
                simulation.run(9.8, f64::from(per_second), 0.0);
                simulation.run(0.2, f64::from(per_second), 0.5);
            }
            calls += simulation.calls;
            refused += simulation.refused;
        }
        let share = refused as f64 / calls as f64;
        assert!(
            share <= 0.001,
            "{share} refused at {per_second} calls per second"
        );
    }
}

/// Measured through the refusals and the first probe, as a caller sees it.
#[test]
fn openings_in_a_row_last_four_times_250_ms_and_then_twice_as_long_up_to_3_s() {
    let expected = [250, 250, 250, 250, 500, 1_000, 2_000, 3_000, 3_000];
    let mut spread = (f64::MAX, f64::MIN);
    for seed in 0..50 {
        let mut simulation = Simulation::new(seed);
        simulation.until_open(100.0, 1.0);
        for plain in expected.map(Duration::from_millis) {
            let refusal = simulation.machine.admit(&mut simulation.now()).ticket;
            let open_for = refusal.expect_err("open").retry_after.expect("exact");
            let jitter = open_for.as_secs_f64() / plain.as_secs_f64();
            assert!((0.8..=1.2).contains(&jitter), "{open_for:?} for {plain:?}");
            spread = (spread.0.min(jitter), spread.1.max(jitter));
            // A moment before, it refuses; then, it probes.
            simulation.time += open_for.as_secs_f64() * SECOND - 1_000.0;
            assert!(!simulation.call(1.0));
            simulation.time += 1_000.0;
            assert!(simulation.call(1.0));
            assert_eq!(simulation.machine.state(), State::Open);
        }
    }
    assert!(
        spread.0 < 0.82 && spread.1 > 1.18,
        "jitter is not used up: {spread:?}"
    );
}
