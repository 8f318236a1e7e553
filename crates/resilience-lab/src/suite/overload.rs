//! 1: more calls than the server can do.

use super::{
    Context, Finding, Live, Row, Stack,
    base::{CAPACITY, System, WORKERS, server},
    stacks,
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{ServerConfig, Sim, Simulation, answer, float},
};
use resilience_core::BoxError;
use resilience_stack::bulkhead::BulkheadConfig;
use std::time::Duration;
use tower::Layer;

const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);

/// Loads, as multiples of the capacity.
const LOADS: [f64; 8] = [0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
/// Those of them that are in the table.
const TABLE: [f64; 4] = [0.7, 1.5, 3.0, 10.0];

/// Limits for the bulkhead of the server.
const LIMITS: [usize; 9] = [10, 15, 20, 30, 50, 80, 120, 300, 1_000];
/// Workers of a server that another team has made smaller, or whose calls have become slower.
const FEWER_WORKERS: u64 = 3;

const NOT_KNOWN: &str = "The limit of 30 calls was chosen for ten workers. With three, as many calls are let in, and each \
    takes three times as long: many end when their clients have given up. A fixed limit is right for one capacity; \
    who does not know it needs a limit that follows it.";

struct Run {
    goodput: f64,
    refused: f64,
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let pairs = || {
        Stack::ALL
            .into_iter()
            .flat_map(|stack| LOADS.map(|load| (stack, load)))
    };
    let runs = context.each(pairs(), |(stack, load)| {
        simulate(Simulation::new(context.seed()), stack, load)
    })?;
    let loads = Axis::new("load, over what the server can do", "");
    let share = || {
        Axis::new("answered in time, over what was possible", "")
            .min(0.0)
            .max(1.0)
    };
    let mut chart = Chart::new("Answered, by load", loads.log(), share());
    let mut finding = Finding::new("Overload").text(TEXT);
    for (stack, runs) in Stack::ALL.into_iter().zip(runs.chunks(LOADS.len())) {
        let points = LOADS.into_iter().zip(runs.iter().map(|run| run.goodput));
        chart = chart.line(stack.name(), points.collect());
        for (load, run) in LOADS.into_iter().zip(runs) {
            if !TABLE.contains(&load) {
                continue;
            }
            let aims = stack == Stack::Presets;
            finding = goodput(finding, stack.name(), load, run, aims);
            if load < 1.0 {
                let refused = Number::new(100.0 * run.refused, 3).unit("%");
                let refused = if aims { refused.at_most(0.5) } else { refused };
                finding = finding.figure(stack.name(), "refused at 0.7 C", refused, 0.05);
            }
        }
    }
    finding = fewer_workers(context, finding)?;
    Ok(finding.chart(chart).chart(by_limit(context, share())?))
}

fn goodput(finding: Finding, row: &str, load: f64, run: &Run, aims: bool) -> Finding {
    let number = Number::new(run.goodput, 3);
    let number = match load {
        3.0 if aims => number.at_least(0.95).because(NOT_KNOWN),
        10.0 if aims => number.at_least(0.90).because(NOT_KNOWN),
        _ => number,
    };
    finding.figure(row, &format!("goodput at {load} C"), number, 0.02)
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "goodput at 0.7 C",
        "refused at 0.7 C",
        "goodput at 1.5 C",
        "goodput at 3 C",
        "goodput at 10 C",
    ],
    omits: &[],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let mut rows = Row::both();
    let pairs = rows.iter().flat_map(|row| TABLE.map(|load| (row, load)));
    let runs = context.each(pairs, |((stack, row), load)| {
        simulate(row.simulation(context.seed()), *stack, load)
    })?;
    for ((_, row), runs) in rows.iter_mut().zip(runs.chunks(TABLE.len())) {
        for (load, run) in TABLE.into_iter().zip(runs) {
            row.figure(format!("goodput at {load} C"), run.goodput);
        }
        row.figure("refused at 0.7 C", 100.0 * runs[0].refused);
    }
    Ok(rows.map(|(_, row)| row).into())
}

fn simulate(simulation: Simulation, stack: Stack, load: f64) -> Result<Run, BoxError> {
    simulation.run(async |sim| {
        let system = System::start(&sim, stack, &server("server"), load * CAPACITY)?;
        measure(&sim, &system, CAPACITY).await
    })
}

/// The same configuration, at a server that can do less.
fn fewer_workers(context: &Context<'_>, finding: Finding) -> Result<Finding, BoxError> {
    let mut config = server("server");
    config.workers = FEWER_WORKERS;
    let capacity = config.capacity()?;
    let runs = context.each(TABLE, |load| {
        Simulation::new(context.seed()).run(async |sim| {
            let system = System::start(&sim, Stack::Presets, &config, load * capacity)?;
            measure(&sim, &system, capacity).await
        })
    })?;
    Ok(TABLE
        .into_iter()
        .zip(&runs)
        .fold(finding, |finding, (load, run)| {
            goodput(finding, "presets, three workers", load, run, true)
        }))
}

/// What the limit of the server's bulkhead should be, for servers that can do more and less.
fn by_limit(context: &Context<'_>, share: Axis) -> Result<Chart, BoxError> {
    let workers = [FEWER_WORKERS, WORKERS];
    let pairs = workers
        .into_iter()
        .flat_map(|workers| LIMITS.map(|limit| (workers, limit)));
    let runs = context.each(pairs, |(workers, limit)| {
        let mut config = server("server");
        config.workers = workers;
        limited(context.seed(), &config, limit)
    })?;
    let limits = Axis::new("limit of the server's bulkhead", "calls").log();
    let mut chart = Chart::new("Answered at 3 C, by the limit", limits, share);
    for (workers, runs) in workers.into_iter().zip(runs.chunks(LIMITS.len())) {
        let points = LIMITS.into_iter().map(|limit| float(limit as u64));
        let points = points.zip(runs.iter().map(|run| run.goodput));
        chart = chart.line(format!("{workers} workers"), points.collect());
    }
    Ok(chart)
}

fn limited(seed: u64, config: &ServerConfig, limit: usize) -> Result<Run, BoxError> {
    let capacity = config.capacity()?;
    let mut layers = stacks::server()?;
    let mut bulkhead = BulkheadConfig::default();
    bulkhead.limit = Some(limit);
    layers.bulkhead = Some(bulkhead);
    Simulation::new(seed).run(async |sim| {
        let layers = stacks::serving(&sim, "server", layers)?;
        let server = config.start_with(&sim, answer(), |workers| layers.layer(workers))?;
        let system = System::around(&sim, Stack::Presets, server, 3.0 * capacity)?;
        measure(&sim, &system, capacity).await
    })
}

async fn measure(sim: &Sim, system: &System, capacity: f64) -> Result<Run, BoxError> {
    sim.sleep(WARM_UP).await;
    system.forget();
    sim.sleep(MEASURED).await;
    let offered = float(system.offered());
    let ideal = offered.min(capacity * MEASURED.as_secs_f64());
    let refused: u64 = system
        .clients
        .iter()
        .map(|client| client.figures().refused)
        .sum();
    Ok(Run {
        goodput: float(system.answered()) / ideal,
        refused: float(refused + system.server.figures().refused) / offered,
    })
}

const TEXT: &str = "More calls come than the server can do, for as long as it takes. C is what it can do. Goodput is what was \
    answered in time, over what was possible: all calls below C, as many as C above. Refused is what layers of clients and server \
    turned away, over all calls, at a load that the server can do.\n\n\
    Without a limit the queue grows until every answer comes too late; the server is busy all the time, for nobody. The \
    limit of 30 calls keeps it short. Three workers: the same configuration, at a server that can do less; C is what that can do.";
