//! 10: a fallback, while the dependency is dead.

use super::{
    Context, Finding, Live, Row, Stack,
    base::{PATIENCE, PROCESSES, server},
    client, peer,
    stacks::heads,
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        Arrivals, BoxService, ClientConfig, ClientFigures, Connection, Fault, Request, Response,
        Series, Sim, Simulation, Trouble, float, is_good,
    },
};
use resilience_core::BoxError;
use resilience_stack::{client::ClientStack, fallback::FallbackLayer, http::HttpLayer};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};

const RATE: f64 = 500.0;
const BEGIN: Duration = Duration::from_secs(10);
const END: Duration = Duration::from_secs(70);

/// The worst of so many counts.
const RUNS: u64 = 3;

const DEATHS: [(Trouble, &str); 3] = [
    (Trouble::Refuse { share: 1.0 }, "no connection"),
    (
        Trouble::Fail {
            status: 503,
            share: 1.0,
        },
        "503",
    ),
    (Trouble::Hang { share: 1.0 }, "hangs"),
];

const TEXT: &str = "For a minute the dependency is dead, in one of three ways: it takes no connections, answers 503 at once, or \
    never answers. 500 calls per second, from ten processes in turn. The presets have a fallback that is a value; Tower has none, so \
    a function that answers for failures is put around its layers. Answered: well or by the fallback, in time, of all calls of that \
    minute. p99: of all calls that were not given up. Of three runs, the worst.";

const WHY_LATE: &str = "One call in a hundred, or a little more, is not refused by a breaker: those before it opens, and its probes. Each \
    process has a breaker of its own, which ten calls have to fail for, and which probes every 3 s in the end, among 150 calls; \
    what hangs takes the 100 ms of the attempt.";

/// What stands between callers and dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Of(Stack),
    /// Tower's layers, and a function that answers for failures.
    Mapped,
    /// The presets and their fallback.
    Fallback,
    /// tower-resilience's layers and its fallback.
    TowerResilience,
}

impl Client {
    const ALL: [Self; 6] = [
        Self::Of(Stack::Nothing),
        Self::Of(Stack::Naive),
        Self::Of(Stack::Tower),
        Self::Mapped,
        Self::Of(Stack::Presets),
        Self::Fallback,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Of(stack) => stack.name(),
            Self::Mapped => "Tower's layers, and a function",
            Self::Fallback => "presets, with a fallback",
            Self::TowerResilience => "tower-resilience, with a fallback",
        }
    }

    /// One process of it.
    fn around(self, sim: &Sim, inner: Connection) -> Result<BoxService, BoxError> {
        let stack = match self {
            Self::Of(stack) => stack,
            Self::Mapped => Stack::Tower,
            Self::TowerResilience => {
                return Ok(BoxCloneService::new(peer::client(true)?.layer.layer(inner)));
            }
            Self::Fallback => {
                let fallback = FallbackLayer::value("client", Response::default()).http();
                let stack = ClientStack::http("client").config(client()?);
                let stack = sim.seeded("client", || stack.fallback(fallback).build())?;
                let service = ServiceBuilder::new()
                    .map_response(heads)
                    .service(stack.layer(inner));
                return Ok(BoxCloneService::new(service));
            }
        };
        let service = stack.client(sim, "client")?.layer.layer(inner);
        if self == Self::Mapped {
            let answered = service.map_result(|result: Result<Response, BoxError>| {
                let good = result.ok().filter(|response| is_good(response.status()));
                Ok::<_, BoxError>(good.unwrap_or_default())
            });
            return Ok(BoxCloneService::new(answered));
        }
        Ok(BoxCloneService::new(service))
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let mut finding = Finding::new("A dead dependency, and a fallback").text(TEXT);
    for (death, how) in DEATHS {
        let runs = context.each(
            Client::ALL.map(|client| (client, &death)),
            |(client, death)| {
                let runs = (0..RUNS)
                    .map(|nth| simulate(Simulation::new(context.seed() + nth), client, death));
                runs.collect::<Result<Vec<_>, _>>()
            },
        )?;
        let mut chart = Chart::new(
            format!("Calls at the dead dependency: {how}"),
            Axis::new("time", "s"),
            Axis::new("load", "calls per second").log(),
        );
        for (client, runs) in Client::ALL.into_iter().zip(runs) {
            let mut answered = Number::new(100.0 * least(&runs), 2).unit("%");
            if client == Client::Fallback {
                answered = answered.at_least(99.9);
            }
            let name = format!("answered, {how}");
            finding = finding.figure(client.name(), &name, answered, 0.1);
            if matches!(client, Client::Mapped | Client::Fallback) {
                let mut p99 = Number::new(1e3 * slowest(&runs), 1).unit("ms");
                if client == Client::Fallback {
                    p99 = p99.at_most(5.0).because(WHY_LATE);
                }
                finding = finding.figure(client.name(), &format!("p99, {how}"), p99, 5.0);
            }
            if client != Client::Of(Stack::Presets) && client != Client::Of(Stack::Tower) {
                for series in runs.into_iter().take(1).flat_map(|run| run.series) {
                    chart = chart.line(client.name(), series.points);
                }
            }
        }
        finding = finding.chart(chart);
    }
    Ok(finding)
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "answered, no connection",
        "p99, no connection",
        "answered, 503",
        "p99, 503",
        "answered, hangs",
        "p99, hangs",
    ],
    omits: &[],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let client = Client::TowerResilience;
    let mut row = Row::new(client.name());
    let runs = DEATHS
        .iter()
        .flat_map(|(death, _)| (0..RUNS).map(move |nth| (nth, death)));
    let runs = context.each(runs, |(nth, death)| {
        simulate(row.simulation(context.seed() + nth), client, death)
    })?;
    for ((_, how), runs) in DEATHS.iter().zip(runs.chunks(runs.len() / DEATHS.len())) {
        row.figure(format!("answered, {how}"), 100.0 * least(runs));
        row.figure(format!("p99, {how}"), 1e3 * slowest(runs));
    }
    Ok(vec![row])
}

/// The smallest share of calls that were answered.
fn least(runs: &[Run]) -> f64 {
    runs.iter().map(Run::answered).fold(1.0, f64::min)
}

/// The longest p99, in seconds.
fn slowest(runs: &[Run]) -> f64 {
    let p99s = runs.iter().map(|run| run.figures.any_latency.p99);
    p99s.fold(0.0, f64::max)
}

struct Run {
    figures: ClientFigures,
    series: Vec<Series>,
}

impl Run {
    fn answered(&self) -> f64 {
        let ClientFigures {
            answered,
            degraded,
            offered,
            ..
        } = self.figures;
        float(answered + degraded) / float(offered)
    }
}

fn simulate(simulation: Simulation, client: Client, death: &Trouble) -> Result<Run, BoxError> {
    simulation.run(async |sim| {
        let fault = Fault::new(BEGIN, END, death.clone());
        let dependency = server("dependency").fault(fault).start(&sim)?;
        let processes = (0..PROCESSES).map(|_| client.around(&sim, dependency.connect()));
        let processes = in_turn(processes.collect::<Result<_, _>>()?);
        let calls = ClientConfig::new("client", Arrivals::poisson(RATE)).patience(PATIENCE);
        let calls = calls.start(&sim, processes)?;
        sim.sleep(BEGIN).await;
        calls.forget();
        let arrived = dependency.clone();
        sim.track_rate("load", Duration::from_secs(1), move || arrived.arrived());
        sim.sleep(END.saturating_sub(BEGIN)).await;
        let (figures, series) = (calls.figures(), sim.series());
        Ok(Run { figures, series })
    })
}

/// Each call goes to the next of these.
fn in_turn(services: Vec<BoxService>) -> BoxService {
    let next = Arc::new(AtomicUsize::new(0));
    BoxCloneService::new(service_fn(move |req: Request| {
        let nth = next.fetch_add(1, Relaxed) % services.len();
        services[nth].clone().oneshot(req)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_fallback_nothing_is_answered() {
        for (death, _) in &DEATHS {
            let run = simulate(Simulation::new(1), Client::Of(Stack::Presets), death).unwrap();
            // What was under way when it died.
            assert!(run.answered() < 0.001, "{death:?}: {}", run.answered());
        }
    }

    #[test]
    fn a_function_around_what_hangs_answers_late() {
        let run = simulate(Simulation::new(1), Client::Mapped, &DEATHS[2].0).unwrap();
        assert!(run.figures.any_latency.p99 > 0.1, "{:?}", run.figures);
    }
}
