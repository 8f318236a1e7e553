//! 8: a dependency that is slow, and no error.

use super::{Context, Finding, Live, Row, Stack, base::PATIENCE, calling, client, tap::Tap};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        AllOf, Arrivals, BoxService, Client as Callers, ClientConfig, ClientFigures, Connection,
        Distribution, Fault, HangUp, Request, Series, Server, ServerConfig, Sim, Simulation,
        Trouble, WhileWaiting, answer, float,
    },
};
use http::Uri;
use resilience_core::BoxError;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};

/// When the dependency slows down, and until when.
const BEGIN: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(50);
const FAST: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(5);
/// Threads of the caller, or what else a call holds while it waits.
const WORKERS: u64 = 500;
/// Calls per second to the route that needs the dependency, and to the others.
const RATE: f64 = 1_500.0;
const OTHERS: f64 = 500.0;
const ROUTE: &str = "/reviews";
/// What the preset admits at once.
const BULKHEAD: f64 = 100.0;

const TEXT: &str = "A server with 500 threads, each held by one call from its beginning to its end, has two routes. Both need 10 ms of \
    its own; one, at 1,500 calls per second, then asks a dependency that needs 10 ms. From 20 s on the dependency needs 5 s for \
    every call, and no call fails. The other route gets 500 calls per second, and does not need the dependency.\n\n\
    In flight: attempts at the dependency that the server waits for, at most. Others: the calls of the other route; p99 while the \
    dependency is slow, over what it was before.";

/// What stands between server and dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Not even a timeout.
    Bare,
    Of(Stack),
    /// The presets with the timeouts that they have by default: 3 s for an attempt, 10 s for a call.
    Default,
}

impl Client {
    const ALL: [Self; 6] = [
        Self::Bare,
        Self::Of(Stack::Nothing),
        Self::Of(Stack::Naive),
        Self::Of(Stack::Tower),
        Self::Of(Stack::Presets),
        Self::Default,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "not even a timeout",
            Self::Of(stack) => stack.name(),
            Self::Default => "presets, default timeouts",
        }
    }

    fn around(self, sim: &Sim, inner: Connection) -> Result<BoxService, BoxError> {
        let layers = match self {
            Self::Bare => return Ok(BoxCloneService::new(inner)),
            Self::Of(stack) => stack.client(sim, "dependency")?,
            Self::Default => {
                let (mut config, default) =
                    (client()?, resilience_stack::config::ClientConfig::default());
                (config.deadline, config.attempt_timeout) =
                    (default.deadline, default.attempt_timeout);
                calling(sim, "dependency", config)?
            }
        };
        Ok(BoxCloneService::new(layers.layer.layer(inner)))
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let mut finding = Finding::new("A dependency that is slow").text(TEXT);
    let mut chart = Chart::new(
        "Attempts that the server waits for",
        Axis::new("time", "s"),
        Axis::new("attempts in flight", "").log(),
    )
    .span(BEGIN.as_secs_f64(), END.as_secs_f64(), "slow")
    .mark_y(BULKHEAD, "bulkhead");
    let runs = context.each(Client::ALL, |client| {
        simulate(Simulation::new(context.seed()), client)
    })?;
    for (client, run) in Client::ALL.into_iter().zip(runs) {
        let mut most = Number::new(float(run.most), 0);
        let mut p99 = Number::new(run.slower(), 2);
        if matches!(client, Client::Of(Stack::Presets) | Client::Default) {
            most = most.at_most(BULKHEAD);
            p99 = p99.at_most(1.2);
        }
        let answered = Number::new(100.0 * run.during.success, 2).unit("%");
        finding = finding
            .figure(client.name(), "in flight, at most", most, 0.0)
            .figure(client.name(), "others, p99 over normal", p99, 0.1)
            .figure(client.name(), "others, answered", answered, 0.1);
        for series in run.series {
            chart = chart.line(client.name(), series.points);
        }
    }
    Ok(finding.chart(chart))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "in flight, at most",
        "others, p99 over normal",
        "others, answered",
    ],
    omits: &[],
    note: "",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let stack = Stack::TowerResilience;
    let mut row = Row::new(stack.name());
    let runs = context.each([Client::Of(stack)], |client| {
        simulate(row.simulation(context.seed()), client)
    })?;
    for run in runs {
        row.figure("in flight, at most", float(run.most));
        row.figure("others, p99 over normal", run.slower());
        row.figure("others, answered", 100.0 * run.during.success);
    }
    Ok(vec![row])
}

struct Run {
    /// Attempts in flight.
    most: u64,
    /// The other route, before and while the dependency is slow.
    before: ClientFigures,
    during: ClientFigures,
    series: Vec<Series>,
}

impl Run {
    /// The p99 of the other route, over what it was.
    fn slower(&self) -> f64 {
        self.during.latency.p99 / self.before.latency.p99
    }
}

fn simulate(simulation: Simulation, client: Client) -> Result<Run, BoxError> {
    simulation.run(async |sim| {
        let tap = Tap::new(&sim);
        let dependency = dependency(&sim, &tap)?;
        let reviews = AllOf::new().call(client.around(&sim, dependency.connect())?);
        let (reviews, rest) = (BoxCloneService::new(reviews), answer());
        let routes = service_fn(move |req: Request| {
            let needs = req.uri().path() == ROUTE;
            let route = if needs { &reviews } else { &rest };
            route.clone().oneshot(req)
        });
        let mut server = ServerConfig::new("server", WORKERS, Distribution::exponential(FAST));
        server.while_waiting = WhileWaiting::Held;
        let server = server.start_with(&sim, routes, |workers| workers)?;
        call(&sim, &server, ROUTE, RATE)?;
        let others = call(&sim, &server, "/", OTHERS)?;
        let waiting = tap.clone();
        sim.track("in flight", Duration::from_millis(250), move || {
            float(waiting.in_flight())
        });
        sim.sleep(BEGIN).await;
        let before = others.figures();
        others.forget();
        sim.sleep_until(END).await;
        Ok(Run {
            most: tap.most_in_flight(),
            before,
            during: others.figures(),
            series: sim.series(),
        })
    })
}

/// Has room for all; and notices who has gone, so that what is in flight is what its callers wait for.
fn dependency(sim: &Sim, tap: &Tap) -> Result<Server, BoxError> {
    let slow = Fault::new(BEGIN, END, Trouble::SlowTo { service_time: SLOW });
    let config = ServerConfig::new("dependency", 1_000_000, Distribution::constant(FAST))
        .hang_up(HangUp::Noticed)
        .fault(slow);
    Ok(config.start_with(sim, answer(), |workers| tap.layer(workers))?)
}

/// Calls one of the server's routes.
fn call(sim: &Sim, server: &Server, route: &'static str, rate: f64) -> Result<Callers, BoxError> {
    let service = server.connect().map_request(move |mut req: Request| {
        *req.uri_mut() = Uri::from_static(route);
        req
    });
    let callers = ClientConfig::new(route, Arrivals::poisson(rate)).patience(PATIENCE);
    Ok(callers.start(sim, service)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_timeout_all_threads_wait_and_nobody_is_answered() {
        let run = simulate(Simulation::new(1), Client::Bare).unwrap();
        assert_eq!(run.most, WORKERS);
        assert!(run.during.success < 0.1, "{:?}", run.during);
        assert!(run.before.success > 0.999, "{:?}", run.before);
    }
}
