//! 7: two hundred clients that are told to come back in two seconds.

use super::{Context, Finding, Live, Outgoing, Row, Stack, calling, client, tap::Tap};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        BoxService, Distribution, Request, Response, Sampler, ServerConfig, Sim, Simulation, float,
    },
};
use http::{StatusCode, header::RETRY_AFTER};
use resilience_core::BoxError;
use resilience_stack::config::ClientConfig;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};

const CLIENTS: u32 = 200;
/// What the server advises.
const ADVICE: Duration = Duration::from_secs(2);
/// When the overload begins, and how long it lasts.
const BEGIN: Duration = Duration::from_secs(5);
const OVERLOAD: Duration = Duration::from_secs(1);
/// Within which all users call when it begins.
const TOGETHER: Duration = Duration::from_millis(10);
/// The mean time of a user between an answer and the next call, and of a program between two calls.
const BETWEEN: Duration = Duration::from_secs(1);
const BIN: Duration = Duration::from_millis(100);
const BINS: usize = 20;

const TEXT: &str = "200 clients, each with layers of its own. For a second, the server answers 503 and \"retry after 2 s\"; it has room \
    for all otherwise. Users: at each client somebody waits for an answer, and calls again a second later on average; when the \
    overload begins, all of them call within 10 ms. Programs: each client makes a call each second on average, whatever becomes of \
    those before.\n\n\
    Requests: what a client that was told to come back in 2 s sends in these 2 s, the request that was refused included. Peak: the \
    requests in the busiest 100 ms of the 2 s thereafter, over the mean of these 2 s. Stacks that did not go away have nothing to come \
    back from.";

/// Whose calls meet the overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callers {
    Users,
    Programs,
}

impl Callers {
    const ALL: [(Self, &str); 2] = [(Self::Users, "users"), (Self::Programs, "programs")];
}

/// What stands between callers and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Of(Stack),
    /// The presets with their default deadline, which is longer than what the server advises.
    Lasting,
}

impl Client {
    const ALL: [Self; 5] = [
        Self::Of(Stack::Nothing),
        Self::Of(Stack::Naive),
        Self::Of(Stack::Tower),
        Self::Of(Stack::Presets),
        Self::Lasting,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Of(stack) => stack.name(),
            Self::Lasting => "presets, deadline 10 s",
        }
    }

    fn is_preset(self) -> bool {
        !matches!(self, Self::Of(Stack::Nothing | Stack::Naive | Stack::Tower))
    }

    fn layers(self, sim: &Sim) -> Result<Outgoing, BoxError> {
        match self {
            Self::Of(stack) => stack.client(sim, "client"),
            Self::Lasting => {
                let mut config = client()?;
                config.deadline = ClientConfig::default().deadline;
                calling(sim, "client", config)
            }
        }
    }

    fn why_not(self, callers: Callers) -> &'static str {
        match (self, callers) {
            (Self::Of(_), Callers::Users) => {
                "With the suite's deadline of 1 s, no retry can wait for 2 s: the call fails at once, and its user calls again. \
                 See the row with the default deadline."
            }
            _ => {
                "What the server advises holds back the call that it answers. New calls are not held back: at one call per second, \
                 no client has the ten failures that its breaker needs."
            }
        }
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let mut finding = Finding::new("Told to come back in two seconds").text(TEXT);
    for (callers, who) in Callers::ALL {
        let seen = context.each(Client::ALL, |client| {
            seen(Simulation::new(context.seed()), callers, client)
        })?;
        let mut chart = Chart::new(
            format!("Requests after \"retry after 2 s\": {who}"),
            Axis::new("time since the overload began", "s"),
            Axis::new("requests in 100 ms", ""),
        )
        .span(0.0, OVERLOAD.as_secs_f64(), "overload");
        for (client, seen) in Client::ALL.into_iter().zip(seen) {
            let (mut requests, mut peak) =
                (Number::new(seen.requests, 2), Number::new(seen.peak(), 1));
            if client.is_preset() {
                requests = requests.at_most(1.1).because(client.why_not(callers));
                peak = peak.at_most(2.0);
            }
            finding = finding
                .figure(client.name(), &format!("requests, {who}"), requests, 0.3)
                .figure(client.name(), &format!("peak, {who}"), peak, 0.5);
            if matches!(client, Client::Of(Stack::Naive) | Client::Lasting) {
                chart = chart.steps(client.name(), seen.over_time);
            }
        }
        finding = finding.chart(chart);
    }
    Ok(finding)
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "requests, users",
        "peak, users",
        "requests, programs",
        "peak, programs",
    ],
    omits: &[],
    note: "tower-resilience's retries know nothing of what a server advises.",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let stack = Stack::TowerResilience;
    let mut row = Row::new(stack.name());
    let seen = context.each(Callers::ALL, |(callers, _)| {
        seen(row.simulation(context.seed()), callers, Client::Of(stack))
    })?;
    for ((_, who), seen) in Callers::ALL.into_iter().zip(seen) {
        row.figure(format!("requests, {who}"), seen.requests);
        row.figure(format!("peak, {who}"), seen.peak());
    }
    Ok(vec![row])
}

/// What the clients did.
#[derive(Clone, Debug)]
struct Seen {
    /// Of each client that was told to come back later, in that time; the mean.
    requests: f64,
    /// In each 100 ms from then on.
    back: Vec<u64>,
    /// In each 100 ms since the overload began.
    over_time: Vec<(f64, f64)>,
}

impl Seen {
    fn of(times: &[Vec<Duration>]) -> Self {
        let requests = times
            .iter()
            .filter_map(|times| in_that_time(times))
            .collect::<Vec<_>>();
        let all = || times.iter().flatten().copied();
        let bins = bins(all(), BEGIN, 2 * BINS + 10);
        Self {
            requests: float(requests.iter().sum()) / float(requests.len() as u64),
            back: self::bins(all(), BEGIN + ADVICE, BINS),
            over_time: (0_u32..)
                .zip(bins)
                .map(|(nth, count)| ((nth * BIN).as_secs_f64(), float(count)))
                .collect(),
        }
    }

    /// How many times the mean the busiest 100 ms have.
    fn peak(&self) -> f64 {
        let most = self.back.iter().max().copied().unwrap_or(0);
        float(most) * float(self.back.len() as u64) / float(self.back.iter().sum())
    }
}

/// What a client that has met the overload sends in the two seconds from then on, the first request included.
fn in_that_time(times: &[Duration]) -> Option<u64> {
    let first = times.partition_point(|time| *time < BEGIN);
    let told = *times.get(first).filter(|time| **time < BEGIN + OVERLOAD)?;
    Some(times[first..].partition_point(|time| *time < told + ADVICE) as u64)
}

/// How many of `times` are in each 100 ms after `from`.
fn bins(times: impl Iterator<Item = Duration>, from: Duration, count: usize) -> Vec<u64> {
    let mut bins = vec![0; count];
    for time in times {
        let bin = time
            .checked_sub(from)
            .map(|since| since.as_nanos() / BIN.as_nanos());
        let bin = bin.and_then(|bin| usize::try_from(bin).ok());
        if let Some(bin) = bin.and_then(|bin| bins.get_mut(bin)) {
            *bin += 1;
        }
    }
    bins
}

fn seen(simulation: Simulation, callers: Callers, client: Client) -> Result<Seen, BoxError> {
    simulation.run(async |sim| {
        let between = Distribution::exponential(BETWEEN).sampler()?;
        let mut taps = Vec::new();
        for _ in 0..CLIENTS {
            let tap = Tap::new(&sim);
            // Has room for all, so that each client may have a way in where its requests are seen.
            let server = ServerConfig::new(
                "server",
                100,
                Distribution::constant(Duration::from_millis(1)),
            )
            .start_with(&sim, handler(&sim), |workers| tap.layer(workers))?;
            let service = BoxCloneService::new(client.layers(&sim)?.layer.layer(server.connect()));
            match callers {
                Callers::Users => sim.spawn(user(sim.clone(), service, between.clone())),
                Callers::Programs => sim.spawn(program(sim.clone(), service, between.clone())),
            };
            taps.push(tap);
        }
        sim.sleep(BEGIN + OVERLOAD + 2 * ADVICE).await;
        Ok(Seen::of(&taps.iter().map(Tap::times).collect::<Vec<_>>()))
    })
}

/// Refuses while there is overload.
fn handler(sim: &Sim) -> BoxService {
    let sim = sim.clone();
    BoxCloneService::new(service_fn(move |_: Request| {
        let mut response = Response::default();
        if (BEGIN..BEGIN + OVERLOAD).contains(&sim.now()) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(RETRY_AFTER, ADVICE.as_secs().into());
        }
        async { Ok(response) }
    }))
}

async fn user(sim: Sim, service: BoxService, think: Sampler) {
    let mut stream = sim.stream("user");
    sim.sleep(BEGIN + TOGETHER.mul_f64(stream.unit())).await;
    loop {
        drop(service.clone().oneshot(Request::default()).await);
        sim.sleep(think.draw(&mut stream)).await;
    }
}

async fn program(sim: Sim, service: BoxService, gaps: Sampler) {
    let mut stream = sim.stream("program");
    loop {
        sim.sleep(gaps.draw(&mut stream)).await;
        let call = service.clone().oneshot(Request::default());
        sim.spawn(async { drop(call.await) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests at these milliseconds after the overload began.
    fn at(millis: &[u64]) -> Vec<Duration> {
        let times = millis
            .iter()
            .map(|millis| BEGIN + Duration::from_millis(*millis));
        times.collect()
    }

    #[test]
    fn requests_count_from_the_first_that_is_refused() {
        let mut times = at(&[100, 150, 2_099, 2_100, 5_000]);
        times.insert(0, Duration::ZERO);
        assert_eq!(in_that_time(&times), Some(3));
        assert_eq!(in_that_time(&at(&[1_000])), None);
    }

    #[test]
    fn a_comeback_in_step_is_a_peak_and_an_even_one_is_none() {
        let every = |millis: u64| {
            (0..20)
                .map(|nth| at(&[2_000 + nth * millis]))
                .collect::<Vec<_>>()
        };
        assert!((Seen::of(&every(1)).peak() - 20.0).abs() < 1e-9);
        assert!((Seen::of(&every(100)).peak() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn naive_retries_of_a_user_are_seen() {
        let naive = seen(Simulation::new(1), Callers::Users, Client::Of(Stack::Naive)).unwrap();
        let nothing = seen(
            Simulation::new(1),
            Callers::Users,
            Client::Of(Stack::Nothing),
        )
        .unwrap();
        assert!(naive.requests > nothing.requests + 3.0);
    }
}
