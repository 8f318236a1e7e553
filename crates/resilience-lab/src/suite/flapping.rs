//! 9: a dependency that comes and goes.

use super::{
    Context, Finding, Live, Row, Stack,
    base::{PROCESSES, System, server},
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{Client, Fault, Pattern, Series, Simulation, Trouble, float},
};
use resilience_core::BoxError;
use resilience_stack::breaker::State;
use std::time::Duration;

/// Calls per second: half of what the server can do.
const RATE: f64 = 500.0;
/// When it begins to flap, and how often it is down and up then.
const BEGIN: Duration = Duration::from_secs(10);
const TIMES: u32 = 60;
/// How long it is down, and up: in the table, and in the chart.
const HALF: Duration = Duration::from_secs(1);
const HALVES: [f64; 7] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0];

const TEXT: &str = "From 10 s on, the server answers 503 at once for a second, and does its work for a second, 60 times. 500 calls per \
    second, half of what it can do.\n\n\
    Goodput: good answers while it is up, over the calls that were made while it was up. In step: the longest row of ups in which a \
    process got less than half of what was possible; a breaker that is locked to the dependency would miss one after the other. Load: \
    attempts while it is down, over the calls that were made while it was down. What fails at once costs nobody anything here: without \
    a breaker, there is nothing to lose but the load.";

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let seed = context.seed();
    let mut finding = Finding::new("A dependency that flaps").text(TEXT);
    let runs = context.each(Stack::ALL, |stack| {
        simulate(Simulation::new(seed), stack, HALF)
    })?;
    for (stack, run) in Stack::ALL.into_iter().zip(&runs) {
        let (mut goodput, mut row) = (
            Number::new(run.goodput(), 3),
            Number::new(float(run.in_step() as u64), 0),
        );
        if stack == Stack::Presets {
            goodput = goodput.at_least(0.8);
            row = row.at_most(2.0);
        }
        finding = finding
            .figure(stack.name(), "goodput over possible", goodput, 0.03)
            .figure(stack.name(), "in step, ups in a row", row, 1.0)
            .figure(
                stack.name(),
                "load while down",
                Number::new(run.load, 2),
                0.05,
            );
    }
    let halves = context.each(HALVES, |half| {
        let run = simulate(
            Simulation::new(seed),
            Stack::Presets,
            Duration::from_secs_f64(half),
        )?;
        Ok((half, run.goodput()))
    })?;
    let presets = runs.into_iter().next_back().map(|run| run.series);
    let states = presets.into_iter().flatten().fold(
        Chart::new(
            "Two of the presets' ten breakers, ten seconds",
            Axis::new("time", "s"),
            Axis::names("state", ["closed", "half-open", "open"]),
        ),
        |chart, series| chart.steps(series.name, series.points),
    );
    let states = (0..5_u32).fold(states, |chart, nth| {
        let from = BEGIN + 2 * nth * HALF;
        chart.span(from.as_secs_f64(), (from + HALF).as_secs_f64(), "down")
    });
    Ok(finding
        .chart(
            Chart::new(
                "Goodput of the presets, by how long it is down and up",
                Axis::new("down, and up", "s").min(0.0),
                Axis::new("goodput over possible", "").max(1.0),
            )
            .line(Stack::Presets.name(), halves)
            .mark_y(0.8, "aim"),
        )
        .chart(states))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "goodput over possible",
        "in step, ups in a row",
        "load while down",
    ],
    omits: &[],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let mut rows = Row::both();
    let runs = context.each(&rows, |(stack, row)| {
        simulate(row.simulation(context.seed()), *stack, HALF)
    })?;
    for ((_, row), run) in rows.iter_mut().zip(runs) {
        row.figure("goodput over possible", run.goodput());
        row.figure("in step, ups in a row", float(run.in_step() as u64));
        row.figure("load while down", run.load);
    }
    Ok(rows.map(|(_, row)| row).into())
}

/// What became of the calls.
#[derive(Clone, Debug)]
struct Run {
    /// For each process, for each up: good answers and calls.
    ups: Vec<Vec<(u64, u64)>>,
    /// Attempts for each call while it is down.
    load: f64,
    series: Vec<Series>,
}

impl Run {
    fn goodput(&self) -> f64 {
        let ups = self.ups.iter().flatten();
        let (answered, offered) = ups.fold((0, 0), |(a, o), up| (a + up.0, o + up.1));
        float(answered) / float(offered)
    }

    /// The longest row of ups in which a process got less than half.
    fn in_step(&self) -> usize {
        let rows = self.ups.iter().flat_map(|ups| {
            let rows = ups.split(|(answered, offered)| 2 * answered >= *offered);
            rows.map(<[_]>::len)
        });
        rows.max().unwrap_or(0)
    }
}

fn simulate(simulation: Simulation, stack: Stack, half: Duration) -> Result<Run, BoxError> {
    simulation.run(async |sim| {
        let down = Trouble::Fail {
            status: 503,
            share: 1.0,
        };
        let flap = Fault::new(BEGIN, BEGIN + 2 * TIMES * half, down);
        let flap = flap.pattern(Pattern::Flap {
            down: half,
            up: half,
        });
        let system = System::start(&sim, stack, &server("server").fault(flap), RATE)?;
        let breakers = system
            .layers
            .iter()
            .filter_map(|layers| layers.breaker.clone());
        for (nth, breaker) in (1..=2).zip(breakers) {
            sim.track(
                format!("process {nth}"),
                Duration::from_millis(10),
                move || match breaker.state() {
                    State::Closed => 0.0,
                    State::HalfOpen => 1.0,
                    _ => 2.0,
                },
            );
        }
        let counts = |client: &Client| (client.answered(), client.offered());
        let mut run = Run {
            ups: vec![Vec::new(); PROCESSES as usize],
            load: 0.0,
            series: Vec::new(),
        };
        let (mut attempts, mut calls) = (0, 0);
        for time in 0..TIMES {
            sim.sleep_until(BEGIN + 2 * time * half).await;
            let before = (system.server.arrived(), system.offered());
            if time == 5 {
                run.series = sim.series();
            }
            sim.sleep(half).await;
            attempts += system.server.arrived() - before.0;
            calls += system.offered() - before.1;
            let before: Vec<_> = system.clients.iter().map(counts).collect();
            sim.sleep(half).await;
            for ((ups, client), before) in run.ups.iter_mut().zip(&system.clients).zip(before) {
                let (answered, offered) = counts(client);
                ups.push((answered - before.0, offered - before.1));
            }
        }
        for series in &mut run.series {
            series.points.retain(|(at, _)| *at >= BEGIN.as_secs_f64());
        }
        run.load = float(attempts) / float(calls);
        Ok(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ups_that_are_missed_in_a_row_are_found() {
        let ups = |answered: &[u64]| answered.iter().map(|answered| (*answered, 10)).collect();
        let run = Run {
            ups: vec![
                ups(&[10, 4, 5, 4]),
                ups(&[0, 4, 4, 10]),
                ups(&[10, 10, 10, 10]),
            ],
            load: 0.0,
            series: Vec::new(),
        };
        assert_eq!(run.in_step(), 3);
        assert!((run.goodput() - 81.0 / 120.0).abs() < 1e-9);
    }

    #[test]
    fn without_layers_all_that_is_possible_is_done_and_all_the_load_comes() {
        let run = simulate(Simulation::new(1), Stack::Nothing, HALF / 4).unwrap();
        assert!(run.goodput() > 0.9, "{}", run.goodput());
        assert!((run.load - 1.0).abs() < 1e-9, "{}", run.load);
        assert_eq!(run.in_step(), 0);
    }
}
