//! 4: one tenant's calls never return.

use super::{
    Context, Finding, Incoming, Live, Row, Stack,
    base::{ATTEMPT, GOODPUT, OFFERED, PATIENCE, points, share},
    peer,
    stacks::{self, heads},
};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        Arrivals, BoxService, Client, ClientConfig, Distribution, Request, Response, Server,
        ServerConfig, Sim, Simulation, WhileWaiting, Workers, float,
    },
};
use http::HeaderValue;
use resilience_core::BoxError;
use resilience_stack::{bulkhead::Bulkhead, keyed::Keyed, server::ServerStack};
use std::{future::pending, time::Duration};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    layer::layer_fn,
    limit::GlobalConcurrencyLimitLayer,
    service_fn,
    steer::Steer,
    util::{BoxCloneService, BoxCloneServiceLayer},
};

const POOL: u64 = 100;
const SERVICE: Duration = Duration::from_millis(10);
const RATE_OF_A: f64 = 50.0;
const RATE_OF_B: f64 = 500.0;
/// More than the pool can do.
const ALL_OF_B: f64 = 20_000.0;
/// How many calls a limiter of Tower's lets in that all tenants share.
const WHOLE: usize = 100;
/// How many calls of one tenant the preset lets in, as its operator chose.
const EACH: usize = 90;
/// How many a limiter of Tower's lets in that each tenant has for itself.
const HALF: usize = 50;

const MEASURED: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Longer than the simulation.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);

const STATIC: &str = "A fixed limit of 90 leaves ten threads to B when A has taken its share. B needs five on average, so some of its \
    calls wait for a thread. A smaller limit would leave more, and B alone could not have 90 % of the pool.";

const TENANT: &str = "x-tenant";

struct Run {
    success: f64,
    p99: f64,
    shares: Vec<(f64, f64)>,
}

/// The stacks, and those who cannot give up a call.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    As(Stack),
    TowerNoDeadline,
    PresetsNoDeadline,
    TowerResilienceNoDeadline,
}

impl Case {
    const ALL: [Self; 6] = [
        Self::As(Stack::Nothing),
        Self::As(Stack::Naive),
        Self::As(Stack::Tower),
        Self::As(Stack::Presets),
        Self::TowerNoDeadline,
        Self::PresetsNoDeadline,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::As(stack) => stack.name(),
            Self::TowerNoDeadline => "Tower's, no deadline",
            Self::PresetsNoDeadline => "presets, no deadline",
            Self::TowerResilienceNoDeadline => "tower-resilience, no deadline",
        }
    }

    /// Of the clients.
    fn stack(self) -> Stack {
        match self {
            Self::As(stack) => stack,
            Self::TowerNoDeadline => Stack::Tower,
            Self::PresetsNoDeadline => Stack::Presets,
            Self::TowerResilienceNoDeadline => Stack::TowerResilience,
        }
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let seed = context.seed();
    let both = context.each(Case::ALL, |case| {
        simulate(Simulation::new(seed), case, true)
    })?;
    let alone = context.each(Case::ALL, |case| {
        simulate(Simulation::new(seed), case, false)
    })?;
    let used = context.each(Case::ALL, |case| most_used(Simulation::new(seed), case))?;
    let time = Axis::new("time", "s").min(0.0);
    let answered = Axis::new("answered, of the calls made", "%")
        .min(0.0)
        .max(100.0);
    let mut chart = Chart::new(
        "What becomes of B's calls while A's never return",
        time,
        answered,
    );
    let mut finding = Finding::new("Tenants").text(TEXT);
    for (((case, both), alone), used) in Case::ALL.into_iter().zip(both).zip(alone).zip(used) {
        let success = Number::new(100.0 * both.success, 3).unit("%");
        let slower = Number::new(both.p99 / alone.p99, 3);
        let used = Number::new(100.0 * used, 0).unit("%");
        let (success, slower, used) = if case.stack() == Stack::Presets {
            (
                success.at_least(99.9),
                slower.at_most(1.1).because(STATIC),
                used.at_least(90.0),
            )
        } else {
            (success, slower, used)
        };
        finding = finding
            .figure(case.name(), "B answered", success, 0.05)
            .figure(case.name(), "B's p99, over that alone", slower, 0.03)
            .figure(case.name(), "of the pool for B alone", used, 1.0);
        chart = chart.line(case.name(), both.shares);
    }
    Ok(finding.chart(chart))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "B answered",
        "B's p99, over that alone",
        "of the pool for B alone",
    ],
    omits: &[],
    note: "tower-resilience has no limit by key either: the server steers each tenant to a bulkhead of its own, with 90 calls.",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let cases = [
        Case::As(Stack::TowerResilience),
        Case::TowerResilienceNoDeadline,
    ];
    let mut rows = cases.map(|case| (case, Row::new(case.name())));
    let pairs = rows.iter().flat_map(|row| [(row, true), (row, false)]);
    let runs = context.each(pairs, |((case, row), with_a)| {
        simulate(row.simulation(context.seed()), *case, with_a)
    })?;
    let used = context.each(&rows, |(case, row)| {
        most_used(row.simulation(context.seed()), *case)
    })?;
    for (((_, row), runs), used) in rows.iter_mut().zip(runs.chunks(2)).zip(used) {
        row.figure("B answered", 100.0 * runs[0].success);
        row.figure("B's p99, over that alone", runs[0].p99 / runs[1].p99);
        row.figure("of the pool for B alone", 100.0 * used);
    }
    Ok(rows.map(|(_, row)| row).into())
}

/// B's calls, with or without A's.
fn simulate(simulation: Simulation, case: Case, with_a: bool) -> Result<Run, BoxError> {
    simulation.run(async |sim| {
        let server = pool(&sim, case)?;
        if with_a {
            start(&sim, "a", RATE_OF_A, of_tenant("a", server.connect()))?;
        }
        let service = case
            .stack()
            .client(&sim, "client")?
            .layer
            .layer(server.connect());
        let b = start(&sim, "b", RATE_OF_B, of_tenant("b", service))?;
        let (made, answered) = (b.clone(), b.clone());
        sim.track_rate(OFFERED, SECOND, move || made.offered());
        sim.track_rate(GOODPUT, SECOND, move || answered.answered());
        sim.sleep(MEASURED).await;
        let figures = b.figures();
        let [made, answered] = [OFFERED, GOODPUT].map(|name| points(&sim.series(), name));
        Ok(Run {
            success: figures.success,
            p99: figures.latency.p99,
            shares: share(&made, &answered, 1).points,
        })
    })
}

/// The largest share of the pool that B has at once, if it takes what it gets and nobody else is there.
fn most_used(simulation: Simulation, case: Case) -> Result<f64, BoxError> {
    simulation.run(async |sim| {
        let server = pool(&sim, case)?;
        start(&sim, "b", ALL_OF_B, of_tenant("b", server.connect()))?;
        let mut most = 0;
        for _ in 0..1_000 {
            sim.sleep(MILLI).await;
            most = most.max(server.busy());
        }
        Ok(float(most) / float(POOL))
    })
}

fn start(sim: &Sim, name: &str, rate: f64, service: BoxService) -> Result<Client, BoxError> {
    let client = ClientConfig::new(name, Arrivals::poisson(rate)).patience(PATIENCE);
    Ok(client.start(sim, service)?)
}

/// Says whose calls they are.
fn of_tenant<S>(tenant: &'static str, service: S) -> BoxService
where
    S: Service<Request, Response = Response, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let named = service.map_request(move |mut request: Request| {
        request
            .headers_mut()
            .insert(TENANT, HeaderValue::from_static(tenant));
        request
    });
    BoxCloneService::new(named)
}

fn tenant(request: &Request) -> Option<String> {
    request
        .headers()
        .get(TENANT)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// A server with a thread for each call, whose work for A never ends.
fn pool(sim: &Sim, case: Case) -> Result<Server, BoxError> {
    let mut config = ServerConfig::new("pool", POOL, Distribution::constant(SERVICE));
    config.while_waiting = WhileWaiting::Held;
    let work = service_fn(async |request: Request| {
        if tenant(&request).as_deref() == Some("a") {
            return pending().await;
        }
        Ok(Response::default())
    });
    let layers = layers(sim, case)?;
    Ok(config.start_with(sim, work, |workers| layers.layer(workers))?)
}

fn layers(sim: &Sim, case: Case) -> Result<Incoming, BoxError> {
    match case {
        Case::As(Stack::Nothing | Stack::Naive) => Stack::Nothing.server(sim, "pool"),
        Case::As(Stack::Tower) => Ok(BoxCloneServiceLayer::new(
            ServiceBuilder::new()
                .load_shed()
                .layer(GlobalConcurrencyLimitLayer::new(WHOLE))
                .timeout(ATTEMPT),
        )),
        Case::As(Stack::Presets | Stack::NoBreaker) => preset(stacks::server()?.deadline),
        Case::As(Stack::TowerResilience) => each_has(|| peer::server(EACH, ATTEMPT)),
        Case::TowerNoDeadline => each_has(|| {
            let half = ServiceBuilder::new()
                .load_shed()
                .layer(GlobalConcurrencyLimitLayer::new(HALF));
            Ok(BoxCloneServiceLayer::new(half))
        }),
        Case::TowerResilienceNoDeadline => each_has(|| peer::server(EACH, NO_DEADLINE)),
        Case::PresetsNoDeadline => preset(NO_DEADLINE),
    }
}

/// Layers of its own for each tenant, to which the server steers its calls.
fn each_has(layers: impl Fn() -> Result<Incoming, BoxError>) -> Result<Incoming, BoxError> {
    let both = [layers()?, layers()?];
    Ok(BoxCloneServiceLayer::new(layer_fn(
        move |workers: Workers| {
            let of_whom =
                |request: &Request, _: &[_]| usize::from(tenant(request).as_deref() == Some("b"));
            let both = both.each_ref().map(|layers| layers.layer(workers.clone()));
            BoxCloneService::new(Steer::new(both, of_whom))
        },
    )))
}

/// The preset with a bulkhead for each tenant.
fn preset(deadline: Duration) -> Result<Incoming, BoxError> {
    let bulkhead = |_: Option<&String>| Bulkhead::new("pool", EACH).expect("a limit in its range");
    let tenants = Keyed::builder("pool").key(tenant).each(bulkhead).build()?;
    let stack = ServerStack::http("pool")
        .deadline(deadline)
        .bulkhead(tenants)
        .build()?;
    Ok(BoxCloneServiceLayer::new(
        ServiceBuilder::new().map_response(heads).layer(stack),
    ))
}

const TEXT: &str = "A server has 100 threads, each of which has one call at a time, of 10 ms. Tenant A makes 50 calls per second that \
    never return; tenant B makes 500 per second and needs five threads. The presets' bulkhead lets in 90 calls of each tenant; \
    where there is no thread, calls wait for one. Tower's limit is one for all, 100. Both give up a call after 100 ms. No deadline: as if \
    the work could not be given up. Tower has no limit by key: here, the server steers each tenant to a limiter of its own, with \
    50 calls. Of the pool for B alone: the most threads that B has at once if it sends 20,000 calls per second, and A none.";
