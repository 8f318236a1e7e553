//! 5: when the default breaker opens, and when it does not.

use super::{Context, Finding, Live, Outgoing, Row, Stack};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        Arrivals, ClientConfig, Distribution, Fault, Pattern, Sampler, Series, Server,
        ServerConfig, Sim, Simulation, Stream, Trouble, float,
    },
};
use resilience_core::{BoxError, ConfigError, Entropy, Now, Outcome, Timestamp, nanos};
use resilience_stack::breaker::{Breaker, State, machine::Machine};
use std::time::Duration;
use tower::Layer;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Calls that fail independently: how many at each rate, how they fail, and the rates in calls per second.
const INDEPENDENT: u64 = 2_500_000;
const INDEPENDENT_BY_PRESET: u64 = 100_000;
const ONE_PERCENT: f64 = 0.01;
const RATES: [f64; 4] = [12.0, 30.0, 100.0, 1_000.0];

/// After each [`CALM`], half of the calls fail in a burst.
const CALM: Duration = Duration::from_millis(9_800);
const BURST: Duration = Duration::from_millis(200);
const CYCLE: Duration = CALM.saturating_add(BURST);
const HALF: f64 = 0.5;
const BURST_CALLS: u64 = 1_000_000;
const BURST_CALLS_BY_PRESET: u64 = 200_000;
const BURST_RATES: [f64; 5] = [100.0, 200.0, 333.0, 500.0, 1_000.0];

/// How often each opening is measured, and how many calls there were before the trouble.
const SEEDS: u64 = 15;
const QUIET: Duration = Duration::from_secs(20);

const ALONE: &str = "default breaker, driven directly";

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let seed = context.seed();
    let presets = Stack::Presets.name();
    let finding = Finding::new("The breaker, as it is by default").text(TEXT);

    let alone = context.each(RATES, |rate| {
        Ok(alone(seed, rate, INDEPENDENT, |_| ONE_PERCENT)?.openings)
    })?;
    let layered = context.each(RATES, |rate| {
        Ok(by_preset(seed, rate, INDEPENDENT_BY_PRESET, None)?.openings)
    })?;
    let openings = |all: Vec<u64>| Number::new(float(all.iter().sum()), 0).at_most(0.0);
    let finding = finding
        .figure(ALONE, "openings at 1 % errors", openings(alone), 0.0)
        .figure(presets, "openings at 1 % errors", openings(layered), 0.0);

    let alone = context.each(BURST_RATES, |rate| {
        Ok(self::alone(seed, rate, BURST_CALLS, burst)?.refused)
    })?;
    let layered = context.each(BURST_RATES, |rate| {
        Ok(by_preset(seed, rate, BURST_CALLS_BY_PRESET, Some(HALF))?.refused)
    })?;
    let refused = |shares: &[f64]| {
        let most = shares.iter().copied().fold(0.0, f64::max);
        Number::new(100.0 * most, 3).unit("%").at_most(0.1)
    };
    let name = "refused in bursts, at the worst rate";
    let percents = |shares: Vec<f64>| {
        let percents = shares.into_iter().map(|share| 100.0 * share);
        BURST_RATES.into_iter().zip(percents).collect()
    };
    let finding = finding
        .figure(ALONE, name, refused(&alone), 0.05)
        .figure(presets, name, refused(&layered), 0.1)
        .chart(
            Chart::new(
                "Refused where half of the calls fail for 0.2 s every 10 s",
                Axis::new("load", "calls per second").min(0.0),
                Axis::new("refused", "%"),
            )
            .line(ALONE, percents(alone))
            .line(presets, percents(layered))
            .mark_y(0.1, "aim"),
        );

    let at = |rate, share| {
        context.each(0..SEEDS, |nth| {
            until_open(Simulation::new(seed + nth), Stack::Presets, rate, share)
        })
    };
    let (slow, fast, some) = (at(100.0, 1.0)?, at(1_000.0, 1.0)?, at(100.0, 0.3)?);
    Ok(finding
        .figure(
            presets,
            "attempts until open, all fail, 100/s",
            Number::new(attempts(&slow), 0).at_most(10.0),
            1.0,
        )
        .figure(
            presets,
            "attempts until open, all fail, 1,000/s",
            Number::new(attempts(&fast), 0),
            10.0,
        )
        .figure(
            presets,
            "until open, 30 % fail, 100/s",
            Number::new(longest(&some), 1).unit("s").at_most(5.0),
            1.0,
        )
        .chart(story(seed)?))
}

const TEXT: &str = "One breaker, as it is by default, for all of this. Of the stacks that are compared, only the presets have one; it \
    is also driven directly, without layers and time, with more calls than a simulation has.\n\n\
    Openings at 1 % errors: in 10⁷ calls that fail independently, driven directly, and in 400,000 through the preset, at 12, 30, 100 \
    and 1,000 calls per second. Refused in bursts: half of the calls fail for 0.2 s every 10 s, at 100 to 1,000 calls per second; \
    10⁶ calls at each rate, 200,000 through the preset. Attempts until open: the median of 15 runs, after 20 s without errors; with \
    retries, a call is more than one attempt. Until open when 30 % fail: the longest of 15 runs.";

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "attempts until open, all fail, 100/s",
        "attempts until open, all fail, 1,000/s",
        "until open, 30 % fail, 100/s",
    ],
    omits: &[
        (
            "openings at 1 % errors",
            "100,000 calls at 12 per second take more than two hours.",
        ),
        (
            "refused in bursts, at the worst rate",
            "200,000 calls at 100 per second take more than half an hour.",
        ),
    ],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let stack = Stack::TowerResilience;
    let mut row = Row::new(stack.name());
    let troubles = [(100.0, 1.0), (1_000.0, 1.0), (100.0, 0.3)];
    let runs = troubles
        .into_iter()
        .flat_map(|trouble| (0..SEEDS).map(move |nth| (nth, trouble)));
    let opened = context.each(runs, |(nth, (rate, share))| {
        until_open(row.simulation(context.seed() + nth), stack, rate, share)
    })?;
    let mut opened = opened.chunks(opened.len() / troubles.len());
    let mut next = || opened.next().unwrap_or_default();
    row.figure("attempts until open, all fail, 100/s", attempts(next()));
    row.figure("attempts until open, all fail, 1,000/s", attempts(next()));
    row.figure("until open, 30 % fail, 100/s", longest(next()));
    Ok(vec![row])
}

/// A default breaker without layers, and a dependency whose calls end at once.
struct Alone {
    openings: u64,
    /// As a share of the calls.
    refused: f64,
}

/// So many calls, which come independently at `rate` per second, and fail with the probability that `failing` says for their time.
fn alone(
    seed: u64,
    rate: f64,
    calls: u64,
    failing: impl Fn(Duration) -> f64,
) -> Result<Alone, ConfigError> {
    let gap = Duration::from_secs_f64(1.0 / rate);
    let mut stream = Stream::new(seed, "alone", nanos(gap));
    let gaps: Sampler = Distribution::exponential(gap).sampler()?;
    let entropy = Entropy::seeded(stream.bits());
    let machine: Machine = Breaker::builder("alone").entropy(entropy).machine()?;
    let (mut time, mut openings, mut refused) = (Duration::ZERO, 0, 0);
    for _ in 0..calls {
        time += gaps.draw(&mut stream);
        // A second later, since nothing is older than the beginning of time.
        let mut now = Now::at(Timestamp::from_nanos(nanos(time + SECOND)));
        let Ok(ticket) = machine.admit(&mut now).ticket else {
            refused += 1;
            continue;
        };
        let outcome = if stream.chance(failing(time)) {
            Outcome::TRANSIENT
        } else {
            Outcome::Success
        };
        let change = machine.finish(ticket, outcome, &mut now).transition;
        openings += u64::from(change.is_some_and(|change| change.to == State::Open));
    }
    Ok(Alone {
        openings,
        refused: float(refused) / float(calls),
    })
}

/// The share of the calls that fail at a time.
fn burst(time: Duration) -> f64 {
    let within = nanos(time) % nanos(CYCLE);
    if within >= nanos(CALM) { HALF } else { 0.0 }
}

/// The same through all layers of the preset: one per cent of the calls fail, or a share of them in bursts.
fn by_preset(seed: u64, rate: f64, calls: u64, bursts: Option<f64>) -> Result<Alone, BoxError> {
    let time = Duration::from_secs_f64(float(calls) / rate);
    let fault = match bursts {
        None => Fault::new(Duration::ZERO, time, fail(ONE_PERCENT)),
        Some(share) => Fault::new(CALM, time, fail(share)).pattern(Pattern::Flap {
            down: BURST,
            up: CALM,
        }),
    };
    Simulation::new(seed).run(async |sim| {
        let dependency = dependency().fault(fault).start(&sim)?;
        let layers = Stack::Presets.client(&sim, "client")?;
        let client = ClientConfig::new("client", Arrivals::poisson(rate));
        let client = client.start(&sim, layers.layer.layer(dependency.connect()))?;
        let breaker = layers.breaker.ok_or(NO_BREAKER)?;
        // A breaker that has opened stays so for longer than this.
        let mut openings = 0;
        let mut was = State::Closed;
        while sim.now() < time {
            sim.sleep(100 * MILLI).await;
            let is = breaker.state();
            openings += u64::from(is == State::Open && was == State::Closed);
            was = is;
        }
        let figures = client.figures();
        Ok(Alone {
            openings,
            refused: float(figures.refused) / float(figures.offered),
        })
    })
}

fn fail(share: f64) -> Trouble {
    Trouble::Fail { status: 503, share }
}

/// Has room for all.
fn dependency() -> ServerConfig {
    ServerConfig::new("dependency", 1_000, Distribution::constant(MILLI))
}

/// What it took to open.
#[derive(Clone, Copy, Debug)]
struct Opened {
    /// Attempts from when calls began to fail. Those that fail are over at once.
    attempts: u64,
    seconds: f64,
}

/// The median.
fn attempts(opened: &[Opened]) -> f64 {
    let mut attempts: Vec<_> = opened.iter().map(|opened| opened.attempts).collect();
    attempts.sort_unstable();
    float(attempts[attempts.len() / 2])
}

fn longest(opened: &[Opened]) -> f64 {
    opened
        .iter()
        .map(|opened| opened.seconds)
        .fold(0.0, f64::max)
}

/// When the breaker of the stack opens after a share of the calls has begun to fail, at `rate` calls per second.
fn until_open(
    simulation: Simulation,
    stack: Stack,
    rate: f64,
    share: f64,
) -> Result<Opened, BoxError> {
    simulation.run(async |sim| {
        let fault = Fault::new(QUIET, 4 * QUIET, fail(share));
        let dependency = dependency().fault(fault).start(&sim)?;
        let layers = called(&sim, stack, rate, &dependency)?;
        sim.sleep(QUIET).await;
        let before = dependency.arrived();
        while !layers.is_open().ok_or(NO_BREAKER)? {
            if sim.now() >= 4 * QUIET {
                return Err("the breaker has not opened in a minute".into());
            }
            sim.sleep(MILLI / 10).await;
        }
        Ok(Opened {
            attempts: dependency.arrived() - before,
            seconds: sim.now().saturating_sub(QUIET).as_secs_f64(),
        })
    })
}

const NO_BREAKER: &str = "the stack has a breaker";

/// Calls `dependency` through the layers of the stack, which it returns.
fn called(sim: &Sim, stack: Stack, rate: f64, dependency: &Server) -> Result<Outgoing, BoxError> {
    let layers = stack.client(sim, "client")?;
    let client = ClientConfig::new("client", Arrivals::poisson(rate));
    client.start(sim, layers.layer.layer(dependency.connect()))?;
    Ok(layers)
}

/// The states of the preset's breaker in a minute with all of it.
fn story(seed: u64) -> Result<Chart, BoxError> {
    let faults = [
        (5.0, 15.0, 0.01, "1 % fail"),
        (20.0, 20.2, 0.5, "50 %"),
        (30.0, 40.0, 0.3, "30 % fail"),
        (50.0, 56.0, 1.0, "all fail"),
    ];
    let seconds = Duration::from_secs_f64;
    let series: Vec<Series> = Simulation::new(seed).run(async |sim| {
        let dependency = faults
            .iter()
            .fold(dependency(), |server, (from, until, share, _)| {
                server.fault(Fault::new(seconds(*from), seconds(*until), fail(*share)))
            });
        let layers = called(&sim, Stack::Presets, 200.0, &dependency.start(&sim)?)?;
        let breaker = layers.breaker.ok_or(NO_BREAKER)?;
        sim.track("breaker", 10 * MILLI, move || match breaker.state() {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            _ => 2.0,
        });
        sim.sleep(60 * SECOND).await;
        Ok::<_, BoxError>(sim.series())
    })?;
    let chart = Chart::new(
        "The preset's breaker at 200 calls per second",
        Axis::new("time", "s"),
        Axis::names("state", ["closed", "half-open", "open"]),
    );
    let chart = series.into_iter().fold(chart, |chart, series| {
        chart.steps(series.name, series.points)
    });
    Ok(faults.iter().fold(chart, |chart, (from, until, _, label)| {
        chart.span(*from, *until, *label)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_are_not_rare_open_it() {
        let alone = alone(1, 100.0, 10_000, |_| 0.3).unwrap();
        assert!(
            alone.openings > 0 && alone.refused > 0.1,
            "{}",
            alone.refused
        );
    }

    #[test]
    fn bursts_are_a_fiftieth_of_the_time() {
        let failing = (0..10_000).filter(|at| burst(*at * MILLI) > 0.0);
        assert_eq!(failing.count(), 200);
        assert!(burst(CALM) > 0.0 && burst(CYCLE) == 0.0);
    }

    #[test]
    fn openings_through_the_preset_are_seen() {
        let seen = by_preset(1, 100.0, 6_000, Some(1.0)).unwrap();
        // Once in each of the six cycles, for 200 to 300 ms, and until probes have succeeded.
        assert_eq!(seen.openings, 6);
        assert!((0.02..0.04).contains(&seen.refused), "{}", seen.refused);
    }

    #[test]
    fn a_breaker_that_does_not_open_is_an_error() {
        assert!(until_open(Simulation::new(1), Stack::Presets, 100.0, 0.01).is_err());
    }
}
