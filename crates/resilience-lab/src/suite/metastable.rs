//! 3: a trouble that is over, and a system that does not know it.

use super::{
    Context, Finding, Live, Row, Stack,
    base::{CAPACITY, GOODPUT, LOAD, OFFERED, System, back_after, points, server, share},
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{Fault, Series, Simulation, Trouble, float},
};
use resilience_core::BoxError;
use std::time::Duration;

const RATE: f64 = 0.7 * CAPACITY;
const SLOW: Duration = Duration::from_secs(5);
const OVER: Duration = Duration::from_secs(8);
const END: Duration = Duration::from_secs(28);
const STEP: Duration = Duration::from_millis(50);

/// Simulations with seeds of their own, whose curves are averaged: one alone is too noisy to say when it is back at 95 %.
const RUNS: u64 = 20;

/// When those who have not recovered never will.
const LATE: Duration = Duration::from_secs(23);

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let pairs = Stack::ALL
        .into_iter()
        .flat_map(|stack| (0..RUNS).map(move |run| (stack, run)));
    let runs = context.each(pairs, |(stack, run)| {
        simulate(Simulation::new(context.seed().wrapping_add(run)), stack)
    })?;
    let time = || Axis::new("time", "s").min(0.0).max(20.0);
    let mut goodput = Chart::new(
        "Answered, of the calls made",
        time(),
        Axis::new("answered", "%").min(0.0).max(100.0),
    );
    let mut load = Chart::new(
        "Load on the server",
        time(),
        Axis::new("attempts", "per second").min(0.0),
    );
    let mut finding = Finding::new("Metastable failure").text(TEXT);
    let runs = per_stack(&runs);
    let unprotected = back_after(&answered(runs[0]), OVER);
    for (stack, runs) in Stack::ALL.into_iter().zip(&runs) {
        let answered = answered(runs);
        let back = back_after(&answered, OVER);
        let late = answered.mean(LATE, END).unwrap_or(f64::NAN);
        let ratio = Number::new(back / unprotected, 2);
        let ratio = if stack == Stack::Presets {
            ratio.at_most(0.25)
        } else {
            ratio
        };
        finding = finding
            .figure(
                stack.name(),
                "back at 95 % after",
                Number::new(back, 2).unit("s"),
                0.25,
            )
            .figure(stack.name(), "over that with nothing", ratio, 0.06)
            .figure(
                stack.name(),
                "answered 15 s later",
                Number::new(late, 1).unit("%"),
                1.0,
            );
        goodput = goodput.line(stack.name(), answered.points);
        load = load.line(stack.name(), mean(runs, LOAD));
    }
    let slow =
        |chart: Chart| chart.span(SLOW.as_secs_f64(), OVER.as_secs_f64(), "three times slower");
    Ok(finding.chart(slow(goodput)).chart(slow(load)))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &["back at 95 % after", "answered 15 s later"],
    omits: &[(
        "over that with nothing",
        "it would be a time in real time over one in virtual time.",
    )],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let stack = Stack::TowerResilience;
    let mut row = Row::new(stack.name());
    let runs = context.each(0..RUNS, |run| {
        simulate(row.simulation(context.seed().wrapping_add(run)), stack)
    })?;
    let answered = answered(&runs);
    row.figure("back at 95 % after", back_after(&answered, OVER));
    row.figure(
        "answered 15 s later",
        answered.mean(LATE, END).unwrap_or(f64::NAN),
    );
    Ok(vec![row])
}

type Runs<'a> = &'a [Vec<Series>];

fn per_stack(runs: &[Vec<Series>]) -> Vec<Runs<'_>> {
    runs.chunks(runs.len() / Stack::ALL.len()).collect()
}

fn simulate(simulation: Simulation, stack: Stack) -> Result<Vec<Series>, BoxError> {
    let server = server("server").fault(Fault::new(SLOW, OVER, Trouble::Slow { factor: 3.0 }));
    simulation.run(async |sim| {
        let system = System::start(&sim, stack, &server, RATE)?;
        system.track(&sim, STEP);
        sim.sleep_until(END).await;
        Ok(sim.series())
    })
}

/// The points of the series `name`, averaged over the runs.
fn mean(runs: Runs<'_>, name: &str) -> Vec<(f64, f64)> {
    let mut runs = runs.iter().map(|series| points(series, name));
    let first = runs.next().unwrap_or_default();
    let sums = runs.fold(first, |sums, points| {
        sums.into_iter()
            .zip(points)
            .map(|((at, sum), (_, value))| (at, sum + value))
            .collect()
    });
    sums.into_iter()
        .map(|(at, sum)| (at, sum / float(RUNS)))
        .collect()
}

/// Over 200 ms: in each step alone, chance is as large as what is to be seen.
fn answered(runs: Runs<'_>) -> Series {
    share(&mean(runs, OFFERED), &mean(runs, GOODPUT), 4)
}

const TEXT: &str = "At 700 calls per second, service takes three times as long for 3 s, which is more than the server can do. \
    Then everything is as before, but for what the trouble has left behind: a queue, and clients that try again. Back: 95 % of the \
    calls made are answered again, and are so for a second. Averages of 20 simulations, over 200 ms.";
