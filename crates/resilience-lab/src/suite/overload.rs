//! 1: more calls than the server can do.

use super::{
    Context, Finding, Stack,
    base::{CAPACITY, System, server},
};
use crate::{report::Number, sim::Simulation};
use resilience_core::BoxError;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(10);

/// Loads, as multiples of the capacity.
const LOADS: [f64; 4] = [0.7, 1.5, 3.0, 10.0];

struct Run {
    goodput: f64,
    refused: f64,
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let pairs = Stack::ALL
        .into_iter()
        .flat_map(|stack| LOADS.map(|load| (stack, load)));
    let runs = context.each(pairs.clone(), |(stack, load)| {
        simulate(context.seed(), stack, load)
    })?;
    let mut finding = Finding::new("Overload");
    for ((stack, load), run) in pairs.zip(runs) {
        let mut goodput = Number::new(run.goodput, 3);
        if stack == Stack::Presets {
            goodput = match load {
                3.0 => goodput.at_least(0.95),
                10.0 => goodput.at_least(0.90),
                _ => goodput,
            };
        }
        finding = finding.figure(
            stack.name(),
            &format!("goodput over ideal at {load} C"),
            goodput,
            0.02,
        );
        if load < 1.0 {
            let mut refused = Number::new(100.0 * run.refused, 3).unit("%");
            if stack == Stack::Presets {
                refused = refused.at_most(0.5);
            }
            finding = finding.figure(stack.name(), &format!("refused at {load} C"), refused, 0.1);
        }
    }
    Ok(finding)
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn simulate(seed: u64, stack: Stack, load: f64) -> Result<Run, BoxError> {
    Simulation::new(seed).run(async |sim| {
        let system = System::start(&sim, stack, &server("server"), load * CAPACITY)?;
        sim.sleep(WARM_UP).await;
        system.forget();
        sim.sleep(MEASURED).await;
        let offered = system.offered() as f64;
        let ideal = offered.min(CAPACITY * MEASURED.as_secs_f64());
        let refused = system
            .clients
            .iter()
            .map(|client| client.figures().refused)
            .sum::<u64>();
        Ok(Run {
            goodput: system.answered() as f64 / ideal,
            refused: (refused + system.server.figures().refused) as f64 / offered,
        })
    })
}
