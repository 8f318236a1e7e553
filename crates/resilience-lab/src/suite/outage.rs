//! 2: a dependency that is down for half a minute.

use super::{
    Context, Finding, Live, Row, Stack,
    base::{CAPACITY, GOODPUT, LOAD, OFFERED, System, back_after, points, server, share},
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{AllOf, Fault, Series, Server, ServerConfig, Sim, Simulation, Trouble, answer, float},
};
use resilience_core::BoxError;
use std::time::Duration;
use tower::Layer;

const SECOND: Duration = Duration::from_secs(1);
const DOWN: Duration = Duration::from_secs(5);
const UP: Duration = Duration::from_secs(35);
const END: Duration = Duration::from_secs(45);

/// Of calls, over all processes.
const RATE: f64 = 0.7 * CAPACITY;
/// So low that naive retries do not bring down the tiers in between.
const RATE_OF_TIERS: f64 = 50.0;

const FAULTS: Duration = Duration::from_secs(300);

/// All, and what the budget for retries does where no breaker helps it.
const STACKS: [Stack; 5] = {
    let [nothing, naive, tower, presets] = Stack::ALL;
    [nothing, naive, tower, presets, Stack::NoBreaker]
};

struct Outage {
    amplification: f64,
    series: Vec<Series>,
}

impl Outage {
    /// The share of the calls that are answered, over time.
    fn answered(&self) -> Series {
        let [made, answered] = [OFFERED, GOODPUT].map(|name| points(&self.series, name));
        share(&made, &answered, 5)
    }

    /// Seconds after it until that is 95 %.
    fn back(&self) -> f64 {
        back_after(&self.answered(), UP)
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let seed = context.seed();
    let failing = context.each(STACKS, |stack| {
        outage(Simulation::new(seed), stack, fail(1.0))
    })?;
    let hanging = context.each(STACKS, |stack| {
        outage(Simulation::new(seed), stack, Trouble::Hang { share: 1.0 })
    })?;
    let tiers = context.each(STACKS, |stack| tiers(Simulation::new(seed), stack))?;
    let faults = context.each(STACKS, |stack| random_faults(Simulation::new(seed), stack))?;
    let mut load = chart(
        "Load on a server that fails",
        Axis::new("attempts", "per second"),
    );
    let answered = Axis::new("answered, of the calls made", "%").max(100.0);
    let mut goodput = chart("Answered, while the server fails and after", answered);
    let mut finding = Finding::new("Outage").text(TEXT);
    for (index, stack) in STACKS.into_iter().enumerate() {
        let aims = stack == Stack::Presets;
        let amplification = |value: f64, most: f64| {
            let number = Number::new(value, 3);
            if aims { number.at_most(most) } else { number }
        };
        let success = Number::new(100.0 * faults[index], 3).unit("%");
        let success = if aims {
            success.at_least(99.99)
        } else {
            success
        };
        finding = finding
            .figure(
                stack.name(),
                "load, failing",
                amplification(failing[index].amplification, 1.10),
                0.05,
            )
            .figure(
                stack.name(),
                "load, hanging",
                amplification(hanging[index].amplification, 1.10),
                0.05,
            )
            .figure(
                stack.name(),
                "load through three tiers",
                amplification(tiers[index], 1.2),
                0.1,
            )
            .figure(stack.name(), "success at 1 % faults", success, 0.005);
        load = load.line(stack.name(), points(&failing[index].series, LOAD));
        let back = Number::new(failing[index].back(), 1).unit("s");
        finding = finding.figure(stack.name(), "back at 95 % after", back, 1.5);
        goodput = goodput.line(stack.name(), failing[index].answered().points);
    }
    Ok(finding
        .chart(load.mark_y(RATE, "each call once"))
        .chart(goodput))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "load, failing",
        "load, hanging",
        "load through three tiers",
        "success at 1 % faults",
        "back at 95 % after",
    ],
    omits: &[],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let stack = Stack::TowerResilience;
    let mut row = Row::new(stack.name());
    let simulation = || row.simulation(context.seed());
    let shares: [fn(Simulation, Stack) -> _; 2] = [random_faults, tiers];
    let shares = context.each(shares, |share| share(simulation(), stack))?;
    let troubles = [fail(1.0), Trouble::Hang { share: 1.0 }];
    let outages = context.each(troubles, |trouble| outage(simulation(), stack, trouble))?;
    row.figure("load, failing", outages[0].amplification);
    row.figure("load, hanging", outages[1].amplification);
    row.figure("load through three tiers", shares[1]);
    row.figure("success at 1 % faults", 100.0 * shares[0]);
    row.figure("back at 95 % after", outages[0].back());
    Ok(vec![row])
}

fn chart(title: &str, y: Axis) -> Chart {
    let time = Axis::new("time", "s").min(0.0).max(END.as_secs_f64());
    let chart = Chart::new(title, time, y.min(0.0));
    chart.span(DOWN.as_secs_f64(), UP.as_secs_f64(), "down")
}

fn fail(share: f64) -> Trouble {
    Trouble::Fail { status: 503, share }
}

/// Calls that arrive at the dependency for each call that is made, from one second after it went down until it is back.
fn outage(simulation: Simulation, stack: Stack, trouble: Trouble) -> Result<Outage, BoxError> {
    let server = server("server").fault(Fault::new(DOWN, UP, trouble));
    simulation.run(async |sim| {
        let system = System::start(&sim, stack, &server, RATE)?;
        system.track(&sim, SECOND / 10);
        let amplification = amplification(&sim, &system, &system.server).await;
        sim.sleep_until(END).await;
        Ok(Outage {
            amplification,
            series: sim.series(),
        })
    })
}

async fn amplification(sim: &Sim, system: &System, last: &Server) -> f64 {
    sim.sleep_until(DOWN + SECOND).await;
    let before = (last.arrived(), system.offered());
    sim.sleep_until(UP).await;
    float(last.arrived() - before.0) / float(system.offered() - before.1)
}

/// As [`outage`], of the last of three servers that call one another, each with the layers of the stack.
fn tiers(simulation: Simulation, stack: Stack) -> Result<f64, BoxError> {
    simulation.run(async |sim| {
        let start = |config: &ServerConfig, handler| -> Result<Server, BoxError> {
            let layers = stack.server(&sim, &config.name)?;
            Ok(config.start_with(&sim, handler, |workers| layers.layer(workers))?)
        };
        let last = start(
            &server("last").fault(Fault::new(DOWN, UP, fail(1.0))),
            answer(),
        )?;
        let mut next = last.clone();
        for name in ["second", "first"] {
            let layers = stack.client(&sim, name)?;
            let calls = AllOf::new().call(layers.layer.layer(next.connect()));
            next = start(&server(name), tower::util::BoxCloneService::new(calls))?;
        }
        let system = System::around(&sim, stack, next, RATE_OF_TIERS)?;
        Ok(amplification(&sim, &system, &last).await)
    })
}

/// The share of calls that succeed while one of a hundred attempts fails.
fn random_faults(simulation: Simulation, stack: Stack) -> Result<f64, BoxError> {
    let server = server("server").fault(Fault::new(Duration::ZERO, 2 * FAULTS, fail(0.01)));
    simulation.run(async |sim| {
        let system = System::start(&sim, stack, &server, RATE)?;
        sim.sleep(FAULTS).await;
        Ok(system.share(|figures| figures.answered))
    })
}

const TEXT: &str = "The server fails every call for 30 s, or lets it hang, while 700 calls per second are made. Load is how many \
    calls arrive at the server for each one that is made, from a second after the beginning of the outage to its end. Through three \
    tiers: the last of three servers that call one another fails, with 50 calls per second at the first, and the layers of the stack \
    around each client and each server. Back: how long after the outage, in which the server failed, 95 % of the calls are \
    answered again. Success at 1 % faults: one of a hundred attempts fails at once, by chance, and nothing else \
    is wrong.\n\n\
    The faults fail none of the presets' calls. Those that fail came when by chance 30 others were at the server: its bulkhead \
    refuses, and advises to come back in a second, when the deadline of 1 s has passed. Tower's retries do not look at advice.";
